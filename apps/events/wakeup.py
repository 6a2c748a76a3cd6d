"""Pokes over Redis: they only save waiting, so that losing one costs a poll interval and nothing else."""

import logging
from functools import cache

import redis
from django.conf import settings
from django.db import transaction

RELAY_CHANNEL = "artel.relay"
STREAMS_CHANNEL = "artel.streams"

logger = logging.getLogger(__name__)


@cache
def _client() -> "redis.Redis":
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)


def _send(channel: str, text: str) -> None:
    try:
        _client().publish(channel, text)
    except redis.RedisError as error:
        logger.warning("poke to %s not sent: %s", channel, error)


def wake_relay() -> None:
    """Tell the relay, once per transaction and after its commit, that there is something to send."""
    connection = transaction.get_connection()
    if any(getattr(hook, "wakes_relay", False) for _sids, hook, *_rest in connection.run_on_commit):
        return
    transaction.on_commit(_wake)


def _wake() -> None:
    _send(RELAY_CHANNEL, "")


_wake.wakes_relay = True  # type: ignore[attr-defined]


def poke_stream(stream: str) -> None:
    """Tell all watchers, after the commit of the current transaction, that a stream has moved."""
    transaction.on_commit(lambda: _send(STREAMS_CHANNEL, stream))
