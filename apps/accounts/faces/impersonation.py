"""Acting as somebody else: the session stays one's own and names the time beside, and each request is theirs."""

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.handlers.exception import response_for_exception
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from apps.accounts import services
from apps.accounts.faces.declared import own_only
from apps.accounts.models import ImpersonationSession, User
from apps.common.origin import impersonator

IMPERSONATION_SESSION_KEY = "impersonation"


def begin(request: HttpRequest, session: ImpersonationSession) -> None:
    """Let this browser act as somebody else from the next request on."""
    # What was open before ends: its pages show what the person themselves may see.
    request.session.cycle_key()
    request.session[IMPERSONATION_SESSION_KEY] = session.pk


def acting_as(request: HttpRequest, actor: User) -> User | None:
    """Return as whom the person who is logged in acts, None where that is nobody, or is over."""
    session_id = request.session.get(IMPERSONATION_SESSION_KEY)
    return None if session_id is None else services.who_acts(session_id, actor=actor)


def is_remembered(request: HttpRequest) -> bool:
    """Tell whether the session says that somebody acts as somebody else, be it over or not."""
    return IMPERSONATION_SESSION_KEY in request.session


def forget(request: HttpRequest, actor: User) -> None:
    """Let this browser be the person's own again, and write down that it ended."""
    session_id = request.session.pop(IMPERSONATION_SESSION_KEY)
    with suppress(ImpersonationSession.DoesNotExist):
        services.stop_impersonation(session_id, actor=actor)
    request.session.cycle_key()


@own_only("ends what the caller's own session has begun")
@never_cache
@login_required
def stop(request: HttpRequest) -> HttpResponse:
    """Stop acting as somebody else, and go back to the page of that person."""
    session = getattr(request.user, "impersonation", None)
    if request.method != "POST" or session is None:
        return redirect("admin:index")
    forget(request, session.actor)
    return redirect(reverse("admin:accounts_user_change", args=(session.target_id,)))


class ImpersonationMiddleware:
    """
    Lets who acts as somebody else be them, on pages and for the API with a session; programs with a key are themselves.

    What decides about an account is never done so, and who only looks sends nothing.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "HTTP_AUTHORIZATION" in request.META or not is_remembered(request):
            return self.get_response(request)
        actor = request.user
        if not isinstance(actor, User):
            return self.get_response(request)
        target = acting_as(request, actor)
        if target is None:
            return self._over(request, actor)
        session_id = request.session[IMPERSONATION_SESSION_KEY]
        _become(request, target)
        token = impersonator.set(actor.pk)
        try:
            response = self.get_response(request)
        finally:
            impersonator.reset(token)
        if not is_remembered(request):
            # They have logged out.
            services.stop_impersonation(session_id, actor=actor)
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        session: ImpersonationSession | None = request.__dict__.get(_ACTING)
        if session is None or request.path in _always():
            return None
        names = {"name": session.target}
        if _is_of_the_account(request, view):
            raise PermissionDenied(
                _("You act as %(name)s. What belongs to their account is theirs alone.") % names
            )
        if session.is_read_only and request.method not in _READING:
            raise PermissionDenied(_("You act as %(name)s, and only look. Nothing was changed.") % names)
        return None

    def _over(self, request: HttpRequest, actor: User) -> HttpResponse:
        """Let somebody be themselves again; what they sent as somebody else is not done in their own name."""
        forget(request, actor)
        if request.method in _READING or request.path in _always():
            return self.get_response(request)
        text = _("The time in which you acted as somebody else is over. Nothing was changed.")
        return response_for_exception(request, PermissionDenied(text))


_ACTING = "acting"
_READING = {"GET", "HEAD", "OPTIONS"}


@cache
def _always() -> set[str]:
    """Leaving, and the language of one's own browser."""
    return {reverse(name) for name in ("account_logout", "impersonation_stop", "set_language")}


@cache
def _account_pages() -> str:
    return reverse("account_login").removesuffix("login/")


def _is_of_the_account(request: HttpRequest, view: Callable[..., Any]) -> bool:
    """Tell whether a page, or its like over REST, whoever has written it, is about how somebody logs in."""
    match = request.resolver_match
    is_headless = match is not None and "headless" in match.app_names
    return is_headless or view.__module__.startswith("allauth.") or request.path.startswith(_account_pages())


def _become(request: HttpRequest, target: User) -> None:
    async def auser() -> User:
        return target

    request.user = target
    request.__dict__[_ACTING] = target.impersonation
    request.auser = auser
