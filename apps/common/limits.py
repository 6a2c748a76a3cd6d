"""
Attempts counted in Redis, exactly: however many come at once, no more than the limit are let through.

A window begins with its first attempt and ends `seconds` later. While Redis does not answer, each process counts for
itself: nothing breaks, and with n processes at most n times as much is let through.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

from apps.common.wire import Wire

logger = logging.getLogger(__name__)

# A Redis that does not answer must not cost every request its timeout.
_PATIENCE_SECONDS = 3.0
_REST_SECONDS = 5.0
# Subjects that a process remembers while Redis is away; nobody may fill its memory by inventing more.
_MOST = 10_000

# All counters are looked at before any is raised: who is refused by one is not counted by the others.
# KEYS: the counters. ARGV: for each its count, its milliseconds, and 1 where its last attempt begins a new window.
# Returns the place of the counter that refuses (0 for none) and the milliseconds until it is free.
_TAKE = """
for i = 1, #KEYS do
  if tonumber(redis.call('GET', KEYS[i]) or '0') >= tonumber(ARGV[3 * i - 2]) then
    return {i, redis.call('PTTL', KEYS[i])}
  end
end
for i = 1, #KEYS do
  local count = redis.call('INCR', KEYS[i])
  if count == 1 or (count == tonumber(ARGV[3 * i - 2]) and ARGV[3 * i] == '1') then
    redis.call('PEXPIRE', KEYS[i], ARGV[3 * i - 1])
  end
end
return {0, 0}
"""
# Counters whose window has ended meanwhile stay away, and none falls below nothing.
_GIVE_BACK = """
for i = 1, #KEYS do
  if tonumber(redis.call('GET', KEYS[i]) or '0') > 0 then redis.call('DECR', KEYS[i]) end
