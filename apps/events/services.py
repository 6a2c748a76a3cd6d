"""Telling facts: what happened is written with the change, and delivered after it, to each receiver once."""

import json
import logging
import random
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, Protocol

from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.common.logs import request_id
from apps.events.failpoints import failpoint
from apps.events.models import Delivery, Event, Outbox, Outgoing
from apps.events.registry import Fact, receiver_named
from apps.events.schemas import check_data
from apps.events.wakeup import wake_relay

__all__ = ["Fact", "caused_by", "deliver", "expire_events", "publish", "publish_many", "redeliver"]

logger = logging.getLogger(__name__)

# 5 s, doubled each time up to 2.5 h: the twentieth attempt comes about 23 hours after the first.
MAX_ATTEMPTS = 20
_FIRST_DELAY = timedelta(seconds=5)
_LONGEST_DELAY = timedelta(hours=2.5)
# As much of a traceback as helps: its end.
_ERROR_LENGTH = 4000
_EXPIRY_BATCH = 1000

# One statement: the counter row is locked until the caller's transaction ends, so numbers have no gaps and no
# twins. Counters are locked in the order of their subjects, so that two such statements cannot wait for each
# other.
_PUBLISH = """
with fact as (
    select told.value ->> 'subject' as subject, told.value -> 'data' as data, told.place
    from jsonb_array_elements(%(facts)s::jsonb) with ordinality as told (value, place)
), counted as (
    insert into events_aggregate as a (subject, sequence)
    select subject, 1 from fact order by subject
    on conflict (subject) do update set sequence = a.sequence + 1
    returning subject, sequence
), told as (
    insert into events_event (uid, type, subject, sequence, at, actor_id, data, caused_by, depth)
    select gen_random_uuid(), %(type)s, subject, sequence, %(at)s, %(actor)s, data, %(caused_by)s, %(depth)s
    from fact join counted using (subject) order by place
    returning id
)
insert into events_outbox (event_id) select id from told
"""


# The fact that is being heard, and the depth of what is told meanwhile.
_cause: ContextVar[tuple[int | None, int]] = ContextVar("cause", default=(None, 0))


@contextmanager
def caused_by(event: Event | None, *, is_by_itself: bool = False) -> Iterator[None]:
    """
    Let what is told meanwhile know which fact it comes of.

    :param event: None where the clock has set it off
    :param is_by_itself: something acts that people have set up to act by itself, which may set itself off again
    """
    cause, depth = (None, 0) if event is None else (event.pk, event.depth)
    token = _cause.set((cause, depth + is_by_itself))
    try:
        yield
    finally:
        _cause.reset(token)


class _Actor(Protocol):
    def has_perm(self, perm: str) -> bool: ...


def publish(fact: Fact, pk: int, data: Mapping[str, Any], *, actor_id: int | None) -> None:
    """
    Tell that something happened to one aggregate, in the caller's transaction.

    :param data: a snapshot of what a reader needs, JSON-serializable (decimals and dates too)
    """
    publish_many(fact, [(pk, data)], actor_id=actor_id)


def publish_many(fact: Fact, items: Iterable[tuple[int, Mapping[str, Any]]], *, actor_id: int | None) -> None:
    """
    Tell the same fact of many aggregates, each at most once, in one statement of the caller's transaction.

    :param items: pairs of the aggregate's id and its snapshot
    """
    told = [{"subject": f"{fact.aggregate}/{pk}", "data": data} for pk, data in items]
    if not told:
        return
    # One document rather than an array of them, in which every quotation mark would be escaped once more.
    facts = json.dumps(told, cls=DjangoJSONEncoder)
    if settings.EVENT_VALIDATE:
        for each in json.loads(facts):
            check_data(fact.type, each["data"])
    caused_by, depth = _cause.get()
    params: dict[str, Any] = {
        "facts": facts,
        "type": fact.type,
        "at": timezone.now(),
        "actor": actor_id,
        "caused_by": caused_by,
        "depth": depth,
    }
    # A single statement: where a transaction runs already, there is nothing to come back to within it.
    with transaction.atomic(savepoint=False), connection.cursor() as cursor:
        cursor.execute(_PUBLISH, params)
    wake_relay()


