"""
How deals went through the stages: read from what is kept of whole months, and from the deals themselves where something
has changed since it was summed up.

One statement reads both, so that a deal is in one of them and never in both or none.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import QuerySet

from apps.accounts import access
from apps.accounts.models import AccessGrant, User
from apps.crm.models import Deal, FunnelCell
from apps.crm.reports.choices import Choice

# As many cells as one transaction sums up anew: some thousands of deals.
CELLS = 100
# More cells than this are not counted while somebody waits: a big import is being summed up.
MOST_MARKED = 400
# "funn": whoever sums up is alone.
_LOCK = 0x66756E6E

# Of "chosen": each deal once in each open stage of its pipeline that it entered, and once without one, for itself. How
# long it stood there is known of those that have left the stage, over all of their stays.
_COUNTED = """
entered as (
    select distinct t.deal_id, s.id as stage_id, s.position
    from chosen c
    join crm_stagetransition t on t.deal_id = c.id
    join crm_stage s on s.id = t.to_stage_id and s.pipeline_id = c.pipeline_id and s.kind = 'OPEN'
), stood as (
    select t.deal_id, t.from_stage_id as stage_id, floor(sum(t.seconds_in_stage) / 86400)::integer as days
    from chosen c join crm_stagetransition t on t.deal_id = c.id
    where t.from_stage_id is not null group by 1, 2
), passage as (
    select c.month, c.pipeline_id, c.owner_id, c.team_id, c.status, e.stage_id,
        c.status = 'WON' or e.position < max(e.position) over (partition by e.deal_id) as is_onward,
        case when c.stage_id <> e.stage_id then s.days end as days
    from entered e
    join chosen c on c.id = e.deal_id
    left join stood s on s.deal_id = e.deal_id and s.stage_id = e.stage_id
    union all
    select month, pipeline_id, owner_id, team_id, status, null, status = 'WON', null from chosen
), counted as (
    select month, pipeline_id, owner_id, team_id, stage_id, days, count(*) as entered,
        count(*) filter (where is_onward) as onward, count(*) filter (where status = 'WON') as won,
        count(*) filter (where status = 'LOST') as lost
    from passage group by 1, 2, 3, 4, 5, 6
)
"""
_IS_OF_CELL = """
    d.owner_id = m.owner_id and d.pipeline_id = m.pipeline_id and d.team_id is not distinct from m.team_id
    and d.opened_date >= m.month and d.opened_date < m.month + interval '1 month'
"""
_DEAL = """
    d.id, date_trunc('month', d.opened_date)::date as month, d.pipeline_id, d.owner_id, d.team_id, d.stage_id, d.status
"""
_SUMS = "sum(entered)::integer, sum(onward)::integer, sum(won)::integer, sum(lost)::integer"

# Summing up


def sum_up() -> int:
    """Sum up anew the cells in which deals have changed, some in each transaction; return how many there were."""
    total = 0
    while count := _sum_up_some():
        total += count
    return total


@transaction.atomic
def _sum_up_some() -> int:
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_xact_lock(%s)", [_LOCK])
        if cursor.fetchone() == (False,):
            return 0
        # What is marked from now on stays marked: the sums may or may not know of it.
        cursor.execute(_TAKE, [CELLS])
        cells = cursor.fetchall()
        if not cells:
            return 0
        months, pipelines, owners, teams = (list(column) for column in zip(*cells, strict=True))
        cursor.execute(
            _SUM_CELLS, {"months": months, "pipelines": pipelines, "owners": owners, "teams": teams}
        )
        cursor.execute(_FORGET_WHOLE, {"months": months, "pipelines": pipelines})
        cursor.execute(_SUM_WHOLE, {"months": months, "pipelines": pipelines})
    return len(cells)


_TAKE = """
with next as (
    select month, pipeline_id, owner_id, team_id from crm_funnelmark group by 1, 2, 3, 4 order by 1, 2 limit %s
), taken as (
    delete from crm_funnelmark m using next n
    where m.month = n.month and m.pipeline_id = n.pipeline_id and m.owner_id = n.owner_id
        and m.team_id is not distinct from n.team_id
)
select * from next
"""
_CELLS = """
m (month, pipeline_id, owner_id, team_id) as (
    select * from unnest(%(months)s::date[], %(pipelines)s::bigint[], %(owners)s::bigint[], %(teams)s::bigint[])
)
"""
_SUM_CELLS = f"""
with {_CELLS}, gone as (
    delete from crm_funnelcell c using m
    where c.month = m.month and c.pipeline_id = m.pipeline_id and c.owner_id = m.owner_id
        and c.team_id is not distinct from m.team_id
), chosen as (
    select {_DEAL} from m join crm_deal d on {_IS_OF_CELL} where d.archived_at is null
), {_COUNTED}
insert into crm_funnelcell (
    month, pipeline_id, owner_id, team_id, stage_id, entered, onward, won, lost, days, counts
)
select month, pipeline_id, owner_id, team_id, stage_id, {_SUMS},
    coalesce(array_agg(days order by days) filter (where days is not null), '{{}}'),
    coalesce(array_agg(entered order by days) filter (where days is not null), '{{}}')
