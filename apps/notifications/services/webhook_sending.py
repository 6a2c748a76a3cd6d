"""
How facts get on their way to other systems: written down for each, taken by whoever sends, and what came of it.

The call itself is made between :func:`claim_due` and :func:`record_outcome`, outside of any transaction.
"""

import logging
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import override

from apps.accounts.models import User
from apps.accounts.services import send_letter
from apps.events.envelope import written
from apps.events.models import Event
from apps.events.services import publish
from apps.notifications import events, letters
from apps.notifications.models import WebhookDelivery, WebhookEndpoint
from apps.notifications.webhooks.calling import Outcome
from apps.notifications.webhooks.messages import body_of, custom_headers, headers_of, shown_headers
from apps.notifications.webhooks.reach import matches, told_to

logger = logging.getLogger(__name__)

State = WebhookDelivery.State
Error = WebhookDelivery.Error
_ON = WebhookEndpoint.State.ACTIVE
_FIRST_DELAY = timedelta(seconds=5)
_LONGEST_DELAY = timedelta(hours=2.5)
# An endpoint that has not taken a fact for so long is not asked about it any more.
PATIENCE = timedelta(hours=24)
_WINDOW = timedelta(minutes=1)
_EXPIRY_BATCH = 1000
_Deliveries = QuerySet[WebhookDelivery]


@dataclass(frozen=True)
class Call:
    """
    What is to be sent now.

    :ivar attempt: the number by which whoever is overtaken is told from who has overtaken them
    """

    delivery_id: int
    attempt: int
    url: str
    headers: dict[str, str]
    body: bytes


# Writing down


def fan_out(happened: Sequence[Event]) -> int:
    """
    Write down for each endpoint which of these facts it is to be told; return how many rows that made.

    Asked again about the same facts it does nothing. What an endpoint's owner may not see leaves no trace.
    """
    endpoints = WebhookEndpoint.objects.select_related("owner").filter(owner__is_active=True)
    new = [row for endpoint in endpoints for row in _wanted(endpoint, happened)]
    if not new:
        return 0
    WebhookDelivery.objects.bulk_create(new, ignore_conflicts=True)
    return len(new)


def _wanted(endpoint: WebhookEndpoint, happened: Sequence[Event]) -> Iterable[WebhookDelivery]:
    matching = [event for event in happened if matches(endpoint.event_types, event.type)]
    if not matching:
        return
    now = timezone.now()
    is_off = endpoint.state == WebhookEndpoint.State.DISABLED
    for event in told_to(endpoint.owner, matching):
        yield WebhookDelivery(
            endpoint=endpoint,
            event=event,
            message_id=event.uid,
            event_type=event.type,
            subject=event.subject,
            state=State.FAILED if is_off else State.PENDING,
            error=Error.OFF if is_off else "",
            next_attempt_at=None if is_off else now,
        )


# Sending


def claim_due(room: int) -> list[Call]:
    """
    Take what is due, for `room` calls at once at most; nobody else takes it until the lease is over.

    Each endpoint gives a few at a time, one that fails a single one, so that none keeps the others waiting.
    """
    calls: list[Call] = []
    for endpoint_id in _endpoints_in_turn():
        if len(calls) >= room:
            break
        calls += _claim_of(endpoint_id, room - len(calls))
    return calls


def _endpoints_in_turn() -> list[int]:
    due = _due(WebhookDelivery.objects.filter(endpoint=OuterRef("pk")), timezone.now())
    keys = list(WebhookEndpoint.objects.filter(Exists(due), state=_ON).values_list("pk", flat=True))
    # With more of them than there is room, each has its turn in the end.
    random.shuffle(keys)
    return keys


def _due(deliveries: _Deliveries, now: datetime) -> _Deliveries:
    is_free = Q(leased_until=None) | Q(leased_until__lte=now)
    return deliveries.filter(is_free, state=State.PENDING, next_attempt_at__lte=now)


