"""
Attempts of those who ask all day: a process takes a share of what is left of a limit, and lets that through by itself.

No more than the limit are let through, as when each asks Redis: what is in a share has been counted, and ends with its
window. Somebody may be refused while other processes have something left of theirs, so a share has to be a small part of
its limit.
"""

import threading
import time
from collections import OrderedDict

import redis

from apps.common.limits import Answer, Counter, scripted, take

# As many as keys and people are busy at once; whose share is forgotten takes another.
_MOST = 4096

# KEYS: the counter. ARGV: its count, its milliseconds, and how many to take.
# Returns how many were taken, and the milliseconds until the window ends.
_TAKE_SHARE = """
local left = tonumber(ARGV[1]) - tonumber(redis.call('GET', KEYS[1]) or '0')
if left <= 0 then return {0, redis.call('PTTL', KEYS[1])} end
local taken = math.min(left, tonumber(ARGV[3]))
if redis.call('INCRBY', KEYS[1], taken) == taken then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return {taken, redis.call('PTTL', KEYS[1])}
"""


class Shares:
    """
    What one process has taken of the limits of many.

    :param one_of: a share is one of so many equal parts of its limit, and at least one attempt
    """

    def __init__(self, one_of: int) -> None:
        self._one_of = one_of
        self._lock = threading.Lock()
        # By counter: how many are left, and when they end by this process's clock.
        self._held: OrderedDict[Counter, tuple[int, float]] = OrderedDict()

    def take(self, counter: Counter) -> Answer:
        """Count an attempt under a counter that does not hold; refuse it where the limit is reached."""
        size = counter.limit.count // self._one_of
        if size <= 1 or counter.limit.holds:
            return take(counter)
        with self._lock:
            left, ends = self._held.get(counter, (0, 0.0))
            if left and time.monotonic() < ends:
                self._held[counter] = (left - 1, ends)
                return Answer(is_allowed=True)
        return self._take_share(counter, size)

    def _take_share(self, counter: Counter, size: int) -> Answer:
        # Asked about before: the share must not outlive its window.
        asked_at = time.monotonic()
        limit = counter.limit
        try:
            taken, wait = scripted(_TAKE_SHARE, [counter.key], [limit.count, int(limit.seconds * 1000), size])
        except redis.RedisError:
            # Each process counts for itself by now.
            return take(counter)
        if not taken:
            return Answer(is_allowed=False, wait=max(wait / 1000, 0.0))
        ends = asked_at + wait / 1000
        with self._lock:
            # Another thread may have taken a share of the same window meanwhile: both are counted.
            left, until = self._held.pop(counter, (0, 0.0))
            if until > asked_at:
                taken, ends = taken + left, min(ends, until)
            self._held[counter] = (taken - 1, ends)
            if len(self._held) > _MOST:
                self._held.popitem(last=False)
        return Answer(is_allowed=True)

    def forget(self) -> None:
        """Give out nothing of what was taken."""
        with self._lock:
            self._held.clear()
