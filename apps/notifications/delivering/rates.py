"""
How many messages may leave: so many by a channel, and so many to one address, counted in Redis for all processes.

The moments of the last ones are kept by the clock of Redis, so that in no stretch of the time, wherever it begins, there
are more. Redis away, nothing leaves, rather than too much; Redis flushed, one stretch may hold twice as much.
"""

import hashlib
from dataclasses import dataclass

from django.conf import settings

from apps.common.limits import connected, scripted
from apps.notifications.channels import Rate
from apps.notifications.models import Channel, Delivery

# KEYS: the pause of the channel, the moments of the channel, those of the address. ARGV: for both how many, in how many
# microseconds; 1 where it counts, 0 where it only looks at the channel.
# Returns what is full (0 nothing, 1 the channel, 2 the address) and the microseconds until there is room.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local paused = redis.call('PTTL', KEYS[1])
if paused > 0 then return {1, paused * 1000} end
local counts = ARGV[5] == '1'
for i = 1, counts and 2 or 1 do
  local earliest = redis.call('LINDEX', KEYS[i + 1], ARGV[2 * i - 1] - 1)
  if earliest then
    local wait = earliest + ARGV[2 * i] - now
    if wait > 0 then return {i, math.ceil(wait)} end
  end
end
if counts then
  for i = 1, 2 do
    redis.call('LPUSH', KEYS[i + 1], string.format('%.0f', now))
    redis.call('LTRIM', KEYS[i + 1], 0, math.max(ARGV[2 * i - 1], ARGV[6]))
    redis.call('PEXPIRE', KEYS[i + 1], math.ceil(ARGV[2 * i] / 1000) + 1000)
  end
end
return {0, 0}
"""


@dataclass(frozen=True)
class Room:
    """Whether there is room; if not, in how many seconds, and whether it is the address alone that has none."""

    is_free: bool
    wait: float = 0.0
    is_address: bool = False


def rates_of(channel: str) -> tuple[Rate, Rate]:
    """Return how much may leave by a channel, and to one address of it."""
    whole, each = settings.DELIVERY_RATES[channel]
    return Rate(*whole), Rate(*each)


def look(channel: str, priority: int) -> Room:
    """
    Tell whether a channel has room, without taking any.

    :raises redis.RedisError: Redis does not answer
    """
    return _asked(channel, "", priority, counts=False)


def take(channel: str, address: str, priority: int) -> Room:
    """
    Take room for one message; none where the channel or the address has none.

    :raises redis.RedisError: Redis does not answer
    """
    return _asked(channel, address, priority, counts=True)


def pause(channel: str, seconds: float) -> None:
    """
    Let nobody send by a channel for so long, because the other side has asked for it.

    :raises redis.RedisError: Redis does not answer
    """
    connected().set(_key(channel, "pause"), 1, px=max(int(seconds * 1000), 1))


def _asked(channel: str, address: str, priority: int, *, counts: bool) -> Room:
    whole, each = rates_of(channel)
    # What is urgent finds the reserve that the rest leaves.
    most = whole.count if priority >= Delivery.Priority.URGENT else whole.count - whole.reserve
    # Where it was sent, only Redis knows, and by a hash alone.
    subject = hashlib.sha256(address.encode()).hexdigest()[:32]
    keys = [_key(channel, "pause"), _key(channel, "all"), _key(channel, subject)]
    stretches = [most, int(whole.seconds * 1_000_000), each.count, int(each.seconds * 1_000_000)]
    full, wait = scripted(_TAKE, keys, [*stretches, int(counts), whole.count])
    return Room(is_free=not full, wait=wait / 1_000_000, is_address=full == 2)


def _key(channel: str, what: str) -> str:
    return f"artel:delivery:{Channel(channel).value.lower()}:{what}"
