"""
Cuts: access tokens that end before they expire.

A cut names a subject and a number: tokens of that subject with a lower rank are ended. A token's rank is the user's
`perm_version` it was made under, the second it was made in for its client, and nothing for itself, its session, and the
key that signed it.
PostgreSQL keeps cuts until all they are about has expired. Redis has them too, so that the next request of whichever
process is refused; where it is away or was emptied, half a second passes until PostgreSQL is asked
(`services/access_tokens.py`).
"""

import base64
import hashlib
import logging
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import redis
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone
from redis.backoff import NoBackoff
from redis.retry import Retry

from apps.accounts.models import TokenCut, User
from apps.events.wakeup import poke_stream

logger = logging.getLogger(__name__)

LONGEST_TOKEN_SECONDS = 3600
# Tokens are dated by clocks that may differ so much, and by whole seconds.
_SKEW_SECONDS = 2
_KEY = "artel:cut:"
# A Redis that does not answer must not cost every request its time-out.
_REST_SECONDS = 1.0
_resting_until = 0.0
_STREAM = "cut:"
# Claims by whose cut a token ends, whenever it was made. A token does not say its key: `authenticate_token` adds it.
_FOR_GOOD = {"token": "jti", "session": "sid", "key": "kid"}
# And by whose cut it ends if it was made before.
_RANKED = (("user", "sub", "pv"), ("client", "client_id", "iat"))
_KEEP = (
    "insert into accounts_tokencut as known (subject, below, until) values (%s, %s, %s)"
    " on conflict (subject) do update set"
    " below = greatest(known.below, excluded.below), until = greatest(known.until, excluded.until)"
)


@cache
def _client() -> "redis.Redis":
    # One more try, at once: a restarted Redis shows as one broken connection of the pool.
    retry = Retry(NoBackoff(), 1)
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=0.5, socket_connect_timeout=0.5, retry=retry
    )


def session_name(session_id: str) -> str:
    """Return what tokens call a session: whoever reads a token must not be able to take the session over."""
    digest = hashlib.sha256(f"sid {session_id}".encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@transaction.atomic
def cut_token(jti: str, until: datetime | float) -> None:
    """
    End one token.

    :param until: when it expires by itself, as a time or as its `exp`
    """
    end = until if isinstance(until, datetime) else datetime.fromtimestamp(until, UTC)
    _cut(f"token:{jti}", 1, end)


@transaction.atomic
def cut_user(user_id: int) -> None:
    """End all tokens by which clients act for a user; those that are made from now on are good."""
    if User.objects.filter(pk=user_id).update(perm_version=F("perm_version") + 1):
        version = User.objects.values_list("perm_version", flat=True).get(pk=user_id)
        _cut(f"user:{user_id}", version, _end())


@transaction.atomic
def cut_session(session_id: str) -> None:
    """End all tokens that were made in a session, for good."""
    _cut(f"session:{session_name(session_id)}", 1, _end())


@transaction.atomic
def cut_client(client_id: str) -> None:
    """End all tokens of a client; those that are made two seconds from now are good."""
    _cut(f"client:{client_id}", int(time.time()) + _SKEW_SECONDS, _end())


@transaction.atomic
def cut_key(kid: str) -> None:
    """End all tokens that a key has signed, for good."""
    _cut(f"key:{kid}", 1, _end())


def ranks_of(claims: Mapping[str, Any]) -> dict[str, int]:
    """Return the subjects by whose cut a token ends, and its rank under each."""
    ranks = {f"{kind}:{claims[name]}": 0 for kind, name in _FOR_GOOD.items() if name in claims}
    for kind, name, rank in _RANKED:
        if name in claims:
            ranks[f"{kind}:{claims[name]}"] = int(claims.get(rank, 0))
    return ranks


def is_cut(claims: Mapping[str, Any]) -> bool:
    """
    Tell whether Redis knows of a cut that ends a token: one round trip.

    False also where Redis does not answer: PostgreSQL, which is asked each half second, has the last word.
    """
    global _resting_until
    now = time.monotonic()
    if now < _resting_until:
        return False
    ranks = ranks_of(claims)
    try:
        found = _client().mget([_KEY + subject for subject in ranks])
    except redis.RedisError as error:
        _resting_until = now + _REST_SECONDS
        logger.warning("cuts of tokens are read from PostgreSQL only: %s", error)
        return False
    return any(
        below is not None and rank < int(below) for rank, below in zip(ranks.values(), found, strict=True)
    )


def cut_among(shown: Iterable[Mapping[str, Any]]) -> list[bool]:
    """Tell of each of some tokens, by their claims, whether PostgreSQL knows of a cut that ends it: one statement."""
    ranks = [ranks_of(claims) for claims in shown]
    subjects = {subject for each in ranks for subject in each}
    known = dict(
        TokenCut.objects.filter(pk__in=subjects, until__gt=timezone.now()).values_list("subject", "below")
    )
    return [any(rank < known.get(subject, 0) for subject, rank in each.items()) for each in ranks]


def subject_of_stream(name: str) -> str | None:
    """Return whose cut a poke tells of; None where it is about something else."""
    return name.removeprefix(_STREAM) if name.startswith(_STREAM) else None


def forget_old_cuts() -> int:
    """Remove cuts that are about nothing any more; return how many."""
    count, _by_model = TokenCut.objects.filter(until__lt=timezone.now()).delete()
    return count


def _end() -> datetime:
    return timezone.now() + timedelta(seconds=LONGEST_TOKEN_SECONDS)


def _cut(subject: str, below: int, until: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, [subject, below, until])
    transaction.on_commit(lambda: _tell_redis(subject, below, until))
    poke_stream(_STREAM + subject)


def _tell_redis(subject: str, below: int, until: datetime) -> None:
    try:
        _client().set(_KEY + subject, below, exat=max(int(until.timestamp()) + 1, int(time.time()) + 1))
    except redis.RedisError as error:
        logger.warning("a cut of tokens is told to PostgreSQL only: %s", error)
