"""
What has changed since a day: from what was open then to what is open now, deal by deal.

Each deal that was touched since is told by where it stood then and where it stands now, so that what began, grew, was
won, was lost and moved adds up by itself. Amounts are those of now's rates: a rate that moved is no news of a deal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Count, Q, Sum
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from apps.accounts.models import User
from apps.crm.home.periods import midnight
from apps.crm.models import Attention, Deal, Stage, stale_condition
from apps.crm.rates import in_base
from apps.crm.reports.choices import Choice
from apps.crm.reports.tables import (
    Column,
    Figure,
    Headline,
    Kind,
    Report,
    Row,
    Table,
    date_text,
    deals_text,
    deals_url,
    share,
)

# In the order in which they are told, each with whether it adds or takes away.
STEPS = (
    *("new", "up", "down", "reopened", "restored", "moved_in"),
    *("won", "lost", "trashed", "moved_out"),
)

# Of each deal that was touched since: what it added to the sum then and adds now, and by which step. A deal that grew and
# was won has grown, and was won as what it had become.
_TOUCHED = """
step as (
    select distinct on (t.deal_id) t.deal_id, f.kind as was_kind, t.from_stage_id is null as is_new
    from crm_stagetransition t left join crm_stage f on f.id = t.from_stage_id
    where t.at >= %(since)s order by t.deal_id, t.at, t.id
), change as materialized (
    select row_id::bigint as deal_id, at, id, old from history_change
    where model = 'crm.deal' and op = 'U' and at >= %(since)s
        and new ?| array['amount', 'archived_at', 'expected_close_date']
), was_amount as (
    select distinct on (deal_id) deal_id, (old ->> 'amount')::numeric as amount
    from change where old ? 'amount' order by deal_id, at, id
), was_archived as (
    select distinct on (deal_id) deal_id, old ->> 'archived_at' is not null as is_archived
    from change where old ? 'archived_at' order by deal_id, at, id
), was_close as (
    select distinct on (deal_id) deal_id, (old ->> 'expected_close_date')::date as day
    from change where old ? 'expected_close_date' order by deal_id, at, id
), touched as (
    select deal_id from step union select deal_id from change
), told as (
    select d.id, d.status, d.unit, step.is_new, step.was_kind, a.deal_id is not null as has_amount,
        coalesce(step.was_kind, d.status) = 'OPEN' and not coalesce(step.is_new, false) as was_open,
        coalesce(g.is_archived, d.archived_at is not null) as was_archived,
        d.archived_at is not null as is_archived,
        {was_within} as was_within, {is_within} as is_within,
        round(coalesce(case when a.deal_id is null then d.amount else a.amount end, 0) * d.factor, 2) as before,
        round(coalesce(d.amount, 0) * d.factor, 2) as after
    from touched t
    join deal d on d.id = t.deal_id
    left join step on step.deal_id = d.id
    left join was_amount a on a.deal_id = d.id
    left join was_archived g on g.deal_id = d.id
    left join was_close w on w.deal_id = d.id
), stood as (
    select *, was_open and not was_archived and was_within as was_in,
        status = 'OPEN' and not is_archived and is_within as is_in
    from told
), changed as (
    select id, unit, step, amount from stood cross join lateral (
        select case
                when is_new then 'new'
                when not was_open then 'reopened'
                when was_archived then 'restored'
                else 'moved_in'
            end as step, after as amount
        where is_in and not was_in
        union all
        select case when after > before then 'up' else 'down' end, after - before
        where was_in and not is_archived and after <> before
        union all
        select case
                when is_archived then 'trashed'
                when status = 'WON' then 'won'
                when status = 'LOST' then 'lost'
                else 'moved_out'
            end, case when is_archived then -before else -after end
        where was_in and not is_in
    ) s
)
"""


@dataclass
class Total:
    """How many deals, and what they come to."""

    deals: int = 0
    amount: Decimal = Decimal()

    def add(self, deals: int, amount: Decimal | None) -> None:
        self.deals += deals
        self.amount += amount or 0


@dataclass
class Waterfall:
    """
    From what was open to what is, in one currency.

    :ivar steps: what happened in between; each deal once in a step, and in two where it grew and then left
    """

    opening: Total
    steps: dict[str, Total]
    closing: Total


@dataclass
class OpenNow:
    """
    What is open now, summed up in one pass: an index holds all that it takes.

    :ivar closing: by currency, that of the books for all that there is a rate of
    :ivar stale: by stage what has stood there for too long
    """

    closing: dict[str, Total]
    stale: dict[int, Total]


def waterfalls(actor: User, choice: Choice, now: OpenNow | None = None) -> dict[str, Waterfall]:
    """
    Return what has changed since a day.

    :param now: what is open, where it is known already
    :return: by currency, that of the books with all that there is a rate for first
    """
    closing = (now or open_now(actor, choice)).closing
    found: dict[str, dict[str, Total]] = {}
    left: dict[str, int] = {}
    sql = "select unit, step, count(*), sum(amount) from changed group by 1, 2"
    for unit, step, count, amount in _ask(actor, choice, sql):
        found.setdefault(unit, {})[step] = Total(count, amount)
        arrived = count if step in {"new", "reopened", "restored", "moved_in"} else 0
        gone = count if step in {"won", "lost", "trashed", "moved_out"} else 0
        left[unit] = left.get(unit, 0) + arrived - gone
    base = settings.BASE_CURRENCY
    units = sorted({base, *closing, *found}, key=lambda unit: (unit != base, unit))
    made = {}
    for unit in units:
        end, steps = closing.get(unit, Total()), found.get(unit, {})
        moved = sum((each.amount for each in steps.values()), Decimal())
        made[unit] = Waterfall(Total(end.deals - left.get(unit, 0), end.amount - moved), steps, end)
    return made


def ids_of(actor: User, choice: Choice, step: str) -> list[int]:
    """Return the deals of one step, for the list behind its figure."""
    rows = _ask(actor, choice, "select distinct id from changed where step = %(step)s", step=step)
    return [pk for (pk,) in rows]


def _seen(actor: User, choice: Choice) -> Any:
    seen = Deal.objects.visible_to(actor).order_by()
    return seen.filter(**choice.rows)


def _ask(actor: User, choice: Choice, question: str, **params: Any) -> Sequence[tuple[Any, ...]]:
    fields = ["id", "status", "archived_at", "amount", "currency", "rate", "expected_close_date"]
    try:
        deals, deal_params = _seen(actor, choice).values_list(*fields).query.sql_with_params()
    except EmptyResultSet:
        return []
    span = choice.closing_span
    within = "coalesce({} between %(first)s and %(last)s, false)" if span else "true"
    was_day = "case when w.deal_id is null then d.expected_close_date else w.day end"
    named = {f"d{place}": value for place, value in enumerate(deal_params)}
    # The ORM's own placeholders become named ones, as ours are.
    deals = deals % tuple(f"%({name})s" for name in named)
    sql = f"""
        with seen ({", ".join(fields)}) as not materialized ({deals}), deal as not materialized (
            select *, case when currency = %(base)s then 1 else coalesce(rate, 1) end as factor,
                case when currency = %(base)s or rate is not null then %(base)s else currency end as unit
            from seen
        ), {_TOUCHED.format(was_within=within.format(was_day), is_within=within.format("d.expected_close_date"))}
        {question}
    """  # noqa: S608 - of our own parts
    ends = dict(zip(("first", "last"), span, strict=True)) if span else {}
    given = {"since": midnight(choice.since), "base": settings.BASE_CURRENCY, **named, **ends, **params}
    with connection.cursor() as cursor:
        cursor.execute(sql, given)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def open_now(actor: User, choice: Choice) -> OpenNow:
    """Sum up what is open now: what is expected to close in the chosen months, and what stands still in any."""
    base = settings.BASE_CURRENCY
    is_stale = stale_condition(timezone.now())
    span = choice.closing_span
    # Of all of them, unless months were chosen.
    within = Q(expected_close_date__range=span) if span else None
    is_unrated = ~Q(currency=base) & Q(rate=None) & (within or Q())
    rows = (
        _seen(actor, choice)
        .active()
        .open()
        .values("stage_id", "currency")
        .annotate(
            deals=Count("currency", filter=within) if span else Count("*"),
            worth=Sum(in_base(), filter=within),
            unrated=Count("currency", filter=is_unrated),
            unrated_worth=Sum("amount", filter=is_unrated),
            stale=Count("currency", filter=is_stale),
            stale_worth=Sum(in_base(), filter=is_stale),
        )
    )
    found = OpenNow({}, {})
    for row in rows:
        for unit, count, amount in (
            (base, row["deals"] - row["unrated"], row["worth"]),
            (row["currency"], row["unrated"], row["unrated_worth"]),
        ):
            if count:
                found.closing.setdefault(unit, Total()).add(count, amount)
        if row["stale"]:
            found.stale.setdefault(row["stage_id"], Total()).add(row["stale"], row["stale_worth"])
    return found


# The report

_COLUMNS = (
    Column("step", gettext_lazy("What happened")),
    Column("deals", gettext_lazy("Deals"), Kind.COUNT),
    Column("amount", gettext_lazy("Amount"), Kind.MONEY),
)
_STALE = (
    Column("stage", gettext_lazy("Stage")),
    Column("deals", gettext_lazy("Deals"), Kind.COUNT),
    Column("amount", gettext_lazy("Amount"), Kind.MONEY),
    Column("limit", gettext_lazy("Stale after"), Kind.DAYS),
)


def step_name(step: str) -> str:
    """Say what happened, as the table and the list behind it do."""
    return {
        "new": _("Began"),
        "up": _("Amount grew"),
        "down": _("Amount shrank"),
        "reopened": _("Opened again"),
        "restored": _("Back from the trash"),
        "moved_in": _("Expected close moved in"),
        "won": pgettext("what happened to deals", "Won"),
        "lost": pgettext("what happened to deals", "Lost"),
        "trashed": _("Into the trash"),
        "moved_out": _("Expected close moved out"),
    }[step]


def changes(actor: User, choice: Choice) -> Report:
    """Return what has changed since a day, and what stands still."""
    now = open_now(actor, choice)
    found = waterfalls(actor, choice, now)
    main = found[settings.BASE_CURRENCY]
    open_filters = _open_filters(choice)
    difference = main.closing.amount - main.opening.amount
    headlines = [
        Headline(
            _("Open on %(day)s") % {"day": date_text(choice.since)},
            Figure(main.opening.amount).text(Kind.MONEY),
            note=deals_text(main.opening.deals),
        ),
        Headline(
            _("Open now"),
            Figure(main.closing.amount).text(Kind.MONEY),
            deals_url(**open_filters),
            sum(each.closing.deals for each in found.values()),
            deals_text(main.closing.deals),
        ),
        Headline(_("Difference"), Figure(difference, is_signed=True).text(Kind.MONEY)),
    ]
    tables = [_waterfall(unit, each, choice, is_alone=len(found) == 1) for unit, each in found.items()]
    return Report("changes", headlines, [*tables, _stale(now, choice)], _notes(found))


def _open_filters(choice: Choice) -> dict[str, Any]:
    filters: dict[str, Any] = {"status__exact": Deal.Status.OPEN.value, **choice.links}
    if choice.closing_span:
        first, last = choice.closing_span
        filters |= {"expected_close_date_from": first, "expected_close_date_to": last}
    return filters


def _notes(found: dict[str, Waterfall]) -> list[str]:
    return [
        _("Amounts in %(currency)s stand apart: there is no rate of it yet.") % {"currency": unit}
        for unit in found
        if unit != settings.BASE_CURRENCY
    ]


def step_filters(choice: Choice, step: str) -> dict[str, Any]:
    """Return the filters of the list of one step's deals."""
    closing = f"-{choice.closing}" if choice.closing else ""
    trash = {"trash": "1"} if step == "trashed" else {}
    return {"numbers": f"changed-{step}-{choice.since:%Y%m%d}{closing}", **trash, **choice.links}


