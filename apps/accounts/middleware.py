"""Where a request comes from, a person's own language and time zone, and a note that their session is in use."""

import time
from collections.abc import Callable
from typing import Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.contrib.auth.middleware import get_user
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation
from django.utils.functional import LazyObject, SimpleLazyObject

from apps.accounts.models import User
from apps.accounts.second_factor import person_behind
from apps.accounts.services import note_use
from apps.common.addresses import client_address
from apps.common.origin import Origin, origin

# Names of programs are cut: whoever calls may send kilobytes.
_LONGEST_AGENT = 300


class OriginMiddleware:
    """Says for records where a request comes from: the address that limits count by, and the program's name."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # Worked out when somebody asks: most requests record nothing.
        token = origin.set(cast("Origin", SimpleLazyObject(lambda: _origin_of(request))))
        try:
            return self.get_response(request)
        finally:
            origin.reset(token)


def _origin_of(request: HttpRequest) -> Origin:
    agent = request.META.get("HTTP_USER_AGENT", "").replace("\0", "")[:_LONGEST_AGENT]
    return Origin(client_address(request) or None, agent)


class PersonalSettingsMiddleware:
    """
    Speaks a logged-in person's language, unless this browser has chosen another, and tells time in their
    zone; the API tells it in UTC.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = self._looked_up(request)
        if user.is_authenticated:
            if user.locale and settings.LANGUAGE_COOKIE_NAME not in request.COOKIES:
                translation.activate(user.locale)
                request.LANGUAGE_CODE = user.locale
            if user.time_zone and not request.path.startswith("/api/"):
                try:
                    timezone.activate(ZoneInfo(user.time_zone))
                except ZoneInfoNotFoundError:
                    timezone.deactivate()
        try:
            return self.get_response(request)
        finally:
            timezone.deactivate()

    @staticmethod
    def _looked_up(request: HttpRequest) -> User | AnonymousUser:
        """Put who asks in place of the promise to look: a page asks a thousand times, at thrice the cost behind it."""
        user: Any = request.user
        if isinstance(user, LazyObject):
            request.user = get_user(request)
        return request.user


# Seconds between two notes of one session by one process, and when each was made.
_NOTED_EVERY = 60.0
_noted: dict[str, float] = {}
_MOST_NOTED = 10_000


def noted(session_key: str) -> None:
    """Remember that the use of a session is on record, as when it has just begun."""
    if len(_noted) >= _MOST_NOTED:
        _noted.clear()
    _noted[session_key] = time.monotonic()


def _is_worth_noting(session_key: str) -> bool:
    return time.monotonic() - _noted.get(session_key, -_NOTED_EVERY) >= _NOTED_EVERY


class LastUseMiddleware:
    """Notes when, and from where, a session was last used; most requests write nothing."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user, key = person_behind(request.user), request.session.session_key
        if key and user is not None and _is_worth_noting(key):
            noted(key)
            came = origin.get()
            note_use(key, user, address=came.address or "", agent=came.agent)
        return self.get_response(request)
