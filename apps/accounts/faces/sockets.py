"""The socket's base class: who is on the other end, from which page, and what they may watch."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.http.request import validate_host
from django.utils.crypto import constant_time_compare

from apps.accounts import services
from apps.accounts.faces.impersonation import IMPERSONATION_SESSION_KEY
from apps.accounts.models import User
from apps.accounts.second_factor import Step, step_before
from apps.events import streams

NOT_LOGGED_IN = 4401
NOT_ALLOWED = 4403


def access_stream(user_id: int) -> str:
    """Return the stream that is poked when what a user may do has changed; their sockets then ask again."""
    return f"access:{user_id}"


class ScopedConsumer(AsyncWebsocketConsumer):
    """
    A socket of a logged-in person, opened by one of our own pages.

    A subclass calls :meth:`may_watch` for every stream it is asked for, and :meth:`still_welcome`, then
    `may_watch` again for all it watches, when :func:`access_stream` of its actor is poked and at each
    heartbeat.
    """

    actor: User | None = None

    async def connect(self) -> None:
        if not is_our_page(self.scope):
            await self.close(NOT_ALLOWED)
            return
        # A browser learns the reason only of a socket that was open.
        await self.accept()
        if await self.still_welcome():
            await self.opened()

    async def opened(self) -> None:
        """Do what follows once the person is known; `self.actor` is set."""

    async def still_welcome(self) -> bool:
        """Read the person anew, and close the socket when they have logged out or may not log in any more."""
        self.actor = await database_sync_to_async(user_of_session)(self.scope)
        if self.actor is None:
            await self.close(NOT_LOGGED_IN)
        return self.actor is not None

    async def may_watch(self, stream: str) -> bool:
        """Tell whether the person may watch a stream; nobody may watch one that no app serves."""
        if self.actor is None:
            return False
        return await database_sync_to_async(may_watch)(self.actor, stream)


def may_watch(actor: User, stream: str) -> bool:
    """Ask the app that serves a stream whether `actor` may watch it."""
    try:
        source, key = streams.source_of(stream)
    except KeyError:
        return False
    return actor.is_active and source.may_watch(actor, key)


def is_our_page(scope: Mapping[str, Any]) -> bool:
    """Tell whether the page that opens the socket is one of ours; a caller that names none is refused."""
    headers = dict(scope.get("headers", []))
    origin = headers.get(b"origin", b"").decode("latin-1")
    if not origin:
        return False
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    host = headers.get(b"host", b"").decode("latin-1")
    parts = urlsplit(origin)
    is_same = parts.scheme in {"http", "https"} and parts.netloc.lower() == host.lower()
    allowed = settings.ALLOWED_HOSTS or (["localhost", "127.0.0.1", "[::1]"] if settings.DEBUG else [])
    return is_same and validate_host((parts.hostname or "").lower(), allowed)


def user_of_session(scope: Mapping[str, Any]) -> User | None:
    """
    Return who is logged in with the session cookie, or as whom they act, read from the store each time; None for who
    still has to set up, or show, a second factor.

    A socket outlives the request that opened it: what was true then says nothing now.
    """
    key = scope.get("cookies", {}).get(settings.SESSION_COOKIE_NAME)
    if not key:
        return None
    session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    if session.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    user = User.objects.filter(pk=session.get(SESSION_KEY), is_active=True).first()
    if user is None:
        return None
    known = session.get(HASH_SESSION_KEY, "")
    is_theirs = constant_time_compare(known, user.get_session_auth_hash())
    if not is_theirs or step_before(session, user) is not Step.NOTHING:
        return None
    acting = session.get(IMPERSONATION_SESSION_KEY)
    return user if acting is None else services.who_acts(acting, actor=user) or user