end
"""


@dataclass(frozen=True)
class Limit:
    """
    So many attempts in so many seconds.

    :param holds: the attempt that reaches the limit begins a new window, so that it always lasts `seconds` from then
    """

    count: int
    seconds: float
    holds: bool = False


@dataclass(frozen=True)
class Answer:
    """Whether an attempt is let through; if not, in how many seconds one would be."""

    is_allowed: bool
    wait: float = 0.0


@dataclass(frozen=True)
class Counter:
    """What is counted under a name for somebody: their key, their account, their address."""

    name: str
    subject: str
    limit: Limit

    @property
    def key(self) -> str:
        # Redis may be read by more people than may know who has tried what.
        return f"artel:limit:{self.name}:{hashlib.sha256(self.subject.encode()).hexdigest()[:40]}"


def take(*counters: Counter) -> Answer:
    """Count an attempt under all of the counters; under none of them where one is full."""
    given = [
        part
        for counter in counters
        for part in (counter.limit.count, int(counter.limit.seconds * 1000), int(counter.limit.holds))
    ]
    try:
        place, wait = scripted(_TAKE, [counter.key for counter in counters], given)
    except redis.RedisError:
        return _here.take(counters)
    return Answer(is_allowed=True) if not place else _refusal(wait / 1000)


def give_back(*counters: Counter) -> None:
    """Take an attempt back that turned out not to be one."""
    _here.give_back(counters)
    try:
        scripted(_GIVE_BACK, [counter.key for counter in counters], [])
    except redis.RedisError:
        # Counting it is only stricter.
        return


def look(*counters: Counter) -> Answer:
    """Tell what an attempt would be answered, without counting one."""
    try:
        for counter in counters:
            count, left = _asked(counter.key)
            if count >= counter.limit.count:
                return _refusal(left / 1000)
    except redis.RedisError:
        return _here.look(counters)
    return Answer(is_allowed=True)


def _refusal(wait: float) -> Answer:
    return Answer(is_allowed=False, wait=max(wait, 0.0))


def connected() -> "redis.Redis":
    """
    Return the client to ask, for what is remembered beside the counters.

    :raises redis.ConnectionError: Redis has failed a moment ago, and would cost its timeout again
    """
    _refuse_while_resting()
    return _client()


@cache
def _client() -> "redis.Redis":
    # One more try, at once: a restarted Redis shows as one broken connection of the pool.
    retry = Retry(NoBackoff(), 1)
    # A crowd queues for a few connections: each making its own would time out, and be counted in two places.
    pool = redis.BlockingConnectionPool.from_url(
        settings.REDIS_URL,
        max_connections=16,
        timeout=_PATIENCE_SECONDS,
        socket_timeout=_PATIENCE_SECONDS,
        socket_connect_timeout=_PATIENCE_SECONDS,
        retry=retry,
    )
    return redis.Redis(connection_pool=pool)


@cache
def _wire() -> Wire:
    return Wire(_client().connection_pool)


@cache
def _digest_of(script: str) -> str:
    # As Redis names it: nothing is kept secret by it.
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


_resting_until = 0.0


def scripted(script: str, keys: Sequence[str], arguments: Sequence[int | str]) -> Any:
    """
    Run a script as one atomic step.

    :raises redis.RedisError: Redis does not answer
    """
    _refuse_while_resting()
    said = (len(keys), *keys, *arguments)
    try:
        try:
            (answer,) = _wire().ask(("EVALSHA", _digest_of(script), *said))
        except NoScriptError:
            # Not seen yet, or forgotten by a flush.
            (answer,) = _wire().ask(("EVAL", script, *said))
    except redis.RedisError as error:
        _rest(error)
        raise
    return answer


def _asked(key: str) -> tuple[int, int]:
    _refuse_while_resting()
    try:
        with _client().pipeline(transaction=True) as pipe:
            pipe.get(key)
            pipe.pttl(key)
            count, left = pipe.execute()
    except redis.RedisError as error:
        _rest(error)
        raise
    return int(count or 0), int(left)


def _refuse_while_resting() -> None:
    if time.monotonic() < _resting_until:
        raise redis.ConnectionError("resting after a failure")


def _rest(error: redis.RedisError) -> None:
    global _resting_until
    _resting_until = time.monotonic() + _REST_SECONDS
    logger.warning("attempts are counted by each process for itself: %s", error)


class _Here:
    """The same counting within one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # By key: the count, and when its window ends by this process's clock.
        self._counts: dict[str, tuple[int, float]] = {}

    def take(self, counters: Sequence[Counter]) -> Answer:
        with self._lock:
            answer = self._look(counters)
            if answer.is_allowed:
                for counter in counters:
                    self._raise(counter)
            return answer

    def look(self, counters: Sequence[Counter]) -> Answer:
        with self._lock:
            return self._look(counters)

    def give_back(self, counters: Sequence[Counter]) -> None:
        with self._lock:
            for counter in counters:
                count, ends = self._counts.get(counter.key, (0, 0.0))
                if count:
                    self._counts[counter.key] = (count - 1, ends)

    def _look(self, counters: Sequence[Counter]) -> Answer:
        now = time.monotonic()
        for counter in counters:
            count, ends = self._counts.get(counter.key, (0, 0.0))
            if now < ends and count >= counter.limit.count:
                return _refusal(ends - now)
        return Answer(is_allowed=True)

    def _raise(self, counter: Counter) -> None:
        now = time.monotonic()
        count, ends = self._counts.get(counter.key, (0, 0.0))
        if now >= ends:
            count, ends = 0, now + counter.limit.seconds
        if counter.limit.holds and count + 1 == counter.limit.count:
            ends = now + counter.limit.seconds
        if counter.key not in self._counts and len(self._counts) >= _MOST:
            self._make_room(now)
        self._counts[counter.key] = (count + 1, ends)

    def _make_room(self, now: float) -> None:
        """Forget what has ended, and the oldest tenth where nothing has."""
        self._counts = {key: held for key, held in self._counts.items() if held[1] > now}
        if len(self._counts) >= _MOST:
            for key in [*self._counts][: _MOST // 10]:
                del self._counts[key]


_here = _Here()
