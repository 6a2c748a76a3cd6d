"""Facts about money reach Kafka: none is lost, none is skipped, none is out of order, whatever fails."""

import json
import signal
from collections import Counter
from io import StringIO
from typing import Any

import pytest
from confluent_kafka import KafkaError
from django.core.management import CommandError, call_command
from django.db import transaction

from apps.events.brokers import route_named
from apps.events.brokers.forwarding import ForwardingSink
from apps.events.brokers.heard import Heard, Verdict
from apps.events.brokers.relay import forward_batch
from apps.events.enqueue import NotSent
from apps.events.models import Event, Outbox, Outgoing
from apps.events.services import Fact, publish_many
from apps.payments.kafka import TOPIC, Kafka, consume
from tests.support.kafka import MockKafka
from tests.support.processes import Processes

PAID = Fact("payments.sample.paid.v1")
SUBJECTS = 20


@pytest.fixture
def cluster(settings: Any) -> MockKafka:
    mock = MockKafka()
    mock.make_topic(TOPIC)
    settings.KAFKA_BOOTSTRAP_SERVERS = mock.servers
    return mock


def tell(rounds: range) -> list[Event]:
    """Tell a fact of each subject in each round; return all there are by now."""
    for number in rounds:
        with transaction.atomic():
            facts = [(key, {"amount_minor": number, "text": "Оплата"}) for key in range(SUBJECTS)]
            publish_many(PAID, facts, actor_id=None)
    return list(Event.objects.order_by("pk"))


def heard(group: str = "test", *, idle: float = 5) -> tuple[Counter[str], list[dict[str, Any]]]:
    known, counts, new = Heard(), Counter[str](), []

    def take(event: dict[str, Any]) -> None:
        verdict = known.judge(event)
        counts[verdict] += 1
        if verdict != Verdict.DUPLICATE:
            new.append(event)

    consume(take, group=group, idle_seconds=idle)
    return counts, new


def drain(broker: Kafka, *, most: int = 30) -> int:
    """Tell Kafka what waits for it, as the relay does; return how often it was not told."""
    failures = 0
    while Outgoing.objects.exists():
        try:
            forward_batch(route_named("kafka"), broker)
        except NotSent:
            failures += 1
            assert failures < most, "Kafka takes nothing any more"
    broker.close()
    return failures


@pytest.mark.django_db
def test_a_fact_arrives_in_the_binary_mode_of_cloud_events(cluster: MockKafka) -> None:
    events = tell(range(1))
    ForwardingSink().send(events)
    assert drain(Kafka()) == 0
    _counts, new = heard()
    found = {told["id"]: told for told in new}
    event = events[0]
    told = found[str(event.uid)]
    assert told == {
        "specversion": "1.0",
        "id": str(event.uid),
        "source": told["source"],
        "type": PAID.type,
        "subject": "sample/0",
        "time": event.at.isoformat().replace("+00:00", "Z"),
        "sequence": "1",
        "data": {"amount_minor": 0, "text": "Оплата"},
    }
    assert len(found) == len(events)


@pytest.mark.django_db
def test_only_facts_about_money_are_told(cluster: MockKafka) -> None:
    publish_many(Fact("sample.thing.happened.v1"), [(1, {"number": 1})], actor_id=None)
    ForwardingSink().send(list(Event.objects.all()))
    assert not Outgoing.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "code",
    [
        # Tried again by the producer itself; and what it gives up on.
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER,
    ],
)
def test_no_message_is_skipped_for_an_error_of_the_broker(cluster: MockKafka, code: int) -> None:
    events = tell(range(5))
    ForwardingSink().send(events)
    broker = Kafka()
    cluster.fail(code, code, code)
    drain(broker)
    # And in the middle of what comes later.
    ForwardingSink().send(tell(range(5, 10))[len(events) :])
    cluster.fail(code)
    drain(broker)
    counts, new = heard()
    assert len(new) == counts[Verdict.NEW] == SUBJECTS * 10
    assert counts[Verdict.LATE] == counts[Verdict.GAP] == 0


@pytest.mark.django_db
def test_what_is_refused_for_good_waits_until_it_is_taken(cluster: MockKafka) -> None:
    ForwardingSink().send(tell(range(2)))
    cluster.fail(*[KafkaError.TOPIC_AUTHORIZATION_FAILED] * 8)
    broker = Kafka()
    with pytest.raises(NotSent, match="authorization"):
        forward_batch(route_named("kafka"), broker)
    assert Outgoing.objects.count() == SUBJECTS * 2
    drain(broker)
    assert heard()[0][Verdict.NEW] == SUBJECTS * 2


@pytest.mark.django_db
def test_brokers_that_are_away_keep_facts_waiting_in_order(cluster: MockKafka) -> None:
    # Enough to find the brokers while others work, too.
    broker = Kafka(**{"message.timeout.ms": 5000})
    ForwardingSink().send(tell(range(2)))
    assert drain(broker) == 0
    cluster.set_up(up=False)
    ForwardingSink().send(tell(range(2, 4))[SUBJECTS * 2 :])
    with pytest.raises(NotSent):
        forward_batch(route_named("kafka"), broker)
    assert Outgoing.objects.count() == SUBJECTS * 2
    cluster.set_up(up=True)
    drain(Kafka())
    counts, new = heard()
    assert len(new) == SUBJECTS * 4
    assert counts[Verdict.LATE] == counts[Verdict.GAP] == 0


@pytest.mark.parametrize("place", ["broker.before_publish", "broker.after_publish"])
def test_a_killed_relay_loses_nothing_and_what_comes_twice_is_known(
    cluster: MockKafka, artel_processes: Processes, place: str
) -> None:
    env = {"KAFKA_BOOTSTRAP_SERVERS": cluster.servers}
    tell(range(60))
    inside = artel_processes.relay(**env)
    doomed = artel_processes.manage("relay", "--to", "kafka", **env, ARTEL_FAILPOINT=f"{place}:2")
    assert doomed.wait(within=120) == -signal.SIGKILL
    inside.await_true(lambda: not Outbox.objects.exists(), "empty outbox")
    again = artel_processes.manage("relay", "--to", "kafka", **env)
    again.await_true(lambda: not Outgoing.objects.exists(), "end of what waits for Kafka")

    counts, new = heard()
    assert len(new) == SUBJECTS * 60
    assert counts[Verdict.LATE] == counts[Verdict.GAP] == 0
    assert (counts[Verdict.DUPLICATE] > 0) == (place == "broker.after_publish")


@pytest.mark.django_db
def test_the_example_goes_on_where_its_group_was_and_writes_each_fact_once(cluster: MockKafka) -> None:
    events = tell(range(2))
    ForwardingSink().send(events)
    drain(Kafka())
    # Told again, as after a crash.
    ForwardingSink().send(events[:3])
    drain(Kafka())
    first, second, err = StringIO(), StringIO(), StringIO()
    call_command("consume_payments_events", "--group", "shop", "--limit", "10", stdout=first, stderr=err)
    assert "Heard 10 messages" in err.getvalue()
    call_command("consume_payments_events", "--group", "shop", "--idle", "5", stdout=second, stderr=err)
    ids = [json.loads(line)["id"] for out in (first, second) for line in out.getvalue().splitlines()]
    assert {str(event.uid) for event in events} == set(ids)
    assert "duplicate:" in err.getvalue()


def test_the_example_asks_for_an_address(settings: Any) -> None:
    settings.KAFKA_BOOTSTRAP_SERVERS = ""
    with pytest.raises(CommandError, match="KAFKA_BOOTSTRAP_SERVERS"):
        call_command("consume_payments_events")
