"""
When something that is done again and again is due next: rules of RFC 5545, reckoned by the clock on somebody's wall.

A rule says nothing of places. It is kept with the wall clock at which its series began, reckoned on there, and turned
into a moment in the zone of whoever is to do it: at nine stays at nine, whatever the clocks do.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil.rrule import rrule, rrulestr
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# How the beginning of a series is kept: a wall clock, without a zone.
WALL = "%Y%m%dT%H%M%S"
LONGEST = 300
_PARTS = frozenset(
    ["FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS", "WKST"]
)
# The numbers that a part may name, from the first to the last; zero is none of those that count from either end.
_NUMBERS: dict[str, tuple[int, int]] = {
    "INTERVAL": (1, 1000),
    "COUNT": (1, 1000),
    "BYMONTH": (1, 12),
    "BYMONTHDAY": (-31, 31),
    # Each weekday comes four times in any month, so there always is such a one.
    "BYSETPOS": (-4, 4),
}
# With what each part makes sense. Others may never come, and would be looked for day by day until the year 9999.
_ONLY_WITH = {
    "BYMONTH": frozenset(["YEARLY"]),
    "BYMONTHDAY": frozenset(["MONTHLY", "YEARLY"]),
    "BYSETPOS": frozenset(["MONTHLY"]),
}
_LONGEST_MONTHS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
_FREQUENCIES = frozenset(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"])
# A rule that has nothing for as long is as good as over. The 29th of February is missing for eight years at most.
_FURTHEST = timedelta(days=366 * 12)
# A day and more is meant by the calendar, what is less by the clock.
_BY_CALENDAR = timedelta(hours=12)

# What people choose from; everything else is written as a rule.
PRESETS: dict[str, str | Promise] = {
    "FREQ=DAILY": _("every day"),
    "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR": _("every working day"),
    "FREQ=WEEKLY": _("every week"),
    "FREQ=WEEKLY;INTERVAL=2": _("every two weeks"),
    "FREQ=MONTHLY": _("every month on this day"),
    "FREQ=MONTHLY;BYMONTHDAY=-1": _("on the last day of each month"),
    "FREQ=MONTHLY;INTERVAL=3": _("every three months"),
    "FREQ=YEARLY": _("every year"),
}


def zone_named(name: str) -> ZoneInfo:
    """Return a zone by its name; the installation's own where there is none, or none of that name any more."""
    try:
        return ZoneInfo(name or settings.TIME_ZONE)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo(settings.TIME_ZONE)


def cleaned(text: str, *, zone: ZoneInfo) -> str:
    """
    Return a rule as it is kept: its parts in capitals, an end in UTC turned into the wall clock of `zone`.

    :raises ValidationError: it is no rule that is understood here, or never comes ("invalid_recurrence")
    """
    found: dict[str, str] = {}
    for part in text.strip().upper().removeprefix("RRULE:").strip(";").split(";"):
        name, equals, value = part.partition("=")
        if not equals or not value or name not in _PARTS or name in found:
            raise _refused()
        if name in _NUMBERS and not _are_numbers(value, *_NUMBERS[name]):
            raise _refused()
        found[name] = value
    if found.get("FREQ") not in _FREQUENCIES or {"COUNT", "UNTIL"} <= found.keys():
        raise _refused()
    _require_sense(found)
    if "UNTIL" in found:
        found["UNTIL"] = _until(found["UNTIL"], zone)
    rule = ";".join(f"{name}={value}" for name, value in found.items())
    if len(rule) > LONGEST:
        raise _refused()
    _parsed(rule, datetime(2024, 1, 1))  # noqa: DTZ001 - a wall clock
    return rule


def _require_sense(parts: Mapping[str, str]) -> None:
    """Insist that there are such days. :raises ValidationError: there are none, or nobody can tell"""
    if any(name in parts and parts["FREQ"] not in among for name, among in _ONLY_WITH.items()):
        raise _refused()
    if "BYSETPOS" in parts and ("BYDAY" not in parts or "BYMONTHDAY" in parts):
        raise _refused()
    if parts["FREQ"] == "YEARLY" and "BYMONTHDAY" in parts:
        months = [int(month) for month in parts.get("BYMONTH", "").split(",") if month]
        days = [abs(int(day)) for day in parts["BYMONTHDAY"].split(",")]
        if not any(min(days) <= _LONGEST_MONTHS[month - 1] for month in months):
            raise _refused()


