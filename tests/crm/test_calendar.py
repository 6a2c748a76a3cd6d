"""Deals laid out by time: which days there are, what stands on them, and that it is what the list says."""

from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from apps.crm.planning.spans import By, Scale, Shown, shown_of
from tests.crm.factories import make_deal

if TYPE_CHECKING:
    from apps.accounts.models import User

CALENDAR, MONTHS = "/admin/crm/deal/calendar/", "/admin/crm/deal/months/"
DAYS = st.dates(date(1900, 2, 1), date(2999, 11, 30))


@given(DAYS, st.sampled_from([Scale.MONTH, Scale.WEEK]), st.integers(-30, 30))
def test_a_calendar_has_whole_weeks_and_every_day_of_its_month(on: date, scale: Scale, steps: int) -> None:
    shown = shown_of({"scale": scale, "on": on.isoformat()}, date(2026, 11, 30)).moved(steps).moved(-steps)
    days = shown.days()
    assert len(days) % 7 == 0
    assert days[0].weekday() == 0
    assert [day.toordinal() for day in days] == list(range(days[0].toordinal(), days[-1].toordinal() + 1))
    if date(1903, 1, 1) < on < date(2996, 1, 1):
        assert on in days
        # What an address says leads to the same days.
        assert shown_of(shown.params(), date(2000, 1, 1)) == shown


@pytest.mark.parametrize("on", ["", "2026-13-45", "yesterday", "0001-01-01", "9999-12-31"])
def test_an_address_that_makes_no_sense_leads_to_some_month(on: str) -> None:
    shown = shown_of({"by": "moon", "scale": "year", "on": on}, date(2026, 11, 30))
    assert (shown.by, shown.scale, shown.anchor.day) == (By.CLOSE, Scale.MONTH, 1)
    assert shown.moved(1).days()
    assert shown.moved(-1).days()


def ask(user: "User", path: str, **params: Any) -> Any:
    client = Client()
    client.force_login(user)
    response = client.get(path, params)
    assert response.status_code == 200, response
    return response


def days_of(response: Any) -> dict[str, list[str]]:
    slots = [slot for week in response.context["slots"] for slot in week]
    return {str(slot["day"]): [deal["title"] for deal in slot["deals"]] for slot in slots if slot["count"]}


@pytest.mark.django_db
def test_open_deals_stand_on_their_days_the_largest_first(anna: "User", boris: "User") -> None:
    today = timezone.localdate()
    for number in range(5):
        make_deal(f"Desk {number}", owner=anna, expected_close_date=today, amount=Decimal(100 + number))
    step = make_deal("Lamps", owner=anna, next_step="Call them", next_step_date=today + timedelta(days=1))
    make_deal("Boris secret", owner=boris, expected_close_date=today)
    response = ask(anna, CALENDAR)
    assert days_of(response)[str(today)] == ["Desk 4", "Desk 3", "Desk 2"]
    slot = next(s for week in response.context["slots"] for s in week if s["day"] == today)
    assert (slot["count"], slot["more"], slot["sums"]) == (5, 2, ["510\u00a0₽"])
    assert "Boris secret" not in response.content.decode()
    # The figure opens the rows behind it.
    client = Client()
    client.force_login(anna)
    behind = client.get(slot["url"])
    assert behind.context["cl"].result_count == 5
    by_step = ask(anna, CALENDAR, by="step", scale="week", on=(today + timedelta(days=1)).isoformat())
    assert days_of(by_step) == {str(step.next_step_date): ["Lamps"]}
    assert "Call them" in by_step.content.decode()


@pytest.mark.django_db
def test_the_filters_of_the_list_hold_for_every_layout(anna: "User") -> None:
    today = timezone.localdate()
    make_deal("Forty desks", owner=anna, expected_close_date=today)
    make_deal("Ten lamps", owner=anna, expected_close_date=today)
    assert days_of(ask(anna, CALENDAR, q="desks")) == {str(today): ["Forty desks"]}
    response = ask(anna, CALENDAR, q="desks", amount_from="1")
    assert days_of(response) == {str(today): ["Forty desks"]}
    months = ask(anna, MONTHS, q="lamps")
    assert [deal["title"] for slot in months.context["slots"] for deal in slot["deals"]] == ["Ten lamps"]
    assert all("q=lamps" in link["url"] for link in months.context["layouts"])


