"""What is sent: a fact as a CloudEvent, and the headers around it."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from apps.accounts.keyring import unseal
from apps.notifications.models import WebhookDelivery, WebhookEndpoint
from apps.notifications.webhooks.signing import signatures

# In place of what only the other system should know.
HIDDEN = "•••"


def body_of(delivery: WebhookDelivery) -> dict[str, Any]:
    """Return a fact, or a sample, as a CloudEvent (https://cloudevents.io, version 1.0)."""
    event = delivery.event
    told: dict[str, Any] = {
        "specversion": "1.0",
        "id": str(delivery.message_id),
        "source": settings.OIDC_ISSUER,
        "type": delivery.event_type,
        "subject": delivery.subject,
        "time": _moment(delivery.created_at if event is None else event.at),
        "datacontenttype": "application/json",
    }
    if event is None:
        return told | {"sample": True, "data": delivery.sample}
    # Names of extensions are lower-case letters and digits, and their values plain.
    told["sequence"] = str(event.sequence)
    if event.actor_id is not None:
        told["actor"] = str(event.actor_id)
    return told | {"data": event.data}


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def written(body: Mapping[str, Any]) -> bytes:
    """Write a body as it is signed and sent: the same each time."""
    return json.dumps(body, cls=DjangoJSONEncoder, ensure_ascii=False, separators=(",", ":")).encode()


def headers_of(endpoint: WebhookEndpoint, message_id: str, body: bytes) -> dict[str, str]:
    """
    Return the headers of a message, signed now.

    :raises ImproperlyConfigured: a secret was sealed under another secret than ours
    """
    at = int(time.time())
    return {
        **custom_headers(endpoint),
        "Content-Type": "application/cloudevents+json; charset=utf-8",
        "User-Agent": "Artel-Webhooks/1.0",
        "Webhook-Id": message_id,
        "Webhook-Timestamp": str(at),
        "Webhook-Signature": signatures(secrets_of(endpoint), message_id, at, body),
    }


def secrets_of(endpoint: WebhookEndpoint) -> list[str]:
    """Return the secrets that sign for an endpoint just now, the present one first."""
    sealed = [endpoint.secret]
    if endpoint.previous_until is not None and endpoint.previous_until > timezone.now():
        sealed.append(endpoint.previous_secret)
    return [unseal(each) for each in sealed]


def custom_headers(endpoint: WebhookEndpoint) -> dict[str, str]:
    """Return the headers that an endpoint wants besides."""
    found: dict[str, str] = json.loads(unseal(endpoint.headers)) if endpoint.headers else {}
    return found


def shown_headers(headers: Mapping[str, str], custom: Mapping[str, str]) -> dict[str, str]:
    """Return headers as they may be kept and shown: without the values that an endpoint wants besides."""
    return {name: HIDDEN if name in custom else value for name, value in headers.items()}
