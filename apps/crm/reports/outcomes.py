"""Won and lost: by reason, person, team and size of company, and how long it took."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.models import Team, User
from apps.crm.home.periods import midnight
from apps.crm.models import Deal, LostReason
from apps.crm.rates import in_base
from apps.crm.reports.choices import Choice, add_months
from apps.crm.reports.people import names_of
from apps.crm.reports.tables import (
    Column,
    Figure,
    Headline,
    Kind,
    Report,
    Row,
    Table,
    deals_text,
    percent,
    share,
)

WON, LOST = Deal.Status.WON.value, Deal.Status.LOST.value
# Companies by how many people they employ, up to and including.
SIZES = (10, 50, 250, 1000)
MOST_ROWS = 100


def size_name(size: int | None) -> str:
    """Name a class of companies: by its place among SIZES, None where nobody knows how many they employ."""
    if size is None:
        return _("unknown")
    bounds = [1, *(bound + 1 for bound in SIZES)]
    if size == len(SIZES):
        return _("from %(count)s people") % {"count": bounds[size]}
    return _("%(from)s–%(to)s people") % {"from": bounds[size], "to": SIZES[size]}


@dataclass(frozen=True)
class Dimension:
    """
    What closed deals are told apart by; an app above adds its own with :func:`add_dimension`.

    :ivar column: SQL of the key, of the deal "d" and its company "c"
    :ivar names: returns the names of keys, for a reader
    :ivar filters: returns the filter of the list of deals for a key
    :ivar only: the state that it is about, empty for both
    """

    key: str
    title: str | Promise
    label: str | Promise
    column: str
    names: Callable[[set[Any], User], dict[Any, str]]
    filters: Callable[[Any], dict[str, Any]]
    only: str = ""


def _by_key(field: str) -> Callable[[Any], dict[str, Any]]:
    def filters(key: Any) -> dict[str, Any]:
        return {f"{field}__isnull": "True"} if key is None else {f"{field}__id__exact": key}

    return filters


def _reasons(keys: set[Any], _actor: User) -> dict[Any, str]:
    return dict(LostReason.objects.filter(pk__in=keys).values_list("pk", "name"))


DIMENSIONS: list[Dimension] = [
    Dimension(
        "reasons",
        gettext_lazy("Why deals were lost"),
        gettext_lazy("Reason"),
        "d.lost_reason_id",
        _reasons,
        _by_key("lost_reason"),
        only=LOST,
    ),
    Dimension(
        "people",
        gettext_lazy("By person"),
        gettext_lazy("Person"),
        "d.owner_id",
        lambda keys, actor: names_of(User, keys, actor),
        _by_key("owner"),
    ),
    Dimension(
        "teams",
        gettext_lazy("By team"),
        gettext_lazy("Team"),
        "d.team_id",
        lambda keys, actor: names_of(Team, keys, actor),
        _by_key("team"),
    ),
    Dimension(
        "sizes",
        gettext_lazy("By size of company"),
        gettext_lazy("Company"),
        f"case when c.employee_count is not null then width_bucket(c.employee_count - 1, array{list(SIZES)}) end",
        lambda keys, _actor: {key: size_name(key) for key in keys},
        lambda key: {"numbers": f"size-{'unknown' if key is None else key}"},
    ),
]


def add_dimension(dimension: Dimension) -> None:
    """Tell closed deals apart by one thing more; called from an AppConfig's ready()."""
    DIMENSIONS[:] = [*(each for each in DIMENSIONS if each.key != dimension.key), dimension]


@dataclass
class Closed:
    """How many deals, their amounts in the currency of the books, and the days that they took together."""

    deals: int = 0
    worth: Decimal = Decimal()
    days: int = 0

    def add(self, deals: int, worth: Decimal | None, days: int) -> None:
        self.deals += deals
        self.worth += worth or 0
        self.days += days

    @property
    def cycle(self) -> int | None:
        """Days from the beginning to the end, on average."""
        return round(self.days / self.deals) if self.deals else None


# Key of a dimension, then its value, then the state; all of them under "".
Counted = dict[str, dict[Any, dict[str, Closed]]]


def count(actor: User, choice: Choice) -> Counted:
    """Sum up the deals that were closed in the chosen months, by each dimension, in one pass."""
    found: Counted = {
        each: defaultdict(lambda: {WON: Closed(), LOST: Closed()})
        for each in ["", *(dimension.key for dimension in DIMENSIONS)]
    }
    try:
        deals, params = _closed(actor, choice).query.sql_with_params()
    except EmptyResultSet:
        return found
    columns = ", ".join(f"{each.column} as k{place}" for place, each in enumerate(DIMENSIONS))
    keys = [f"k{place}" for place in range(len(DIMENSIONS))]
    sets = ", ".join(["(status)", *(f"(status, {key})" for key in keys)])
    zone = "(d.closed_at at time zone %s)::date - d.opened_date"
    # Summed up once by all of them together, which leaves some thousands of rows to be summed up by each.
    sql = f"""
        with d (id, status, worth, closed_at, opened_date, lost_reason_id, owner_id, team_id, company_id)
            as not materialized ({deals}),
        part as (
            select d.status, {columns}, count(*) as deals, sum(d.worth) as worth, sum(greatest({zone}, 0)) as days
            from d left join crm_company c on c.id = d.company_id group by status, {", ".join(keys)}
        )
        select grouping({", ".join(keys)}), status, {", ".join(keys)}, sum(deals)::integer, sum(worth),
            sum(days)::integer
        from part group by grouping sets ({sets})
    """  # noqa: S608 - of our own parts
    with transaction.atomic(), connection.cursor() as cursor:
        # The planner expects as many groups as there could be, and would sort a hundred thousand rows on the disk.
        cursor.execute("set local work_mem = '32MB'")
        cursor.execute(sql, [*params, str(timezone.get_current_timezone())])
        rows = cursor.fetchall()
    for grouping, status, *rest in rows:
        values, (deals_count, worth, days) = rest[: len(keys)], rest[len(keys) :]
        # A bit for each key that was not grouped by.
        grouped = [place for place in range(len(keys)) if not grouping >> (len(keys) - 1 - place) & 1]
        name, value = (DIMENSIONS[grouped[0]].key, values[grouped[0]]) if grouped else ("", None)
        found[name][value][status].add(deals_count, worth, days)
    return found