@pytest.mark.django_db
def test_months_say_what_deals_are_worth_and_what_is_overdue(anna: "User") -> None:
    today = timezone.localdate().replace(day=1)
    make_deal("Now", owner=anna, expected_close_date=today, amount=Decimal(1000), probability=25)
    make_deal("Late", owner=anna, expected_close_date=today - timedelta(days=40))
    make_deal("Undated", owner=anna, expected_close_date=None)
    response = ask(anna, MONTHS)
    slots = response.context["slots"]
    assert [slot["count"] for slot in slots] == [1, 1, 0, 0, 0, 0, 0, 1]
    assert slots[1]["weighted"] == "250\u00a0₽"
    assert slots[1]["sums"] == ["1,000\u00a0₽"]
    client = Client()
    client.force_login(anna)
    assert [client.get(slot["url"]).context["cl"].result_count for slot in slots[:2]] == [1, 1]


@pytest.mark.django_db
def test_months_show_the_largest_of_each_and_of_all_that_is_late(anna: "User", boris: "User") -> None:
    this = timezone.localdate().replace(day=1)
    for number in range(24):
        late = this - timedelta(days=20 + 31 * (number % 4))
        make_deal(f"Late {number}", owner=anna, expected_close_date=late, amount=Decimal(1000 + number))
    make_deal(
        "Late of Boris", owner=boris, expected_close_date=this - timedelta(days=9), amount=Decimal(9000)
    )
    make_deal("Late and of no amount", owner=anna, expected_close_date=this - timedelta(days=9), amount=None)
    make_deal("Large", owner=anna, expected_close_date=this + timedelta(days=3), amount=Decimal(50))
    make_deal("Small", owner=anna, expected_close_date=this + timedelta(days=9), amount=Decimal(5))
    overdue, now, *_others = ask(anna, MONTHS).context["slots"]
    shown = [deal["title"] for deal in overdue["deals"]]
    assert shown == [f"Late {number}" for number in range(23, 23 - len(shown), -1)]
    assert (len(shown) > 4, overdue["count"], overdue["more"]) == (True, 25, 25 - len(shown))
    assert [deal["title"] for deal in now["deals"]] == ["Large", "Small"]
    # What lies between today and the months that are looked at is in none of their columns.
    later = ask(anna, MONTHS, on=(this + timedelta(days=200)).isoformat()).context["slots"]
    assert [slot["count"] for slot in later] == [25, 0, 0, 0, 0, 0, 0]


@pytest.mark.django_db
@pytest.mark.parametrize("path", [CALENDAR, MONTHS])
def test_it_costs_the_same_whatever_there_is(
    anna: "User", path: str, django_assert_max_num_queries: Any
) -> None:
    today = timezone.localdate()
    for number in range(30):
        make_deal(f"Desk {number}", owner=anna, expected_close_date=today + timedelta(days=number % 9))
    client = Client()
    client.force_login(anna)
    client.get(path)
    with django_assert_max_num_queries(15):
        assert client.get(path).status_code == 200


@pytest.mark.django_db
def test_who_sees_no_deals_sees_no_calendar(db: None) -> None:
    from tests.accounts.factories import make_user

    nobody = make_user("nobody")
    nobody.is_staff = True
    nobody.save()
    client = Client()
    client.force_login(nobody)
    for path in (CALENDAR, MONTHS):
        assert client.get(path).status_code == 403


def test_what_is_shown_keeps_its_kind_when_it_moves() -> None:
    shown = Shown(By.STEP, Scale.WEEK, date(2026, 11, 30))
    assert shown.moved(1) == Shown(By.STEP, Scale.WEEK, date(2026, 12, 7))
    assert Shown(By.CLOSE, Scale.MONTHS, date(2026, 11, 1)).months()[-1] == date(2027, 4, 1)
