"""A filter by days over a column of moments."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_date
from unfold.contrib.filters.admin import RangeDateFilter


class DaysFilter(RangeDateFilter):  # type: ignore[misc]
    """A range of whole days, the last one included, over a column of moments, as the person's calendar says."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        first, last = self._day("from"), self._day("to")
        if first is not None:
            queryset = queryset.filter(**{f"{self.field_path}__gte": _midnight(first)})
        if last is not None:
            queryset = queryset.filter(**{f"{self.field_path}__lt": _midnight(last + timedelta(days=1))})
        return queryset

    def _day(self, end: str) -> date | None:
        try:
            day = parse_date(str(self.used_parameters.get(f"{self.field_path}_{end}") or ""))
        except ValueError:
            return None
        # The last day of the calendar has no day after it.
        return None if day is None or not 1 < day.year < date.max.year else day


def _midnight(day: date) -> datetime:
    """Return when a day begins where the person is."""
    return datetime.combine(day, time.min, tzinfo=timezone.get_current_timezone())