from counted group by month, pipeline_id, owner_id, team_id, stage_id
"""  # noqa: S608 - of our own parts
_FORGET_WHOLE = """
delete from crm_funnelcell c using unnest(%(months)s::date[], %(pipelines)s::bigint[]) as m (month, pipeline_id)
where c.owner_id is null and c.month = m.month and c.pipeline_id = m.pipeline_id
"""
_SUM_WHOLE = f"""
with part as (
    select c.* from crm_funnelcell c
    join (
        select distinct * from unnest(%(months)s::date[], %(pipelines)s::bigint[])
    ) as m (month, pipeline_id) on c.month = m.month and c.pipeline_id = m.pipeline_id
    where c.owner_id is not null
), stood as (
    select month, pipeline_id, stage_id, day, sum(n)::integer as n
    from part cross join lateral unnest(days, counts) as u (day, n) group by 1, 2, 3, 4
), stay as (
    select month, pipeline_id, stage_id, array_agg(day order by day) as days, array_agg(n order by day) as counts
    from stood group by 1, 2, 3
), whole as (
    select month, pipeline_id, stage_id, {_SUMS} from part group by 1, 2, 3
)
insert into crm_funnelcell (month, pipeline_id, stage_id, entered, onward, won, lost, days, counts)
select w.*, coalesce(s.days, '{{}}'), coalesce(s.counts, '{{}}')
from whole w left join stay s on s.month = w.month and s.pipeline_id = w.pipeline_id
    and s.stage_id is not distinct from w.stage_id
