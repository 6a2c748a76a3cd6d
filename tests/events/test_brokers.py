"""What a broker is to be told waits for it alone, in order, and goes when it has confirmed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils import timezone

from apps.events import brokers
from apps.events.brokers import Route
from apps.events.brokers.forwarding import ForwardingSink
from apps.events.brokers.heard import Heard, Verdict
from apps.events.brokers.relay import BrokerRelay, forward_batch
from apps.events.enqueue import NotSent
from apps.events.models import Event, Outbox, Outgoing
from apps.events.relay import Relay, relay_batch
from apps.events.tasks import expire_events
from tests.events.platform import tell

pytestmark = pytest.mark.django_db


@dataclass
class Shelf:
    """A broker that keeps what it is told, and refuses as often as it should."""

    refusals: int = 0
    told: list[Event] = field(default_factory=list)

    def send(self, events: Sequence[Event]) -> None:
        if self.refusals:
            self.refusals -= 1
            raise NotSent("the shelf is full")
        self.told += events

    def close(self) -> None:
        self.told.clear()


ALL = Route("all", "tests.events.test_brokers.Shelf", "SHELF")
SOME = Route("some", "tests.events.test_brokers.Shelf", "SHELF", prefix="sample.other.")
CLOSED = Route("closed", "tests.events.test_brokers.Shelf", "NO_SHELF")


@pytest.fixture(autouse=True)
def routes(monkeypatch: pytest.MonkeyPatch, settings: pytest.FixtureRequest) -> None:
    settings.SHELF = "shelf://"  # type: ignore[attr-defined]
    monkeypatch.setattr(brokers, "_routes", {route.name: route for route in (ALL, SOME, CLOSED)})


def waiting(route: Route) -> list[int]:
    return list(Outgoing.objects.filter(broker=route.name).order_by("event").values_list("event", flat=True))


def test_a_fact_waits_for_each_broker_with_an_address_that_wants_it() -> None:
    told = [tell(1), tell(2)]
    assert relay_batch([ForwardingSink()]) == 2
    assert waiting(ALL) == [event.pk for event in told]
    assert waiting(SOME) == waiting(CLOSED) == []
    assert not Outbox.objects.exists()


def test_a_batch_that_comes_again_is_written_down_once() -> None:
    events = [tell(1), tell(2)]
    ForwardingSink().send(events)
    ForwardingSink().send(events)
    assert waiting(ALL) == [event.pk for event in events]


def test_a_broker_is_told_in_order_what_its_prefix_lets_through() -> None:
    events = [tell(1), tell(2), tell(1)]
    ForwardingSink().send(list(reversed(events)))
    shelf = Shelf()
    assert [forward_batch(ALL, shelf), forward_batch(ALL, shelf)] == [3, 0]
    assert shelf.told == events
    assert waiting(ALL) == []


def test_what_a_broker_refuses_waits_on_and_others_are_told() -> None:
    ForwardingSink().send([tell(1), tell(2)])
    shelf = Shelf(refusals=1)
    with pytest.raises(NotSent):
        forward_batch(ALL, shelf)
    assert len(waiting(ALL)) == 2
    # What happens meanwhile leaves the outbox all the same.
    tell(3)
    assert relay_batch([ForwardingSink()]) == 3
    assert not Outbox.objects.exists()
    assert forward_batch(ALL, shelf) == 3


def test_facts_that_wait_for_a_broker_do_not_expire() -> None:
    kept, gone = tell(1), tell(2)
    ForwardingSink().send([kept])
    Outbox.objects.all().delete()
    Event.objects.update(at=timezone.now() - timedelta(days=settings.EVENT_RETENTION_DAYS + 1))
    expire_events()
    assert list(Event.objects.all()) == [kept]
    assert gone not in Event.objects.all()


def test_relays_lead_side_by_side() -> None:
    locks = {Relay().lock, BrokerRelay(route=ALL).lock, BrokerRelay(route=SOME).lock}
    assert len(locks) == 3
    # What PostgreSQL takes for an advisory lock.
    assert all(0 < lock < 2**63 for lock in locks)


@pytest.mark.parametrize(("name", "said"), [("nobody", "There is no broker"), ("closed", "set NO_SHELF")])
def test_a_relay_to_nowhere_says_why(name: str, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        call_command("relay", to=name)


@pytest.mark.parametrize("command", [["declare_topology"], ["consume_events", "queue"]])
def test_commands_of_rabbitmq_ask_for_its_address(
    command: list[str], settings: pytest.FixtureRequest
) -> None:
    settings.RABBITMQ_URL = ""  # type: ignore[attr-defined]
    with pytest.raises(CommandError, match="RABBITMQ_URL"):
        call_command(*command, stdout=StringIO())


def test_an_address_that_is_none_is_refused(settings: pytest.FixtureRequest) -> None:
    settings.RABBITMQ_URL = "http://127.0.0.1/"  # type: ignore[attr-defined]
    with pytest.raises(CommandError, match="looks like amqp://"):
        call_command("declare_topology", stdout=StringIO())


def test_a_consumer_tells_twins_gaps_and_latecomers() -> None:
    heard = Heard()
    events = [("a", 1), ("b", 2), ("b", 2), ("e", 5), ("c", 3)]
    verdicts = [heard.judge({"id": name, "subject": "deal/1", "sequence": str(n)}) for name, n in events]
    assert verdicts == [Verdict.NEW, Verdict.NEW, Verdict.DUPLICATE, Verdict.GAP, Verdict.LATE]
