"""
Wrong passwords, and wrong secrets of programs, counted together on every door.

Every door calls the same three: :func:`refuse_if_locked` before it looks at a secret, and then :func:`forget` where it
was right or :func:`note_failure` where it was wrong. The first counts the attempt beforehand, so that of any number
that come at once no more are tried than the limits say; `forget` takes it back.

Somebody is refused by what is counted of
- the account from this address (5 in five minutes, 10 in an hour): guessing at one account from one place ends here, and
  bothers its owner nowhere else;
- the account (30 in an hour), so from three addresses at least: guessing from many places;
- the address (30 in an hour): guessing at many accounts from one place.
Where somebody has come in with their secret within a month, only the first counts for them: neither a flood from
elsewhere nor a colleague's in the same office keeps them out.
"""

import hashlib
import logging

import redis
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import ngettext

from apps.common.addresses import limited_address
from apps.common.limits import Counter, Limit, connected, look, take
from apps.common.limits import give_back as give_back_counters

logger = logging.getLogger(__name__)

_KNOWN_SECONDS = 30 * 24 * 3600
# Longer than any of the windows: after an unlocking, what was counted before has ended by itself.
_UNLOCKED_SECONDS = 24 * 3600


class Locked(ValidationError):
    """
    Too many wrong secrets were given: the right one is refused too, for `wait` seconds more.

    :ivar is_news: nobody was refused for this subject a moment ago
    """

    def __init__(self, wait: float, *, is_news: bool = False) -> None:
        self.wait, self.is_news = wait, is_news
        minutes = max(1, -(-int(wait) // 60))
        super().__init__(
            ngettext(
                "Too many failed login attempts. Try again in %(minutes)s minute.",
                "Too many failed login attempts. Try again in %(minutes)s minutes.",
                minutes,
            ),
            code="too_many_login_attempts",
            params={"minutes": minutes},
        )


def person(email: str) -> str:
    """Return the subject that stands for a person, whether or not there is one with this address."""
    return f"person {email.strip().lower()}"


def client(client_id: str) -> str:
    """Return the subject that stands for a program with a secret of its own."""
    return f"client {client_id}"


def refuse_if_locked(subject: str, address: str) -> None:
    """
    Count an attempt at somebody's secret, which one of the other two has to settle.

    :param address: the client's, as `client_address` says it
    :raises Locked: too many were wrong; this one is not counted and must not be looked at
    """
    answer = take(*_counters(subject, address))
    if not answer.is_allowed:
        raise Locked(answer.wait, is_news=_remember_lock(subject, answer.wait))


def note_failure(subject: str, address: str) -> None:
    """Let the attempt stand that `refuse_if_locked` has counted: the secret was wrong."""
    # The subject is a secret as little as the address: operators look for both.
    logger.info("a wrong secret for %s from %s", subject, address)


def forget(subject: str, address: str) -> None:
    """
    Take the attempt back that `refuse_if_locked` has counted: the secret was right.

    Earlier wrong ones stay counted, or whoever has one account could guess at another for ever.
    """
    give_back_counters(*_counters(subject, address))
    _remember_place(subject, address)


def is_refused(subject: str, address: str) -> bool:
    """
    Tell whether too many secrets were wrong, without counting an attempt beforehand.

    For secrets that nobody guesses, of programs that come with the right one many times at once: :func:`settle` counts.
    """
    return not look(*_counters(subject, address)).is_allowed


def settle(subject: str, address: str, *, was_right: bool) -> None:
    """Count an attempt that `is_refused` has let through, if its secret was wrong."""
    if not was_right:
        take(*_counters(subject, address))
    elif not _remembered(subject, limited_address(address))[0]:
        _remember_place(subject, address)


def is_locked(subject: str) -> bool:
    """Tell whether somebody has been refused, from anywhere, and still would be."""
    try:
        return bool(connected().exists(_key("locked", subject)))
    except redis.RedisError:
        return False


def unlock(subject: str) -> None:
    """
    Let somebody try again from anywhere, whatever was counted.

    :raises redis.RedisError: Redis does not answer, and would remember
    """
    with connected().pipeline(transaction=True) as pipe:
        pipe.incr(_key("round", subject))
        pipe.expire(_key("round", subject), _UNLOCKED_SECONDS)
        pipe.delete(_key("locked", subject))
        pipe.execute()


def _counters(subject: str, address: str) -> list[Counter]:
    place = limited_address(address)
    is_known, rounds = _remembered(subject, place)
    # An unlocking begins another round of counting.
    own = f"{subject} {rounds}"
    near = [
        Counter(f"login-near-{seconds}", f"{own} {place}", Limit(count, seconds, holds=True))
        for count, seconds in settings.LOGIN_LIMITS_NEAR
    ]
    if is_known:
        return near
    return [
        *near,
        Counter("login-account", own, Limit(*settings.LOGIN_LIMIT_ACCOUNT, holds=True)),
        Counter("login-address", place, Limit(*settings.LOGIN_LIMIT_ADDRESS, holds=True)),
    ]


def _remembered(subject: str, place: str) -> tuple[bool, int]:
    """Return whether somebody has come in from here, and how often they were unlocked; nothing where Redis is away."""
    try:
        known, rounds = connected().mget(_key("known", subject, place), _key("round", subject))
    except redis.RedisError:
        return False, 0
    return known is not None, int(rounds or 0)


def _remember_place(subject: str, address: str) -> None:
    try:
        connected().set(_key("known", subject, limited_address(address)), 1, ex=_KNOWN_SECONDS)
    except redis.RedisError as error:
        logger.warning("it is not remembered where somebody came in: %s", error)


def _remember_lock(subject: str, wait: float) -> bool:
    """Remember that somebody is refused; tell whether that is news."""
    try:
        before = connected().set(_key("locked", subject), 1, px=max(1, int(wait * 1000)), get=True)
    except redis.RedisError as error:
        logger.warning("it is not remembered that %s is locked: %s", subject, error)
        return False
    return before is None


def _key(name: str, *parts: str) -> str:
    return f"artel:login-{name}:{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:40]}"
