"""The way from the outbox to those of the brokers: what each is to be told is written down for it."""

from collections.abc import Sequence

from apps.events.brokers import open_routes
from apps.events.models import Event, Outgoing


class ForwardingSink:
    """Writes down for each broker what it wants; a batch that comes twice is written down once while it waits."""

    def send(self, events: Sequence[Event]) -> None:
        wanted = [
            Outgoing(broker=route.name, event=event)
            for route in open_routes()
            for event in events
            if route.wants(event)
        ]
        if wanted:
            Outgoing.objects.bulk_create(wanted, ignore_conflicts=True)
