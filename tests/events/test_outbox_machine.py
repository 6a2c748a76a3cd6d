"""Whatever happens in whatever order, each committed fact has its effect once, and in the end always."""

import contextlib
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from apps.events import relay, services
from apps.events.models import Aggregate, Delivery, Event, Outbox
from apps.events.sinks import celery as celery_sink
from tests.events.platform import tell

Hear = Callable[..., list[Event]]
SUBJECTS = st.integers(1, 3)


class _Killed(BaseException):
    """Stands for SIGKILL: nothing in the code may catch it."""


class OutboxMachine(RuleBasedStateMachine):
    """The model: facts that were committed. The system: the outbox, the relay, a broker that may lose all."""

    patch: pytest.MonkeyPatch
    hear: Hear

    def __init__(self) -> None:
        super().__init__()
        for model in [Delivery, Outbox, Event, Aggregate]:
            model._default_manager.all().delete()
        self.told: Counter[int] = Counter()
        self.broker: list[tuple[int, str]] = []
        self.dies_at: str | None = None
        self.fails = False
        for module in [relay, celery_sink]:
            self.patch.setattr(module, "enqueue_all", self._send)
        for module in [relay, services]:
            self.patch.setattr(module, "failpoint", self._pass)
        self.patch.setattr(relay, "backlog", lambda: 0)
        self.heard = {name: self.hear(name, self._stumble) for name in ["one", "two"]}

    def _send(self, calls: Iterable[tuple[Any, Any]]) -> None:
        self.broker += [(kwargs["event_id"], kwargs["receiver"]) for _task, kwargs in calls]

    def _pass(self, place: str) -> None:
        if place == self.dies_at:
            raise _Killed

    def _stumble(self, event: Event) -> None:
        # An effect that has to go when the receiver fails.
        Aggregate.objects.create(subject=f"effect {uuid.uuid4()} of {event.pk}", sequence=event.pk)
        if self.fails:
            raise RuntimeError("no luck")

    def _survive(self, place: str | None, action: Callable[[], object]) -> None:
        self.dies_at = place
        with contextlib.suppress(_Killed):
            action()
        self.dies_at = None

    @rule(number=SUBJECTS)
    def publish(self, number: int) -> None:
        tell(number)
        self.told[number] += 1

    @rule(number=SUBJECTS)
    def publish_and_roll_back(self, number: int) -> None:
        with transaction.atomic():
            tell(number)
            transaction.set_rollback(True)

    @rule(place=st.sampled_from([None, "relay.before_publish", "relay.after_publish"]))
    def relay(self, place: str | None) -> None:
        self._survive(place, lambda: relay.relay_batch(relay.all_sinks()))

    @precondition(lambda self: self.broker)
    @rule(
        data=st.data(),
        place=st.sampled_from([None, None, "receiver.before_effect", "receiver.after_effect"]),
        fails=st.booleans(),
    )
    def deliver(self, data: st.DataObject, place: str | None, fails: bool) -> None:
        index = data.draw(st.integers(0, len(self.broker) - 1))
        event_id, receiver = self.broker.pop(index)
        self.fails = fails
        self._survive(place, lambda: services.deliver(event_id, receiver))
        self.fails = False

    @precondition(lambda self: self.broker)
    @rule(data=st.data())
    def repeat_a_message(self, data: st.DataObject) -> None:
        self.broker.append(data.draw(st.sampled_from(self.broker)))

    @rule()
    def flush_the_broker(self) -> None:
        self.broker.clear()

    @rule()
    def let_time_pass(self) -> None:
        Delivery.objects.pending().update(next_attempt_at=timezone.now() - timedelta(seconds=1))
        relay.resend_due()

    @rule()
    def expire(self) -> None:
        Event.objects.update(at=timezone.now() - timedelta(days=1000))
        # Only what everybody has heard may go, so the effects that are counted stay as they are.
        services.expire_events()

    @invariant()
    def effects_happen_at_most_once(self) -> None:
        effects = Counter(self._effects())
        assert max(effects.values(), default=0) <= len(self.heard)
        assert sum(effects.values()) == Delivery.objects.exclude(done_at=None).count() + self._expired()

    @invariant()
    def numbers_have_no_gaps(self) -> None:
        counters = Aggregate.objects.filter(subject__startswith="thing/").values_list("subject", "sequence")
        assert dict(counters) == {f"thing/{number}": count for number, count in self.told.items()}

    def _effects(self) -> list[int]:
        """List the event of each effect that has happened."""
        rows = Aggregate.objects.filter(subject__startswith="effect")
        return list(rows.values_list("sequence", flat=True))

    def _expired(self) -> int:
        """Count the effects of events that are gone: each was heard by everybody."""
        gone = sum(self.told.values()) - Event.objects.count()
        return gone * len(self.heard)

    def teardown(self) -> None:
        relay.relay_batch(relay.all_sinks())
        for _ in range(3):
            self.let_time_pass()
            while self.broker:
                services.deliver(*self.broker.pop(0))
        assert not Outbox.objects.exists()
        assert not Delivery.objects.filter(done_at=None).exists()
        assert list(Counter(self._effects()).values()) == [2] * sum(self.told.values())


@pytest.mark.django_db
def test_outbox_converges(hear: Hear, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = type("Machine", (OutboxMachine,), {"patch": monkeypatch, "hear": staticmethod(hear)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=20,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
