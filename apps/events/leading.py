"""
A process of which one works at a time, under an advisory lock that lives and dies with its connection to PostgreSQL.

Any other stands by. It therefore needs a session of its own: a pooler between it and PostgreSQL has to pool sessions.
"""

import logging
import time
from dataclasses import dataclass, field

from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from apps.events.enqueue import NotSent
from apps.events.models import Heartbeat
from apps.events.wakeup import Bell

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.2
STANDBY_SECONDS = 0.5
HEARTBEAT_SECONDS = 5.0
REPORT_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 5.0


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


def note_heartbeat(process: str) -> None:
    """Write down that a process that nobody talks to is at work."""
    Heartbeat.objects.update_or_create(process=process, defaults={"seen_at": timezone.now()})


@dataclass
class Leader:
    """A loop that leads or stands by, and starts over whenever PostgreSQL was away, until asked to stop."""

    is_stopping: bool = field(default=False, init=False)
    bell: Bell = field(default_factory=Bell, init=False)
    pause: float = field(default=0.0, init=False)

    @property
    def name(self) -> str:
        """What it is called in the log."""
        raise NotImplementedError

    @property
    def lock(self) -> int:
        """The advisory lock of those of whom one is to lead: eight bytes."""
        raise NotImplementedError

    def turn(self) -> bool:
        """
        Do what there is to do, and tell whether there is probably more.

        :raises NotSent: somebody is away; it is tried again after a pause
        """
        raise NotImplementedError

    def say_how_much(self) -> None:
        """Tell the log what was done since it was last told."""

    def close(self) -> None:
        """Let go of whatever was opened."""

    def stop(self) -> None:
        """End after the turn at hand; may be called from a signal handler."""
        self.is_stopping = True

    def log(self, message: str, *values: object) -> None:
        logger.info("%s %s", self.name, message % values)

    def run(self) -> None:
        """Do turns until asked to stop."""
        while not self.is_stopping:
            try:
                self._stand_by()
                self._lead()
            except (OperationalError, InterfaceError) as error:
                connection.close()
                self._rest_after(error)
        self.say_how_much()
        self.bell.close()
        self.close()
        connection.close()

    def _stand_by(self) -> None:
        """Return when the lock is ours, or there is nothing to wait for any more."""
        is_told = False
        while not self.is_stopping:
            if _try_lock(self.lock):
                self.log("is leading")
                return
            if not is_told:
                self.log("is standing by")
                is_told = True
            self._rest(STANDBY_SECONDS)

    def _lead(self) -> None:
        while not self.is_stopping:
            try:
                is_full = self.turn()
                self.pause = 0.0
            except NotSent as error:
                self._rest_after(error)
                continue
            if not is_full:
                self.bell.wait(POLL_SECONDS)

    def _rest_after(self, error: Exception) -> None:
        """Wait, longer each time in a row, but not a moment after being asked to stop."""
        self.pause = min(self.pause * 2 or 0.1, LONGEST_PAUSE_SECONDS)
        logger.warning("%s tries again in %.1f s: %s", self.name, self.pause, str(error).strip())
        self._rest(self.pause)

    def _rest(self, seconds: float) -> None:
        """
        Wait, but hardly longer than until being asked to stop.

        No event does this: to set one takes a lock, which whom the signal interrupts may hold at that moment.
        """
        until = time.monotonic() + seconds
        while not self.is_stopping and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, POLL_SECONDS))


def _try_lock(number: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_lock(%s)", [number])
        return bool(cursor.fetchone()[0])
