"""Tickets: how a program that cannot send a cookie opens a socket. Single use, half a minute."""

import hashlib
import json
import secrets
from functools import cache
from typing import Any

import redis
from django.conf import settings

from apps.accounts.faces.sockets import user_of_session
from apps.accounts.models import User
from apps.accounts.services import user_of_claims, user_of_key

TICKET_SECONDS = 30


@cache
def _client() -> "redis.Redis":
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)


def _key(ticket: str) -> str:
    # Redis may be read by more people than may act for its users.
    return f"artel:ws-ticket:{hashlib.sha256(ticket.encode()).hexdigest()}"


def issue_ticket(actor: User, *, session_key: str = "") -> str:
    """
    Return a ticket that opens one socket for `actor`.

    :param session_key: the session in which it was asked for; the socket ends with that
    :raises redis.RedisError: there is no place to keep it
    """
    ticket = secrets.token_urlsafe(32)
    held = json.dumps({"user": actor.pk, "session": session_key, "key": actor.key_id, "claims": actor.claims})
    _client().set(_key(ticket), held, ex=TICKET_SECONDS)
    return ticket


def redeem_ticket(ticket: str) -> "Holder | None":
    """Return who holds a ticket and void it; None for one that was used, is too old or never was."""
    try:
        held = _client().getdel(_key(ticket))
    except redis.RedisError:
        return None
    return Holder(**json.loads(held)) if isinstance(held, bytes) else None


class Holder:
    """Who opened a socket with a ticket."""

    def __init__(
        self, user: int, session: str, key: int | None = None, claims: dict[str, Any] | None = None
    ) -> None:
        self._user_id = user
        self._session_key = session
        self._key_id = key
        self._claims = claims

    def user(self) -> User | None:
        """
        Read the user anew; None when they may not log in any more, have logged out, or their key or token has ended.
        """
        if self._key_id is not None:
            return user_of_key(self._key_id)
        if self._claims is not None:
            return user_of_claims(self._claims)
        if self._session_key:
            return user_of_session({"cookies": {settings.SESSION_COOKIE_NAME: self._session_key}})
        return User.objects.filter(pk=self._user_id, is_active=True).first()
