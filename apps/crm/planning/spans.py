"""Which days and months a calendar shows. Without the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from django.utils.dateparse import parse_date

from apps.crm.reports.choices import add_months, last_of_month, month_of

WEEK = 7
# The months of a forecast, this one included.
MONTHS = 6
# Beyond which no calendar leads: a month before or after has to exist.
_EARLIEST, _LATEST = date(1900, 1, 1), date(2999, 12, 31)


class By(StrEnum):
    """What a deal's day is."""

    CLOSE = "close"
    STEP = "step"


class Scale(StrEnum):
    """How much of time is shown at once."""

    MONTH = "month"
    WEEK = "week"
    MONTHS = "months"


COLUMNS = {By.CLOSE: "expected_close_date", By.STEP: "next_step_date"}


@dataclass(frozen=True)
class Shown:
    """
    What of time somebody looks at.

    :ivar anchor: the first day of the month or week, or of the first of several months
    """

    by: By
    scale: Scale
    anchor: date

    @property
    def column(self) -> str:
        """The column of a deal that says its day."""
        return COLUMNS[self.by]

    def days(self) -> Sequence[date]:
        """Return the days of a calendar: whole weeks, from a Monday on."""
        first = self.anchor - timedelta(days=self.anchor.weekday())
        last = last_of_month(self.anchor) if self.scale == Scale.MONTH else first
        weeks = (last - first).days // WEEK + 1
        return [first + timedelta(days=number) for number in range(weeks * WEEK)]

    def months(self) -> Sequence[date]:
        """Return the first days of the months of a forecast."""
        return [add_months(self.anchor, number) for number in range(MONTHS)]

    def moved(self, steps: int) -> "Shown":
        """Return what is shown so many screens later."""
        if self.scale == Scale.WEEK:
            anchor = self.anchor + timedelta(days=WEEK * steps)
        else:
            anchor = add_months(self.anchor, steps)
        return Shown(self.by, self.scale, _within(anchor))

    def params(self) -> dict[str, str]:
        """Return it as an address says it."""
        return {"by": str(self.by), "scale": str(self.scale), "on": self.anchor.isoformat()}


def shown_of(params: Mapping[str, str], today: date, *, is_forecast: bool = False) -> Shown:
    """Read what an address asks for; what makes no sense is the usual: this month, by expected close."""
    by = By.STEP if params.get("by") == By.STEP and not is_forecast else By.CLOSE
    scale = Scale.WEEK if params.get("scale") == Scale.WEEK else Scale.MONTH
    if is_forecast:
        scale = Scale.MONTHS
    try:
        on = parse_date(params.get("on", "")) or today
    except ValueError:
        on = today
    on = _within(on)
    return Shown(by, scale, on - timedelta(days=on.weekday()) if scale == Scale.WEEK else month_of(on))


def _within(day: date) -> date:
    return min(max(day, _EARLIEST), _LATEST)