@transaction.atomic
def _claim_of(endpoint_id: int, room: int) -> list[Call]:
    # Whoever has the row is counting for this endpoint already.
    rows = WebhookEndpoint.objects.select_for_update(skip_locked=True, of=("self",), no_key=True)
    endpoint = rows.select_related("owner").filter(pk=endpoint_id, state=_ON).first()
    if endpoint is None:
        return []
    now = timezone.now()
    room = min(room, _room_of(endpoint, now))
    if room <= 0:
        return []
    due = _due(endpoint.deliveries.all(), now).order_by("next_attempt_at", "id")
    taken = list(due.select_for_update(skip_locked=True, of=("self",)).select_related("event")[:room])
    calls = [call for delivery in taken if (call := _prepared(endpoint, delivery, now)) is not None]
    _count(endpoint, len(calls), now)
    return calls


def _room_of(endpoint: WebhookEndpoint, now: datetime) -> int:
    """Return how many more calls an endpoint may be made at once, and in this minute."""
    most = 1 if endpoint.failures else settings.WEBHOOK_CONCURRENCY_EACH
    under_way = endpoint.deliveries.pending().filter(leased_until__gt=now).count()
    is_same_minute = endpoint.window_at is not None and now < endpoint.window_at + _WINDOW
    sent = endpoint.window_count if is_same_minute else 0
    return min(most - under_way, endpoint.per_minute - sent)


def _count(endpoint: WebhookEndpoint, calls: int, now: datetime) -> None:
    if not calls:
        return
    if endpoint.window_at is None or now >= endpoint.window_at + _WINDOW:
        endpoint.window_at, endpoint.window_count = now, 0
    endpoint.window_count += calls
    endpoint.save(update_fields=["window_at", "window_count"])


def _prepared(endpoint: WebhookEndpoint, delivery: WebhookDelivery, now: datetime) -> Call | None:
    """Lease a delivery and return what is to be sent; None where it is not to be, by now."""
    if not _may_be_told(endpoint.owner, delivery.event):
        _end(delivery, State.WITHHELD, Error.OUT_OF_SIGHT)
        return None
    body = written(body_of(delivery))
    try:
        headers = headers_of(endpoint, str(delivery.message_id), body)
        delivery.sent_headers = shown_headers(headers, custom_headers(endpoint))
    except ImproperlyConfigured:
        logger.exception("the secret of webhook %s cannot be opened", endpoint.pk)
        _end(delivery, State.FAILED, Error.UNREADABLE)
        return None
    delivery.attempts += 1
    delivery.attempted_at = now
    delivery.began_at = delivery.began_at or now
    delivery.leased_until = now + timedelta(seconds=settings.WEBHOOK_LEASE_SECONDS)
    delivery.save(update_fields=["attempts", "attempted_at", "began_at", "leased_until", "sent_headers"])
    return Call(delivery.pk, delivery.attempts, endpoint.url, headers, body)


def _may_be_told(owner: User, event: Event | None) -> bool:
    """Ask the policy once more: what an owner may see can have changed since the fact was written down."""
    return owner.is_active and (event is None or bool(told_to(owner, [event])))


def _end(delivery: WebhookDelivery, state: str, error: str) -> None:
    delivery.state, delivery.error = state, error
    delivery.next_attempt_at = delivery.leased_until = None
    delivery.save(update_fields=["state", "error", "next_attempt_at", "leased_until"])


# What came of it


