"""
The loop of `manage.py deliver`: takes what is due, sends it side by side within the rates, and writes down what
came of it.

One thread speaks with the database and the broker; the others only send. Several such processes share the work. While the
broker is away, or where there is none, what is due is read from the table.
"""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import redis
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError, OperationalError, connection

from apps.events.enqueue import NotSent
from apps.events.failpoints import failpoint
from apps.events.leading import Timer
from apps.notifications.channels import Message, Outcome, sender_of
from apps.notifications.delivering import rates
from apps.notifications.delivering.queues import Feed
from apps.notifications.models import Channel, Delivery
from apps.notifications.services.delivering import claim, due_channels, release
from apps.notifications.services.outcomes import record_outcome
from apps.notifications.services.sweeping import gather_digests, sweep
from apps.notifications.services.writing import message_of

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.2
SWEEP_SECONDS = 1.0
RECONNECT_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 5.0
# So many more at once are for what is urgent.
_EXTRA = 4
_LEVELS = (Delivery.Priority.URGENT, Delivery.Priority.NORMAL, Delivery.Priority.BULK)


@dataclass(frozen=True)
class UnderWay:
    """A message that a thread is sending."""

    delivery_id: int
    attempt: int
    channel: str


@dataclass
class Deliverer:
    """Sends messages until asked to stop."""

    channels: Sequence[str] = tuple(Channel)
    is_stopping: bool = False
    pause: float = 0.0
    # The broker takes nothing, though it may hand out what it has.
    is_cut: bool = False
    under_way: dict[Future[Outcome], UnderWay] = field(default_factory=dict)
    feed: Feed = field(init=False)
    sweeping: Timer = field(default_factory=lambda: Timer(SWEEP_SECONDS))
    connecting: Timer = field(default_factory=lambda: Timer(RECONNECT_SECONDS))

    def __post_init__(self) -> None:
        self.feed = Feed(self.channels)

    def stop(self) -> None:
        """Take nothing more, and end when what is under way is done; may be called from a signal handler."""
        self.is_stopping = True

    def run(self) -> None:
        """Send what there is, and start over whenever PostgreSQL or Redis was away, until asked to stop."""
        logger.info("messages are being sent")
        most = (settings.DELIVERY_CONCURRENCY + _EXTRA) * len(self.channels)
        with ThreadPoolExecutor(most, "deliver") as pool:
            while not self.is_stopping or self.under_way:
                try:
                    self.turn(pool)
                    self.pause = 0.0
                except (OperationalError, InterfaceError, redis.RedisError) as error:
                    connection.close()
                    self.pause = min(self.pause * 2 or 0.1, LONGEST_PAUSE_SECONDS)
                    logger.warning("messages go on in %.1f s: %s", self.pause, str(error).strip())
                    time.sleep(self.pause)
        self.feed.close()
        connection.close()

    def turn(self, pool: ThreadPoolExecutor) -> None:
        """Take what there is room for, and write down what has ended; return soon after either."""
        self._record_ended()
        if not self.is_stopping:
            self._look_after()
            waiting = due_channels(self.channels) if self._reads_table else self.channels
            for channel in waiting:
                self._take(channel, pool)
        self._rest()
        self._record_ended()

    @property
    def _reads_table(self) -> bool:
        return self.is_cut or not self.feed.is_open

    def _look_after(self) -> None:
        """Keep the broker at hand, if there is one, and hand over to it what waits in the table."""
        if settings.RABBITMQ_URL and not self.feed.is_open and self.connecting.is_due():
            try:
                self.feed.open()
            except NotSent as error:
                logger.warning("messages are read from the table meanwhile: %s", error)
        if not self.sweeping.is_due():
            return
        gather_digests()
        if self.feed.is_open:
            try:
                sweep()
                self.is_cut = False
            except NotSent as error:
                self.is_cut = True
                logger.warning("messages are read from the table meanwhile: %s", error)

    def _take(self, channel: str, pool: ThreadPoolExecutor) -> None:
        for level in _LEVELS:
            if not self._reads_table and not self.feed.peek(channel, level, 1):
                continue
            room = self._room(channel, level)
            if room <= 0 or not rates.look(channel, level).is_free:
                continue
            rows = self._claimed(channel, level, room)
            if rows:
                failpoint("deliver.after_claim")
            self._send_within_rates(channel, rows, pool)

    def _send_within_rates(self, channel: str, rows: Sequence[Delivery], pool: ThreadPoolExecutor) -> None:
        """Send what there is room for, and give the rest back."""
        for place, row in enumerate(rows):
            try:
                got = rates.take(channel, row.address.address, row.priority)
            except redis.RedisError:
                _release_all(rows[place:], LONGEST_PAUSE_SECONDS)
                raise
            if got.is_free:
                self._send(row, pool)
            elif got.is_address:
                release(row, got.wait)
            else:
                # There is none for the others either.
                _release_all(rows[place:], got.wait)
                return

    def _room(self, channel: str, level: int) -> int:
        busy = Counter(each.channel for each in self.under_way.values())[channel]
        extra = _EXTRA if level == Delivery.Priority.URGENT else 0
        # No more than a part of what the channel takes in a second: the rest would be given back.
        batch = max(rates.rates_of(channel)[0].count // 10, 1)
        most: int = settings.DELIVERY_CONCURRENCY + extra
        return min(most - busy, batch)

    def _claimed(self, channel: str, level: int, room: int) -> list[Delivery]:
        if self._reads_table:
            # The table gives the most urgent first, so that one look is enough.
            return claim(channel, room, least=level)
        ids = self.feed.peek(channel, level, room)
        if not ids:
            return []
        rows = claim(channel, room, ids=ids)
        failpoint("deliver.before_acknowledge")
        try:
            # From now on the lease says who has them; a key that could not be acknowledged comes once more, in vain.
            self.feed.acknowledge(channel, level, len(ids))
        except NotSent as error:
            logger.warning("messages are read from the table meanwhile: %s", error)
        return rows

    def _send(self, row: Delivery, pool: ThreadPoolExecutor) -> None:
        try:
            message = message_of(row)
        except ImproperlyConfigured:
            logger.exception("delivery %s cannot be opened", row.pk)
            record_outcome(row.pk, row.attempts, Outcome(Delivery.Error.UNREADABLE, is_final=True))
            return
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            logger.exception("delivery %s cannot be written", row.pk)
            record_outcome(row.pk, row.attempts, Outcome(Delivery.Error.BROKEN))
            return
        future = pool.submit(_sent, row.channel, message)
        self.under_way[future] = UnderWay(row.pk, row.attempts, row.channel)

    def _rest(self) -> None:
        """Wait until something has ended, something has come, or a moment has passed."""
        if self.under_way:
            wait(self.under_way, POLL_SECONDS / 4, FIRST_COMPLETED)
            seconds = 0.001
        else:
            seconds = POLL_SECONDS
        if not self.feed.is_open:
            if not self.under_way:
                time.sleep(seconds)
            return
        try:
            self.feed.listen(seconds)
        except NotSent as error:
            logger.warning("messages are read from the table meanwhile: %s", error)

    def _record_ended(self) -> None:
        for future in [future for future in self.under_way if future.done()]:
            failpoint("deliver.after_send")
            sent, outcome = self.under_way[future], _outcome_of(future)
            if outcome.retry_after is not None:
                rates.pause(sent.channel, outcome.retry_after)
            record_outcome(sent.delivery_id, sent.attempt, outcome)
            # Only now: what could not be written down is written down by the next turn.
            del self.under_way[future]
            failpoint("deliver.after_record")


def _release_all(rows: Sequence[Delivery], seconds: float) -> None:
    for row in rows:
        release(row, seconds)


def _sent(channel: str, message: Message) -> Outcome:
    return sender_of(channel).send(message)


def _outcome_of(future: Future[Outcome]) -> Outcome:
    """Return how sending ended; what nobody has foreseen is a failure like others, and must not end the process."""
    error = future.exception()
    if error is None:
        return future.result()
    logger.error("a message was not sent", exc_info=error)
    return Outcome(Delivery.Error.BROKEN, is_uncertain=True)
