"""Webhooks as people make, change and stop them."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access, rows
from apps.accounts.keyring import seal
from apps.accounts.models import User
from apps.accounts.services import record_auth_event
from apps.accounts.services.in_person import require_in_person
from apps.events.registry import Fact, all_facts
from apps.events.services import publish
from apps.notifications import access_events, events
from apps.notifications.models import WebhookDelivery, WebhookEndpoint
from apps.notifications.webhooks.addresses import check_url
from apps.notifications.webhooks.messages import custom_headers
from apps.notifications.webhooks.reach import matches
from apps.notifications.webhooks.samples import sample_of
from apps.notifications.webhooks.signing import new_secret

State = WebhookEndpoint.State
# So long both secrets sign after a rotation, while the other system is given the new one.
OVERLAP = timedelta(hours=24)
_MOST_TYPES = 50
_MOST_HEADERS = 10
_PATTERN = re.compile(r"[a-z0-9_.*]{1,100}", re.ASCII)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,60}", re.ASCII)
_HEADER_VALUE = re.compile(r"[!-~]([ -~]{0,998}[!-~])?", re.ASCII)
# What says how a message is carried, whose it is, or where it came from, is ours to say.
_OUR_HEADERS = frozenset(
    {
        "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "cookie", "expect",
        "forwarded", "host", "keep-alive", "origin", "referer", "te", "trailer", "transfer-encoding", "upgrade",
        "user-agent", "via", "x-real-ip",
    }
)  # fmt: skip
_OUR_PREFIXES = ("proxy-", "sec-", "webhook-", "x-forwarded-", "ce-")


@transaction.atomic
def create_webhook(
    *,
    actor: User,
    url: str,
    event_types: Sequence[str],
    description: str = "",
    per_minute: int = 600,
    headers: Mapping[str, str] | None = None,
) -> tuple[WebhookEndpoint, str]:
    """
    Have facts sent to an address from now on, as far as `actor` may see them; return it with the secret that signs.

    :raises PermissionDenied: the actor may not, or not in person
    :raises ValidationError: the address, a type or a header is refused
    """
    _require_whole_person(actor)
    access.require(actor, "add", WebhookEndpoint)
    secret = new_secret()
    endpoint = WebhookEndpoint(
        owner=actor,
        description=description,
        per_minute=per_minute,
        secret=seal(secret),
        rotated_at=timezone.now(),
        **_checked({"url": url, "event_types": event_types, "headers": headers or {}}),
    )
    rows.insert(endpoint, actor=actor)
    _told(events.WEBHOOK_CREATED, access_events.MADE, endpoint, actor=actor)
    return endpoint, secret


@transaction.atomic
def change_webhook(
    webhook_id: int, *, actor: User, expected_version: int | None = None, **fields: Any
) -> WebhookEndpoint:
    """
    Change where facts go, which, how many a minute, or with which headers; what is not named stays.

    :raises DoesNotExist: the webhook is out of sight
    :raises PermissionDenied: the actor may not change it, or not in person
    :raises ValidationError: a value is refused, "stale"
    """
    _require_whole_person(actor)
    endpoint = _locked(webhook_id, actor=actor, expected_version=expected_version)
    # Sealed anew it would always differ.
    if "headers" in fields and dict(fields["headers"]) == custom_headers(endpoint):
        del fields["headers"]
    changed = rows.differing(endpoint, _checked(fields))
    if not changed:
        return endpoint
    if "url" in changed and endpoint.owner_id != actor.pk:
        raise PermissionDenied(_("Only its owner says where facts are sent that they may see."))
    rows.write(endpoint, changed, actor=actor)
    _told(events.WEBHOOK_CHANGED, access_events.CHANGED, endpoint, actor=actor)
    return endpoint


@transaction.atomic
def rotate_secret(webhook_id: int, *, actor: User) -> tuple[WebhookEndpoint, str]:
    """
    Make a new secret, which is told here alone; the earlier one goes on signing beside it for 24 hours.

    :raises DoesNotExist: the webhook is out of sight
    :raises PermissionDenied: the actor may not change it, or is not its owner
    """
    _require_whole_person(actor)
    endpoint = _locked(webhook_id, actor=actor)
    if endpoint.owner_id != actor.pk:
        raise PermissionDenied(_("Only its owner learns the secret of a webhook."))
    secret, now = new_secret(), timezone.now()
    values = {
        "secret": seal(secret),
        "previous_secret": endpoint.secret,
        "previous_until": now + OVERLAP,
        "rotated_at": now,
    }
    rows.write(endpoint, values, actor=actor)
    _told(events.WEBHOOK_ROTATED, access_events.ROTATED, endpoint, actor=actor)
    return endpoint, secret


@transaction.atomic
def pause_webhook(webhook_id: int, *, actor: User) -> WebhookEndpoint:
    """
    Send nothing until it is resumed; what happens meanwhile waits.

    :raises DoesNotExist: the webhook is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: it is not active (code "webhook_not_active")
    """
    endpoint = _locked(webhook_id, actor=actor)
    if endpoint.state != State.ACTIVE:
        raise ValidationError(_("This webhook is stopped already."), code="webhook_not_active")
    rows.write(endpoint, {"state": State.PAUSED, "stopped_at": timezone.now()}, actor=actor)
    _told(events.WEBHOOK_CHANGED, access_events.CHANGED, endpoint, actor=actor)
    return endpoint


@transaction.atomic
def resume_webhook(webhook_id: int, *, actor: User) -> WebhookEndpoint:
    """
    Send again, and what has waited first.

    :raises DoesNotExist: the webhook is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: it is active (code "webhook_active")
    """
    _require_whole_person(actor)
    endpoint = _locked(webhook_id, actor=actor)
    if endpoint.state == State.ACTIVE:
        raise ValidationError(_("This webhook is active."), code="webhook_active")
    values = {"state": State.ACTIVE, "reason": "", "stopped_at": None, "failures": 0}
    rows.write(endpoint, values, actor=actor)
    # Its day of attempts begins now, whenever it began before.
    endpoint.deliveries.pending().update(began_at=None, next_attempt_at=timezone.now())
    _told(events.WEBHOOK_CHANGED, access_events.CHANGED, endpoint, actor=actor)
    return endpoint


@transaction.atomic
def send_sample(webhook_id: int, *, actor: User, event_type: str = "") -> WebhookDelivery:
    """
    Send something made up, as a fact of this type would look; it is marked as a sample.

    :param event_type: the first that the webhook is told, unless one is named
    :raises DoesNotExist: the webhook is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: there is no such type ("unknown_type"), or it is stopped ("webhook_not_active")
    """
    endpoint = _locked(webhook_id, actor=actor)
    if endpoint.state != State.ACTIVE:
        raise ValidationError(_("This webhook is stopped: resume it first."), code="webhook_not_active")
    known = sorted(fact.type for _app, fact in all_facts())
    wanted = event_type or next((name for name in known if matches(endpoint.event_types, name)), "")
    if wanted not in known:
        raise rows.refusal("event_type", _("There is no such type of facts."), code="unknown_type")
    return WebhookDelivery.objects.create(
        endpoint=endpoint,
        event_type=wanted,
        subject=f"{Fact(wanted).aggregate}/0",
        sample=sample_of(wanted),
        next_attempt_at=timezone.now(),
    )


@transaction.atomic
def redeliver(delivery_id: int, *, actor: User) -> WebhookDelivery:
    """
    Send something once more, under the same message id, whether it was taken, given up or withheld.

    :raises DoesNotExist: the delivery is out of sight
    :raises PermissionDenied: the actor may not change its webhook
    :raises ValidationError: it is on its way ("delivery_waits"), or the webhook is stopped ("webhook_not_active")
    """
    found = WebhookDelivery.objects.visible_to(actor).get(pk=delivery_id)
    endpoint = _locked(found.endpoint_id, actor=actor)
    if endpoint.state != State.ACTIVE:
        raise ValidationError(_("This webhook is stopped: resume it first."), code="webhook_not_active")
    delivery = WebhookDelivery.objects.select_for_update().get(pk=delivery_id)
    if delivery.leased_until is not None and delivery.leased_until > timezone.now():
        raise ValidationError(_("This is being sent at this moment."), code="delivery_waits")
    _again(WebhookDelivery.objects.filter(pk=delivery.pk))
    delivery.refresh_from_db()
    return delivery


@transaction.atomic
def redeliver_failed(webhook_id: int, *, actor: User, since: datetime) -> int:
    """
    Send all that was given up since a moment once more; return how much there is of it.

    :raises DoesNotExist: the webhook is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: the webhook is stopped (code "webhook_not_active")
    """
    endpoint = _locked(webhook_id, actor=actor)
    if endpoint.state != State.ACTIVE:
        raise ValidationError(_("This webhook is stopped: resume it first."), code="webhook_not_active")
    failed = endpoint.deliveries.filter(state=WebhookDelivery.State.FAILED, created_at__gte=since)
    return _again(failed)


def _again(deliveries: Any) -> int:
    count: int = deliveries.update(
        state=WebhookDelivery.State.PENDING,
        next_attempt_at=timezone.now(),
        leased_until=None,
        began_at=None,
        error="",
    )
    return count


def _locked(webhook_id: int, *, actor: User, expected_version: int | None = None) -> WebhookEndpoint:
    return rows.locked(
        WebhookEndpoint, webhook_id, actor=actor, action="change", expected_version=expected_version
    )


def _require_whole_person(actor: User) -> None:
    """
    Insist on who may do all that they may, in their own name: facts go on leaving long after this request.

    :raises PermissionDenied: somebody acts as them, or a program with a limited key
    """
    require_in_person(actor)
    if actor.key_scopes is not None:
        raise PermissionDenied(
            _("A key that is limited makes no webhooks: they would tell more than it may see.")
        )


def _checked(values: dict[str, Any]) -> dict[str, Any]:
    """Return values as columns hold them. :raises ValidationError: one is refused"""
    checked = dict(values)
    if "url" in values:
        try:
            check_url(values["url"])
        except ValidationError as error:
            raise ValidationError({"url": error}) from error
    if "event_types" in values:
        checked["event_types"] = _checked_types(values["event_types"])
    if "headers" in values:
        headers = _checked_headers(values["headers"])
        checked["headers"] = seal(json.dumps(headers)) if headers else ""
        checked["header_names"] = sorted(headers)
    return checked


def _checked_types(patterns: Sequence[str]) -> list[str]:
    chosen = sorted(set(patterns))
    if not chosen:
        raise rows.refusal("event_types", _("Say at least one type of facts."), code="no_types")
    if len(chosen) > _MOST_TYPES:
        raise rows.refusal("event_types", _("These are too many: use * for many at once."), code="too_many")
    known = [fact.type for _app, fact in all_facts()]
    for pattern in chosen:
        if not _PATTERN.fullmatch(pattern) or not any(matches([pattern], name) for name in known):
            text = _("No type of facts fits “%(pattern)s”.")
            raise rows.refusal("event_types", text, code="unknown_type", pattern=pattern)
    return chosen


def _checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    if len(headers) > _MOST_HEADERS:
        raise rows.refusal("headers", _("These are too many headers."), code="too_many")
    seen = set()
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            text = _("“%(name)s” is no header, or its value has characters that headers cannot hold.")
            raise rows.refusal("headers", text, code="bad_header", name=name[:60])
        lower = name.lower()
        if lower in _OUR_HEADERS or lower.startswith(_OUR_PREFIXES) or lower in seen:
            text = _("The header “%(name)s” is ours to say, or is given twice.")
            raise rows.refusal("headers", text, code="forbidden_header", name=name)
        seen.add(lower)
    return dict(headers)


def _told(fact: Fact, kind: str, endpoint: WebhookEndpoint, *, actor: User) -> None:
    publish(fact, endpoint.pk, events.webhook_data(endpoint), actor_id=actor.pk)
    data = {"webhook_id": endpoint.pk, "url": endpoint.url}
    record_auth_event(kind, user=endpoint.owner, actor=actor, data=data)