@transaction.atomic
def record_outcome(delivery_id: int, attempt: int, outcome: Outcome) -> None:
    """
    Write down how a call ended, and when it is tried again; what somebody else has taken over meanwhile is theirs to say.

    An endpoint that is gone, or has taken nothing for 24 hours, is turned off, and its owner is told.
    """
    # The order in which claims lock, so that nobody waits for each other.
    rows = WebhookEndpoint.objects.select_for_update(of=("self",), no_key=True)
    endpoint = rows.filter(deliveries=delivery_id).first()
    delivery = (
        WebhookDelivery.objects.select_for_update()
        .filter(pk=delivery_id, attempts=attempt, state=State.PENDING, leased_until__isnull=False)
        .first()
    )
    if endpoint is None or delivery is None:
        logger.info("what became of webhook delivery %s is told by somebody else", delivery_id)
        return
    now = timezone.now()
    if outcome.error:
        _failed(endpoint, delivery, outcome, now)
    else:
        delivery.state, delivery.next_attempt_at = State.DELIVERED, None
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(failures=0, succeeded_at=now)
    delivery.leased_until = None
    delivery.error, delivery.code, delivery.response = outcome.error, outcome.code, outcome.response
    delivery.duration_ms = outcome.duration_ms
    names = ["state", "next_attempt_at", "leased_until", "error", "code", "response", "duration_ms"]
    delivery.save(update_fields=names)


def _failed(endpoint: WebhookEndpoint, delivery: WebhookDelivery, outcome: Outcome, now: datetime) -> None:
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(failures=F("failures") + 1)
    began_at = delivery.began_at or now
    delay = _delay_after(now - began_at)
    if outcome.retry_after is not None:
        delay = max(delay, min(timedelta(seconds=outcome.retry_after), _LONGEST_DELAY))
    is_over = outcome.is_gone or now + delay > began_at + PATIENCE
    delivery.state = State.FAILED if is_over else State.PENDING
    delivery.next_attempt_at = None if is_over else now + delay
    if outcome.is_gone:
        _disable(endpoint, WebhookEndpoint.Reason.GONE)
    # Where it has taken others meanwhile, only this one is not to its taste.
    elif is_over and (endpoint.succeeded_at is None or endpoint.succeeded_at < began_at):
        _disable(endpoint, WebhookEndpoint.Reason.FAILING)


def _delay_after(tried: timedelta) -> timedelta:
    """
    Return how long to wait once more: as long as it has been tried by now, which doubles it each time.

    It is spread, so that what fell together rises apart.
    """
    delay = max(_FIRST_DELAY, min(tried, _LONGEST_DELAY))
    return delay * random.uniform(0.75, 1.25)  # noqa: S311 - guards nothing


def _disable(endpoint: WebhookEndpoint, reason: WebhookEndpoint.Reason) -> None:
    """Turn an endpoint off and tell its owner; what waits for it is given up, and may be sent again by hand."""
    if endpoint.state == WebhookEndpoint.State.DISABLED:
        return
    endpoint.state, endpoint.reason, endpoint.stopped_at = (
        WebhookEndpoint.State.DISABLED,
        reason,
        timezone.now(),
    )
    endpoint.version += 1
    endpoint.save(update_fields=["state", "reason", "stopped_at", "version"])
    waiting = endpoint.deliveries.pending().filter(leased_until=None)
    waiting.update(state=State.FAILED, error=Error.OFF, next_attempt_at=None)
    system = User.objects.system()
    publish(events.WEBHOOK_DISABLED, endpoint.pk, events.webhook_data(endpoint), actor_id=system.pk)
    owner = endpoint.owner
    if not owner.email:
        return
    with override(owner.locale or None):
        said = str(reason.label)
    page = reverse("admin:notifications_webhookendpoint_change", args=[endpoint.pk])
    context = {"url": endpoint.url, "reason": said, "link": f"{settings.OIDC_ISSUER}{page}"}
    send_letter(letters.WEBHOOK_DISABLED, owner.email, context, language=owner.locale)


def expire_deliveries() -> int:
    """Delete what was sent long ago, and samples, in small transactions; return how many."""
    before = timezone.now() - timedelta(days=settings.WEBHOOK_KEPT_DAYS)
    old = WebhookDelivery.objects.filter(created_at__lt=before).exclude(state=State.PENDING).order_by("id")
    total = 0
    while batch := list(old.values_list("pk", flat=True)[:_EXPIRY_BATCH]):
        WebhookDelivery.objects.filter(pk__in=batch).delete()
        total += len(batch)
    return total
