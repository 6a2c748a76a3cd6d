from django.db import connection

from apps.events.models import Event
from apps.events.receivers import receiver
from tests.events.sample.events import THING_HAPPENED


def _record(event: Event, by: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("insert into sample_effect (event_id, receiver) values (%s, %s)", [event.pk, by])


@receiver(THING_HAPPENED)
def write_down(event: Event) -> None:
    _record(event, "write_down")


@receiver(THING_HAPPENED)
def write_down_or_fail(event: Event) -> None:
    _record(event, "write_down_or_fail")
    if event.data["fails"]:
        raise RuntimeError("this one always fails")
