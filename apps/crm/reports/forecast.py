"""The forecast: what open deals come to, month by month, and how far off it was before."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from math import sqrt
from typing import Any

from django.conf import settings
from django.db.models import (
    Case,
    Count,
    DateField,
    DecimalField,
    F,
    FloatField,
    Q,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Cast, Trunc
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts import access
from apps.accounts.models import User
from apps.common.templatetags.artel import money
from apps.crm.home.periods import midnight
from apps.crm.models import CurrencyRate, Deal, ForecastSnapshot
from apps.crm.rates import in_base
from apps.crm.reports import passages, plans
from apps.crm.reports.choices import Choice, add_months, last_of_month, month_of
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
    month_name,
    percent,
    share,
)

# Further ahead than this is one line: so far nobody sees.
MONTHS_AHEAD = 12
MONTHS_BACK = 12
# Fewer closed deals than these say nothing about how often such deals are won.
LEAST_CLOSED = 20
# Four of five, by the normal distribution.
_FOUR_OF_FIVE = 1.2816
# Stands for the deals whose expected close has passed, in what is counted.
OVERDUE = date(1, 1, 1)
_FLOAT = FloatField()


@dataclass
class Month:
    """
    What is expected to close in a month.

    :ivar by_stage: by stage the amount and the sum of squares of amounts
    """

    deals: int = 0
    amount: Decimal = Decimal()
    weighted: Decimal = Decimal()
    by_stage: dict[int, tuple[float, float]] = field(default_factory=dict)


@dataclass
class Expected:
    """
    The open deals by month; overdue ones under OVERDUE, those without a day under None.

    :ivar unrated: the deals in currencies that nobody knows a rate of, and their amounts
    """

    months: dict[date | None, Month]
    unrated: dict[str, tuple[int, Decimal]]


def _open(actor: User, choice: Choice) -> Any:
    seen = Deal.objects.visible_to(actor).active().open().order_by()
    return seen.filter(**choice.rows)


def expected(actor: User, choice: Choice, today: date) -> Expected:
    """Sum up the open deals by the month of their expected close, in one pass."""
    bucket = Case(
        When(expected_close_date__lt=today, then=Value(OVERDUE)),
        default=Cast(Trunc("expected_close_date", "month", output_field=DateField()), DateField()),
        output_field=DateField(),
    )
    worth = in_base()
    rows = (
        _open(actor, choice)
        .values(bucket=bucket)
        .values("bucket", "stage_id", "currency")
        .annotate(
            deals=Count("*"),
            worth=Sum(worth),
            weighted=Sum(worth * F("probability"), output_field=DecimalField()),
            squares=Sum(Cast(worth, _FLOAT) * Cast(worth, _FLOAT)),
            # What has an amount and no rate.
            unrated=Count("currency", filter=_unrated()),
            unrated_worth=Sum("amount", filter=_unrated()),
        )
    )
    found: defaultdict[date | None, Month] = defaultdict(Month)
    unrated: dict[str, tuple[int, Decimal]] = {}
    for row in rows:
        month = found[row["bucket"]]
        month.deals += row["deals"]
        month.amount += row["worth"] or 0
        month.weighted += (row["weighted"] or 0) / Decimal(100)
        amount, squares = month.by_stage.get(row["stage_id"], (0.0, 0.0))
        month.by_stage[row["stage_id"]] = (
            amount + float(row["worth"] or 0),
            squares + (row["squares"] or 0),
        )
        if row["unrated"]:
            count, sum_of = unrated.get(row["currency"], (0, Decimal()))
            unrated[row["currency"]] = (count + row["unrated"], sum_of + row["unrated_worth"])
    return Expected(dict(found), unrated)


def _unrated() -> Q:
    return ~Q(currency=settings.BASE_CURRENCY) & Q(amount_base=None, amount__isnull=False)


def won_by_month(actor: User, choice: Choice, first: date, last: date) -> dict[date, tuple[int, Decimal]]:
    """Sum up what was won, by the months of the person's calendar."""
    rows = (
        Deal.objects.visible_to(actor)
        .active()
        .order_by()
        .filter(status=Deal.Status.WON, closed_at__isnull=False, **choice.rows)
        .filter(closed_at__gte=midnight(first), closed_at__lt=midnight(add_months(last, 1)))
        .values(month=Trunc("closed_at", "month", output_field=DateField()))
        .annotate(deals=Count("*"), worth=Sum(in_base()))
        .values_list("month", "deals", "worth")
    )
    return {month: (deals, worth or Decimal()) for month, deals, worth in rows}


def forecast_of(actor: User, choice: Choice, first: date, last: date) -> dict[date, Decimal]:
    """Return what was forecast for each month on its first day, of what lay in the actor's sight then."""
    rows = ForecastSnapshot._base_manager.filter(
        access.scope_by_role(actor, "view", Deal),
        beat=ForecastSnapshot.Beat.MONTH,
        due_date=F("month"),
        month__gte=first,
        month__lte=last,
        **choice.rows,
    )
    sums: Any = rows.order_by().values("month").annotate(sum=Sum("weighted")).values_list("month", "sum")
    return dict(sums)


