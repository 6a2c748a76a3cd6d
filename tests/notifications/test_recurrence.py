"""When something is due next: by the clock on the wall, whatever the clocks, the months and the years do."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from apps.common import recurrence
from tests.notifications.todos import at

BERLIN, MOSCOW = ZoneInfo("Europe/Berlin"), ZoneInfo("Europe/Moscow")


def following(
    rule: str, due: str, *, zone: ZoneInfo = BERLIN, to: ZoneInfo | None = None, count: int = 1
) -> list[str]:
    """Return the wall clocks of the next times, each done in time."""
    due_at = at(due)
    start = recurrence.kept_wall(due_at, zone)
    found: list[str] = []
    was_in = zone
    for _each in range(count):
        next_at = recurrence.next_due(
            rule, start, due_at=due_at, not_before=due_at, was_in=was_in, zone=to or zone
        )
        if next_at is None:
            return [*found, "over"]
        due_at, was_in = next_at, to or zone
        found.append(f"{due_at.astimezone(was_in):%Y-%m-%d %H:%M}")
    return found


def test_nine_o_clock_stays_nine_o_clock_over_both_changes_of_the_clocks() -> None:
    # In Berlin the clocks go on at 2 on the 29th of March 2026, and back at 3 on the 25th of October.
    spring = following("FREQ=DAILY", "2026-03-28T09:00+01:00", count=2)
    assert spring == ["2026-03-29 09:00", "2026-03-30 09:00"]
    autumn = following("FREQ=DAILY", "2026-10-24T09:00+02:00", count=2)
    assert autumn == ["2026-10-25 09:00", "2026-10-26 09:00"]


def test_a_time_that_is_left_out_is_an_hour_later_and_only_then() -> None:
    assert following("FREQ=DAILY", "2026-03-28T02:30+01:00", count=2) == [
        "2026-03-29 03:30",
        "2026-03-30 02:30",
    ]


def test_of_a_time_that_comes_twice_the_first_is_meant() -> None:
    due = recurrence.next_due(
        "FREQ=DAILY",
        "20261024T023000",
        due_at=at("2026-10-24T02:30+02:00"),
        not_before=at("2026-10-24T02:30+02:00"),
        was_in=BERLIN,
        zone=BERLIN,
    )
    assert due == at("2026-10-25T02:30+02:00")


def test_months_without_a_31st_are_left_out_and_the_last_day_is_the_last_day() -> None:
    on_31 = following("FREQ=MONTHLY", "2026-01-31T09:00+01:00", count=3)
    assert on_31 == ["2026-03-31 09:00", "2026-05-31 09:00", "2026-07-31 09:00"]
    last = following("FREQ=MONTHLY;BYMONTHDAY=-1", "2026-01-31T09:00+01:00", count=3)
    assert last == ["2026-02-28 09:00", "2026-03-31 09:00", "2026-04-30 09:00"]


def test_a_leap_day_comes_every_four_years_and_not_in_2100() -> None:
    assert following("FREQ=YEARLY", "2024-02-29T09:00+01:00", count=2) == [
        "2028-02-29 09:00",
        "2032-02-29 09:00",
    ]
    assert following("FREQ=YEARLY", "2096-02-29T09:00+01:00") == ["2104-02-29 09:00"]


def test_whoever_moves_has_nine_o_clock_where_they_are_now() -> None:
    assert following("FREQ=DAILY", "2026-06-01T09:00+03:00", zone=MOSCOW, to=BERLIN, count=2) == [
        "2026-06-02 09:00",
        "2026-06-03 09:00",
    ]


def test_what_was_missed_is_not_made_up_for() -> None:
    due = recurrence.next_due(
        "FREQ=WEEKLY",
        "20260105T090000",
        due_at=at("2026-01-05T09:00+01:00"),
        not_before=at("2026-02-11T12:00+01:00"),
        was_in=BERLIN,
        zone=BERLIN,
    )
    assert due == at("2026-02-16T09:00+01:00")


def test_a_series_ends_with_its_count_or_its_day() -> None:
    assert following("FREQ=DAILY;COUNT=3", "2026-01-01T09:00+01:00", count=5) == [
        "2026-01-02 09:00",
        "2026-01-03 09:00",
        "over",
    ]
    until = recurrence.cleaned("FREQ=DAILY;UNTIL=20260102", zone=BERLIN)
    assert following(until, "2026-01-01T09:00+01:00", count=3) == ["2026-01-02 09:00", "over"]
    # In UTC it is an hour earlier than on the wall.
    assert recurrence.cleaned("FREQ=DAILY;UNTIL=20260102T230000Z", zone=BERLIN) == (
        "FREQ=DAILY;UNTIL=20260103T000000"
    )


def test_a_reminder_moves_along_by_the_wall_or_by_the_clock() -> None:
    due, due_next = at("2026-03-28T09:00+01:00"), at("2026-03-29T09:00+02:00")
    common: dict[str, Any] = {"due_at": due, "due_next": due_next, "was_in": BERLIN, "zone": BERLIN}
    assert recurrence.moved_along(at("2026-03-28T08:30+01:00"), **common) == at("2026-03-29T08:30+02:00")
    # At eight in the evening before, though that night is shorter.
    assert recurrence.moved_along(at("2026-03-27T20:00+01:00"), **common) == at("2026-03-28T20:00+01:00")


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "FREQ=HOURLY",
        "FREQ=SECONDLY",
        "WEEKLY",
        "FREQ=DAILY;FREQ=DAILY",
        "FREQ=DAILY;BYHOUR=1",
        "FREQ=DAILY;COUNT=2;UNTIL=20260101",
        "FREQ=DAILY;UNTIL=soon",
        "FREQ=WEEKLY;BYDAY=XX",
        "FREQ=MONTHLY;BYMONTHDAY=99",
        "FREQ=DAILY;INTERVAL=0",
        # They never come, and are not looked for through the millennia.
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;INTERVAL=2;BYMONTH=1",
        "FREQ=DAILY;BYSETPOS=3",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=5",
        "FREQ=YEARLY;BYYEARDAY=366",
        f"FREQ=MONTHLY;BYMONTHDAY={','.join(['1'] * 200)}",
    ],
)
def test_what_is_no_rule_is_refused(rule: str) -> None:
    with pytest.raises(ValidationError) as refused:
        recurrence.cleaned(rule, zone=BERLIN)
    assert refused.value.error_dict["recurrence"][0].code == "invalid_recurrence"


def test_a_leap_day_in_the_wrong_years_is_over_at_once() -> None:
    rule = recurrence.cleaned("FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29", zone=BERLIN)
    assert following(rule, "2026-01-01T09:00+01:00") == ["over"]


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)),  # noqa: DTZ001 - wall clocks
    st.sampled_from(["FREQ=DAILY", "FREQ=WEEKLY", "FREQ=MONTHLY", "FREQ=WEEKLY;BYDAY=MO,FR"]),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]),
)
def test_the_next_time_is_always_later(wall: datetime, rule: str, name: str) -> None:
    zone = ZoneInfo(name)
    due = recurrence.moment_of(wall.replace(microsecond=0), zone)
    start = recurrence.kept_wall(due, zone)
    after = recurrence.next_due(rule, start, due_at=due, not_before=due, was_in=zone, zone=zone)
    assert after is not None
    assert after > due
