"""Tasks over REST, in the admin, in calendars, and many at once."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.crm.models import Deal
from apps.crm.services.merging import merge_companies
from apps.lists.bulk import Chosen, How
from apps.notifications.models import CalendarFeed, Task
from apps.notifications.services import task_bulk
from tests.crm.factories import make_company, make_deal
from tests.notifications.todos import at, in_days, make_doer, make_task

pytestmark = pytest.mark.django_db
API = "/api/v1/notifications/tasks/"


@pytest.fixture
def doer() -> User:
    return make_doer("Dora Doer", zone="Europe/Berlin")


@pytest.fixture
def client(doer: User) -> Client:
    client = Client()
    client.force_login(doer)
    return client


def post(client: Client, url: str, body: dict[str, Any] | None = None, **headers: str) -> Any:
    return client.post(url, body or {}, "application/json", headers=headers or None)


def test_a_task_lives_over_rest(client: Client, doer: User) -> None:
    deal = make_deal("Forty desks", owner=doer, team=doer.memberships.get().team)
    body = {
        "title": "Call the bank",
        "about": {"type": "crm.deal", "id": deal.pk},
        "due_at": "2030-03-28T08:00:00Z",
        "checklist": [{"text": "Find the papers"}],
        "recurrence": "FREQ=WEEKLY",
    }
    made = post(client, API, body)
    assert made.status_code == 201, made.content
    task = made.json()
    assert task["about"] == {"type": "crm.deal", "id": deal.pk, "name": str(deal)}
    assert (task["assignee"], task["state"], made["ETag"]) == (doer.pk, "OPEN", '"1"')
    one = f"{API}{task['id']}/"
    stale = client.patch(one, {"title": "x"}, "application/json", headers={"If-Match": '"7"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "stale")
    changed = client.patch(one, {"priority": 4}, "application/json", headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.json()["priority"]) == (200, 4), changed.content
    key = task["checklist"][0]["key"]
    assert post(client, f"{one}tick/", {"key": key}).json()["checklist"][0]["is_done"]
    until = (timezone.now() + timedelta(days=1)).isoformat()
    assert post(client, f"{one}snooze/", {"until": until}).json()["snoozed_until"]
    past = post(client, f"{one}snooze/", {"until": "2020-01-01T00:00:00Z"})
    assert (past.status_code, past.json()["errors"][0]["code"]) == (400, "in_the_past")
    done = post(client, f"{one}complete/", {"result": "Called"})
    assert (done.json()["state"], done.json()["result"]) == ("DONE", "Called")
    again = post(client, f"{one}complete/")
    assert (again.status_code, again.json()["code"]) == (409, "task_not_open")
    (following,) = client.get(API, {"state": "OPEN"}).json()["results"]
    assert (following["follows"], following["due_at"]) == (task["id"], "2030-04-04T07:00:00Z")
    assert post(client, f"{one}reopen/").json()["state"] == "OPEN"
    assert post(client, f"{one}cancel/", {"reason": "no"}).json()["state"] == "CANCELLED"
    assert post(client, f"{one}archive/").json()["archived_at"]
    assert post(client, f"{one}restore/").json()["archived_at"] is None


def test_a_key_makes_one_task(client: Client) -> None:
    body = {"title": "Call the bank"}
    first = post(client, API, body, **{"Idempotency-Key": "7"})
    second = post(client, API, body, **{"Idempotency-Key": "7"})
    assert first.json()["id"] == second.json()["id"]
    other = post(client, API, {"title": "Write"}, **{"Idempotency-Key": "7"})
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert Task.objects.count() == 1


def test_what_one_may_not_see_has_no_name(client: Client, doer: User, deal: Deal) -> None:
    task = make_task(doer)
    kind = ContentType.objects.get_for_model(Deal)
    Task.objects.filter(pk=task.pk).update(target_type=kind, target_id=deal.pk)
    assert client.get(f"{API}{task.pk}/").json()["about"] is None
    for page in (
        reverse("admin:notifications_task_changelist"),
        reverse("admin:notifications_task_day"),
        reverse("admin:notifications_task_change", args=[task.pk]),
    ):
        shown = client.get(page).content.decode()
        assert "Call the bank" in shown
        assert deal.title not in shown


def test_pages_open_and_buttons_work(client: Client, doer: User) -> None:
    deal = make_deal("Forty desks", owner=doer, team=doer.memberships.get().team)
    day = reverse("admin:notifications_task_day")
    page = reverse("admin:crm_deal_change", args=[deal.pk])
    made = client.post(
        reverse("admin:notifications_task_quick"),
        {"title": "Send the offer", "about": f"crm.deal:{deal.pk}", "due_at": "", "back": page},
    )
    assert (made.status_code, made["Location"]) == (302, page)
    task = Task.objects.get()
    assert task.target == deal
    assert "Send the offer" in client.get(page).content.decode()
    assert "Forty desks" in client.get(day).content.decode()
    command = reverse("admin:notifications_task_command", args=[task.pk, "complete"])
    done = client.post(command, {"back": "https://evil.example.org/"})
    assert done["Location"] == reverse("admin:notifications_task_change", args=[task.pk])
    task.refresh_from_db()
    assert task.state == "DONE"
    for url in (day, reverse("admin:notifications_task_calendar"), reverse("admin:notifications_task_add")):
        assert client.get(url).status_code == 200
    listed = client.get(reverse("admin:notifications_task_changelist"), {"about": f"crm.deal:{deal.pk}"})
    assert "Send the offer" not in listed.content.decode()
    every = {"about": f"crm.deal:{deal.pk}", "state": "all"}
    assert (
        "Send the offer" in client.get(reverse("admin:notifications_task_changelist"), every).content.decode()
    )


def test_the_form_makes_and_changes(client: Client, doer: User) -> None:
    values = {
        "title": "Count the stock",
        "due_at_0": "2030-01-31",
        "due_at_1": "09:00",
        "recurrence": "FREQ=MONTHLY;BYMONTHDAY=-1",
        "priority": "2",
        "assignee": doer.pk,
        "items": "Shelf A\nShelf B\n",
    }
    made = client.post(reverse("admin:notifications_task_add"), values)
    assert made.status_code == 302, made.context["adminform"].form.errors
    task = Task.objects.get()
    assert task.due_at == at("2030-01-31T09:00+01:00")
    assert [item["text"] for item in task.checklist] == ["Shelf A", "Shelf B"]
    keys = [item["key"] for item in task.checklist]
    values |= {"items": "Shelf B\nShelf C", "expected_version": "1"}
    page = reverse("admin:notifications_task_change", args=[task.pk])
    assert client.post(page, values).status_code == 302
    task.refresh_from_db()
    assert [item["text"] for item in task.checklist] == ["Shelf B", "Shelf C"]
    assert task.checklist[0]["key"] == keys[1]


def test_anything_is_found_by_its_words(client: Client, doer: User) -> None:
    make_task(doer, "Pick up the passports")
    assert "Pick up the passports" in client.get("/admin/search/", {"s": "passp"}).content.decode()


def test_quick_from_anywhere(client: Client) -> None:
    made = client.post("/admin/quick/task/", {"new-title": "Buy paper", "new-due_at": ""})
    assert (made.status_code, made.json()["url"]) == (
        201,
        reverse("admin:notifications_task_change", args=[Task.objects.get().pk]),
    )


# Calendars


def test_a_calendar_reads_by_its_secret_until_it_is_taken_back(client: Client, doer: User) -> None:
    with time_machine.travel(at("2026-03-01T09:00+01:00"), tick=False):
        make_task(doer, "Ä; very, long\nname " + "ы" * 100, due_at=at("2026-03-28T09:00+01:00"))
        make_task(doer, "Tax day", due_at=at("2026-03-31T00:00+02:00"), is_all_day=True)
        make_task(make_doer("other"), "Not mine", due_at=at("2026-03-28T09:00+01:00"))
        made = post(client, "/api/v1/notifications/calendar-feeds/", {"name": "Phone"})
        assert made.status_code == 201, made.content
        path = made.json()["url"].removeprefix("http://testserver")
        stranger = Client()
        found = stranger.get(path)
        text = found.content.decode()
    assert found["Content-Type"] == "text/calendar; charset=utf-8"
    assert "DTSTART:20260328T080000Z\r\n" in text
    assert "DTSTART;VALUE=DATE:20260331\r\nDTEND;VALUE=DATE:20260401\r\n" in text
    assert "Not mine" not in text
    assert r"SUMMARY:Ä\; very\, long\nname" in text
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    with time_machine.travel(at("2026-03-01T09:00+01:00"), tick=False):
        same = stranger.get(path, headers={"If-None-Match": found["ETag"]})
        assert same.status_code == 304
    feed = CalendarFeed.objects.get()
    assert feed.digest not in path
    assert "url" not in client.get(f"/api/v1/notifications/calendar-feeds/{feed.pk}/").json()
    assert post(client, f"/api/v1/notifications/calendar-feeds/{feed.pk}/revoke/").status_code == 200
    assert stranger.get(path).status_code == 404
    assert stranger.get("/calendars/artel_cal_nothing.ics").status_code == 404


def test_who_has_left_is_read_by_nobody(client: Client, doer: User) -> None:
    path = (
        post(client, "/api/v1/notifications/calendar-feeds/").json()["url"].removeprefix("http://testserver")
    )
    User.objects.filter(pk=doer.pk).update(is_active=False)
    assert Client().get(path).status_code == 404


# Many


def test_moving_by_days_is_by_the_wall_and_takes_the_reminder_along(doer: User) -> None:
    with time_machine.travel(at("2026-03-01T09:00+01:00"), tick=False):
        task = make_task(doer, due_at=at("2026-03-28T09:00+01:00"), remind_at=at("2026-03-27T18:00+01:00"))
        closed = make_task(doer, due_at=at("2026-03-28T09:00+01:00"))
        Task.objects.filter(pk=closed.pk).update(state="DONE", closed_at=timezone.now())
        choice = {"due_at": Chosen(How.SHIFT, 1)}
        refused = task_bulk.change_tasks([task.pk, closed.pk], choice, actor=doer, face="ADMIN")
    task.refresh_from_db()
    assert (task.due_at, task.remind_at) == (at("2026-03-29T09:00+02:00"), at("2026-03-28T18:00+01:00"))
    assert list(refused) == [closed.pk]


def test_many_are_handed_on_and_done(admin: User, doer: User) -> None:
    found = [make_task(admin, f"Task {number}") for number in range(3)]
    keys = [task.pk for task in found]
    chosen = {"assignee": Chosen(How.SET, doer)}
    assert not task_bulk.delegate_tasks(keys, chosen, actor=admin, face="ADMIN")
    assert set(Task.objects.filter(pk__in=keys).values_list("assignee", flat=True)) == {doer.pk}
    assert not task_bulk.complete_tasks(keys, {"complete": Chosen(How.DO)}, actor=doer, face="ADMIN")
    assert set(Task.objects.values_list("state", flat=True)) == {"DONE"}


def test_tasks_go_with_what_they_are_about_when_it_is_merged(admin: User) -> None:
    winner, loser = make_company("Iron", owner=admin), make_company("Iron Ltd", owner=admin)
    task = make_task(admin, about=("crm.company", loser.pk), due_at=in_days(1))
    merge_companies(winner.pk, loser.pk, actor=admin)
    task.refresh_from_db()
    assert task.target == winner
