"""The way from the outbox to other systems: the relay has each fact written down for whoever is to be told."""

from collections.abc import Sequence

from apps.events.models import Event
from apps.notifications.services.webhook_sending import fan_out


class WebhookSink:
    """Writes down what is to be sent; the process `manage.py webhooks` sends it."""

    def send(self, events: Sequence[Event]) -> None:
        fan_out(events)
