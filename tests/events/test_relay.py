"""The relay hands every committed fact to every sink, in order, and forgets it only then."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
import redis
from django.db import connections, transaction
from django.utils import timezone

from apps.events import relay as relay_module
from apps.events import wakeup
from apps.events.enqueue import NotSent
from apps.events.leading import Timer
from apps.events.models import Delivery, Event, Heartbeat, Outbox
from apps.events.relay import Relay, relay_batch, resend_due
from apps.events.sinks.celery import CelerySink
from tests.events.platform import take_calls, tell, waiting_calls, work

pytestmark = pytest.mark.django_db
Hear = Callable[..., list[Event]]


@dataclass
class Shelf:
    """A sink that keeps what it is given, and refuses as often as it is told to."""

    refusals: int = 0
    events: list[Event] = field(default_factory=list)

    def send(self, events: Sequence[Event]) -> None:
        if self.refusals:
            self.refusals -= 1
            raise NotSent("the shelf is full")
        self.events += events


def test_events_go_out_oldest_first_and_leave_the_outbox() -> None:
    told = [tell(1), tell(2), tell(1)]
    shelf = Shelf()

    assert relay_batch([shelf]) == 3
    assert relay_batch([shelf]) == 0

    assert shelf.events == told
    assert not Outbox.objects.exists()


def test_batches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "BATCH", 2)
    told = [tell(number) for number in range(5)]
    shelf = Shelf()

    assert [relay_batch([shelf]) for _ in range(4)] == [2, 2, 1, 0]
    assert shelf.events == told


@pytest.mark.django_db(transaction=True)
def test_transaction_that_commits_late_is_not_passed_over() -> None:
    is_written, may_commit = threading.Event(), threading.Event()

    def write_slowly() -> None:
        try:
            with transaction.atomic():
                tell(1)
                is_written.set()
                may_commit.wait(10)
        finally:
            connections.close_all()

    writer = threading.Thread(target=write_slowly)
    writer.start()
    is_written.wait(10)
    early, shelf = tell(2), Shelf()
    relay_batch([shelf])
    assert shelf.events == [early]
    may_commit.set()
    writer.join(10)

    relay_batch([shelf])

    late = Event.objects.get(subject="thing/1")
    assert late.pk < early.pk
    assert shelf.events == [early, late]


def test_batch_that_one_sink_refuses_stays_for_all() -> None:
    event = tell(1)
    willing, unwilling = Shelf(), Shelf(refusals=1)

    with pytest.raises(NotSent):
        relay_batch([willing, unwilling])
    assert Outbox.objects.count() == 1
    relay_batch([willing, unwilling])

    assert (willing.events, unwilling.events) == ([event, event], [event])
    assert not Outbox.objects.exists()


def test_each_receiver_gets_a_call_of_its_own(hear: Hear, redis_url: str) -> None:
    hear("first")
    hear("second")
    event = tell(1)

    relay_batch([CelerySink()])

    names = ["tests.first", "tests.second"]
    assert waiting_calls() == [(event.pk, name) for name in names]
    pending = Delivery.objects.pending().filter(next_attempt_at__gt=timezone.now())
    assert list(pending.order_by("pk").values_list("event_id", "receiver")) == waiting_calls()


def test_event_without_receivers_is_just_kept(hear: Hear, redis_url: str) -> None:
    tell(1)
    assert relay_batch([CelerySink()]) == 1
    assert waiting_calls() == []
    assert not Delivery.objects.exists()
    assert Event.objects.count() == 1


def test_receivers_hear_in_the_order_of_each_aggregate(hear: Hear, redis_url: str) -> None:
    heard = hear()
    for number in [1, 2, 1, 3, 2, 1]:
        tell(number)

    relay_batch([CelerySink()])
    work()

    for subject in ["thing/1", "thing/2", "thing/3"]:
        numbers = [event.sequence for event in heard if event.subject == subject]
        assert numbers == list(range(1, len(numbers) + 1))
    assert len(heard) == 6


def test_relaying_again_repeats_the_calls_and_not_the_effects(hear: Hear, redis_url: str) -> None:
    heard = hear()
    event = tell(1)
    for _ in range(2):
        # As after a relay that died between sending and forgetting.
        Outbox.objects.get_or_create(event=event)
        relay_batch([CelerySink()])

    assert work() == 2
    assert heard == [event]
    assert Delivery.objects.get().duplicates == 1


def test_what_was_lost_is_sent_again_and_nothing_else(hear: Hear, redis_url: str) -> None:
    hear()
    past, future = timezone.now() - timedelta(seconds=1), timezone.now() + timedelta(seconds=30)
    lost, done, early, given_up = tell(1), tell(2), tell(3), tell(4)
    for event, at in [(lost, past), (done, past), (early, future), (given_up, None)]:
        Delivery.objects.create(event=event, receiver="tests.listener", next_attempt_at=at)
    Delivery.objects.filter(event=done).update(done_at=past)

    assert resend_due() == 1
    # It has just been sent.
    assert resend_due() == 0

    assert waiting_calls() == [(lost.pk, "tests.listener")]


@pytest.mark.django_db(transaction=True)
def test_what_a_worker_is_at_is_not_sent_again(redis_url: str) -> None:
    delivery = Delivery.objects.create(
        event=tell(1), receiver="tests.listener", next_attempt_at=timezone.now()
    )
    counts: list[int] = []

    def resend_elsewhere() -> None:
        try:
            counts.append(resend_due())
        finally:
            connections.close_all()

    with transaction.atomic():
        Delivery.objects.select_for_update().get(pk=delivery.pk)
        thread = threading.Thread(target=resend_elsewhere)
        thread.start()
        thread.join(10)

    assert counts == [0]


def test_long_queue_is_not_made_longer(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "BACKLOG_LIMIT", 1)
    for number in range(3):
        Delivery.objects.create(event=tell(number), receiver="tests.listener", next_attempt_at=timezone.now())

    assert resend_due() == 3
    Delivery.objects.update(next_attempt_at=timezone.now())
    assert resend_due() == 0
    take_calls()
    assert resend_due() == 3


@pytest.fixture
def running() -> Iterator[Callable[[Relay], None]]:
    """Run relays in threads, and stop them after the test."""
    relays: list[tuple[Relay, threading.Thread]] = []

    def run(relay: Relay) -> None:
        def loop() -> None:
            try:
                relay.run()
            finally:
                connections.close_all()

        thread = threading.Thread(target=loop)
        relays.append((relay, thread))
        thread.start()

    yield run
    for relay, thread in relays:
        relay.stop()
        thread.join(30)
        assert not thread.is_alive()


def _await(condition: Callable[[], object], within: float = 30) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.django_db(transaction=True)
def test_relay_goes_on_when_a_sink_takes_events_again(
    running: Callable[[Relay], None], redis_url: str
) -> None:
    shelf = Shelf(refusals=3)
    relay = Relay([shelf])
    running(relay)

    event = tell(1)

    _await(lambda: not Outbox.objects.exists())
    assert shelf.events == [event]
    assert Heartbeat.objects.get().process == "relay"
    _await(lambda: relay.pause == 0)


@pytest.mark.django_db(transaction=True)
def test_relay_needs_no_redis_to_find_its_work(no_redis: None, running: Callable[[Relay], None]) -> None:
    shelf = Shelf()
    running(Relay([shelf]))

    event = tell(1)

    _await(lambda: shelf.events == [event])


@pytest.mark.django_db(transaction=True)
def test_bell_is_rung_by_a_commit_and_waits_no_longer_than_asked(redis_url: str) -> None:
    bell = wakeup.Bell()
    bell.wait(0.05)
    ringer = threading.Timer(0.1, wakeup._Pokes({(wakeup.RELAY_CHANNEL, ""): None}))
    ringer.start()

    began = time.monotonic()
    bell.wait(30)
    # Long before the time it was given, however busy the machine.
    assert 0.05 < time.monotonic() - began < 25
    began = time.monotonic()
    bell.wait(0.2)
    assert 0.15 < time.monotonic() - began < 25
    bell.close()
    ringer.join()


def test_bell_hears_again_after_its_connection_broke(redis_url: str) -> None:
    bell = wakeup.Bell()
    bell.wait(0.05)
    with redis.Redis.from_url(redis_url) as client:
        client.client_kill_filter(_type="pubsub", skipme=True)
        bell.wait(0.05)
        bell._deaf_until = 0.0
        bell.wait(0.05)
        assert client.pubsub_numsub(wakeup.RELAY_CHANNEL)[0][1] >= 1
    bell.close()


def test_timer_is_due_at_once_and_then_after_its_time() -> None:
    timer = Timer(30)
    assert timer.is_due()
    assert not timer.is_due()
    timer.due_at = time.monotonic() - 1
    assert timer.is_due()
