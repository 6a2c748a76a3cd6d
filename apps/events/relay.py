"""The relay: carries facts from the outbox to every sink, in order and at least once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.events.brokers.forwarding import ForwardingSink
from apps.events.enqueue import backlog, enqueue_all
from apps.events.failpoints import failpoint
from apps.events.leading import HEARTBEAT_SECONDS, REPORT_SECONDS, Leader, Timer, note_heartbeat
from apps.events.models import Delivery, Outbox
from apps.events.sinks import Sink, registered
from apps.events.sinks.celery import CelerySink
from apps.events.tasks import deliver

PROCESS = "relay"
BATCH = 500
# Any number will do under which nothing else locks.
LOCK = 0x_A27E_1001
SWEEP_SECONDS = 1.0
# With so many calls waiting, what looks lost is only late, and sending it again would make it later.
BACKLOG_LIMIT = BATCH


def all_sinks() -> list[Sink]:
    """List where facts go."""
    return [CelerySink(), *registered(), ForwardingSink()]


def relay_batch(sinks: Sequence[Sink]) -> int:
    """
    Hand the oldest events of the outbox to every sink and return how many there were.

    Reads from the start of the outbox each time: a transaction that commits late puts its rows behind others
    that have long been sent.

    :raises NotSent: a sink did not confirm; the outbox is as it was
    """
    rows = Outbox.objects.select_related("event").order_by("event_id")[:BATCH]
    events = [row.event for row in rows]
    if not events:
        return 0
    failpoint("relay.before_publish")
    for sink in sinks:
        sink.send(events)
    failpoint("relay.after_publish")
    Outbox.objects.filter(pk__in=[event.pk for event in events]).delete()
    return len(events)


@transaction.atomic
def resend_due() -> int:
    """
    Send again what should have been delivered by now and was not, and return how much of it there was.

    :raises NotSent: the broker did not confirm; everything stays due
    """
    now = timezone.now()
    rows = Delivery.objects.pending().filter(next_attempt_at__lte=now).order_by("next_attempt_at")
    # What a worker holds is being delivered.
    due = list(rows.select_for_update(skip_locked=True)[:BATCH])
    if not due or backlog() > BACKLOG_LIMIT:
        return 0
    next_attempt_at = now + timedelta(seconds=settings.EVENT_RESEND_SECONDS)
    Delivery.objects.filter(pk__in=[row.pk for row in due]).update(next_attempt_at=next_attempt_at)
    enqueue_all((deliver, {"event_id": row.event_id, "receiver": row.receiver}) for row in due)
    return len(due)


@dataclass
class Relay(Leader):
    """The loop of `manage.py relay`."""

    sinks: Sequence[Sink] = field(default_factory=all_sinks)
    sent: int = 0
    resent: int = 0
    sweep: Timer = field(default_factory=lambda: Timer(SWEEP_SECONDS))
    heartbeat: Timer = field(default_factory=lambda: Timer(HEARTBEAT_SECONDS))
    report: Timer = field(default_factory=lambda: Timer(REPORT_SECONDS))

    @property
    def name(self) -> str:
        return PROCESS

    @property
    def lock(self) -> int:
        return LOCK

    def turn(self) -> bool:
        if self.heartbeat.is_due():
            note_heartbeat(PROCESS)
        if self.report.is_due():
            self.say_how_much()
        sent = relay_batch(self.sinks)
        self.sent += sent
        if self.sweep.is_due():
            self.resent += resend_due()
        return sent == BATCH

    def say_how_much(self) -> None:
        if self.sent or self.resent:
            self.log("sent %d events, and %d deliveries again", self.sent, self.resent)
        self.sent = self.resent = 0
