"""How facts come to other systems: signed, in their owner's sight, tried again, and given up in the end."""

import json
import threading
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.utils import timezone
from pytest_django.fixtures import Settings
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from apps.accounts.models import Letter, User
from apps.accounts.services import deliver_letters
from apps.events.models import Event
from apps.notifications.models import WebhookDelivery, WebhookEndpoint
from apps.notifications.services import webhook_sending, webhooks
from apps.notifications.services.webhook_sending import claim_due, record_outcome
from apps.notifications.webhooks.calling import Outcome
from tests.accounts.factories import make_member, make_team
from tests.fakes.receiver import Answer, Receiver
from tests.notifications.telling import make_deal, make_webhook, relay, send

pytestmark = pytest.mark.django_db
State = WebhookDelivery.State


@pytest.fixture
def lead() -> User:
    return make_member(make_team("Sales"), "sales_lead", "lead")


@pytest.fixture
def boss() -> User:
    return make_member(make_team("Top"), "administrator", "boss")


def the_delivery() -> WebhookDelivery:
    return WebhookDelivery.objects.latest("pk")


def test_a_fact_arrives_signed_as_an_outside_consumer_verifies_it(boss: User, receiver: Receiver) -> None:
    _endpoint, secret = make_webhook(boss, receiver.url, "crm.deal.created.v1", headers={"X-Shop": "7"})
    deal = make_deal("Überraschung", owner=boss)
    assert relay() == 1
    assert send() == 1

    (request,) = receiver.requests
    told = Webhook(secret).verify(request.body.decode(), request.headers)
    event = Event.objects.get(type="crm.deal.created.v1")
    assert told["specversion"] == "1.0"
    assert told["id"] == request.headers["webhook-id"] == str(event.uid)
    assert told["type"] == "crm.deal.created.v1"
    assert told["subject"] == f"deal/{deal.pk}"
    assert told["sequence"] == "1"
    assert told["data"]["title"] == "Überraschung"
    assert request.headers["content-type"].startswith("application/cloudevents+json")
    assert request.headers["x-shop"] == "7"
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(request.body.decode() + " ", request.headers)
    delivery = the_delivery()
    assert (delivery.state, delivery.code, delivery.attempts) == (State.DELIVERED, 204, 1)
    assert delivery.sent_headers["X-Shop"] == "•••"


def test_both_secrets_verify_while_one_is_changed(boss: User, receiver: Receiver) -> None:
    endpoint, first = make_webhook(boss, receiver.url)
    endpoint, second = webhooks.rotate_secret(endpoint.pk, actor=boss)
    webhooks.send_sample(endpoint.pk, actor=boss)
    assert send() == 1
    (request,) = receiver.requests
    for secret in (first, second):
        assert Webhook(secret).verify(request.body.decode(), request.headers)["sample"] is True


def test_an_owner_is_told_only_of_what_they_may_see(lead: User, receiver: Receiver) -> None:
    mine = make_deal("mine", owner=lead)
    other = make_member(make_team("Elsewhere"), "sales_lead", "other")
    make_deal("theirs", owner=other)
    make_webhook(lead, receiver.url, "crm.deal.created.v1")
    assert relay() == 1
    assert send() == 1
    (request,) = receiver.requests
    assert json.loads(request.body)["data"]["id"] == mine.pk
    assert WebhookDelivery.objects.count() == 1


def test_the_policy_is_asked_again_when_it_is_sent(lead: User, receiver: Receiver) -> None:
    deal = make_deal("mine", owner=lead)
    make_webhook(lead, receiver.url, "crm.deal.created.v1")
    relay()
    other = make_member(make_team("Elsewhere"), "sales_lead", "other")
    type(deal).objects.update(owner=other, team=other.memberships.get().team)
    assert send() == 0
    assert receiver.requests == []
    assert (the_delivery().state, the_delivery().error) == (State.WITHHELD, "OUT_OF_SIGHT")


def test_who_may_see_and_not_take_away_is_told_nothing(receiver: Receiver) -> None:
    lead = make_member(make_team("Sales"), "sales_lead", "lead")
    make_deal("mine", owner=lead)
    make_webhook(lead, receiver.url, "crm.deal.created.v1")
    lead.memberships.get().role.grants.filter(permission="crm.export_deal").delete()
    assert relay() == 0


def test_a_fact_about_no_kind_of_rows_is_for_administrators_of_everything(
    lead: User, receiver: Receiver, django_user_model: Any
) -> None:
    from apps.documents.events import DRIVE_ROOT_PAUSED
    from apps.events.services import publish

    data = {"id": 1, "name": "a", "state": "PAUSED", "reason": "", "note": "", "account": "x"}
    publish(DRIVE_ROOT_PAUSED, 1, data, actor_id=None)
    make_webhook(lead, receiver.url, "documents.drive.*")
    assert relay() == 0
    root = User.objects.create_superuser("root@example.org", password="x", name="root")
    make_webhook(root, receiver.url, "documents.drive.*")
    assert relay() == 1


