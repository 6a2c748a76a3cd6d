"""The relay to one broker: carries what waits for it, in order and at least once."""

import zlib
from dataclasses import dataclass, field

from django.db import connection

from apps.events.brokers import Broker, Route
from apps.events.failpoints import failpoint
from apps.events.leading import HEARTBEAT_SECONDS, REPORT_SECONDS, Leader, Timer, note_heartbeat
from apps.events.models import Event

BATCH = 500
# Any number of two bytes will do under which nothing else locks.
_LOCKS = 0x_A27E

# One round trip for what a batch needs, in the columns of the model.
_NEXT = """
    select e.* from events_outgoing o join events_event e on e.id = o.event_id
    where o.broker = %s order by o.event_id limit %s
"""
_DONE = "delete from events_outgoing where broker = %s and event_id = any(%s)"


def forward_batch(route: Route, broker: Broker) -> int:
    """
    Tell a broker the oldest facts that wait for it, and return how many there were.

    :raises NotSent: it did not confirm; all of them wait on
    """
    events = list(Event.objects.raw(_NEXT, [route.name, BATCH]))
    if not events:
        return 0
    failpoint("broker.before_publish")
    broker.send(events)
    failpoint("broker.after_publish")
    with connection.cursor() as cursor:
        cursor.execute(_DONE, [route.name, [event.pk for event in events]])
    return len(events)


@dataclass
class BrokerRelay(Leader):
    """The loop of `manage.py relay --to NAME`."""

    route: Route = field(kw_only=True)
    broker: Broker = field(init=False)
    sent: int = 0
    heartbeat: Timer = field(default_factory=lambda: Timer(HEARTBEAT_SECONDS))
    report: Timer = field(default_factory=lambda: Timer(REPORT_SECONDS))

    def __post_init__(self) -> None:
        self.broker = self.route.broker()

    @property
    def name(self) -> str:
        return f"relay to {self.route.name}"

    @property
    def lock(self) -> int:
        return _LOCKS << 32 | zlib.crc32(self.route.name.encode())

    def turn(self) -> bool:
        if self.heartbeat.is_due():
            note_heartbeat(f"relay.{self.route.name}")
        if self.report.is_due():
            self.say_how_much()
        sent = forward_batch(self.route, self.broker)
        self.sent += sent
        return sent == BATCH

    def say_how_much(self) -> None:
        if self.sent:
            self.log("told it %d events", self.sent)
        self.sent = 0

    def close(self) -> None:
        self.broker.close()
