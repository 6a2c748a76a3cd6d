"""Pokes over Redis: they only save waiting, so that losing one costs a poll interval and nothing else."""

import logging
import time
from dataclasses import dataclass
from functools import cache

import redis
from django.conf import settings
from django.db import transaction
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.retry import Retry

from apps.common.wire import Wire
from apps.events.failpoints import failpoint

RELAY_CHANNEL = "artel.relay"
STREAMS_CHANNEL = "artel.streams"

logger = logging.getLogger(__name__)

# A Redis that does not answer must not cost every transaction its timeout.
_REST_SECONDS = 1.0
_resting_until = 0.0


@cache
def _client() -> "redis.Redis":
    # One more try, at once: a restarted Redis shows as one broken connection of the pool.
    retry = Retry(NoBackoff(), 1)
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1, retry=retry)


@cache
def _wire() -> Wire:
    return Wire(_client().connection_pool)


def wake_relay() -> None:
    """Tell the relay, once per transaction and after its commit, that there is something to send."""
    _poke_after_commit(RELAY_CHANNEL, "")


def poke_stream(stream: str) -> None:
    """Tell all watchers, once and after the commit of the current transaction, that a stream has moved."""
    _poke_after_commit(STREAMS_CHANNEL, stream)


def _poke_after_commit(channel: str, text: str) -> None:
    connection = transaction.get_connection()
    for _sids, hook, *_rest in connection.run_on_commit:
        if isinstance(hook, _Pokes):
            # Stays there if a savepoint within is rolled back: a poke for nothing costs a look.
            hook.sent[channel, text] = None
            return
    transaction.on_commit(_Pokes({(channel, text): None}))


@dataclass(frozen=True)
class _Pokes:
    """Sends what is to be said after a commit, each thing once and all in one go."""

    sent: dict[tuple[str, str], None]

    def __call__(self) -> None:
        global _resting_until
        channels = {channel for channel, _text in self.sent}
        if RELAY_CHANNEL in channels:
            failpoint("publisher.after_commit")
        if time.monotonic() < _resting_until:
            return
        try:
            _wire().ask(*(("PUBLISH", *poke) for poke in self.sent))
        except redis.RedisError as error:
            _resting_until = time.monotonic() + _REST_SECONDS
            logger.warning("poke to %s not sent: %s", ", ".join(sorted(channels)), error)


class Bell:
    """Waits for a poke, but never longer than asked, whatever becomes of Redis."""

    def __init__(self, channel: str = RELAY_CHANNEL) -> None:
        self._channel = channel
        self._ear: PubSub | None = None
        self._deaf_until = 0.0

    def wait(self, seconds: float) -> None:
        """Return soon after a poke, or after so many seconds."""
        began = time.monotonic()
        try:
            if began >= self._deaf_until and self._listen(seconds):
                return
        except redis.RedisError as error:
            logger.warning("not listening for pokes, polling only: %s", error)
            self.close()
            self._deaf_until = time.monotonic() + _REST_SECONDS
        time.sleep(max(0.0, began + seconds - time.monotonic()))

    def close(self) -> None:
        if self._ear is not None:
            self._ear.close()
            self._ear = None

    def _listen(self, seconds: float) -> bool:
        """Tell whether there was a poke; all that are waiting count as one."""
        if self._ear is None:
            self._ear = _client().pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
            self._ear.subscribe(self._channel)
        is_poked = False
        while self._ear.get_message(timeout=0.0 if is_poked else seconds) is not None:
            is_poked = True
        return is_poked
