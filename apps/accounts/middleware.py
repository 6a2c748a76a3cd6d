"""Where a request comes from, and a person's own language and time zone."""

from collections.abc import Callable
from typing import cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation
from django.utils.functional import SimpleLazyObject

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
        user = request.user
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
