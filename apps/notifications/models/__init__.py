"""Who is told what, and how far that has come."""

from apps.notifications.models.webhooks import WebhookDelivery, WebhookEndpoint

__all__ = ["WebhookDelivery", "WebhookEndpoint"]
