"""Open deals by the day or the month that they have: how many, what they are worth, and the largest of each."""

from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Count, F, Q, Sum, Window
from django.db.models.expressions import RawSQL
from django.db.models.functions import RowNumber

from apps.common.lists.lean import lean
from apps.crm.models import Deal
from apps.crm.models.deals import DealQuerySet, MonthOf
from apps.crm.planning.spans import Shown
from apps.crm.reports.choices import last_of_month

# What has no month of its own in a forecast.
OVERDUE, UNDATED = "overdue", "undated"
# What the cards of a calendar show.
_CARD = (
    *(
        "title",
        "amount",
        "currency",
        "status",
        "expected_close_date",
        "next_step",
        "next_step_date",
        "owner_id",
    ),
    *("company__name", "stage__name", "owner__name"),
)


@dataclass
class Slot:
    """
    A day or a month with its deals.

    :ivar amounts: sums by currency
    :ivar weighted: what the amounts are worth by their probabilities, in the currency of the books
    :ivar deals: the largest of them
    """

    count: int = 0
    amounts: dict[str, Decimal] = field(default_factory=dict)
    weighted: Decimal = Decimal()
    unrated: int = 0
    deals: list[Deal] = field(default_factory=list)

    def add(self, other: "Slot") -> None:
        """Count another's deals as well; which are the largest is left as it is."""
        self.count += other.count
        self.weighted += other.weighted
        self.unrated += other.unrated
        for currency, amount in other.amounts.items():
            self.amounts[currency] = self.amounts.get(currency, Decimal()) + amount

    @property
    def more(self) -> int:
        """How many deals there are besides those that are shown."""
        return self.count - len(self.deals)


def read_days(deals: Any, shown: Shown, *, most: int) -> dict[date, Slot]:
    """
    Return the days of a calendar that have open deals.

    :param deals: those that the reader sees and the filters let through
    :param most: so many are shown of a day
    """
    days = shown.days()
    within = _open(deals).filter(**{f"{shown.column}__gte": days[0], f"{shown.column}__lte": days[-1]})
    return _read(within, F(shown.column), most)  # type: ignore[return-value]


def read_months(deals: Any, shown: Shown, today: date, *, most: int) -> dict[str, Slot]:
    """Return the months of a forecast by their ISO dates, what is overdue, and what has no day, where there is any."""
    months = shown.months()
    late = min(months[0], today.replace(day=1))

    def key(month: date | None) -> str | None:
        """Name the slot that a month belongs to; None for one between the overdue ones and those that are shown."""
        if month is None:
            return UNDATED
        if month < late:
            return OVERDUE
        return month.isoformat() if month >= months[0] else None

    month = MonthOf(shown.column)
    ahead = Q(**{f"{shown.column}__lte": last_of_month(months[-1])}) | Q(**{f"{shown.column}__isnull": True})
    within = _open(deals).filter(ahead)
    slots: dict[str, Slot] = {}
    names: dict[date | None, str] = {}
    for of_month, slot in _sums(within, month).items():
        name = key(of_month)
        if name is not None:
            slots.setdefault(name, Slot()).add(slot)
            names[of_month] = name
    # The months are enough: what else is asked of a row would be read from it instead of the index.
    for name, deal in _largest_of_months(_open(deals), month, names, most):
        slots[name].deals.append(deal)
    return slots


def _open(deals: DealQuerySet) -> Any:
    return deals.order_by().filter(status=Deal.Status.OPEN, archived_at=None)


def _read(deals: Any, bucket: Any, most: int) -> Mapping[Hashable, Slot]:
    slots = _sums(deals, bucket)
    for key, deal in _largest(deals, bucket, most):
        slots[key].deals.append(deal)
    return slots


def _sums(deals: Any, bucket: Any) -> dict[Any, Slot]:
    slots: dict[Any, Slot] = {}
    sums = deals.select_related(None).annotate(bucket=bucket).values("bucket", "currency")
    # Of no column that the indexes do not hold: rows are counted, not keys.
    figures = sums.annotate(
        deals=Count("*"),
        total=Sum("amount"),
        percents=Sum(F("amount_base") * F("probability")),
        unrated=Count("currency", filter=Q(amount__isnull=False, amount_base=None)),
    )
    for row in figures:
        amounts = {} if row["total"] is None else {row["currency"]: row["total"]}
        found = Slot(row["deals"], amounts, (row["percents"] or Decimal()) / 100, row["unrated"])
        slots.setdefault(row["bucket"], Slot()).add(found)
    return slots


def _largest(deals: Any, bucket: Any, most: int) -> Sequence[tuple[Hashable, Deal]]:
    """Return the largest deals of each slot; ranked by their keys alone, so that only they are read whole."""
    place = Window(
        RowNumber(),
        partition_by=bucket,
        order_by=[F("amount_base").desc(nulls_last=True), F("pk").desc()],
    )
    ranked = deals.select_related(None).annotate(bucket=bucket, place=place).filter(place__lte=most)
    keys = dict(ranked.values_list("pk", "bucket"))
    return [(keys[deal.pk], deal) for deal in _cards(keys)]


# The inner statement is the ORM's, with the policy's condition in it, and refers to the month of the row beside it.
_OF_MONTHS = """
select m.month, deal.id, deal.amount_base
from unnest(%s::date[]) m (month) cross join lateral ({inner}) as deal
"""


def _largest_of_months(
    deals: Any, month: Any, slots: Mapping[date | None, str], most: int
) -> Sequence[tuple[str, Deal]]:
    """
    Return the largest deals of each slot, each month read from the top of an index.

    :param slots: the slot of each month
    """
    order = [F("amount_base").desc(nulls_last=True), F("pk").desc()]
    ranked = deals.select_related(None).annotate(of_month=month).order_by(*order)
    found: list[tuple[str, int, Decimal | None]] = []
    if None in slots:
        undated = ranked.filter(of_month__isnull=True).values_list("pk", "amount_base")[:most]
        found += [(slots[None], pk, amount) for pk, amount in undated]
    dated = [each for each in slots if each is not None]
    if dated:
        each = ranked.filter(of_month=RawSQL("m.month", ())).values_list("id", "amount_base")[:most]
        inner, parameters = each.query.sql_with_params()
        with connection.cursor() as cursor:
            cursor.execute(_OF_MONTHS.format(inner=inner), [dated, *parameters])
            found += [(slots[of_month], pk, amount) for of_month, pk, amount in cursor.fetchall()]
    # What is late is of many months, of which the largest of each were read: those of all are among them.
    found.sort(key=lambda row: (row[2] is None, -(row[2] or 0), -row[1]))
    keys: dict[int, str] = {}
    shown: Counter[str] = Counter()
    for name, pk, _amount in found:
        if shown[name] < most:
            shown[name] += 1
            keys[pk] = name
    return [(keys[deal.pk], deal) for deal in _cards(keys)]


def _cards(keys: Collection[int]) -> Sequence[Deal]:
    """Read some deals as their cards show them, the largest first."""
    cards = Deal.objects.filter(pk__in=keys).select_related("company", "stage", "owner").only(*_CARD)
    return list(lean(cards.order_by(F("amount_base").desc(nulls_last=True), "-pk")))
