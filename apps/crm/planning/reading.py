"""Open deals by the day or the month that they have: how many, what they are worth, and the largest of each."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Case, CharField, Count, F, Q, Sum, Value, When, Window
from django.db.models.functions import Cast, RowNumber, TruncMonth

from apps.common.lists.lean import lean
from apps.crm.models import Deal
from apps.crm.models.deals import DealQuerySet
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
    column = shown.column
    late = Q(**{f"{column}__lt": min(months[0], today.replace(day=1))})
    bucket = Case(
        When(late, then=Value(OVERDUE)),
        When(**{f"{column}__isnull": True}, then=Value(UNDATED)),
        default=Cast(Cast(TruncMonth(column), output_field=_DATE), CharField()),
        output_field=CharField(),
    )
    asked = Q(**{f"{column}__gte": months[0], f"{column}__lte": last_of_month(months[-1])})
    found = _read(_open(deals).filter(asked | late | Q(**{f"{column}__isnull": True})), bucket, most)
    return {str(key): slot for key, slot in found.items()}


_DATE: Any = Deal._meta.get_field("opened_date").__class__()


def _open(deals: DealQuerySet) -> Any:
    return deals.order_by().filter(status=Deal.Status.OPEN, archived_at=None)


def _read(deals: Any, bucket: Any, most: int) -> Mapping[Hashable, Slot]:
    slots: dict[Hashable, Slot] = {}
    sums = deals.select_related(None).annotate(bucket=bucket).values("bucket", "currency")
    worth = Sum(F("amount_base") * F("probability") / Value(100))
    figures = sums.annotate(
        deals=Count("pk"),
        total=Sum("amount"),
        worth=worth,
        unrated=Count("pk", filter=Q(amount__isnull=False, amount_base=None)),
    )
    for row in figures:
        slot = slots.setdefault(row["bucket"], Slot())
        slot.count += row["deals"]
        slot.unrated += row["unrated"]
        slot.weighted += row["worth"] or Decimal()
        if row["total"] is not None:
            slot.amounts[row["currency"]] = row["total"]
    for key, deal in _largest(deals, bucket, most):
        slots[key].deals.append(deal)
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
    cards = Deal.objects.filter(pk__in=keys).select_related("company", "stage", "owner").only(*_CARD)
    in_order = cards.order_by(F("amount_base").desc(nulls_last=True), "-pk")
    return [(keys[deal.pk], deal) for deal in lean(in_order)]
