"""The days that figures are about, as the calendar of the person who looks says."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.utils import timezone

# A year of months, this one included.
MONTHS = 12


@dataclass(frozen=True)
class Span:
    """Whole days, the last one included."""

    first: date
    last: date

    @property
    def begins_at(self) -> datetime:
        return midnight(self.first)

    @property
    def ends_at(self) -> datetime:
        """The moment after it."""
        return midnight(self.last + timedelta(days=1))


def midnight(day: date) -> datetime:
    """Return when a day begins where the person is."""
    return datetime.combine(day, time.min, tzinfo=timezone.get_current_timezone())


@dataclass(frozen=True)
class Periods:
    """What is compared with what, seen from one day."""

    today: date

    @property
    def yesterday(self) -> date:
        return self.today - timedelta(days=1)

    @property
    def tomorrow(self) -> date:
        return self.today + timedelta(days=1)

    @property
    def in_a_week(self) -> date:
        return self.today + timedelta(days=7)

    @property
    def months(self) -> list[Span]:
        """The last twelve months, this one last and only up to today."""
        months = [self.month]
        while len(months) < MONTHS:
            months.append(_month_before(months[-1].first))
        return months[::-1]

    @property
    def month(self) -> Span:
        return Span(self.today.replace(day=1), self.today)

    @property
    def last_month(self) -> Span:
        return _month_before(self.today)

    @property
    def last_month_so_far(self) -> Span:
        """Last month up to the same day of it; all of it where it is shorter."""
        whole = self.last_month
        return Span(whole.first, whole.first.replace(day=min(self.today.day, whole.last.day)))

    @property
    def week(self) -> Span:
        """Since Monday; on a Monday since the one before, for that is what the week begins with."""
        return Span(self.today - timedelta(days=self.today.weekday() or 7), self.today)


def _month_before(day: date) -> Span:
    last = day.replace(day=1) - timedelta(days=1)
    return Span(last.replace(day=1), last.replace(day=monthrange(last.year, last.month)[1]))


def now_periods() -> Periods:
    """Return the periods of this moment, where the person is."""
    return Periods(timezone.localdate())
