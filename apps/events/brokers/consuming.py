"""
Hearing facts from a queue of RabbitMQ, as another system would: an example to copy.

A message is acknowledged after it was handled, so that one that nobody finished comes again; who handles it tells such
twins by the id, and by the sequence whether something of an aggregate is missing.
"""

import contextlib
import json
import socket
import time
from collections.abc import Callable
from typing import Any

from apps.events.brokers.rabbitmq import opened

# So many messages are on their way to one consumer at a time.
_PREFETCH = 100


def consume(
    url: str,
    queue: str,
    handle: Callable[[dict[str, Any]], None],
    *,
    limit: int = 0,
    idle_seconds: float = 0,
) -> int:
    """
    Hand the messages of a queue to a function, one after another; return how many there were.

    One at which the function raises goes back to the queue, and after its delivery limit to `<queue>.dead`.

    :param handle: takes a CloudEvent
    :param limit: ends after so many; 0 for none
    :param idle_seconds: ends when nothing has come for so long; 0 for never
    :raises OSError: RabbitMQ cannot be reached, or went away
    """
    done, heard_at = 0, time.monotonic()

    def take(message: Any) -> None:
        nonlocal done, heard_at
        heard_at = time.monotonic()
        if limit and done >= limit:
            # Not looked at: it goes to the next consumer.
            return
        try:
            handle(json.loads(message.body))
        except BaseException:
            channel.basic_reject(message.delivery_tag, requeue=True)
            raise
        channel.basic_ack(message.delivery_tag)
        done += 1

    with opened(url) as channel:
        channel.basic_qos(0, _PREFETCH, a_global=False)
        channel.basic_consume(queue, callback=take)
        while not (limit and done >= limit):
            if idle_seconds and time.monotonic() - heard_at > idle_seconds:
                break
            with contextlib.suppress(socket.timeout):
                channel.connection.drain_events(timeout=0.2)
    return done