"""  # noqa: S608 - of our own parts

# Reading


@dataclass
class Passage:
    """
    How many deals entered a stage, how many of them went on to a later one, were won and were lost.

    :ivar stays: how many of those that have left it stood there for how many whole days
    """

    entered: int = 0
    onward: int = 0
    won: int = 0
    lost: int = 0
    stays: dict[int, int] = field(default_factory=dict)

    @property
    def open(self) -> int:
        return self.entered - self.won - self.lost

    def add(self, other: "Passage") -> None:
        """Count the deals of another as well; how long they stood is left out."""
        self.entered += other.entered
        self.onward += other.onward
        self.won += other.won
        self.lost += other.lost

    def days(self, share: float) -> int | None:
        """Return within how many whole days this share of those that have left the stage did; None where none has."""
        rank, seen = ceil(sum(self.stays.values()) * share), 0
        for day in sorted(self.stays):
            seen += self.stays[day]
            if seen >= rank:
                return day
        return None


class Preparing(Exception):
    """Raised where so much has changed that it is summed up first; `waiting` says how many cells are left."""

    def __init__(self, waiting: int) -> None:
        super().__init__(waiting)
        self.waiting = waiting


def passages(actor: User, choice: Choice) -> dict[int | None, Passage]:
    """
    Count how the deals that `actor` sees, and that began in the chosen months, went through the stages.

    :return: by stage; under None the deals themselves
    :raises Preparing: too much has changed just now
    """
    found: defaultdict[int | None, Passage] = defaultdict(Passage)
    for stage_id, day, entered, onward, won, lost in _read(actor, choice, "stage_id", has_days=True):
        passage = found[stage_id]
        if day is None:
            passage.entered, passage.onward, passage.won, passage.lost = entered, onward, won, lost
        else:
            passage.stays[day] = entered
    return dict(found)


def totals(actor: User, choice: Choice) -> dict[tuple[int, int | None], Passage]:
    """
    Count the deals themselves by their owner and team.

    :raises Preparing: too much has changed just now
    """
    rows = _read(actor, choice, "owner_id, team_id", has_days=False)
    return {(owner_id, team_id): Passage(*sums) for owner_id, team_id, _day, *sums in rows}


def _read(actor: User, choice: Choice, by: str, *, has_days: bool) -> Iterable[tuple[Any, ...]]:
    span = {"first": choice.first, "last": choice.last}
    _require_few_marked(span)
    role = access.scope_by_role(actor, "view", Deal)
    is_whole = role == access.EVERYTHING and "owner" not in choice.rows and "team" not in choice.rows
    is_whole = is_whole and by == "stage_id"
    try:
        deals, params = _parts(_deals(actor, choice))
    except EmptyResultSet:
        return []
    kept, kept_params = _kept(role, choice)
    shared, shared_params = _shared(actor, choice)
    sql = _READ.format(
        deals=deals,
        kept=kept,
        shared=shared,
        is_whole="true" if is_whole else "false",
        only="" if has_days else "and c.stage_id is null",
        only_live="" if has_days else "where stage_id is null",
        by=by,
        stays=_STAYS.format(by=by) if has_days else "",
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [span["first"], span["last"], *kept_params, *params, *shared_params])
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


# A month and pipeline in which nothing is marked is read as a whole by who sees everything, and by its parts otherwise.
_READ = f"""
with dirty as (
    select distinct month, pipeline_id, owner_id, team_id from crm_funnelmark where month >= %s and month <= %s
), cell (month, pipeline_id, owner_id, team_id, stage_id, entered, onward, won, lost, days, counts) as not materialized (
    {{kept}}
), stored as (
    select c.* from cell c
    where (c.owner_id is null) = ({{is_whole}} and not exists (
        select from dirty m where m.month = c.month and m.pipeline_id = c.pipeline_id
    )) and not exists (
        select from dirty m where m.month = c.month and m.pipeline_id = c.pipeline_id and m.owner_id = c.owner_id
            and m.team_id is not distinct from c.team_id
    ) {{only}}
), deal (id, opened_date, pipeline_id, owner_id, team_id, stage_id, status) as not materialized (
    {{deals}}
), shared as (
    {{shared}}
), chosen as materialized (
    select {_DEAL} from dirty m join deal d on {_IS_OF_CELL}
    union all
    select {_DEAL} from shared d where not exists (select from dirty m where {_IS_OF_CELL})
), {_COUNTED}, part as (
    select pipeline_id, owner_id, team_id, stage_id, entered, onward, won, lost from stored
    union all
    select pipeline_id, owner_id, team_id, stage_id, entered, onward, won, lost from counted {{only_live}}
)
select {{by}}, null::integer, {_SUMS} from part group by {{by}}
{{stays}}
"""  # noqa: S608 - of our own parts
_STAYS = """
union all
select {by}, day, sum(n)::integer, 0, 0, 0 from (
    select {by}, u.day, u.n from stored cross join lateral unnest(days, counts) as u (day, n)
    union all
    select {by}, days, entered from counted where days is not null
) stay group by 1, 2
"""


def _require_few_marked(span: dict[str, Any]) -> None:
    """Insist that few cells have changed. :raises Preparing: they are many"""
    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*) from (select distinct month, pipeline_id, owner_id, team_id from crm_funnelmark"
            " where month >= %(first)s and month <= %(last)s) m",
            span,
        )
        [waiting] = cursor.fetchone()
    if waiting > MOST_MARKED:
        raise Preparing(waiting)


_OF_DEAL = ("id", "opened_date", "pipeline_id", "owner_id", "team_id", "stage_id", "status")
_OF_CELL = (
    *("month", "pipeline_id", "owner_id", "team_id", "stage_id"),
    *("entered", "onward", "won", "lost", "days", "counts"),
)


def _parts(rows: QuerySet[Any, Any]) -> tuple[str, list[Any]]:
    sql, params = rows.query.sql_with_params()
    return sql, list(params)


def _deals(actor: User, choice: Choice) -> QuerySet[Any, Any]:
    seen = Deal.objects.visible_to(actor).active().order_by()
    began = {"opened_date__gte": choice.first, "opened_date__lte": choice.last}
    return seen.filter(**began, **choice.rows).values_list(*_OF_DEAL)


def _kept(role: Any, choice: Choice) -> tuple[str, list[Any]]:
    cells = FunnelCell._base_manager.filter(
        role, month__gte=choice.first, month__lte=choice.last, **choice.rows
    )
    try:
        return _parts(cells.order_by().values_list(*_OF_CELL))
    except EmptyResultSet:
        return _nothing(FunnelCell, _OF_CELL)


def _nothing(model: Any, columns: Iterable[str]) -> tuple[str, list[Any]]:
    names = ", ".join(columns)
    return f"select {names} from {model._meta.db_table} where false", []  # noqa: S608 - names of our own


def _shared(actor: User, choice: Choice) -> tuple[str, list[Any]]:
    """Return the deals that are in sight only because they are shared one by one: no cell has them."""
    if not access.has_share(actor, "crm.view_deal"):
        return _nothing(Deal, _OF_DEAL)
    grants = AccessGrant.objects.live().filter(
        user=actor.pk,
        content_type__app_label="crm",
        content_type__model="deal",
        actions__contains=["view"],
    )
    ids = list(grants.values_list("object_id", flat=True))
    rows = _deals(actor, choice).filter(pk__in=ids).exclude(access.scope_by_role(actor, "view", Deal))
    try:
        return _parts(rows)
    except EmptyResultSet:
        return _nothing(Deal, _OF_DEAL)
