"""Facts reach a real RabbitMQ: none is lost and none out of order, whichever process dies, and whenever."""

import json
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from apps.events.brokers import route_named
from apps.events.brokers.consuming import consume
from apps.events.brokers.forwarding import ForwardingSink
from apps.events.brokers.heard import Heard, Verdict
from apps.events.brokers.rabbitmq import RabbitMQ, declare_queue, opened
from apps.events.brokers.relay import forward_batch
from apps.events.enqueue import NotSent
from apps.events.models import Event, Outbox, Outgoing
from apps.events.services import publish_many
from tests.events.platform import HAPPENED, Platform, tell
from tests.support.processes import Running
from tests.support.rabbitmq import RabbitServer, is_installed

pytestmark = [
    pytest.mark.skipif(not is_installed(), reason="rabbitmq-server is not installed"),
    # A node takes half a minute to start on a busy machine.
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    server = RabbitServer(tmp_path_factory.mktemp("rabbitmq"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def rabbit(node: RabbitServer, settings: Any) -> RabbitServer:
    """The node, as the address that the project knows."""
    settings.RABBITMQ_URL = node.url
    return node


@pytest.fixture
def queue(rabbit: RabbitServer, request: pytest.FixtureRequest) -> Iterator[str]:
    """A queue of this test that hears all facts of the sample."""
    name = f"q{abs(hash(request.node.nodeid))}"
    with opened(rabbit.url) as channel:
        declare_queue(channel, name, types=["sample.#"], delivery_limit=2)
    yield name
    with opened(rabbit.url) as channel:
        channel.queue_delete(name)
        channel.queue_delete(f"{name}.dead")


def heard_in(
    rabbit: RabbitServer, queue: str, *, idle: float = 3
) -> tuple[Counter[str], list[dict[str, Any]]]:
    """Read a queue to its end; return how its messages are to be judged, and each of them that is new."""
    heard, counts, new = Heard(), Counter[str](), []

    def take(event: dict[str, Any]) -> None:
        verdict = heard.judge(event)
        counts[verdict] += 1
        if verdict != Verdict.DUPLICATE:
            new.append(event)

    consume(rabbit.url, queue, take, idle_seconds=idle)
    return counts, new


def deliver(events: list[Event]) -> int:
    """Write events down for RabbitMQ and tell it of them, within this process."""
    ForwardingSink().send(events)
    broker = RabbitMQ()
    try:
        return forward_batch(route_named("rabbitmq"), broker)
    finally:
        broker.close()


@pytest.mark.django_db
class TestMessages:
    """What arrives, and where."""

    def test_a_fact_arrives_as_a_cloud_event_with_its_attributes(
        self, rabbit: RabbitServer, queue: str
    ) -> None:
        event = tell(7, text="Привет")
        assert deliver([event]) == 1
        with opened(rabbit.url) as channel:
            message = channel.basic_get(queue, no_ack=True)
        told = json.loads(message.body)
        assert told["id"] == message.properties["message_id"] == str(event.uid)
        assert (told["type"], told["subject"], told["sequence"]) == (event.type, "thing/7", "1")
        assert told["data"] == {"number": 7, "text": "Привет"}
        assert told["time"].endswith("Z")
        assert message.properties["type"] == event.type
        assert message.properties["delivery_mode"] == 2
        assert message.properties["content_type"].startswith("application/cloudevents+json")
        assert message.headers.items() >= {"subject": "thing/7", "sequence": 1}.items()

    def test_a_queue_hears_only_what_it_is_bound_for(self, rabbit: RabbitServer, queue: str) -> None:
        with opened(rabbit.url) as channel:
            declare_queue(channel, "others", types=["crm.deal.*.*"])
        deliver([tell(1)])
        with opened(rabbit.url) as channel:
            assert channel.basic_get("others") is None
            assert channel.basic_get(queue) is not None

    def test_the_topology_is_the_same_however_often_it_is_declared(self, rabbit: RabbitServer) -> None:
        for _time in range(2):
            said = StringIO()
            call_command("declare_topology", "--queue", "shop", "--types", "crm.deal.#", stdout=said)
            assert "shop hears crm.deal.#" in said.getvalue()
        # Other arguments of a queue that is there are refused by the broker, and that is said.
        with pytest.raises(CommandError, match="inequivalent arg"):
            call_command("declare_topology", "--queue", "shop", "--delivery-limit", "3", stdout=StringIO())

    def test_what_a_consumer_cannot_take_ends_in_the_dead_queue(
        self, rabbit: RabbitServer, queue: str
    ) -> None:
        deliver([tell(1)])
        attempts = []

        def refuse(event: dict[str, Any]) -> None:
            attempts.append(event["id"])
            raise ValueError("poison")

        # What is on its way to a consumer that goes away counts as handed out, too.
        while True:
            try:
                assert consume(rabbit.url, queue, refuse, idle_seconds=3) == 0
                break
            except ValueError:
                assert len(attempts) <= 3
        assert attempts
        assert heard_in(rabbit, f"{queue}.dead", idle=1)[0] == {Verdict.NEW: 1}

    def test_what_the_broker_refuses_waits_until_there_is_room(self, rabbit: RabbitServer) -> None:
        def fill() -> None:
            for number in range(20):
                deliver([tell(number)])

        full = {"x-queue-type": "quorum", "x-max-length": 1, "x-overflow": "reject-publish"}
        with opened(rabbit.url) as channel:
            channel.queue_declare("narrow", durable=True, auto_delete=False, arguments=full)
            channel.queue_bind("narrow", "artel.events", "sample.#")
        try:
            # A quorum queue takes some more than its length before it refuses.
            with pytest.raises(NotSent, match="refused"):
                fill()
            left = Outgoing.objects.count()
            assert left > 0
            with opened(rabbit.url) as channel:
                channel.queue_purge("narrow")
                channel.queue_unbind("narrow", "artel.events", "sample.#")
            assert deliver([]) == left
            assert not Outgoing.objects.exists()
        finally:
            with opened(rabbit.url) as channel:
                channel.queue_delete("narrow")

    def test_the_example_writes_each_fact_once_and_says_what_it_heard(
        self, rabbit: RabbitServer, queue: str
    ) -> None:
        events = [tell(1), tell(1), tell(2)]
        deliver(events)
        deliver(events[:1])
        out, err = StringIO(), StringIO()
        call_command("consume_events", queue, "--limit", "4", stdout=out, stderr=err)
        lines = [json.loads(line) for line in out.getvalue().splitlines()]
        assert [line["id"] for line in lines] == [str(event.uid) for event in events]
        assert "Heard 4 messages; new: 3, duplicate: 1, late: 0, gap: 0." in err.getvalue()

    def test_an_address_where_nobody_answers_is_said_and_loses_nothing(self, settings: Any) -> None:
        settings.RABBITMQ_URL = "amqp://guest:guest@127.0.0.1:1/"
        with pytest.raises(NotSent, match="RabbitMQ"):
            deliver([tell(1)])
        assert Outgoing.objects.count() == 1


AGGREGATES, EACH = 100, 100


@pytest.fixture
def start(platform: Platform, rabbit: RabbitServer) -> Callable[..., tuple[Running, Running]]:
    """Start both relays: `start(ARTEL_FAILPOINT=…)` for the one that talks to RabbitMQ."""

    def both(**env: str) -> tuple[Running, Running]:
        named = {"RABBITMQ_URL": rabbit.url, "DJANGO_SETTINGS_MODULE": "tests.events.settings"}
        return platform.relay(RABBITMQ_URL=rabbit.url), platform.processes.manage(
            "relay", "--to", "rabbitmq", **named, **env
        )

    return both


def tell_many(rounds: range) -> None:
    """Tell a fact of each aggregate in each round, so that their sequences grow side by side."""
    for number in rounds:
        with transaction.atomic():
            facts = [(key, {"number": number}) for key in range(AGGREGATES)]
            publish_many(HAPPENED, facts, actor_id=None)


@pytest.mark.slow
def test_a_broker_killed_in_the_middle_of_ten_thousand_facts_loses_none_and_keeps_their_order(
    platform: Platform, rabbit: RabbitServer, queue: str, start: Callable[..., tuple[Running, Running]]
) -> None:
    inside, outside = start()
    tell_many(range(EACH // 2))
    outside.await_true(lambda: Event.objects.count() - Outgoing.objects.count() > 1000, "facts on their way")
    rabbit.kill()
    tell_many(range(EACH // 2, EACH))
    # Whoever hears facts within the project does not wait for RabbitMQ.
    inside.await_true(lambda: not Outbox.objects.exists(), "empty outbox")
    assert Outgoing.objects.filter(broker="rabbitmq").count() > AGGREGATES * EACH // 2 - 500
    outside.await_true(lambda: "tries again" in outside.output(), "word that RabbitMQ is away")
    rabbit.start()
    outside.await_true(lambda: not Outgoing.objects.exists(), "end of what waits for RabbitMQ")

    counts, new = heard_in(rabbit, queue)
    assert counts[Verdict.NEW] == AGGREGATES * EACH == len(new)
    assert counts[Verdict.LATE] == counts[Verdict.GAP] == 0


@pytest.mark.parametrize("place", ["broker.before_publish", "broker.after_publish"])
def test_a_killed_relay_loses_nothing_and_what_comes_twice_is_known(
    platform: Platform,
    rabbit: RabbitServer,
    queue: str,
    start: Callable[..., tuple[Running, Running]],
    place: str,
) -> None:
    tell_many(range(10))
    inside, outside = start(ARTEL_FAILPOINT=f"{place}:2")
    assert outside.wait(within=120) == -signal.SIGKILL
    inside.await_true(lambda: not Outbox.objects.exists(), "empty outbox")
    _inside, again = start()
    again.await_true(lambda: not Outgoing.objects.exists(), "end of what waits for RabbitMQ")

    counts, new = heard_in(rabbit, queue)
    assert len(new) == AGGREGATES * 10
    assert counts[Verdict.LATE] == counts[Verdict.GAP] == 0
    assert (counts[Verdict.DUPLICATE] > 0) == (place == "broker.after_publish")


def test_a_second_relay_takes_over_within_moments(
    platform: Platform, rabbit: RabbitServer, queue: str, start: Callable[..., tuple[Running, Running]]
) -> None:
    inside, first = start()
    first.await_line("is leading")
    _inside, second = start()
    second.await_line("is standing by")
    first.kill()
    killed_at = time.monotonic()
    second.await_line("is leading")
    assert time.monotonic() - killed_at < 60
    tell_many(range(2))
    inside.await_true(lambda: not Outbox.objects.exists(), "empty outbox")
    second.await_true(lambda: not Outgoing.objects.exists(), "end of what waits for RabbitMQ")
    assert heard_in(rabbit, queue)[0] == {Verdict.NEW: 2 * AGGREGATES}


def test_the_node_leaves_nothing_behind(tmp_path: Path) -> None:
    server = RabbitServer(tmp_path / "node")
    server.stop()
    assert not server.directory.exists()
