"""
What the home page shows, summed up by the database in one pass per section.

`count_*` return rows of plain values, which can be kept; the others make of them what pages show.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import connection
from django.db.models import Case, Count, DateTimeField, F, Func, IntegerField, Q, Sum, Value, When
from django.utils import timezone

from apps.accounts.models import User
from apps.crm.home.periods import Periods, Span
from apps.crm.home.worth import Worth
from apps.crm.models import Deal, Lead, Stage, StageTransition, Step, amount_changes, stale_condition

# As many lines as one reads through on a home page.
LISTED = 6
MOVES_LISTED = 4
Rows = list[tuple[Any, ...]]


def _visible(actor: User) -> Any:
    return Deal.objects.visible_to(actor).active().order_by()


# What is open


def count_open(actor: User) -> Rows:
    """
    Sum up the open deals by owner, stage and currency.

    :return: owner's id, stage's id, currency, count, amount, amount × percent, then count and amount of the stale,
        and of those with no day for a next step
    """
    stale, unplanned = stale_condition(timezone.now()), Q(next_step_date__isnull=True)
    rows = (
        _visible(actor)
        .open()
        .values("owner_id", "stage_id", "currency")
        .annotate(
            deals=Count("pk"),
            worth=Sum("amount"),
            weighted=Sum(F("amount") * F("probability")),
            stale=Count("pk", filter=stale),
            stale_worth=Sum("amount", filter=stale),
            unplanned=Count("pk", filter=unplanned),
            unplanned_worth=Sum("amount", filter=unplanned),
        )
    )
    return list(
        rows.values_list(
            "owner_id",
            "stage_id",
            "currency",
            "deals",
            "worth",
            "weighted",
            "stale",
            "stale_worth",
            "unplanned",
            "unplanned_worth",
        )
    )


@dataclass
class OpenWorth:
    """Open deals: all of them, weighted by how probable they are, and what needs somebody's attention."""

    all: Worth = field(default_factory=Worth)
    weighted: Worth = field(default_factory=Worth)
    stale: Worth = field(default_factory=Worth)
    unplanned: Worth = field(default_factory=Worth)

    def add(self, currency: str, row: Sequence[Any]) -> None:
        deals, worth, weighted, stale, stale_worth, unplanned, unplanned_worth = row
        self.all.add(deals, currency, worth)
        self.weighted.add(deals, currency, None if weighted is None else weighted / 100)
        self.stale.add(stale, currency, stale_worth)
        self.unplanned.add(unplanned, currency, unplanned_worth)


@dataclass
class StageWorth:
    """The open deals in one stage."""

    stage: Stage
    worth: OpenWorth = field(default_factory=OpenWorth)


@dataclass
class Funnel:
    """
    What is open, by stage.

    :param stages: the open stages in the order of their pipelines, empty ones too
    """

    total: OpenWorth
    mine: OpenWorth
    stages: list[StageWorth]

    @property
    def fullest(self) -> int:
        """The count of the stage with the most deals, at least 1: the full length of a bar."""
        return max([each.worth.all.count for each in self.stages], default=0) or 1

    @property
    def has_pipelines(self) -> bool:
        """Tell whether there are stages of more than one pipeline, so that they need its name."""
        return len({each.stage.pipeline_id for each in self.stages}) > 1


def funnel_of(rows: Iterable[tuple[Any, ...]], actor: User) -> Funnel:
    """Make the funnel of what `count_open` returned."""
    stages = Stage.objects.filter(kind=Stage.Kind.OPEN, pipeline__archived_at=None).select_related("pipeline")
    ordered = stages.order_by("-pipeline__is_default", "pipeline__name", "position")
    by_stage = {stage.pk: StageWorth(stage) for stage in ordered}
    total, mine = OpenWorth(), OpenWorth()
    for owner_id, stage_id, currency, *row in rows:
        total.add(currency, row)
        if owner_id == actor.pk:
            mine.add(currency, row)
        if stage_id in by_stage:
            by_stage[stage_id].worth.add(currency, row)
    return Funnel(total, mine, list(by_stage.values()))


def count_stale(actor: User) -> list[int]:
    """Return the ids of the stale deals that weigh most, those in the currency of the books first."""
    is_main = Case(When(currency=settings.BASE_CURRENCY, then=0), default=1)
    rows = _visible(actor).stale(timezone.now()).annotate(is_main=is_main)
    return list(
        rows.order_by("is_main", F("amount").desc(nulls_last=True), "pk").values_list("pk", flat=True)[
            :LISTED
        ]
    )


def stale_deals(pks: Sequence[int], actor: User) -> list[Deal]:
    """Return the deals behind ids that were kept, as far as they are still stale and in sight."""
    found = (
        _visible(actor).stale(timezone.now()).filter(pk__in=pks).select_related("company", "owner", "stage")
    )
    place = {pk: at for at, pk in enumerate(pks)}
    return sorted(found, key=lambda deal: place[deal.pk])


# What was won


