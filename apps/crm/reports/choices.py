"""What a report is about: whole months, a pipeline, a team, a person; as it stands in an address."""

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_date

from apps.crm.home.periods import now_periods

# Before anybody has sold anything.
BEGINNING = date(1970, 1, 1)
# As far back as history tells what amounts were.
CHANGES_BACK = timedelta(days=92)
PERIODS = (
    *("month", "last_month", "quarter", "last_quarter"),
    *("year", "last_year", "twelve_months", "everything"),
)
DEFAULT_PERIOD = "year"
CLOSINGS = ("", "month", "quarter", "next_quarter")


def month_of(day: date) -> date:
    return day.replace(day=1)


def last_of_month(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])


def add_months(month: date, count: int) -> date:
    """Return the first day of the month `count` months after that of a day."""
    place = month.year * 12 + month.month - 1 + count
    return date(place // 12, place % 12 + 1, 1)


def quarter_of(day: date) -> date:
    return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)


@dataclass(frozen=True)
class Choice:
    """
    What somebody asks about.

    :ivar first: the first day of the first month
    :ivar last: the last day of the last month
    :ivar since: the day that changes are counted from
    :ivar closing: of which expected closes changes are, by its name in the address; empty for all
    """

    period: str
    first: date
    last: date
    since: date
    pipeline_id: int | None = None
    team_id: int | None = None
    owner_id: int | None = None
    closing: str = ""

    @property
    def rows(self) -> dict[str, int]:
        """The conditions on the columns that a deal, a cell of the funnel and a snapshot share."""
        named = {"pipeline": self.pipeline_id, "team": self.team_id, "owner": self.owner_id}
        return {name: pk for name, pk in named.items() if pk is not None}

    @property
    def links(self) -> dict[str, Any]:
        """The same as filters of the list of deals."""
        return {f"{name}__id__exact": pk for name, pk in self.rows.items()}

    @property
    def params(self) -> dict[str, str]:
        """The choice as parameters of an address, without what goes without saying."""
        found = {name: str(pk) for name, pk in self.rows.items()}
        if self.period == "months":
            found |= {"from": f"{self.first:%Y-%m}", "to": f"{self.last:%Y-%m}"}
        elif self.period != DEFAULT_PERIOD:
            found["period"] = self.period
        if self.since != now_periods().week.first:
            found["since"] = self.since.isoformat()
        return found | ({"closing": self.closing} if self.closing else {})

    @property
    def closing_span(self) -> tuple[date, date] | None:
        """The days of expected closes that changes are of; None for all."""
        today = timezone.localdate()
        spans = {
            "month": (month_of(today), last_of_month(today)),
            "quarter": _quarter(quarter_of(today)),
            "next_quarter": _quarter(add_months(quarter_of(today), 3)),
        }
        return spans.get(self.closing)


def _quarter(first: date) -> tuple[date, date]:
    return first, last_of_month(add_months(first, 2))


def choice_of(given: Mapping[str, str]) -> Choice:
    """Read a choice from the parameters of an address; what makes no sense there counts as not said."""
    period, first, last = _period(given)
    today = timezone.localdate()
    since = _day(given.get("since", "")) or now_periods().week.first
    closing = given.get("closing", "")
    return Choice(
        period=period,
        first=first,
        last=last,
        since=min(max(since, today - CHANGES_BACK), today),
        pipeline_id=_key(given.get("pipeline", "")),
        team_id=_key(given.get("team", "")),
        owner_id=_key(given.get("owner", "")),
        closing=closing if closing in CLOSINGS else "",
    )


def _period(given: Mapping[str, str]) -> tuple[str, date, date]:
    first, last = _day(given.get("from", "") + "-01"), _day(given.get("to", "") + "-01")
    if first is not None and last is not None and first <= last:
        return "months", first, last_of_month(last)
    name = given.get("period", "")
    name = name if name in PERIODS else DEFAULT_PERIOD
    return name, *span_of(name, timezone.localdate())


def span_of(period: str, today: date) -> tuple[date, date]:
    """Return the first and the last day of a period that has a name, seen from a day."""
    quarter, month = quarter_of(today), month_of(today)
    spans = {
        "month": (month, last_of_month(today)),
        "last_month": (add_months(month, -1), last_of_month(add_months(month, -1))),
        "quarter": _quarter(quarter),
        "last_quarter": _quarter(add_months(quarter, -3)),
        "year": (date(today.year, 1, 1), date(today.year, 12, 31)),
        "last_year": (date(today.year - 1, 1, 1), date(today.year - 1, 12, 31)),
        "twelve_months": (add_months(month, -11), last_of_month(today)),
        "everything": (BEGINNING, last_of_month(today)),
    }
    return spans[period]


def _day(text: str) -> date | None:
    try:
        day = parse_date(text)
    except ValueError:
        return None
    return None if day is None or not 1900 < day.year < 3000 else day


def _key(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None
