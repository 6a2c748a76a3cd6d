"""When somebody is left in peace, and when they read what is told once a day; reckoned by the clock on their wall."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)


def quiet_end(now: datetime, zone: ZoneInfo, begins: time | None, ends: time | None) -> datetime | None:
    """
    Return when the quiet hours are over in which a moment lies; None where it lies in none.

    :param ends: earlier than `begins` where a night lies between; the same is no quiet at all
    """
    if begins is None or ends is None or begins == ends:
        return None
    local = now.astimezone(zone)
    clock = local.time().replace(tzinfo=None)
    if begins < ends:
        return _after(now, local, ends, zone) if begins <= clock < ends else None
    if clock >= begins:
        return _after(now, local + _DAY, ends, zone)
    return _after(now, local, ends, zone) if clock < ends else None


def next_at(now: datetime, zone: ZoneInfo, clock: time) -> datetime:
    """Return the next moment after `now` at which a clock shows a time."""
    local = now.astimezone(zone)
    found = _at(local, clock, zone)
    return found if found > now else _at(local + _DAY, clock, zone)


def _after(now: datetime, day: datetime, clock: time, zone: ZoneInfo) -> datetime:
    """Return when a clock shows a time on a day; where it shows it twice, the first after now."""
    first = _at(day, clock, zone)
    return first if first > now else _at(day, clock.replace(fold=1), zone)


def _at(day: datetime, clock: time, zone: ZoneInfo) -> datetime:
    # Of a time that the clocks leave out, the moment an hour later; of one that comes twice, the first.
    return datetime.combine(day.date(), clock, zone).astimezone(UTC)