def count_won(actor: User, periods: Periods) -> Rows:
    """
    Sum up what was won in the last twelve months, by month and currency.

    :return: place of the month (0 is the oldest), currency, count, amount, then count and amount of what was won up to
        the same day of last month
    """
    months = periods.months
    so_far = Q(closed_at__lt=periods.last_month_so_far.ends_at)
    bounds = Value([month.begins_at for month in months], output_field=ArrayField(DateTimeField()))
    rows = (
        _visible(actor)
        .filter(_closed(Deal.Status.WON, Span(months[0].first, months[-1].last)))
        .annotate(month=Func("closed_at", bounds, function="width_bucket", output_field=IntegerField()))
        .values("month", "currency")
        .annotate(
            deals=Count("pk"),
            worth=Sum("amount"),
            early=Count("pk", filter=so_far),
            early_worth=Sum("amount", filter=so_far),
        )
    )
    values = rows.values_list("month", "currency", "deals", "worth", "early", "early_worth")
    return [(month - 1, *row) for month, *row in values]


def _closed(status: str, span: Span) -> Q:
    # The second says what the index is about, in its words.
    return Q(status=status, closed_at__gte=span.begins_at, closed_at__lt=span.ends_at) & Q(
        closed_at__isnull=False
    )


@dataclass
class MonthWorth:
    """What was won in one month."""

    span: Span
    worth: Worth = field(default_factory=Worth)


@dataclass
class WonWorth:
    """What was won, month by month, and last month up to the same day of it."""

    months: list[MonthWorth]
    so_far: Worth

    @property
    def this(self) -> Worth:
        return self.months[-1].worth

    @property
    def last(self) -> Worth:
        return self.months[-2].worth

    @property
    def currencies(self) -> list[str]:
        """The currencies in which something was won, that of the books first."""
        found = Worth()
        for month in self.months:
            for currency, amount in month.worth.amounts.items():
                found.add(0, currency, amount)
        return [currency for currency, _amount in found.sums]


def won_of(rows: Iterable[tuple[Any, ...]], periods: Periods) -> WonWorth:
    """Make of what `count_won` returned what is shown."""
    months = [MonthWorth(span) for span in periods.months]
    so_far = Worth()
    for place, currency, deals, worth, early, early_worth in rows:
        months[place].worth.add(deals, currency, worth)
        if place == len(months) - 2:
            so_far.add(early, currency, early_worth)
    return WonWorth(months, so_far)


def latest_won(actor: User) -> list[Deal]:
    """Return what was won last: what somebody has to be billed for."""
    won = _visible(actor).filter(status=Deal.Status.WON, closed_at__isnull=False)
    return list(won.select_related("company", "owner").order_by("-closed_at", "-pk")[:LISTED])


# What has happened since Monday


def count_week(actor: User, periods: Periods) -> dict[str, Rows]:
    """
    Sum up what has happened in the week.

    :return: by step: currency, count and amount of the deals; by "people": actor's id, step and count of deals; by
        "changes": currency and how much amounts have grown together
    """
    since = periods.week.begins_at
    deals = _visible(actor)
    found: dict[str, Rows] = {
        step.value: list(
            deals.stepped(step, since)
            .values("currency")
            .annotate(deals=Count("pk"), worth=Sum("amount"))
            .values_list("currency", "deals", "worth")
        )
        for step in Step
    }
    found["people"] = _within(deals.stepped(None, since).values("pk", "status"), _BY_PERSON, [since])
    found["changes"] = _count_changes(deals, since)
    return found


# A deal that begins as won, as imported ones do, both began and was won.
_BY_PERSON = """
    select t.actor_id, step, count(distinct t.deal_id)
    from crm_stagetransition as t
    join crm_stage as s on s.id = t.to_stage_id
    join deal on deal.id = t.deal_id
    cross join lateral unnest(array[
        case when t.from_stage_id is null then 'new' when s.kind = 'OPEN' then 'moved' end,
        case when s.kind <> 'OPEN' and s.kind = deal.status then lower(s.kind) end
    ]) as step
    where t.at >= %s and step is not null
    group by t.actor_id, step
"""


def _within(deals: Any, sql: str, params: Sequence[Any]) -> Rows:
    """Ask about deals, which `sql` knows as "deal (id, …)", by what no foreign key leads to."""
    seen, seen_params = deals.query.sql_with_params()
    columns = ", ".join(["id", *deals.query.values_select[1:]])
    with connection.cursor() as cursor:
        cursor.execute(f"with deal ({columns}) as not materialized ({seen}) {sql}", [*seen_params, *params])
        rows: Rows = cursor.fetchall()
    return rows


def _count_changes(deals: Any, since: datetime) -> Rows:
    changed, params = amount_changes(since).values("deal_id", "difference").query.sql_with_params()
    # Compiled by the ORM, with its parameters beside it.
    sql = f"""
        select deal.currency, sum(change.difference)
        from ({changed}) as change (deal_id, difference) join deal on deal.id = change.deal_id
        group by deal.currency
    """  # noqa: S608
    return _within(deals.values("pk", "currency"), sql, params)


