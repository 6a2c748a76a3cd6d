"""
The queues of messages in RabbitMQ: for each channel three, that what is urgent waits behind nothing else.

A message carries nothing but the key of a delivery: the row says what is to be sent, and who has taken it. What the
broker loses is found by whoever sweeps; without a broker whoever sends reads the table, by the same order.
"""

import contextlib
import logging
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import amqp
from django.conf import settings
from django.db import transaction

from apps.events.brokers.rabbitmq import AWAY, PERSISTENT, Publisher, connect, declare_queue
from apps.events.enqueue import NotSent
from apps.notifications.models import Channel, Delivery

logger = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")
Priority = Delivery.Priority
_NAMES = {Priority.URGENT: ".urgent", Priority.NORMAL: "", Priority.BULK: ".bulk"}
# So many of a queue are with one process before it takes them; the rest is anybody's.
_PREFETCH = 32
# After a failure a page or a receiver does not try again for so long: whoever sweeps hands over what it has missed.
_REST_SECONDS = 5.0


def queue_of(channel: str, priority: int) -> str:
    """Return the name of a queue: "notifications.email", "notifications.telegram.urgent"."""
    return f"notifications.{Channel(channel).value.lower()}{_NAMES[Priority(priority)]}"


def all_queues() -> list[str]:
    """List the queues of all channels."""
    return [queue_of(channel, priority) for channel in Channel for priority in _NAMES]


def declare_queues(channel: Any) -> None:
    """Make the queues, where they are not there yet: durable quorum queues, each with one for what it gives up on."""
    for name in all_queues():
        declare_queue(channel, name, types=())


class _Publisher(Publisher):
    # Somebody may be waiting for a page.
    patience = 3.0

    def declare(self, channel: Any) -> None:
        declare_queues(channel)

    def lengths(self) -> dict[str, int]:
        try:
            self._connect()
            return {
                name: int(self._channel.queue_declare(name, passive=True).message_count)
                for name in all_queues()
            }
        except AWAY as error:
            self.close()
            raise NotSent(f"RabbitMQ: {error}") from error


_lock = threading.Lock()
_publisher: tuple[int, str, _Publisher] | None = None
_resting_until = 0.0


def hand_over(rows: Iterable[Delivery]) -> None:
    """
    Give the keys of deliveries to the broker, and return once it has them safe.

    :raises NotSent: it is away, or was a moment ago
    """
    messages = [
        (
            amqp.Message(str(row.pk).encode(), delivery_mode=PERSISTENT),
            "",
            queue_of(row.channel, row.priority),
        )
        for row in rows
    ]
    _insist(lambda publisher: publisher.publish(messages))


def lengths() -> dict[str, int]:
    """
    Return how many messages wait in each queue.

    :raises NotSent: the broker is away, or was a moment ago
    """
    return _insist(_Publisher.lengths)


def _insist(ask: Callable[[_Publisher], _Answer]) -> _Answer:
    global _resting_until
    with _lock:
        if time.monotonic() < _resting_until:
            raise NotSent("resting after a failure")
        try:
            try:
                return ask(_current())
            except NotSent:
                # A connection that broke while nobody used it is made anew, once.
                return ask(_current())
        except NotSent:
            _resting_until = time.monotonic() + _REST_SECONDS
            raise


def _current() -> _Publisher:
    """Return the connection of this process: one that a parent has made is not ours."""
    global _publisher
    if _publisher is None or _publisher[:2] != (os.getpid(), settings.RABBITMQ_URL):
        _publisher = (os.getpid(), settings.RABBITMQ_URL, _Publisher())
    return _publisher[2]


def hand_over_on_commit(rows: Sequence[Delivery]) -> None:
    """Do the same once the current transaction has committed; of a broker that is away only the log hears."""
    if rows and settings.RABBITMQ_URL:
        transaction.on_commit(lambda: _hand_over_or_log(rows))


def _hand_over_or_log(rows: Sequence[Delivery]) -> None:
    try:
        hand_over(rows)
    except NotSent as error:
        logger.warning("%d deliveries not handed over, left to the sweeper: %s", len(rows), error)
        Delivery.objects.filter(pk__in=[row.pk for row in rows]).update(enqueued_at=None)


@dataclass
class Feed:
    """What the broker hands to one process: keys of deliveries, by queue, until they are acknowledged."""

    channels: Sequence[str]
    _connection: Any = None
    _waiting: dict[str, deque[tuple[Any, int]]] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        return self._connection is not None and bool(self._connection.connected)

    def open(self) -> None:
        """
        Connect and begin to take.

        :raises NotSent: the broker is away
        """
        self.close()
        try:
            self._connection = connect(settings.RABBITMQ_URL)
            declare_queues(self._connection.channel())
            for channel in self.channels:
                for priority in _NAMES:
                    self._consume(queue_of(channel, priority))
        except AWAY as error:
            self.close()
            raise NotSent(f"RabbitMQ: {error}") from error

    def _consume(self, queue: str) -> None:
        waiting: deque[tuple[Any, int]] = deque()
        self._waiting[queue] = waiting
        # A channel of its own: the broker counts what is not acknowledged for each.
        channel = self._connection.channel()
        channel.basic_qos(0, _PREFETCH, a_global=False)
        channel.basic_consume(queue, callback=lambda message: waiting.append((message, _key(message))))

    def listen(self, seconds: float) -> None:
        """
        Wait for messages, at most so long.

        :raises NotSent: the broker has gone away; what it had handed out it hands to others
        """
        try:
            with contextlib.suppress(socket.timeout):
                self._connection.drain_events(timeout=seconds)
                # What came together is taken together.
                for _number in range(_PREFETCH):
                    self._connection.drain_events(timeout=0.001)
        except AWAY as error:
            self.close()
            raise NotSent(f"RabbitMQ: {error}") from error

    def peek(self, channel: str, priority: int, most: int) -> list[int]:
        """Return the first keys of a queue."""
        waiting = self._waiting.get(queue_of(channel, priority), deque())
        return [key for _message, key in list(waiting)[:most]]

    def acknowledge(self, channel: str, priority: int, count: int) -> None:
        """
        Let go of the first keys of a queue: from now on their rows say what becomes of them.

        :raises NotSent: the broker has gone away
        """
        waiting = self._waiting[queue_of(channel, priority)]
        try:
            for _number in range(count):
                message, _key = waiting.popleft()
                message.channel.basic_ack(message.delivery_tag)
        except AWAY as error:
            self.close()
            raise NotSent(f"RabbitMQ: {error}") from error

    def close(self) -> None:
        """Let go of the connection, and of what was not acknowledged."""
        connection, self._connection, self._waiting = self._connection, None, {}
        if connection is not None:
            with contextlib.suppress(*AWAY):
                connection.close()


def _key(message: Any) -> int:
    """Return the key that a message carries; of what somebody else has put there, one that no row has."""
    body = message.body if isinstance(message.body, str) else bytes(message.body).decode(errors="replace")
    return int(body) if body.isascii() and body.isdecimal() and len(body) < 19 else 0