def deliver(event_id: int, receiver: str) -> None:
    """
    Let one receiver hear one fact, unless it already has: its effect and the record of it commit together.

    A receiver that fails is rolled back and put off; the relay sends it again when its time has come.
    """
    token = request_id.set(f"event-{event_id}")
    try:
        with transaction.atomic():
            _hear(event_id, receiver)
        failpoint("receiver.after_commit")
    except Exception as error:
        logger.exception("%s failed", receiver)
        _put_off(event_id, receiver, error)
    finally:
        request_id.reset(token)


def _hear(event_id: int, receiver: str) -> None:
    # Whoever holds the row is at this very effect; waiting for them would only keep a worker busy.
    rows = Delivery.objects.select_for_update(skip_locked=True, of=("self",)).select_related("event")
    delivery = rows.filter(event_id=event_id, receiver=receiver).first()
    if delivery is None:
        return
    if delivery.done_at is not None:
        Delivery.objects.filter(pk=delivery.pk).update(duplicates=F("duplicates") + 1)
        return
    failpoint("receiver.before_effect")
    with caused_by(delivery.event):
        receiver_named(receiver)(delivery.event)
    failpoint("receiver.after_effect")
    delivery.done_at = timezone.now()
    delivery.attempts += 1
    delivery.next_attempt_at = None
    delivery.error = ""
    delivery.save(update_fields=["done_at", "attempts", "next_attempt_at", "error"])


@transaction.atomic
def _put_off(event_id: int, receiver: str, error: Exception) -> None:
    """Record a failure and when to try again; after the last attempt, never by itself."""
    rows = Delivery.objects.select_for_update().filter(event_id=event_id, receiver=receiver, done_at=None)
    delivery = rows.first()
    if delivery is None:
        return
    delivery.attempts += 1
    delivery.error = _text_of(error)
    delivery.next_attempt_at = None
    if delivery.attempts < MAX_ATTEMPTS:
        delivery.next_attempt_at = timezone.now() + _delay_after(delivery.attempts)
    delivery.save(update_fields=["attempts", "error", "next_attempt_at"])


def _delay_after(attempts: int) -> timedelta:
    """Return how long to wait after so many failures, spread so that those who fell together rise apart."""
    delay: timedelta = min(_FIRST_DELAY * 2 ** (attempts - 1), _LONGEST_DELAY)
    return delay * random.uniform(0.75, 1.25)  # noqa: S311 - guards nothing


def _text_of(error: Exception) -> str:
    text = "".join(traceback.format_exception(error))
    # PostgreSQL has no room for the character 0 in a text.
    return text.replace("\0", "␀")[-_ERROR_LENGTH:]


@transaction.atomic
def redeliver(delivery_id: int, *, actor: _Actor) -> Delivery:
    """
    Have a delivery that failed tried again at once, with all its attempts before it.

    :raises PermissionDenied: the actor may not change deliveries
    :raises Delivery.DoesNotExist: there is no such delivery
    :raises ValidationError: its effect has already happened (code "delivery_done")
    """
    if not actor.has_perm("events.change_delivery"):
        raise PermissionDenied
    delivery = Delivery.objects.select_for_update().get(pk=delivery_id)
    if delivery.done_at is not None:
        raise ValidationError(_("This has already been delivered."), code="delivery_done")
    delivery.attempts = 0
    delivery.next_attempt_at = timezone.now()
    delivery.save(update_fields=["attempts", "next_attempt_at"])
    return delivery


def expire_events() -> int:
    """
    Delete facts past their retention that everybody has heard, in small transactions; return how many.

    The counters of their aggregates stay, so that numbers go on where they were.
    """
    total = 0
    while deleted := _expire_batch():
        total += deleted
    return total


@transaction.atomic
def _expire_batch() -> int:
    undone = Delivery.objects.filter(event=OuterRef("pk"), done_at=None)
    unsent = Outbox.objects.filter(pk=OuterRef("pk"))
    untold = Outgoing.objects.filter(event=OuterRef("pk"))
    old = Event.objects.filter(at__lt=timezone.now() - timedelta(days=settings.EVENT_RETENTION_DAYS))
    batch = list(
        old.exclude(Exists(undone))
        .exclude(Exists(unsent))
        .exclude(Exists(untold))
        .order_by("at")
        .values_list("pk", flat=True)[:_EXPIRY_BATCH]
    )
    Delivery.objects.filter(event__in=batch).delete()
    Event.objects.filter(pk__in=batch).delete()
    return len(batch)