def _are_numbers(value: str, first: int, last: int) -> bool:
    numbers = value.split(",")
    is_plain = all(re.fullmatch(r"[+-]?[0-9]{1,4}", each, re.ASCII) for each in numbers)
    return is_plain and all(first <= int(each) <= last and int(each) for each in numbers)


def _until(value: str, zone: ZoneInfo) -> str:
    """Return the end of a rule by the wall clock; a day alone is meant to its end."""
    for form in ("%Y%m%dT%H%M%SZ", WALL, "%Y%m%d"):
        try:
            at = datetime.strptime(value, form)  # noqa: DTZ007 - its zone is said below
        except ValueError:
            continue
        if form.endswith("Z"):
            at = at.replace(tzinfo=UTC).astimezone(zone)
        elif form == "%Y%m%d":
            at = at.replace(hour=23, minute=59, second=59)
        return at.strftime(WALL)
    raise _refused()


def _parsed(rule: str, start: datetime) -> rrule:
    try:
        found = rrulestr(f"RRULE:{rule}", dtstart=start)
    except (ValueError, TypeError, AttributeError, IndexError) as error:
        raise _refused() from error
    if not isinstance(found, rrule):
        raise _refused()
    return found


def next_wall(rule: str, start: str, after: datetime) -> datetime | None:
    """
    Return the wall clock of the first time after another; None where the series is over.

    :param start: the wall clock at which the series began, as it is kept
    :param after: a wall clock
    """
    begun = datetime.strptime(start, WALL)  # noqa: DTZ007 - a wall clock
    parsed = _parsed(rule, begun)
    furthest = max(after, begun) + _FURTHEST
    # The library does not take an end and a count together, so that is counted here.
    bounded = parsed.replace(count=None, until=min(parsed._until or furthest, furthest))
    times = islice(bounded, parsed._count)
    return next((at for at in times if at > after), None)


def next_due(
    rule: str, start: str, *, due_at: datetime, not_before: datetime, was_in: ZoneInfo, zone: ZoneInfo
) -> datetime | None:
    """
    Return the moment at which something is due next; None where the series is over.

    :param due_at: when it was due this time
    :param not_before: when it was done: what has been missed until then is not done one by one
    :param was_in: the zone in which it was due this time
    :param zone: the zone of whoever does it next
    """
    after = max(wall_of(due_at, was_in), wall_of(not_before, zone))
    found = next_wall(rule, start, after)
    return None if found is None else moment_of(found, zone)


def wall_of(at: datetime, zone: ZoneInfo) -> datetime:
    """Return what the clock on the wall says at a moment."""
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def moment_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment at which the clock on the wall says so: the first of two; where it is left out, as much later."""
    return wall.replace(tzinfo=zone).astimezone(UTC)


def kept_wall(at: datetime, zone: ZoneInfo) -> str:
    """Return a moment as the beginning of a series is kept."""
    return wall_of(at, zone).strftime(WALL)


def moved_along(
    at: datetime, *, due_at: datetime, due_next: datetime, was_in: ZoneInfo, zone: ZoneInfo
) -> datetime:
    """Return when to remind of the next time, as long before it as of this one."""
    before = due_at - at
    if abs(before) < _BY_CALENDAR:
        return due_next - before
    by_wall = wall_of(due_at, was_in) - wall_of(at, was_in)
    return moment_of(wall_of(due_next, zone) - by_wall, zone)


def words_of(rule: str) -> str:
    """Say a rule in words, where it is one that people choose; otherwise as it is."""
    return str(PRESETS.get(rule, rule))


def _refused() -> ValidationError:
    message = _("Say how it repeats as in RFC 5545: FREQ=WEEKLY;BYDAY=MO,TH. By the hour is too often.")
    return ValidationError({"recurrence": ValidationError(message, code="invalid_recurrence")})
