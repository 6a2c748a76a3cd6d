"""What people have to do, and what other systems are told, and how far that has come."""

from apps.notifications.models.tasks import CalendarFeed, Reminder, Task
from apps.notifications.models.webhooks import WebhookDelivery, WebhookEndpoint

__all__ = ["CalendarFeed", "Reminder", "Task", "WebhookDelivery", "WebhookEndpoint"]
