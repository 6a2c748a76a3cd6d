"""What people have to do, what they are told, and what other systems are told, and how far that has come."""

from apps.notifications.models.deliveries import (
    Channel,
    ChannelAddress,
    Delivery,
    MessageTemplate,
    Preference,
    QuietTime,
    Way,
)
from apps.notifications.models.inbox import Inbox, InboxEvent, Mute, Notification, Verdict
from apps.notifications.models.tasks import CalendarFeed, Reminder, Task
from apps.notifications.models.webhooks import WebhookDelivery, WebhookEndpoint

__all__ = [
    "CalendarFeed",
    "Channel",
    "ChannelAddress",
    "Delivery",
    "Inbox",
    "InboxEvent",
    "MessageTemplate",
    "Mute",
    "Notification",
    "Preference",
    "QuietTime",
    "Reminder",
    "Task",
    "Verdict",
    "Way",
    "WebhookDelivery",
    "WebhookEndpoint",
]
