"""What every report is made of: tables of figures, each of which may open the rows behind it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.common.templatetags.artel import money, number


class Kind(Enum):
    """What stands in a column: how it is written on a page, in a file and for a program."""

    TEXT = "text"
    COUNT = "count"
    MONEY = "money"
    PERCENT = "percent"
    DAYS = "days"


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    key: str
    label: str | Promise
    kind: Kind = Kind.TEXT


@dataclass(frozen=True)
class Figure:
    """
    One value, and the list of deals behind it.

    :ivar value: as programs read it; None where nothing can be said
    :ivar filters: the filters of the list, None where there is no list
    :ivar count: how many rows that list has
    :ivar currency: of an amount, where it is not that of the books
    :ivar is_signed: whether more than nothing is written with a plus
    """

    value: Any
    filters: dict[str, Any] | None = None
    count: int | None = None
    currency: str = ""
    is_signed: bool = False

    @property
    def url(self) -> str:
        return "" if self.filters is None else deals_url(**self.filters)

    def text(self, kind: Kind) -> str:
        """Write the value in the reader's way."""
        if self.value is None:
            return "–"
        plus = "+" if self.is_signed and self.value > 0 else ""
        return f"{plus}{_WRITTEN[kind](self.value, self.currency or settings.BASE_CURRENCY)}"


def _days(value: int) -> str:
    if value < 1:
        return _("under a day")
    return ngettext("%(count)s day", "%(count)s days", value) % {"count": number(value)}


_WRITTEN: dict[Kind, Any] = {
    Kind.TEXT: lambda value, _currency: str(value),
    Kind.COUNT: lambda value, _currency: number(value),
    Kind.MONEY: lambda value, currency: money(Decimal(value).quantize(Decimal(1)), currency),
    Kind.PERCENT: lambda value, _currency: f"{number(value)}\u00a0%",
    Kind.DAYS: lambda value, _currency: _days(value),
}


@dataclass(frozen=True)
class Row:
    """
    A line of a table.

    :ivar ref: what it is about, for programs: keys of a stage, a person, a month
    :ivar share: how long its bar is, in percent of the longest
    """

    figures: Sequence[Figure]
    ref: dict[str, Any] = field(default_factory=dict)
    share: float | None = None
    tone: str = ""
    is_total: bool = False


@dataclass(frozen=True)
class Table:
    """
    Figures that belong together.

    :ivar note: what one has to know to read them
    :ivar empty: what is said where there is nothing
    """

    key: str
    title: str | Promise
    columns: Sequence[Column]
    rows: Sequence[Row]
    note: str = ""
    empty: str = ""


@dataclass(frozen=True)
class Headline:
    """A figure that answers the question with which somebody came."""

    label: str
    text: str
    url: str = ""
    count: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Report:
    """
    All that one report has to say.

    :ivar notes: what is not in its sums, and why
    :ivar waiting: how many cells are summed up before there are figures; None where they are there
    """

    key: str
    headlines: Sequence[Headline] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    waiting: int | None = None


def deals_url(**filters: Any) -> str:
    """Return the address of the list of deals under filters."""
    return f"{reverse('admin:crm_deal_changelist')}?{urlencode(filters)}"


def percent(part: Any, whole: Any) -> Decimal | None:
    """Return what part of a whole something is, in percent to a tenth; None of nothing."""
    return None if not whole else (Decimal(part) * 100 / Decimal(whole)).quantize(Decimal("0.1"))


def share(part: Any, longest: Any) -> float:
    """Return how long a bar is: one of something is never of nothing."""
    return max(float(part) * 100 / float(longest), 1.0) if part and longest else 0.0


def month_name(month: date) -> str:
    return date_format(month, "YEAR_MONTH_FORMAT")


def date_text(day: date) -> str:
    return date_format(day, "DATE_FORMAT")


def deals_text(count: int) -> str:
    return ngettext("%(count)s deal", "%(count)s deals", count) % {"count": number(count)}
