"""What is sent: a fact as a CloudEvent, and the headers around it."""

import json
import time
from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from apps.accounts.keyring import unseal
from apps.events.envelope import MEDIA_TYPE, attributes, cloud_event
from apps.notifications.models import WebhookDelivery, WebhookEndpoint
from apps.notifications.webhooks.signing import signatures

# In place of what only the other system should know.
HIDDEN = "•••"


def body_of(delivery: WebhookDelivery) -> dict[str, Any]:
    """Return a fact, or a sample, as a CloudEvent."""
    message_id, event = str(delivery.message_id), delivery.event
    if event is not None:
        return cloud_event(event) | {"id": message_id}
    about = attributes(message_id, delivery.event_type, delivery.subject, delivery.created_at)
    return about | {"sample": True, "data": delivery.sample}


def headers_of(endpoint: WebhookEndpoint, message_id: str, body: bytes) -> dict[str, str]:
    """
    Return the headers of a message, signed now.

    :raises ImproperlyConfigured: a secret was sealed under another secret than ours
    """
    at = int(time.time())
    return {
        **custom_headers(endpoint),
        "Content-Type": MEDIA_TYPE,
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
