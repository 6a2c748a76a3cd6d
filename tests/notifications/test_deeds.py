"""Buttons in messages: each does one thing, once, for whoever has the message, and nothing by being looked at."""

import re
from datetime import timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest
import redis
from django.core import mail
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.documents.models import Approval
from apps.documents.services import approvals
from apps.notifications.models import Notification, Preference, Task
from apps.notifications.selectors.inbox import items_of
from apps.notifications.services import deeds, inbox, tasks
from apps.notifications.services.escalating import escalate_ignored
from apps.notifications.services.writing import unsubscribe_url
from tests.accounts.factories import make_member, make_team
from tests.crm.test_deal_races import at_once
from tests.documents.factories import kind as document_kind
from tests.documents.factories import make_document
from tests.notifications.messaging import notify, wants, work
from tests.notifications.test_inbox import hear
from tests.notifications.todos import make_doer, make_task

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def empty_redis(redis_url: str) -> None:
    """Begin with no secret and no count."""


@pytest.fixture
def doer() -> User:
    return make_doer("Dora", zone="Europe/Berlin")


def buttons(number: int = -1) -> list[str]:
    """Return the addresses of the buttons in a letter."""
    return re.findall(r"https?://[^/\s]+(/messages/do/[^\s]+)", str(mail.outbox[number].body))


def test_a_button_asks_and_its_page_does_it_once(doer: User) -> None:
    task = make_task(doer, "Call the bank")
    notify(doer, task)
    work()
    done, _snooze = buttons()
    client = Client()
    for _scanner in range(3):
        page = client.get(done)
        assert page.status_code == 200
        assert "Call the bank" in page.content.decode()
    assert client.head(done).status_code == 200
    assert Task.objects.get(pk=task.pk).state == Task.State.OPEN
    assert page["Referrer-Policy"] == "no-referrer"
    assert client.post(done).status_code == 200
    assert Task.objects.get(pk=task.pk).state == Task.State.DONE
    assert Task.objects.get(pk=task.pk).updated_by == doer
    again = client.post(done)
    assert again.status_code == 404
    assert "does not work any more" in again.content.decode()


def test_snoozing_is_until_tomorrow_morning_where_the_person_lives(doer: User) -> None:
    task = make_task(doer)
    notify(doer, task)
    work()
    assert Client().post(buttons()[1]).status_code == 200
    until = Task.objects.get(pk=task.pk).snoozed_until
    assert until is not None
    local = until.astimezone(ZoneInfo("Europe/Berlin"))
    assert (local.hour, local.minute) == (9, 0)
    assert timedelta(0) < until - timezone.now() <= timedelta(hours=34)


def ask_for_approval() -> tuple[User, User, Approval]:
    """Let a lawyer be asked about a contract, and be told of it."""
    seller = make_member(make_team("North"), "administrator", "Selma")
    lawyer = make_member(make_team("Legal"), "salesperson", "Lena")
    contract = make_document(
        seller, "Supply of pumps", b"%PDF-1.7 the contract", type=document_kind("contract")
    )
    approval = approvals.request_approval(
        contract.pk, actor=seller, steps=[approvals.Ask(assignee_id=lawyer.pk)]
    )
    hear()
    return seller, lawyer, approval


def test_an_approval_is_given_by_a_button() -> None:
    _seller, lawyer, approval = ask_for_approval()
    work()
    (letter,) = mail.outbox
    assert letter.to == [lawyer.email]
    (approve,) = buttons()
    assert "Supply of pumps" in Client().get(approve).content.decode()
    assert Client().post(approve).status_code == 200
    approval.refresh_from_db()
    assert approval.state == Approval.State.APPROVED
    assert approval.steps.get().decided_by == lawyer
    assert Client().post(approve).status_code == 404


def test_who_asks_is_told_that_nobody_has_looked() -> None:
    seller, _lawyer, _approval = ask_for_approval()
    for row in Notification.objects.all():
        Notification.objects.filter(pk=row.pk).update(created_at=row.created_at - timedelta(hours=25))
    assert escalate_ignored() == 1
    (item,) = items_of(inbox.inbox_of(seller), reader=seller)
    assert item.title == "Lena has not looked at “Supply of pumps” yet"


def test_a_flushed_redis_fails_politely(doer: User, redis_url: str) -> None:
    notify(doer, make_task(doer))
    work()
    redis.Redis.from_url(redis_url).flushall()
    for method in ("get", "post"):
        page = getattr(Client(), method)(buttons()[0])
        assert page.status_code == 404
        assert "waits for you in your inbox" in page.content.decode()
    assert Task.objects.get().state == Task.State.OPEN


def test_what_cannot_be_done_any_more_says_so(doer: User) -> None:
    task = make_task(doer)
    notify(doer, task)
    work()
    tasks.complete_task(task.pk, actor=doer)
    page = Client().post(buttons()[0])
    assert page.status_code == 409
    assert "Nothing was done" in page.content.decode()


def test_who_has_lost_sight_of_it_or_has_left_does_nothing(doer: User) -> None:
    task = make_task(doer)
    notify(doer, task)
    work()
    Task.objects.filter(pk=task.pk).update(assignee=make_doer("Other"))
    assert Client().post(buttons()[0]).status_code == 404
    Task.objects.filter(pk=task.pk).update(assignee=doer)
    User.objects.filter(pk=doer.pk).update(is_active=False)
    assert Client().post(buttons()[0]).status_code == 404
    assert Task.objects.get().state == Task.State.OPEN


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_is_answered(redis_url: str) -> None:
    doer = make_doer("Dora")
    told = notify(doer, make_task(doer))
    secret = deeds.issue(told, "done")

    def press() -> bool:
        try:
            deeds.perform(secret)
        except deeds.Forgotten:
            return False
        return True

    assert sorted(at_once(*[partial(press) for _number in range(4)])) == [False, False, False, True]


def test_the_last_line_of_a_letter_stops_it_by_one_post(doer: User) -> None:
    notify(doer, make_task(doer))
    work()
    link = mail.outbox[0].extra_headers["List-Unsubscribe"].strip("<>")
    path = "/" + link.split("/", 3)[3]
    client = Client(enforce_csrf_checks=True)
    assert client.get(path).status_code == 200
    assert not Preference.objects.exists()
    # As a mail program does it, by RFC 8058.
    posted = client.post(path, {"List-Unsubscribe": "One-Click"})
    assert posted.status_code == 200
    assert client.post(path).status_code == 200
    row = Preference.objects.get()
    assert (row.user, row.kind, row.channel, row.mode) == (doer, "task.due", "EMAIL", "OFF")
    notify(doer, make_task(doer))
    work()
    assert len(mail.outbox) == 1


def test_what_we_have_not_signed_stops_nothing(doer: User) -> None:
    path = "/" + unsubscribe_url(doer.pk, "task.due", "EMAIL").split("/", 3)[3]
    for forged in (path.replace("/stop/", "/stop/x"), "/messages/stop/nothing/"):
        assert Client().post(forged).status_code == 404
    assert not Preference.objects.exists()


def test_no_more_digests_is_no_more_of_what_was_in_them(doer: User) -> None:
    wants(doer, "EMAIL", "DIGEST")
    path = "/" + unsubscribe_url(doer.pk, "digest", "EMAIL").split("/", 3)[3]
    assert Client().post(path).status_code == 200
    assert Preference.objects.get().mode == "OFF"
