"""Quiet hours and digests, by the clock on the wall of whoever is left in peace."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.notifications.telling.hours import next_at, quiet_end

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from(
    [ZoneInfo(name) for name in ("UTC", "Europe/Moscow", "Europe/Berlin", "America/New_York", "Asia/Kolkata")]
)
# Any minute of three years.
MOMENTS = st.integers(0, 3 * 365 * 1440).map(
    lambda minutes: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
CLOCKS = st.integers(0, 1439).map(lambda minutes: time(minutes // 60, minutes % 60))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("now", "ends"),
    [
        ("2026-03-10T21:59+01:00", None),
        ("2026-03-10T22:00+01:00", "2026-03-11T07:00+01:00"),
        ("2026-03-11T03:00+01:00", "2026-03-11T07:00+01:00"),
        ("2026-03-11T07:00+01:00", None),
        # In this night the clocks are put forward: it is an hour shorter.
        ("2026-03-28T23:00+01:00", "2026-03-29T07:00+02:00"),
        ("2026-10-24T23:00+02:00", "2026-10-25T07:00+01:00"),
    ],
)
def test_a_night_ends_in_the_morning(now: str, ends: str | None) -> None:
    found = quiet_end(at(now), BERLIN, time(22), time(7))
    assert found == (None if ends is None else at(ends))


def test_an_hour_of_the_day_is_quiet_as_well() -> None:
    assert quiet_end(at("2026-03-10T12:30+01:00"), BERLIN, time(12), time(13)) == at("2026-03-10T13:00+01:00")
    assert quiet_end(at("2026-03-10T13:30+01:00"), BERLIN, time(12), time(13)) is None


def test_nothing_is_quiet_without_hours_or_with_none_between() -> None:
    assert quiet_end(at("2026-03-10T12:30+01:00"), BERLIN, None, None) is None
    assert quiet_end(at("2026-03-10T12:30+01:00"), BERLIN, time(9), time(9)) is None


@given(MOMENTS, ZONES, CLOCKS, CLOCKS)
def test_what_is_kept_is_kept_until_it_is_not_quiet(
    now: datetime, zone: ZoneInfo, begins: time, ends: time
) -> None:
    found = quiet_end(now, zone, begins, ends)
    if found is None:
        return
    assert now < found <= now + timedelta(hours=25)
    assert quiet_end(found, zone, begins, ends) is None


@given(MOMENTS, ZONES, CLOCKS)
def test_a_digest_comes_once_a_day(now: datetime, zone: ZoneInfo, clock: time) -> None:
    first = next_at(now, zone, clock)
    assert now < first <= now + timedelta(hours=25)
    assert timedelta(hours=22) <= next_at(first, zone, clock) - first <= timedelta(hours=26)
