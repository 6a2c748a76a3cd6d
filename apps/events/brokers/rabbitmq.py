"""
RabbitMQ: every fact to the topic exchange `artel.events`, under its type.

The whole batch is published before the first answer is waited for; the broker confirms what its queues have safe, several
at once. A fact that no queue is bound for is confirmed too, and is gone: whoever wants it has to be there.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from ssl import create_default_context
from typing import Any
from urllib.parse import unquote, urlsplit

import amqp
from django.conf import settings

from apps.events.enqueue import NotSent
from apps.events.envelope import MEDIA_TYPE, cloud_event, written
from apps.events.models import Event

EXCHANGE = "artel.events"
# Where queues put what they give up on; see `declare_topology`.
DEAD_EXCHANGE = "artel.dead"
# A broker with a full disk or memory takes the messages and confirms none.
CONFIRM_SECONDS = 30.0
_CONNECT_SECONDS = 5.0
PERSISTENT = 2
AWAY = (amqp.AMQPError, OSError)


def connect(url: str, *, patience: float = CONFIRM_SECONDS) -> Any:
    """
    Open a connection.

    :param url: amqp://user:password@host:port/vhost, or amqps://
    :param patience: seconds for which an answer is waited for
    :raises ValueError: that is no such address
    :raises OSError: nobody answers there
    """
    parts = urlsplit(url)
    if parts.scheme not in {"amqp", "amqps"} or not parts.hostname:
        raise ValueError("An address of RabbitMQ looks like amqp://user:password@host:5672/vhost.")
    is_secure = parts.scheme == "amqps"
    connection = amqp.Connection(
        host=f"{parts.hostname}:{parts.port or (5671 if is_secure else 5672)}",
        userid=unquote(parts.username or "guest"),
        password=unquote(parts.password or "guest"),
        # Other than the default, the name stands without its slash.
        virtual_host=unquote(parts.path.removeprefix("/")) or "/",
        ssl={"context": create_default_context(), "server_hostname": parts.hostname} if is_secure else False,
        connect_timeout=min(_CONNECT_SECONDS, patience),
        read_timeout=patience,
        write_timeout=patience,
    )
    connection.connect()
    return connection


@contextlib.contextmanager
def opened(url: str) -> Iterator[Any]:
    """Give a channel of a connection of its own."""
    connection = connect(url)
    try:
        yield connection.channel()
    finally:
        with contextlib.suppress(*AWAY):
            connection.close()


def declare_exchanges(channel: Any) -> None:
    """Make the exchanges, where they are not there yet: the same each time."""
    for exchange in (EXCHANGE, DEAD_EXCHANGE):
        channel.exchange_declare(exchange, "topic", durable=True, auto_delete=False)


def declare_queue(channel: Any, name: str, *, types: Sequence[str], delivery_limit: int = 20) -> None:
    """
    Make a quorum queue that hears some types of facts, and one beside it for those it gives up on.

    :param types: routing keys, in which `*` stands for a word and `#` for any number of them: "crm.deal.#"
    :param delivery_limit: so often a message is handed out again before it is given up on
    """
    declare_exchanges(channel)
    dead = f"{name}.dead"
    channel.queue_declare(dead, durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
    channel.queue_bind(dead, DEAD_EXCHANGE, name)
    arguments = {
        "x-queue-type": "quorum",
        "x-delivery-limit": delivery_limit,
        "x-dead-letter-exchange": DEAD_EXCHANGE,
        "x-dead-letter-routing-key": name,
    }
    channel.queue_declare(name, durable=True, auto_delete=False, arguments=arguments)
    for pattern in types:
        channel.queue_bind(name, EXCHANGE, pattern)


class Publisher:
    """A way in, over one connection that is made anew after it broke; several messages wait for their answers at once."""

    patience = CONFIRM_SECONDS

    def __init__(self, url: str = "") -> None:
        self._url = url or settings.RABBITMQ_URL
        self._connection: Any = None
        self._channel: Any = None
        # Numbers of messages that were published over this channel and are not confirmed yet.
        self._open: set[int] = set()
        self._published = 0

    def declare(self, channel: Any) -> None:
        """Make what is published to, where it is not there yet."""
        declare_exchanges(channel)

    def publish(self, messages: Iterable[tuple[Any, str, str]]) -> None:
        """
        Publish messages, each to an exchange under a routing key, and return once each is confirmed.

        :raises NotSent: one is not; some may have been taken all the same
        """
        try:
            self._connect()
            for message, exchange, routing_key in messages:
                self._channel.basic_publish(message, exchange=exchange, routing_key=routing_key)
                self._published += 1
                self._open.add(self._published)
            self._await_confirms()
        except AWAY as error:
            self.close()
            raise NotSent(f"RabbitMQ: {error}") from error
        except NotSent:
            self.close()
            raise

    def close(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(*AWAY):
                connection.close()

    def _connect(self) -> None:
        if self._connection is not None and self._connection.connected:
            return
        self._connection = connect(self._url, patience=self.patience)
        self._channel = self._connection.channel()
        self.declare(self._channel)
        self._channel.confirm_select()
        self._channel.events["basic_ack"].add(self._confirmed)
        self._channel.events["basic_nack"].add(self._refused)
        self._open, self._published = set(), 0

    def _await_confirms(self) -> None:
        until = time.monotonic() + self.patience
        while self._open:
            left = until - time.monotonic()
            if left <= 0:
                raise NotSent(f"RabbitMQ has not confirmed {len(self._open)} messages for too long")
            self._connection.drain_events(timeout=left)

    def _confirmed(self, number: int, multiple: bool) -> None:  # noqa: FBT001 - as the library calls it
        if multiple:
            self._open = {each for each in self._open if each > number}
        else:
            self._open.discard(number)

    def _refused(self, number: int, _multiple: bool) -> None:  # noqa: FBT001 - as the library calls it
        raise NotSent(f"RabbitMQ has refused message {number}")


class RabbitMQ(Publisher):
    """The exchange of facts."""

    def send(self, events: Sequence[Event]) -> None:
        self.publish((_message(event), EXCHANGE, event.type) for event in events)


def _message(event: Event) -> Any:
    return amqp.Message(
        written(cloud_event(event)),
        content_type=MEDIA_TYPE,
        content_encoding="utf-8",
        delivery_mode=PERSISTENT,
        message_id=str(event.uid),
        type=event.type,
        timestamp=int(event.at.timestamp()),
        app_id="artel",
        application_headers={"subject": event.subject, "sequence": event.sequence},
    )
