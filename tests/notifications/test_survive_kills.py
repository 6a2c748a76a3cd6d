"""The process that sends dies at the worst moments; nothing is lost, and what comes twice bears the same id."""

import signal
from collections import Counter

import pytest

from apps.accounts.models import User
from apps.notifications.models import WebhookDelivery
from tests.accounts.factories import make_member, make_team
from tests.fakes.receiver import Receiver
from tests.notifications.telling import make_deal, make_webhook
from tests.support.processes import Processes

DEALS = 6
_ENV = {
    "WEBHOOK_ALLOW_HTTP": "true",
    "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
    "WEBHOOK_LEASE_SECONDS": "3",
    "WEBHOOK_TIMEOUT_SECONDS": "2",
}


def tell(receiver: Receiver) -> User:
    boss = make_member(make_team("Top"), "administrator", "boss")
    make_webhook(boss, receiver.url, "crm.deal.created.v1")
    for number in range(DEALS):
        make_deal(f"deal {number}", owner=boss)
    return boss


def is_done() -> bool:
    deliveries = WebhookDelivery.objects.all()
    return deliveries.count() == DEALS and not deliveries.exclude(state="DELIVERED").exists()


@pytest.mark.parametrize("place", ["webhooks.after_claim", "webhooks.after_call", "webhooks.after_record"])
def test_a_killed_sender_loses_nothing(artel_processes: Processes, receiver: Receiver, place: str) -> None:
    tell(receiver)
    relay = artel_processes.relay()
    relay.await_true(lambda: WebhookDelivery.objects.count() == DEALS, "deliveries written down", 60)
    sender = artel_processes.manage("webhooks", ARTEL_FAILPOINT=place, **_ENV)
    assert sender.wait(60) == -signal.SIGKILL
    assert not is_done()

    second = artel_processes.manage("webhooks", **_ENV)
    second.await_true(is_done, "end of deliveries", 60)

    ids = {str(delivery.message_id) for delivery in WebhookDelivery.objects.all()}
    counted = Counter(receiver.ids())
    assert set(counted) == ids
    if place == "webhooks.after_call":
        # It was taken, and whoever would have written that down died.
        assert max(counted.values()) > 1
    # Asked to end, it ends.
    assert second.terminate(30) == 0


def test_two_senders_share_the_work_and_send_nothing_twice(
    artel_processes: Processes, receiver: Receiver
) -> None:
    tell(receiver)
    env = _ENV | {"WEBHOOK_LEASE_SECONDS": "60"}
    running = [artel_processes.manage("webhooks", **env) for _number in range(2)]
    artel_processes.relay()
    running[0].await_true(is_done, "end of deliveries", 60)
    assert sorted(Counter(receiver.ids()).values()) == [1] * DEALS


@pytest.mark.parametrize("place", ["relay.before_publish", "relay.after_publish"])
def test_a_killed_relay_writes_each_down_once(
    artel_processes: Processes, receiver: Receiver, place: str
) -> None:
    tell(receiver)
    assert artel_processes.relay(ARTEL_FAILPOINT=place).wait(60) == -signal.SIGKILL
    written = WebhookDelivery.objects.count()
    assert written == (0 if place == "relay.before_publish" else DEALS)
    relay = artel_processes.relay()
    relay.await_true(lambda: WebhookDelivery.objects.count() == DEALS, "deliveries written down", 60)
    sender = artel_processes.manage("webhooks", **_ENV)
    sender.await_true(is_done, "end of deliveries", 60)
    assert sorted(Counter(receiver.ids()).values()) == [1] * DEALS