def won_shares(actor: User, choice: Choice) -> dict[int, float]:
    """
    Return how many of the closed deals that entered a stage were won, of those that began in the last two years.

    Only of stages through which enough deals went; none while the funnel is being prepared.
    """
    today = timezone.localdate()
    began = Choice(
        period="months",
        first=add_months(today, -24),
        last=last_of_month(today),
        since=today,
        pipeline_id=choice.pipeline_id,
    )
    try:
        found = passages.passages(actor, began)
    except passages.Preparing:
        return {}
    return {
        stage_id: passage.won / (passage.won + passage.lost)
        for stage_id, passage in found.items()
        if stage_id is not None and passage.won + passage.lost >= LEAST_CLOSED
    }


def range_of(month: Month, shares: dict[int, float]) -> tuple[Decimal, Decimal] | None:
    """
    Return between what, in four of five cases, a month ends if deals go on being won as often as they were.

    Each deal is won as a whole or not at all, so that a few big ones make it wide. None where a stage has no past.
    """
    amounts = {stage: sums for stage, sums in month.by_stage.items() if sums[0]}
    if not amounts or not amounts.keys() <= shares.keys():
        return None
    mean = sum(amount * shares[stage] for stage, (amount, _squares) in amounts.items())
    variance = sum(
        squares * shares[stage] * (1 - shares[stage]) for stage, (_amount, squares) in amounts.items()
    )
    most = sum(amount for amount, _squares in amounts.values())
    spread = _FOUR_OF_FIVE * sqrt(variance)
    return Decimal(max(0.0, mean - spread)), Decimal(min(most, mean + spread))


# The report

_MONTHS = (
    Column("month", gettext_lazy("Expected close")),
    Column("deals", gettext_lazy("Deals"), Kind.COUNT),
    Column("amount", gettext_lazy("Amount"), Kind.MONEY),
    Column("weighted", gettext_lazy("Forecast"), Kind.MONEY),
    Column("low", gettext_lazy("At least"), Kind.MONEY),
    Column("high", gettext_lazy("At most"), Kind.MONEY),
    Column("won", gettext_lazy("Won already"), Kind.MONEY),
    Column("plan", gettext_lazy("Plan"), Kind.MONEY),
)
_PAST = (
    Column("month", gettext_lazy("Month")),
    Column("forecast", gettext_lazy("Forecast on the first"), Kind.MONEY),
    Column("won", gettext_lazy("Came"), Kind.MONEY),
    Column("deals", gettext_lazy("Deals won"), Kind.COUNT),
    Column("difference", gettext_lazy("Difference"), Kind.MONEY),
    Column("error", gettext_lazy("Off by"), Kind.PERCENT),
)


def forecast(actor: User, choice: Choice) -> Report:
    """Return what is expected to be won, month by month, with the error of earlier forecasts beside it."""
    today = timezone.localdate()
    month = month_of(today)
    found = expected(actor, choice, today)
    before = forecast_of(actor, choice, add_months(month, -MONTHS_BACK), add_months(month, -1))
    # Of earlier months only those that a forecast is held against.
    won = won_by_month(actor, choice, min(before, default=month), month)
    shares = won_shares(actor, choice)
    planned = plans.planned_by_month(actor, choice, month, add_months(month, MONTHS_AHEAD - 1))
    this = found.months.get(month, Month())
    headlines = [
        Headline(
            _("Forecast for %(month)s") % {"month": month_name(month)},
            _money(this.weighted + won.get(month, (0, Decimal()))[1]),
            deals_url(**_closing(choice, max(today, month), last_of_month(month))),
            this.deals,
            _("won already: %(sum)s") % {"sum": _money(won.get(month, (0, Decimal()))[1])},
        ),
        *_off_by(before, won),
    ]
    return Report(
        "forecast",
        headlines,
        [_ahead(found, won, shares, planned, choice, today), _past(before, won, choice)],
        [*unrated_notes(found.unrated), *rate_notes()],
    )


def _money(amount: Decimal) -> str:
    return Figure(amount).text(Kind.MONEY)


def _closing(choice: Choice, first: date | None, last: date | None) -> dict[str, Any]:
    days = {"expected_close_date_from": first, "expected_close_date_to": last}
    named = {name: day for name, day in days.items() if day is not None}
    return {"status__exact": Deal.Status.OPEN.value, **named, **choice.links}


def _off_by(before: dict[date, Decimal], won: dict[date, tuple[int, Decimal]]) -> Iterable[Headline]:
    if not before:
        return
    month = max(before)
    said, came = before[month], won.get(month, (0, Decimal()))[1]
    off = percent(came - said, said)
    yield Headline(
        _("Forecast for %(month)s, on its first day") % {"month": month_name(month)},
        _money(said),
        note=_("came: %(sum)s (%(off)s)")
        % {"sum": _money(came), "off": Figure(off, is_signed=True).text(Kind.PERCENT)},
    )


