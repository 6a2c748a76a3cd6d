"""A fact is written with the change it tells of, numbered without gaps, and goes when that is undone."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import redis
from django.db import connections, transaction

from apps.accounts.models import User
from apps.events import wakeup
from apps.events.models import Aggregate, Event, Outbox
from apps.events.schemas import InvalidData
from apps.events.services import Fact, publish, publish_many
from tests.events.platform import HAPPENED, tell

WRITERS = 8


class _Undone(Exception):
    pass


def _write(seed: int, barrier: threading.Barrier) -> int:
    """Publish in transactions of which some are undone; return how many facts were told."""
    chance = random.Random(seed)
    told = 0
    barrier.wait()
    try:
        for _ in range(25):
            numbers = chance.sample(range(1, 6), 3)
            try:
                with transaction.atomic():
                    publish_many(HAPPENED, [(number, {}) for number in numbers], actor_id=None)
                    if chance.random() < 0.4:
                        raise _Undone
                told += len(numbers)
            except _Undone:
                pass
    finally:
        connections.close_all()
    return told


@pytest.mark.django_db(transaction=True)
def test_numbers_have_no_gaps_and_no_twins_under_concurrent_writers() -> None:
    barrier = threading.Barrier(WRITERS)
    with ThreadPoolExecutor(WRITERS) as pool:
        told = sum(pool.map(_write, range(WRITERS), [barrier] * WRITERS))

    assert 0 < told < WRITERS * 75
    assert Event.objects.count() == Outbox.objects.count() == told
    for aggregate in Aggregate.objects.all():
        events = Event.objects.filter(subject=aggregate.subject).order_by("pk")
        # In the order of their ids too, which is the order in which the relay sends them.
        numbers = list(events.values_list("sequence", flat=True))
        assert numbers == list(range(1, aggregate.sequence + 1))


@transaction.atomic
def _tell_and_undo() -> None:
    tell(1)
    transaction.set_rollback(True)


@pytest.mark.django_db(transaction=True)
def test_rollback_takes_the_fact_and_its_number_back() -> None:
    _tell_and_undo()

    assert not Event.objects.exists()
    assert not Outbox.objects.exists()
    assert tell(1).sequence == 1


@pytest.mark.django_db
def test_event_says_who_what_and_when() -> None:
    actor = User.objects.create(email="anna@example.com")
    before = datetime.now(UTC)

    data = {"amount": Decimal("10.50"), "on": date(2026, 1, 2)}
    publish(Fact("sample.deal.won.v1"), 42, data, actor_id=actor.pk)

    event = Event.objects.get()
    assert (event.type, event.subject, event.sequence) == ("sample.deal.won.v1", "deal/42", 1)
    assert event.data == {"amount": "10.50", "on": "2026-01-02"}
    assert event.actor == actor
    assert before <= event.at <= datetime.now(UTC)
    assert event.uid.version == 4


@pytest.mark.django_db
def test_many_facts_keep_their_order_and_cost_one_query(django_assert_num_queries: type) -> None:
    with django_assert_num_queries(1):
        publish_many(HAPPENED, [(number, {"number": number}) for number in [3, 1, 2]], actor_id=None)

    told = Event.objects.order_by("pk").values_list("subject", "data__number")
    assert list(told) == [("thing/3", 3), ("thing/1", 1), ("thing/2", 2)]
    with django_assert_num_queries(0):
        publish_many(HAPPENED, [], actor_id=None)


@pytest.mark.django_db
def test_data_that_do_not_fit_their_schema_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.events.services.check_data", _refuse)
    with pytest.raises(InvalidData):
        tell(1)
    assert not Event.objects.exists()


def _refuse(event_type: str, data: object) -> None:
    raise InvalidData(event_type)


@pytest.mark.django_db(transaction=True)
def test_relay_is_poked_once_and_only_after_the_commit(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client, client.pubsub(ignore_subscribe_messages=True) as ear:
        ear.subscribe(wakeup.RELAY_CHANNEL)
        while ear.get_message(timeout=0.2) is not None or not ear.subscribed:
            pass
        with transaction.atomic():
            tell(1)
            tell(2)
            assert ear.get_message(timeout=0.1) is None
        assert _next(ear) is not None
        assert ear.get_message(timeout=0.1) is None


def _next(ear: redis.client.PubSub) -> object:
    """Return the next poke; the first answer is the confirmation of the subscription."""
    return ear.get_message(timeout=20) or ear.get_message(timeout=20)


@pytest.mark.django_db(transaction=True)
def test_publishing_needs_no_redis(no_redis: None, caplog: pytest.LogCaptureFixture) -> None:
    tell(1)
    tell(2)

    assert Outbox.objects.count() == 2
    # The second did not even try.
    assert [record.message.partition(":")[0] for record in caplog.records] == ["poke to artel.relay not sent"]
    assert wakeup._resting_until > 0
