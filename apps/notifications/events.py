"""The facts of telling others: what other systems are told, and when that ended."""

from typing import Any

from apps.events.services import Fact
from apps.notifications.models import WebhookEndpoint

WEBHOOK_CREATED = Fact("notifications.webhook.created.v1")
WEBHOOK_CHANGED = Fact("notifications.webhook.changed.v1")
WEBHOOK_ROTATED = Fact("notifications.webhook.rotated.v1")
WEBHOOK_DISABLED = Fact("notifications.webhook.disabled.v1")


def webhook_data(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """Return what facts tell of a webhook; nothing that opens anything."""
    return {
        "id": endpoint.pk,
        "owner": {"id": endpoint.owner_id, "name": str(endpoint.owner)},
        "url": endpoint.url,
        "description": endpoint.description,
        "event_types": endpoint.event_types,
        "state": endpoint.state,
        "reason": endpoint.reason,
        "per_minute": endpoint.per_minute,
        "version": endpoint.version,
    }