@dataclass
class PersonWeek:
    """What one person has done in the week, and what they have open."""

    person: User
    steps: dict[str, int]
    open: OpenWorth


@dataclass
class Week:
    """What has happened since Monday."""

    steps: dict[str, Worth]
    grown: Worth

    @property
    def is_quiet(self) -> bool:
        return not any(worth.count for worth in self.steps.values())


def week_of(counted: dict[str, Rows]) -> Week:
    """Make of what `count_week` returned what is shown."""
    steps = {step.value: Worth() for step in Step}
    for step, worth in steps.items():
        for currency, count, amount in counted[step]:
            worth.add(count, currency, amount)
    grown = Worth()
    for currency, amount in counted["changes"]:
        grown.add(0, currency, amount)
    return Week(steps, grown)


def team_of(week: dict[str, Rows], open_rows: Iterable[tuple[Any, ...]], actor: User) -> list[PersonWeek]:
    """Say of everybody in sight what they did in the week and what they have open, who did most first."""
    steps: defaultdict[int, dict[str, int]] = defaultdict(dict)
    for actor_id, step, count in week["people"]:
        steps[actor_id][step] = count
    worth: defaultdict[int, OpenWorth] = defaultdict(OpenWorth)
    for owner_id, _stage_id, currency, *row in open_rows:
        worth[owner_id].add(currency, row)
    people = User.objects.visible_to(actor).filter(pk__in=steps.keys() | worth.keys(), kind=User.Kind.HUMAN)
    found = [PersonWeek(person, dict(steps[person.pk]), worth[person.pk]) for person in people]
    return sorted(found, key=lambda each: (-sum(each.steps.values()), -each.open.all.count, each.person.name))


def count_moves(actor: User, periods: Periods) -> list[int]:
    """Return the ids of the latest steps of the week."""
    steps = StageTransition.objects.filter(
        at__gte=periods.week.begins_at, deal__in=_visible(actor), from_stage__isnull=False
    )
    return list(steps.order_by("-at", "-pk").values_list("pk", flat=True)[:MOVES_LISTED])


def moves_of(pks: Sequence[int], actor: User) -> list[StageTransition]:
    """Return the steps behind ids that were kept, of deals that are still in sight, the latest first."""
    steps = StageTransition.objects.filter(pk__in=pks, deal__in=_visible(actor))
    return list(steps.select_related("deal", "actor", "from_stage", "to_stage").order_by("-at", "-pk"))


# My day


@dataclass
class Day:
    """A person's own next steps."""

    overdue: int
    today: int
    week: int
    unplanned: int
    stale: int
    deals: list[Deal]

    @property
    def due(self) -> int:
        return self.overdue + self.today


def has_open(actor: User) -> bool:
    """Tell whether a person has an open deal of their own."""
    return bool(_visible(actor).open().filter(owner=actor).exists())


def my_day(actor: User, periods: Periods) -> Day:
    """Return the actor's own open deals that have a next step due within a week, the most overdue first."""
    today, soon = periods.today, periods.in_a_week
    mine = _visible(actor).open().filter(owner=actor)
    counts = mine.aggregate(
        overdue=Count("pk", filter=Q(next_step_date__lt=today)),
        today=Count("pk", filter=Q(next_step_date=today)),
        week=Count("pk", filter=Q(next_step_date__gt=today, next_step_date__lte=soon)),
        unplanned=Count("pk", filter=Q(next_step_date__isnull=True)),
        stale=Count("pk", filter=stale_condition(timezone.now())),
    )
    due = mine.filter(next_step_date__lte=soon).select_related("company", "stage")
    return Day(deals=list(due.order_by("next_step_date", "pk")[: LISTED + 2]), **counts)


# Leads


@dataclass(frozen=True)
class LeadCounts:
    """The open leads that somebody sees: new ones, those of them that are theirs, nobody's, and those in work."""

    new: int
    mine: int
    nobodys: int
    working: int


def count_leads(actor: User) -> LeadCounts:
    """Count the open leads that somebody sees: one query over the index of the open ones."""
    new = Q(status=Lead.Status.NEW)
    counts = (
        Lead.objects.visible_to(actor)
        .active()
        .filter(status__in=Lead.OPEN)
        .order_by()
        .aggregate(
            new=Count("pk", filter=new),
            mine=Count("pk", filter=new & Q(owner=actor.pk)),
            nobodys=Count("pk", filter=Q(owner=None, team=None)),
            working=Count("pk", filter=Q(status=Lead.Status.WORKING)),
        )
    )
    return LeadCounts(**counts)


def newest_leads(actor: User) -> list[Lead]:
    """Return the new leads that came last."""
    rows = Lead.objects.visible_to(actor).active().filter(status=Lead.Status.NEW)
    return list(rows.select_related("owner", "source").order_by("-arrived_at", "-pk")[:MOVES_LISTED])
