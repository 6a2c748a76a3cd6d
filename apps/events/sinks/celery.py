"""Delivery inside the project: one task for each receiver of an event, so that none waits for another."""

from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from apps.events.enqueue import enqueue_all
from apps.events.models import Delivery, Event
from apps.events.registry import receivers_of
from apps.events.tasks import deliver


class CelerySink:
    """The workers of this project."""

    def send(self, events: Sequence[Event]) -> None:
        shares = [(event.pk, name) for event in events for name in receivers_of(event.type)]
        if not shares:
            return
        due = timezone.now() + timedelta(seconds=settings.EVENT_RESEND_SECONDS)
        # Committed before the messages leave: a worker that finds no row has nothing to do.
        Delivery.objects.bulk_create(
            [Delivery(event_id=pk, receiver=name, next_attempt_at=due) for pk, name in shares],
            ignore_conflicts=True,
        )
        enqueue_all((deliver, {"event_id": pk, "receiver": name}) for pk, name in shares)