def test_a_retry_bears_the_same_id_and_body(boss: User, receiver: Receiver) -> None:
    make_webhook(boss, receiver.url, "crm.deal.created.v1")
    make_deal("deal", owner=boss)
    relay()
    receiver.script.extend([Answer(500, b"down"), Answer(is_dropped=True), Answer(503)])
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _attempt in range(4):
            assert send() == 1
            assert send() == 0
            clock.move_to(the_delivery().next_attempt_at or timezone.now())
    assert len(set(receiver.ids())) == 1
    assert len({request.body for request in receiver.requests}) == 1
    assert len({request.headers["webhook-signature"] for request in receiver.requests}) == 4
    assert (the_delivery().state, the_delivery().attempts) == (State.DELIVERED, 4)


def test_it_is_tried_for_a_day_ever_more_seldom_and_then_turned_off(boss: User, receiver: Receiver) -> None:
    endpoint, _secret = make_webhook(boss, receiver.url, "crm.deal.*")
    make_deal("deal", owner=boss)
    relay()
    receiver.usual = Answer(500, b"still down")
    began = timezone.now()
    pauses = []
    with time_machine.travel(began, tick=False) as clock:
        while (delivery := the_delivery()).state == State.PENDING:
            assert delivery.next_attempt_at is not None
            clock.move_to(delivery.next_attempt_at)
            assert send() == 1
            pauses.append(delivery.next_attempt_at - began)
        took = timezone.now() - began
        assert timedelta(hours=20) < took <= timedelta(hours=24)
        assert 12 <= len(pauses) <= 60
        steps = [later - earlier for earlier, later in pairwise(pauses)]
        assert steps[1] < timedelta(seconds=20)
        assert all(step <= timedelta(hours=2.5) * 1.25 for step in steps)
        endpoint.refresh_from_db()
        assert (endpoint.state, endpoint.reason) == ("DISABLED", "FAILING")
        assert the_delivery().response == "still down"
        assert Event.objects.filter(type="notifications.webhook.disabled.v1").count() == 1
        assert deliver_letters() == 1
    (letter,) = mail.outbox
    assert letter.to == [boss.email]
    assert "turned off" in letter.subject
    assert f"/admin/notifications/webhookendpoint/{endpoint.pk}/change/" in str(letter.body)

    # What happens meanwhile is written down, and sent when somebody says so.
    receiver.usual = Answer()
    make_deal("later", owner=boss)
    relay()
    assert (the_delivery().state, the_delivery().error) == (State.FAILED, "OFF")
    assert send() == 0
    webhooks.resume_webhook(endpoint.pk, actor=boss)
    assert webhooks.redeliver_failed(endpoint.pk, actor=boss, since=began - timedelta(minutes=1)) >= 2
    # One after the other: it has failed before.
    while send():
        continue
    assert not WebhookDelivery.objects.exclude(state=State.DELIVERED).exists()


def test_a_single_fact_that_is_not_taken_does_not_turn_it_off(boss: User, receiver: Receiver) -> None:
    endpoint, _secret = make_webhook(boss, receiver.url, "crm.deal.created.v1")
    make_deal("poison", owner=boss)
    relay()
    with time_machine.travel(timezone.now(), tick=False) as clock:
        (call,) = claim_due(10)
        record_outcome(call.delivery_id, call.attempt, Outcome("STATUS", 422))
        clock.shift(timedelta(hours=1))
        webhooks.send_sample(endpoint.pk, actor=boss)
        for each in claim_due(10):
            is_sample = WebhookDelivery.objects.get(pk=each.delivery_id).event is None
            record_outcome(each.delivery_id, each.attempt, Outcome("" if is_sample else "STATUS", 204))
        for each in claim_due(10):
            is_sample = WebhookDelivery.objects.get(pk=each.delivery_id).event is None
            record_outcome(each.delivery_id, each.attempt, Outcome("" if is_sample else "STATUS", 204))
        poison = WebhookDelivery.objects.get(event__isnull=False)
        clock.shift(timedelta(hours=23))
        for each in claim_due(10):
            record_outcome(each.delivery_id, each.attempt, Outcome("STATUS", 422))
        poison.refresh_from_db()
        endpoint.refresh_from_db()
    assert poison.state == State.FAILED
    assert endpoint.state == "ACTIVE"


def test_gone_is_gone(boss: User, receiver: Receiver) -> None:
    endpoint, _secret = make_webhook(boss, receiver.url, "crm.deal.created.v1")
    for number in range(3):
        make_deal(f"deal {number}", owner=boss)
    relay()
    receiver.script.append(Answer(410))
    (first, *_others) = claim_due(1)
    from apps.notifications.webhooks.calling import call

    record_outcome(first.delivery_id, first.attempt, call(first.url, first.headers, first.body))
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.reason) == ("DISABLED", "GONE")
    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {State.FAILED}
    assert Letter.objects.filter(kind="notifications/webhook_disabled").count() == 1


