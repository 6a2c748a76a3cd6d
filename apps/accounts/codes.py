"""
Codes that people are sent by mail, kept in Redis as hashes until they are used, guessed at too often, or too old.

allauth keeps what it calls the code in the session of whoever asked for it, and compares. What it keeps is here only a
handle; the code itself goes into the letter, and accepting it is one atomic step, so that it works once.
"""

import secrets
from enum import StrEnum
from typing import Any

import redis
from allauth.core.internal.cryptokit import generate_user_code, normalize_user_code
from django.conf import settings
from django.utils.crypto import salted_hmac

from apps.common.limits import connected, scripted

# KEYS: the code. ARGV: its hash, how many wrong ones are borne, and 1 to use it up.
# A used one stays until its time is over, so that whoever comes second hears that and not that it was wrong.
_JUDGE = """
local held = redis.call('HMGET', KEYS[1], 'digest', 'wrong', 'used')
if not held[1] then return 'gone' end
if held[3] then return 'used' end
if tonumber(held[2] or '0') >= tonumber(ARGV[2]) then return 'gone' end
if held[1] ~= ARGV[1] then redis.call('HINCRBY', KEYS[1], 'wrong', 1) return 'wrong' end
if ARGV[3] == '1' then redis.call('HSET', KEYS[1], 'used', 1) end
return 'right'
"""


class Verdict(StrEnum):
    """What becomes of a code that somebody types."""

    RIGHT = "right"
    WRONG = "wrong"
    # Somebody was a moment faster with the same one.
    USED = "used"
    # Too old, guessed at too often, or lost with Redis.
    GONE = "gone"


class Handle(str):
    """What the session keeps in place of a code. The code itself stands beside it until the letter is written."""

    __slots__ = ("plain",)
    plain: str

    def __reduce__(self) -> tuple[Any, ...]:
        # Sessions are pickled into the cache: nothing but the handle goes there.
        return str, (str(self),)


def issue_code(*, seconds: int, **shape: Any) -> Handle:
    """
    Make a code and keep its hash for so long.

    :raises redis.RedisError: there is no place to keep it
    """
    handle = Handle(secrets.token_urlsafe(24))
    handle.plain = generate_user_code(**shape)
    with connected().pipeline(transaction=True) as pipe:
        pipe.hset(_key(handle), "digest", _digest(handle, handle.plain))
        pipe.expire(_key(handle), seconds)
        pipe.execute()
    return handle


def check_code(handle: str | None, code: str) -> Verdict:
    """Judge a code without using it up; a wrong one counts."""
    return _judge(handle, code, uses=False)


def take_code(handle: str | None, code: str) -> Verdict:
    """Judge a code and use it up: of any number that come at once, one is right."""
    return _judge(handle, code, uses=True)


def _judge(handle: str | None, code: str, *, uses: bool) -> Verdict:
    if not handle:
        # There is no account, which must look as if there were.
        return Verdict.WRONG
    try:
        said = scripted(_JUDGE, [_key(handle)], [_digest(handle, code), settings.CODE_ATTEMPTS, int(uses)])
    except redis.RedisError:
        return Verdict.GONE
    return Verdict(said.decode())


def _key(handle: str) -> str:
    return f"artel:code:{handle}"


def _digest(handle: str, code: str) -> str:
    # Codes are short: without the platform's own key their hashes could be searched for.
    return salted_hmac(f"artel.code.{handle}", normalize_user_code(code), algorithm="sha256").hexdigest()