def _closed(actor: User, choice: Choice) -> QuerySet[Any, Any]:
    seen = Deal.objects.visible_to(actor).active().order_by()
    closed = seen.filter(
        status__in=[WON, LOST],
        closed_at__isnull=False,
        closed_at__gte=midnight(choice.first),
        closed_at__lt=midnight(add_months(choice.last, 1)),
        **choice.rows,
    ).annotate(worth=in_base())
    fields = ["closed_at", "opened_date", "lost_reason_id", "owner_id", "team_id", "company_id"]
    return closed.values_list("id", "status", "worth", *fields)


# The report

_FIGURES = (
    Column("won", gettext_lazy("Won"), Kind.COUNT),
    Column("won_worth", gettext_lazy("Won for"), Kind.MONEY),
    Column("lost", gettext_lazy("Lost"), Kind.COUNT),
    Column("lost_worth", gettext_lazy("Lost worth"), Kind.MONEY),
    Column("share", gettext_lazy("Won, %"), Kind.PERCENT),
    Column("cycle", gettext_lazy("Days to win"), Kind.DAYS),
)
_LOST_FIGURES = (
    Column("lost", gettext_lazy("Lost"), Kind.COUNT),
    Column("lost_worth", gettext_lazy("Lost worth"), Kind.MONEY),
    Column("share", gettext_lazy("Of all lost"), Kind.PERCENT),
    Column("cycle", gettext_lazy("Days to lose"), Kind.DAYS),
)


def outcomes(actor: User, choice: Choice) -> Report:
    """Return what was won and lost in the chosen months."""
    found = count(actor, choice)
    total = found[""][None] if None in found[""] else {WON: Closed(), LOST: Closed()}
    tables = [_table(each, found[each.key], total, choice, actor) for each in DIMENSIONS]
    return Report("outcomes", _headlines(total, choice), tables, [])


def _headlines(total: dict[str, Closed], choice: Choice) -> list[Headline]:
    won, lost = total[WON], total[LOST]
    links = _closed_filters(choice)
    part = percent(won.deals, won.deals + lost.deals)
    return [
        Headline(
            _("Won"),
            Figure(won.worth).text(Kind.MONEY),
            Figure(0, links | {"status__exact": WON}).url,
            won.deals,
            deals_text(won.deals),
        ),
        Headline(
            _("Lost"),
            Figure(lost.worth).text(Kind.MONEY),
            Figure(0, links | {"status__exact": LOST}).url,
            lost.deals,
            deals_text(lost.deals),
        ),
        Headline(_("Won of all closed"), Figure(part).text(Kind.PERCENT)),
        Headline(_("Time to win, on average"), Figure(won.cycle).text(Kind.DAYS)),
    ]


def _closed_filters(choice: Choice) -> dict[str, Any]:
    return {"closed_at_from": choice.first, "closed_at_to": choice.last, **choice.links}


def _table(
    dimension: Dimension,
    found: dict[Any, dict[str, Closed]],
    total: dict[str, Closed],
    choice: Choice,
    actor: User,
) -> Table:
    names = dimension.names(set(found), actor)
    is_lost = dimension.only == LOST
    # What a dimension is only about the one of.
    keys = [key for key in found if not dimension.only or found[key][dimension.only].deals]
    keys.sort(key=lambda key: (-found[key][WON].deals - found[key][LOST].deals, names.get(key, "")))
    longest = max((found[key][LOST].deals for key in keys), default=0)
    rows = []
    for key in keys[:MOST_ROWS]:
        won, lost = found[key][WON], found[key][LOST]
        links = {**_closed_filters(choice), **dimension.filters(key)}
        of_lost = [
            Figure(lost.deals, links | {"status__exact": LOST}, lost.deals),
            Figure(lost.worth),
        ]
        figures = (
            [*of_lost, Figure(percent(lost.deals, total[LOST].deals)), Figure(lost.cycle)]
            if is_lost
            else [
                Figure(won.deals, links | {"status__exact": WON}, won.deals),
                Figure(won.worth),
                *of_lost,
                Figure(percent(won.deals, won.deals + lost.deals)),
                Figure(won.cycle),
            ]
        )
        bar = share(lost.deals, longest) if is_lost else None
        rows.append(Row([Figure(names.get(key, _("unknown"))), *figures], {dimension.key: key}, bar, "bad"))
    columns = (Column("name", dimension.label), *(_LOST_FIGURES if is_lost else _FIGURES))
    return Table(dimension.key, dimension.title, columns, rows, "", _("Nothing was closed in these months."))