def test_who_asks_to_be_left_in_peace_is(boss: User, receiver: Receiver) -> None:
    make_webhook(boss, receiver.url, "crm.deal.created.v1")
    make_deal("deal", owner=boss)
    relay()
    receiver.script.append(Answer(429, headers={"Retry-After": "600"}))
    send()
    delivery = the_delivery()
    assert delivery.next_attempt_at is not None
    assert delivery.attempted_at is not None
    assert delivery.next_attempt_at - delivery.attempted_at >= timedelta(seconds=600)


def test_while_paused_nothing_is_sent_and_nothing_is_lost(boss: User, receiver: Receiver) -> None:
    endpoint, _secret = make_webhook(boss, receiver.url, "crm.deal.created.v1")
    webhooks.pause_webhook(endpoint.pk, actor=boss)
    make_deal("deal", owner=boss)
    relay()
    with time_machine.travel(timezone.now() + timedelta(days=3), tick=False):
        assert send() == 0
        webhooks.resume_webhook(endpoint.pk, actor=boss)
        assert send() == 1
    assert the_delivery().state == State.DELIVERED


def test_one_is_sent_again_under_the_same_id(boss: User, receiver: Receiver) -> None:
    make_webhook(boss, receiver.url, "crm.deal.created.v1")
    make_deal("deal", owner=boss)
    relay()
    send()
    webhooks.redeliver(the_delivery().pk, actor=boss)
    assert send() == 1
    assert len(receiver.ids()) == 2
    assert len(set(receiver.ids())) == 1


def test_the_relay_may_hand_the_same_batch_over_twice(boss: User, receiver: Receiver) -> None:
    make_webhook(boss, receiver.url, "crm.deal.created.v1")
    make_deal("deal", owner=boss)
    relay()
    relay()
    assert WebhookDelivery.objects.count() == 1


def test_a_receiver_gets_no_more_a_minute_than_it_wants(boss: User, receiver: Receiver) -> None:
    make_webhook(boss, receiver.url, "crm.deal.created.v1", per_minute=3)
    for number in range(5):
        make_deal(f"deal {number}", owner=boss)
    relay()
    with time_machine.travel(timezone.now(), tick=False) as clock:
        assert sum(send() for _turn in range(5)) == 3
        clock.shift(timedelta(seconds=61))
        assert sum(send() for _turn in range(5)) == 2


def test_a_receiver_is_asked_a_few_things_at_once_and_one_that_fails_a_single_one(
    boss: User, settings: Settings, receiver: Receiver
) -> None:
    settings.WEBHOOK_CONCURRENCY_EACH = 3
    slow, _secret = make_webhook(boss, receiver.url, "crm.deal.created.v1")
    make_webhook(boss, receiver.url + "/other", "crm.deal.created.v1", per_minute=100)
    for number in range(9):
        make_deal(f"deal {number}", owner=boss)
    relay()
    first = claim_due(100)
    assert len(first) == 6
    assert claim_due(100) == []
    WebhookEndpoint.objects.filter(pk=slow.pk).update(failures=1)
    for each in first:
        record_outcome(each.delivery_id, each.attempt, Outcome("", 204))
    WebhookEndpoint.objects.filter(pk=slow.pk).update(failures=1)
    again = WebhookDelivery.objects.filter(pk__in=[each.delivery_id for each in claim_due(100)])
    assert again.filter(endpoint=slow).count() == 1
    assert again.count() == 4


def test_what_was_overtaken_says_nothing(boss: User, receiver: Receiver) -> None:
    make_webhook(boss, receiver.url, "crm.deal.created.v1")
    make_deal("deal", owner=boss)
    relay()
    with time_machine.travel(timezone.now(), tick=False) as clock:
        (slow,) = claim_due(1)
        clock.shift(timedelta(minutes=5))
        (quick,) = claim_due(1)
        record_outcome(quick.delivery_id, quick.attempt, Outcome("", 204))
        record_outcome(slow.delivery_id, slow.attempt, Outcome("TOO_SLOW"))
    assert the_delivery().state == State.DELIVERED


def test_old_deliveries_go(boss: User, receiver: Receiver, settings: Settings) -> None:
    make_webhook(boss, receiver.url, "crm.deal.created.v1")
    make_deal("deal", owner=boss)
    relay()
    send()
    assert webhook_sending.expire_deliveries() == 0
    with time_machine.travel(timezone.now() + timedelta(days=settings.WEBHOOK_KEPT_DAYS + 1), tick=False):
        assert webhook_sending.expire_deliveries() == 1


def test_a_slow_receiver_keeps_no_other_waiting(boss: User, receiver: Receiver) -> None:
    from tests.fakes import receiver as fake
    from tests.notifications.telling import turn_until

    held = threading.Event()
    with fake.running() as slow:
        slow.usual = Answer(wait=held)
        make_webhook(boss, slow.url, "crm.deal.created.v1")
        make_webhook(boss, receiver.url, "crm.deal.created.v1")
        for number in range(12):
            make_deal(f"deal {number}", owner=boss)
        relay()

        def quick_is_done() -> bool:
            if len(receiver.requests) < 12:
                return False
            held.set()
            return True

        turn_until(quick_is_done)
        assert slow.most_at_once <= 4
    assert len(set(receiver.ids())) == 12
