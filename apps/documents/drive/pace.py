"""
How fast an account may write: evenly, whatever the number of workers, because Google punishes bursts for hours.

The turns of all workers are handed out by Redis. While it does not answer, each process hands out its own.
"""

import threading
import time

import redis
from django.conf import settings

from apps.common.limits import scripted
from apps.documents.drive.errors import RateLimited

# A turn that is further away is not waited for: the worker does something else until then.
LONGEST_WAIT_SECONDS = 5.0

# The clock is Redis's own, so that the clocks of workers need not agree. KEYS: the account. ARGV: the distance of turns
# and the longest wait in microseconds. Returns the wait for the turn, or -1 - wait where it is too long to be taken.
_TURN = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local next = tonumber(redis.call('GET', KEYS[1]) or '0')
if next < now then next = now end
local wait = next - now
if wait > tonumber(ARGV[2]) then return -1 - wait end
redis.call('SET', KEYS[1], string.format('%.0f', next + ARGV[1]), 'PX', math.ceil((wait + ARGV[1]) / 1000) + 1000)
return wait
"""
_MICRO = 1_000_000
_lock = threading.Lock()
_turns: dict[int, float] = {}


def take_turn(account_id: int) -> None:
    """
    Wait for the account's turn to write.

    :raises RateLimited: it is too far away
    """
    rate = settings.GOOGLE_DRIVE_WRITES_PER_SECOND
    if rate <= 0:
        return
    try:
        wait = _shared_turn(account_id, 1 / rate)
    except redis.RedisError:
        wait = _own_turn(account_id, 1 / rate)
    if wait > LONGEST_WAIT_SECONDS:
        raise RateLimited("other workers are before us", reason="ownPace", wait=wait)
    time.sleep(wait)


def _shared_turn(account_id: int, distance: float) -> float:
    arguments = [int(distance * _MICRO), int(LONGEST_WAIT_SECONDS * _MICRO)]
    told = int(scripted(_TURN, [f"artel:drive:turn:{account_id}"], arguments))
    return told / _MICRO if told >= 0 else (-1 - told) / _MICRO


def _own_turn(account_id: int, distance: float) -> float:
    with _lock:
        now = time.monotonic()
        turn = max(now, _turns.get(account_id, 0.0))
        if turn - now <= LONGEST_WAIT_SECONDS:
            _turns[account_id] = turn + distance
        return turn - now
