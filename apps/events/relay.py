"""
The relay: carries facts from the outbox to every sink, in order and at least once.

One relay works at a time, under an advisory lock that lives and dies with its connection to PostgreSQL; any
other stands by. It therefore needs a session of its own: a pooler between it and PostgreSQL has to pool
sessions.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from apps.events.enqueue import NotSent, backlog, enqueue_all
from apps.events.failpoints import failpoint
from apps.events.models import Delivery, Heartbeat, Outbox
from apps.events.sinks import Sink, registered
from apps.events.sinks.celery import CelerySink
from apps.events.tasks import deliver
from apps.events.wakeup import Bell

logger = logging.getLogger(__name__)

PROCESS = "relay"
BATCH = 500
# Any number will do under which nothing else locks.
LOCK = 0x_A27E_1001
POLL_SECONDS = 0.2
STANDBY_SECONDS = 0.5
SWEEP_SECONDS = 1.0
HEARTBEAT_SECONDS = 5.0
REPORT_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 5.0
# With so many calls waiting, what looks lost is only late, and sending it again would make it later.
BACKLOG_LIMIT = BATCH


def all_sinks() -> list[Sink]:
    """List where facts go."""
    return [CelerySink(), *registered()]


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
class Timer:
    """Says when something is due again; the first time, at once."""

    seconds: float
    due_at: float = 0.0

    def is_due(self) -> bool:
        now = time.monotonic()
        if now < self.due_at:
            return False
        self.due_at = now + self.seconds
        return True


@dataclass
class Relay:
    """The loop of `manage.py relay`."""

    sinks: Sequence[Sink] = field(default_factory=all_sinks)
    is_stopping: bool = False
    bell: Bell = field(default_factory=Bell)
    pause: float = 0.0
    sent: int = 0
    resent: int = 0
    sweep: Timer = field(default_factory=lambda: Timer(SWEEP_SECONDS))
    heartbeat: Timer = field(default_factory=lambda: Timer(HEARTBEAT_SECONDS))
    report: Timer = field(default_factory=lambda: Timer(REPORT_SECONDS))

    def stop(self) -> None:
        """End after the batch at hand; may be called from a signal handler."""
        self.is_stopping = True

    def run(self) -> None:
        """Stand by, lead, and start over whenever PostgreSQL was away, until asked to stop."""
        while not self.is_stopping:
            try:
                self._stand_by()
                self._lead()
            except (OperationalError, InterfaceError) as error:
                connection.close()
                self._rest_after(error)
        self._say_how_much()
        self.bell.close()
        connection.close()

    def _stand_by(self) -> None:
        """Return when the lock is ours, or there is nothing to wait for any more."""
        is_told = False
        while not self.is_stopping:
            if _try_lock():
                logger.info("relay is leading")
                return
            if not is_told:
                logger.info("relay is standing by")
                is_told = True
            self._rest(STANDBY_SECONDS)

    def _lead(self) -> None:
        while not self.is_stopping:
            try:
                is_full = self._turn()
                self.pause = 0.0
            except NotSent as error:
                self._rest_after(error)
                continue
            if not is_full:
                self.bell.wait(POLL_SECONDS)

    def _turn(self) -> bool:
        """Do what there is to do, and tell whether there is probably more."""
        if self.heartbeat.is_due():
            Heartbeat.objects.update_or_create(process=PROCESS, defaults={"seen_at": timezone.now()})
        if self.report.is_due():
            self._say_how_much()
        sent = relay_batch(self.sinks)
        self.sent += sent
        if self.sweep.is_due():
            self.resent += resend_due()
        return sent == BATCH

    def _rest_after(self, error: Exception) -> None:
        """Wait, longer each time in a row, but not a moment after being asked to stop."""
        self.pause = min(self.pause * 2 or 0.1, LONGEST_PAUSE_SECONDS)
        logger.warning("relay tries again in %.1f s: %s", self.pause, str(error).strip())
        self._rest(self.pause)

    def _rest(self, seconds: float) -> None:
        """
        Wait, but hardly longer than until being asked to stop.

        No event does this: to set one takes a lock, which whom the signal interrupts may hold at that moment.
        """
        until = time.monotonic() + seconds
        while not self.is_stopping and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, POLL_SECONDS))

    def _say_how_much(self) -> None:
        if self.sent or self.resent:
            logger.info("relay sent %d events, and %d deliveries again", self.sent, self.resent)
        self.sent = self.resent = 0


def _try_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_lock(%s)", [LOCK])
        return bool(cursor.fetchone()[0])
