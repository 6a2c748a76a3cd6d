"""What people have to do, what they are told, and what other systems are told, and how far that has come."""

from apps.notifications.models.inbox import Inbox, InboxEvent, Mute, Notification, Verdict
from apps.notifications.models.tasks import CalendarFeed, Reminder, Task
from apps.notifications.models.webhooks import WebhookDelivery, WebhookEndpoint

__all__ = [
    "CalendarFeed",
    "Inbox",
    "InboxEvent",
    "Mute",
    "Notification",
    "Reminder",
    "Task",
    "Verdict",
    "WebhookDelivery",
    "WebhookEndpoint",
]
