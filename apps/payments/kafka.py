"""
Kafka: facts about money to the topic `payments.events`, in the binary mode of CloudEvents' Kafka binding (version 1.0).

The producer is idempotent and waits for all replicas. A batch is safe when every one of its messages was reported so;
else the producer is thrown away with whatever it still held, and the batch is told again by a new one, so that nothing
old arrives behind what is newer.
"""

import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder

from apps.events.enqueue import NotSent
from apps.events.models import Event

TOPIC = "payments.events"
_JOIN_SECONDS = 60.0
# After so long a message is given up by the producer, and the batch is told again.
_TIMEOUT_MS = 20_000
_PATIENCE_SECONDS = 30.0


def headers_of(event: Event) -> list[tuple[str, str | bytes | None]]:
    """Return the attributes of a CloudEvent as headers of a Kafka message."""
    actor = [] if event.actor_id is None else [("ce_actor", str(event.actor_id))]
    return [
        ("ce_specversion", "1.0"),
        ("ce_id", str(event.uid)),
        ("ce_source", settings.OIDC_ISSUER),
        ("ce_type", event.type),
        ("ce_subject", event.subject),
        ("ce_time", event.at.astimezone(UTC).isoformat().replace("+00:00", "Z")),
        ("ce_sequence", str(event.sequence)),
        *actor,
        ("content-type", "application/json"),
    ]


def cloud_event_of(message: Message) -> dict[str, Any]:
    """Read a message back: the attributes of its CloudEvent, and the data."""
    # Their types know of dictionaries, too, which are only given and never answered.
    said: Any = message.headers() or []
    told: dict[str, Any] = {
        name.removeprefix("ce_"): value.decode()
        for name, value in said
        if name.startswith("ce_") and isinstance(value, bytes)
    }
    return told | {"data": json.loads(message.value() or b"null")}


class Kafka:
    """The topic, through one producer that is made anew after it failed."""

    def __init__(self, **options: Any) -> None:
        self._options = {
            "bootstrap.servers": settings.KAFKA_BOOTSTRAP_SERVERS,
            **settings.KAFKA_OPTIONS,
            "enable.idempotence": True,
            "acks": "all",
            "message.timeout.ms": _TIMEOUT_MS,
            # A batch is handed over at once: nothing more comes that it would pay to wait for.
            "linger.ms": 5,
            **options,
        }
        self._producer: Producer | None = None
        self._failed: KafkaError | None = None
        self._confirmed = 0

    def send(self, events: Sequence[Event]) -> None:
        self._failed, self._confirmed = None, 0
        producer = self._producer or self._make()
        try:
            for event in events:
                self._produce(producer, event)
            self._await(producer, len(events))
        except (KafkaException, BufferError) as error:
            self._give_up()
            raise NotSent(f"Kafka: {error}") from error
        except NotSent:
            self._give_up()
            raise

    def close(self) -> None:
        self._give_up()

    def _make(self) -> Producer:
        self._producer = Producer(self._options)
        return self._producer

    def _produce(self, producer: Producer, event: Event) -> None:
        value = json.dumps(event.data, cls=DjangoJSONEncoder, ensure_ascii=False, separators=(",", ":"))
        producer.produce(
            TOPIC,
            key=event.subject.encode(),
            value=value.encode(),
            headers=headers_of(event),
            timestamp=int(event.at.timestamp() * 1000),
            on_delivery=self._report,
        )
        # Reports are handed over here, in this thread.
        producer.poll(0)

    def _await(self, producer: Producer, count: int) -> None:
        until = time.monotonic() + _PATIENCE_SECONDS
        while self._confirmed < count and self._failed is None:
            left = until - time.monotonic()
            if left <= 0:
                raise NotSent(f"Kafka has not confirmed {count - self._confirmed} messages for too long")
            producer.poll(min(left, 0.5))
        if self._failed is not None:
            raise NotSent(f"Kafka: {self._failed.str()}")

    def _report(self, error: KafkaError | None, _message: Message) -> None:
        if error is None:
            self._confirmed += 1
        else:
            self._failed = self._failed or error

    def _give_up(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            # Otherwise it would go on with what it holds for as long as it lives.
            producer.purge()
            producer.poll(0)


def consume(
    handle: Callable[[dict[str, Any]], None],
    *,
    group: str,
    limit: int = 0,
    idle_seconds: float = 0,
    **options: Any,
) -> int:
    """
    Hand the messages of the topic to a function, one after another; return how many there were.

    Where a group has read to is noted after its function took a message, so that one that nobody finished comes again.

    :param handle: takes a CloudEvent
    :param limit: ends after so many; 0 for none
    :param idle_seconds: ends when nothing has come for so long; 0 for never
    :raises KafkaException: the topic cannot be read
    """
    from confluent_kafka import Consumer  # noqa: PLC0415 - whoever only produces needs none

    consumer = Consumer(
        {
            "bootstrap.servers": settings.KAFKA_BOOTSTRAP_SERVERS,
            **settings.KAFKA_OPTIONS,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            **options,
        }
    )
    # A group takes a while to agree on who reads what: silence counts from then on.
    done, heard_at = 0, time.monotonic() + _JOIN_SECONDS

    def begin(*_assigned: Any) -> None:
        nonlocal heard_at
        heard_at = time.monotonic()

    try:
        consumer.subscribe([TOPIC], on_assign=begin)
        while not (limit and done >= limit):
            message = consumer.poll(0.2)
            if message is None:
                if idle_seconds and time.monotonic() - heard_at > idle_seconds:
                    break
                continue
            if error := message.error():
                if error.code() in _PASSING:
                    continue
                raise KafkaException(error)
            handle(cloud_event_of(message))
            consumer.commit(message=message, asynchronous=False)
            done, heard_at = done + 1, time.monotonic()
    finally:
        consumer.close()
    return done


# The topic is made with its first message; a broker that is away comes back.
_PASSING = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._PARTITION_EOF,
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
}