def _waterfall(unit: str, found: Waterfall, choice: Choice, *, is_alone: bool) -> Table:
    is_base = unit == settings.BASE_CURRENCY
    most = max(found.opening.amount, found.closing.amount, *(abs(s.amount) for s in found.steps.values()), 1)

    def row(label: str, each: Total, *, ref: str, is_end: bool = False, filters: Any = None) -> Row:
        return Row(
            [
                Figure(label),
                # A list is of all currencies: that of one alone is no list.
                Figure(each.deals, filters if is_alone else None, each.deals),
                Figure(each.amount, currency=unit, is_signed=not is_end),
            ],
            {"step": ref},
            share(abs(each.amount), most),
            "" if is_end else ("good" if each.amount > 0 else "bad"),
            is_end,
        )

    rows = [
        row(
            _("Open on %(day)s") % {"day": date_text(choice.since)}, found.opening, ref="opening", is_end=True
        )
    ]
    rows += [
        row(step_name(step), found.steps[step], ref=step, filters=step_filters(choice, step))
        for step in STEPS
        if step in found.steps
    ]
    rows.append(row(_("Open now"), found.closing, ref="closing", is_end=True, filters=_open_filters(choice)))
    title = _("Since %(day)s") % {"day": date_text(choice.since)}
    return Table(
        f"waterfall-{unit}",
        title if is_base else f"{title}, {unit}",
        _COLUMNS,
        rows,
        _(
            "Of the deals that you see today, at today's rates. A deal that grew and was then won stands in both lines."
        ),
    )


def _stale(now: OpenNow, choice: Choice) -> Table:
    found = now.stale
    stages = Stage.objects.filter(pk__in=found).order_by("pipeline", "position")
    longest = max((each.deals for each in found.values()), default=0)
    rows = []
    for stage in stages:
        deals, worth = found[stage.pk].deals, found[stage.pk].amount
        filters = {"attention": Attention.STALE.value, "stage__id__exact": stage.pk, **choice.links}
        figures = [
            Figure(stage.name),
            Figure(deals, filters, deals),
            Figure(worth),
            Figure(stage.stale_after_days),
        ]
        rows.append(Row(figures, {"stage": stage.pk}, share(deals, longest), "warn"))
    return Table(
        "stale",
        _("Standing still"),
        _STALE,
        rows,
        "",
        _("No deal stands in its stage for longer than it should."),
    )
