"""A receiver hears a fact until it succeeds, and its effect happens once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connections, transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.common.logs import request_id
from apps.events import services
from apps.events.models import Aggregate, Delivery, Event
from apps.events.services import deliver, redeliver
from tests.events.platform import tell

pytestmark = pytest.mark.django_db
Hear = Callable[..., list[Event]]


def _delivery(name: str = "tests.listener", event: Event | None = None, **fields: Any) -> Delivery:
    values = {"event": event or tell(1), "receiver": name, "next_attempt_at": timezone.now()} | fields
    return Delivery.objects.create(**values)


def _fail(event: Event) -> None:
    Aggregate.objects.create(subject="an effect")
    raise RuntimeError("no \0 luck")


def test_effect_happens_once_and_repeats_are_counted(hear: Hear) -> None:
    heard = hear()
    delivery = _delivery()

    for _ in range(3):
        deliver(delivery.event_id, "tests.listener")

    delivery.refresh_from_db()
    assert heard == [delivery.event]
    assert (delivery.attempts, delivery.duplicates, delivery.next_attempt_at) == (1, 2, None)
    assert delivery.done_at is not None


def test_failure_takes_the_effect_back_and_is_tried_again_later(hear: Hear) -> None:
    hear(action=_fail)
    delivery = _delivery()
    before = timezone.now()

    deliver(delivery.event_id, "tests.listener")

    delivery.refresh_from_db()
    assert not Aggregate.objects.filter(subject="an effect").exists()
    assert (delivery.attempts, delivery.done_at) == (1, None)
    assert "RuntimeError: no ␀ luck" in delivery.error
    assert delivery.next_attempt_at is not None
    assert timedelta(seconds=3) < delivery.next_attempt_at - before < timedelta(seconds=7)


def test_success_after_failures_forgets_the_error(hear: Hear) -> None:
    heard = hear()
    delivery = _delivery(attempts=3, error="no luck")

    deliver(delivery.event_id, "tests.listener")

    delivery.refresh_from_db()
    assert len(heard) == 1
    assert (delivery.attempts, delivery.error, delivery.next_attempt_at) == (4, "", None)


def test_delays_grow_to_a_limit_and_add_up_to_a_day() -> None:
    delays = [services._delay_after(attempts) for attempts in range(1, services.MAX_ATTEMPTS)]

    assert delays[0] < timedelta(seconds=7)
    assert all(later > earlier / 1.7 for earlier, later in pairwise(delays))
    assert max(delays) < timedelta(hours=3.2)
    assert timedelta(hours=16) < sum(delays, timedelta()) < timedelta(hours=30)


def test_delays_differ_so_that_those_who_fell_together_rise_apart() -> None:
    assert len({services._delay_after(5) for _ in range(20)}) > 1


def test_last_failure_leaves_it_to_a_person(hear: Hear) -> None:
    hear(action=_fail)
    delivery = _delivery(attempts=services.MAX_ATTEMPTS - 1)

    deliver(delivery.event_id, "tests.listener")

    assert list(Delivery.objects.given_up()) == [delivery]
    assert not Delivery.objects.pending().exists()


def test_receiver_that_is_gone_counts_as_failing(hear: Hear) -> None:
    delivery = _delivery("tests.removed")

    deliver(delivery.event_id, "tests.removed")

    delivery.refresh_from_db()
    assert "There is no receiver tests.removed" in delivery.error
    assert delivery.next_attempt_at is not None


def test_message_without_a_delivery_does_nothing(hear: Hear) -> None:
    heard = hear()
    deliver(tell(1).pk, "tests.listener")
    assert heard == []


def test_failing_receiver_does_not_hold_its_sibling(hear: Hear) -> None:
    hear("broken", _fail)
    heard = hear("sound")
    event = tell(1)
    for name in ["tests.broken", "tests.sound"]:
        _delivery(name, event)

    deliver(event.pk, "tests.broken")
    deliver(event.pk, "tests.sound")

    assert heard == [event]
    assert Delivery.objects.get(receiver="tests.sound").done_at is not None
    assert Delivery.objects.get(receiver="tests.broken").done_at is None


def test_log_lines_of_a_receiver_name_the_event(hear: Hear) -> None:
    seen: list[str] = []
    hear(action=lambda event: seen.append(request_id.get()))
    delivery = _delivery()

    deliver(delivery.event_id, "tests.listener")

    assert seen == [f"event-{delivery.event_id}"]
    assert request_id.get() == "-"


def _elsewhere(function: Callable[..., Any], *args: Any) -> Any:
    """Call on a connection of another thread."""

    def call() -> Any:
        try:
            return function(*args)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result(timeout=10)


@pytest.mark.django_db(transaction=True)
def test_second_worker_leaves_an_effect_in_progress_alone(hear: Hear) -> None:
    delivery = _delivery()
    heard = hear()

    with transaction.atomic():
        Delivery.objects.select_for_update().get(pk=delivery.pk)
        _elsewhere(deliver, delivery.event_id, "tests.listener")
        assert heard == []
    deliver(delivery.event_id, "tests.listener")

    assert len(heard) == 1


def _actor(allowed: str) -> Any:
    return SimpleNamespace(has_perm=lambda permission: permission == allowed)


def test_given_up_delivery_is_started_again_by_who_may(hear: Hear) -> None:
    delivery = _delivery(attempts=services.MAX_ATTEMPTS, next_attempt_at=None, error="no luck")

    redeliver(delivery.pk, actor=_actor("events.change_delivery"))

    assert list(Delivery.objects.pending().filter(next_attempt_at__lte=timezone.now())) == [delivery]
    delivery.refresh_from_db()
    assert (delivery.attempts, delivery.error) == (0, "no luck")


@pytest.mark.parametrize(("is_superuser", "is_allowed"), [(True, True), (False, False)])
def test_redelivering_is_for_superusers(*, is_superuser: bool, is_allowed: bool) -> None:
    actor = User.objects.create(email="anna@example.com", is_superuser=is_superuser)
    delivery = _delivery(next_attempt_at=None)

    if is_allowed:
        assert redeliver(delivery.pk, actor=actor).next_attempt_at is not None
    else:
        with pytest.raises(PermissionDenied):
            redeliver(delivery.pk, actor=actor)


def test_what_is_done_is_not_delivered_again() -> None:
    delivery = _delivery(done_at=timezone.now(), next_attempt_at=None)
    with pytest.raises(ValidationError) as refusal:
        redeliver(delivery.pk, actor=_actor("events.change_delivery"))
    assert refusal.value.code == "delivery_done"
