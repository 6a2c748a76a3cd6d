"""Who is asking, where it is not who logged in; and a person's own language and time zone."""

from collections.abc import Callable
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.core.handlers.exception import response_for_exception
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from apps.accounts import services
from apps.accounts.faces import impersonation
from apps.accounts.models import User


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


class ImpersonationMiddleware:
    """
    Lets who acts as somebody else be them, on pages and for the API with a session; programs with a key are themselves.

    What decides about an account is never done so, and who only looks sends nothing.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "HTTP_AUTHORIZATION" in request.META or not impersonation.is_remembered(request):
            return self.get_response(request)
        actor = request.user
        if not isinstance(actor, User):
            return self.get_response(request)
        target = impersonation.acting_as(request, actor)
        if target is None:
            return self._over(request, actor)
        session_id = request.session[impersonation.IMPERSONATION_SESSION_KEY]
        _become(request, target)
        response = self.get_response(request)
        if not impersonation.is_remembered(request):
            # They have logged out.
            services.stop_impersonation(session_id, actor=actor)
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        session = getattr(request.user, "impersonation", None)
        name = request.resolver_match.view_name if request.resolver_match else ""
        if session is None or name in _ALWAYS:
            return None
        names = {"name": session.target}
        if view.__module__.startswith("allauth.") or request.path.startswith(_account_pages()):
            raise PermissionDenied(
                _("You act as %(name)s. What belongs to their account is theirs alone.") % names
            )
        if session.is_read_only and request.method not in {"GET", "HEAD", "OPTIONS"}:
            raise PermissionDenied(_("You act as %(name)s, and only look. Nothing was changed.") % names)
        return None

    def _over(self, request: HttpRequest, actor: User) -> HttpResponse:
        """Let somebody be themselves again; what they sent as somebody else is not done in their own name."""
        impersonation.forget(request, actor)
        if request.method in {"GET", "HEAD", "OPTIONS"}:
            return self.get_response(request)
        text = _("The time in which you acted as somebody else is over. Nothing was changed.")
        return response_for_exception(request, PermissionDenied(text))


# Leaving, and the language of one's own browser.
_ALWAYS = {"account_logout", "impersonation_stop", "set_language"}


@cache
def _account_pages() -> str:
    return reverse("account_login").removesuffix("login/")


def _become(request: HttpRequest, target: User) -> None:
    async def auser() -> User:
        return target

    request.user = target
    request.auser = auser