def _ahead(
    found: Expected,
    won: dict[date, tuple[int, Decimal]],
    shares: dict[int, float],
    planned: dict[date, Decimal],
    choice: Choice,
    today: date,
) -> Table:
    month = month_of(today)
    end = add_months(month, MONTHS_AHEAD)
    months = [add_months(month, count) for count in range(MONTHS_AHEAD)]
    later = _together(each for key, each in found.months.items() if key is not None and key >= end)
    longest = max((each.amount for each in [*found.months.values(), later]), default=Decimal())
    rows = []

    def add(label: str, each: Month, filters: dict[str, Any], ref: str, **more: Any) -> None:
        low_high = range_of(each, shares) or (None, None)
        rows.append(
            Row(
                [
                    Figure(label),
                    Figure(each.deals, filters, each.deals),
                    Figure(each.amount),
                    Figure(each.weighted),
                    *(Figure(bound and bound.quantize(Decimal("0.01"))) for bound in low_high),
                    Figure(more.get("won")),
                    Figure(more.get("plan")),
                ],
                {"month": ref},
                share(each.amount, longest),
                more.get("tone", ""),
            )
        )

    if OVERDUE in found.months:
        day_before = date.fromordinal(today.toordinal() - 1)
        overdue = _closing(choice, None, day_before)
        add(_("Overdue: the day has passed"), found.months[OVERDUE], overdue, "overdue", tone="warn")
    for each in months:
        first = max(each, today)
        add(
            month_name(each),
            found.months.get(each, Month()),
            _closing(choice, first, last_of_month(each)),
            f"{each:%Y-%m}",
            won=won.get(each, (0, Decimal()))[1] if each == month else None,
            plan=planned.get(each),
        )
    if later.deals:
        add(_("Later"), later, _closing(choice, end, None), "later")
    if None in found.months:
        unplanned = {**_closing(choice, None, None), "numbers": "unexpected"}
        add(_("No day"), found.months[None], unplanned, "none", tone="warn")
    return Table(
        "months",
        _("What is expected"),
        _MONTHS,
        rows if found.months else [],
        _(
            "Forecast: each amount times the probability of its deal, the stage's or the one that somebody set. At"
            " least and at most: four of five months end between them if deals of each stage go on being won as"
            " often as in the last two years."
        ),
        _("No deal is open."),
    )


def _together(months: Iterable[Month]) -> Month:
    total = Month()
    for month in months:
        total.deals += month.deals
        total.amount += month.amount
        total.weighted += month.weighted
        for stage, (amount, squares) in month.by_stage.items():
            old = total.by_stage.get(stage, (0.0, 0.0))
            total.by_stage[stage] = (old[0] + amount, old[1] + squares)
    return total


def _past(before: dict[date, Decimal], won: dict[date, tuple[int, Decimal]], choice: Choice) -> Table:
    rows = []
    for month in sorted(before, reverse=True):
        deals, came = won.get(month, (0, Decimal()))
        filters = won_filters(choice, month, last_of_month(month))
        rows.append(
            Row(
                [
                    Figure(month_name(month)),
                    Figure(before[month]),
                    Figure(came),
                    Figure(deals, filters, deals),
                    Figure(came - before[month], is_signed=True),
                    Figure(percent(came - before[month], before[month]), is_signed=True),
                ],
                {"month": f"{month:%Y-%m}"},
            )
        )
    return Table(
        "past",
        _("How far off it was"),
        _PAST,
        rows,
        _("What was forecast for a month on its first day, and what was won in it."),
        _(
            "The first forecast is kept on the first of next month; a month later it stands here beside what came."
        ),
    )


def won_filters(choice: Choice, first: date, last: date) -> dict[str, Any]:
    """Return the filters of what was won between two days."""
    days = {"closed_at_from": first, "closed_at_to": last}
    return {"status__exact": Deal.Status.WON.value, **days, **choice.links}


# What the sums leave out, and what they are made with


def unrated_notes(unrated: dict[str, tuple[int, Decimal]]) -> list[str]:
    """Say what is in no sum because nobody knows a rate."""
    return [
        _("Not in the sums: %(sum)s (%(deals)s). There is no rate of %(currency)s yet.")
        % {
            "sum": money(amount, currency),
            "deals": deals_text(count),
            "currency": currency,
        }
        for currency, (count, amount) in sorted(unrated.items())
    ]


def rate_notes() -> list[str]:
    """Say at which rates amounts in other currencies are summed up."""
    today = timezone.localdate()
    latest = (
        CurrencyRate._base_manager.filter(date__lte=today).order_by("currency", "-date").distinct("currency")
    )
    return [
        _("%(currency)s at %(rate)s, the rate of %(day)s.")
        % {
            "currency": row.currency,
            "rate": money(row.rate.normalize(), settings.BASE_CURRENCY),
            "day": date_text(row.date),
        }
        for row in latest
        if row.currency != settings.BASE_CURRENCY
    ]
