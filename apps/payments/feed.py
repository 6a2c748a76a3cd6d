"""The feed of facts about money: the way into it, and what is read from it."""

from collections.abc import Sequence
from typing import Any

from django.db import connection

from apps.events.envelope import cloud_event
from apps.events.models import Event
from apps.payments.models import FeedEntry

PREFIX = "payments."
# Numbers that a batch would take again are not wasted where nothing is new.
_APPEND = """
    insert into payments_feedentry (event_id)
    select given.id from unnest(%s::bigint[]) with ordinality as given (id, place)
    where not exists (select from payments_feedentry f where f.event_id = given.id)
    order by given.place
"""


class FeedSink:
    """Appends facts about money to the feed; a batch that comes twice is in it once."""

    def send(self, events: Sequence[Event]) -> None:
        keys = [event.pk for event in events if event.type.startswith(PREFIX)]
        if keys:
            with connection.cursor() as cursor:
                cursor.execute(_APPEND, [keys])


def after(position: int, *, limit: int) -> list[dict[str, Any]]:
    """Return the facts behind a position as CloudEvents, each with its own position, in order."""
    entries = FeedEntry.objects.filter(pk__gt=position).select_related("event").order_by("pk")[:limit]
    return [{"position": entry.pk, "event": cloud_event(entry.event)} for entry in entries]
