"""
Dangerous actions ask once more who is there, unless that was shown within the last minutes.

The question stands in place of the page, at its address, with what was typed in hidden fields: answered, the request
goes on as it was. Nothing of it is kept on the server, where passwords typed for others would lie in a session.
"""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from allauth.account.forms import ReauthenticateForm as PasswordForm
from allauth.account.internal.flows.login import record_authentication
from allauth.core import ratelimit
from allauth.mfa.base.forms import ReauthenticateForm as CodeForm
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import ReauthenticateWebAuthnForm as PasskeyForm
from allauth.mfa.webauthn.internal.auth import begin_authentication
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions, status
from rest_framework.request import Request

from apps.accounts.models import User
from apps.accounts.second_factor import FACTORS, has_factor, person_behind, records_of
from apps.common.api.authentication import BrowserSession

View = TypeVar("View", bound=Callable[..., Any])
# Names of the question's own fields, which no form of ours has.
_HOW, _ANSWER, _WAS_READING = "recent-how", "recent-answer", "recent-was-reading"
_OWN = (_HOW, _ANSWER, _WAS_READING)
# What each way of answering is called in allauth's form for it.
_FIELDS = {"password": "password", "code": "code", "passkey": "credential"}


def is_recent(request: HttpRequest) -> bool:
    """
    Tell whether the person has shown within `ACCOUNT_REAUTHENTICATION_TIMEOUT` who they are.

    Who has a second factor is known by that alone: a password could have been seen over their shoulder.
    """
    user = person_behind(request.user)
    if user is None:
        return False
    since = time.time() - settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
    recent = [record for record in records_of(request.session, user) if record["at"] > since]
    return any(record["method"] == "mfa" for record in recent) or (bool(recent) and not has_factor(user))


def ask(request: HttpRequest, *, always: bool = False, then: str = "") -> HttpResponse | None:
    """
    Return the question who is there, or None where the request may go on; the answer comes with the same request.

    :param always: ask whoever has shown it a moment ago, too
    :param then: where who was only reading is led after the answer, if not to the same page
    """
    user = person_behind(request.user)
    if user is None:
        return None
    if is_recent(request) and not always:
        return _go_on(request, then)
    form = _form(user, request.POST.get(_HOW, ""), request.POST.get(_ANSWER, ""))
    if form is not None:
        refused: HttpResponse | None = ratelimit.consume_or_429(request, action="reauthenticate", user=user)
        if refused is not None:
            return refused
        if form.is_valid():
            _save(request, form)
            return _go_on(request, then)
    return _question(request, user, form)


def recently_authenticated(view: View) -> View:
    """Let a view be opened only by who has shown recently who they are; others are asked in its place."""

    @wraps(view)
    def asking(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return ask(request) or view(request, *args, **kwargs)

    return cast(View, asking)


def asked_before_saving(view: View) -> View:
    """Ask when something is sent; to look costs nothing."""

    @wraps(view)
    def asking(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        question = ask(request) if request.method == "POST" else None
        return question or view(request, *args, **kwargs)

    return cast(View, asking)


def _form(user: User, how: str, answer: str) -> Any:
    forms = {"password": PasswordForm, "code": CodeForm, "passkey": PasskeyForm}
    if how not in forms or how not in _ways(user):
        return None
    return forms[how](user=user, data={_FIELDS[how]: answer})


def _ways(user: User) -> list[str]:
    """List how somebody can show who they are; the second factor alone where there is one."""
    types = set(Authenticator.objects.filter(user=user.pk).values_list("type", flat=True))
    if not types & set(FACTORS):
        return ["password"] if user.has_usable_password() else []
    return [*(["passkey"] if Authenticator.Type.WEBAUTHN in types else []), "code"]


def _save(request: HttpRequest, form: Any) -> None:
    if isinstance(form, PasswordForm):
        # Not of the request's user: the person may act as somebody else.
        record_authentication(request, form.user, method="password", reauthenticated=True)
    else:
        form.save()


def _go_on(request: HttpRequest, then: str) -> HttpResponse | None:
    """Take the answer out of what the page behind gets to see; who only wanted to look at it is sent to look."""
    if _WAS_READING in request.POST:
        return HttpResponseRedirect(then or request.get_full_path())
    if _HOW in request.POST:
        data = request.POST.copy()
        for name in _OWN:
            data.pop(name, None)
        request.POST = data  # type: ignore[assignment]
    return None


def _question(request: HttpRequest, user: User, form: Any) -> HttpResponse:
    ways = _ways(user)
    kept = [(name, value) for name, values in request.POST.lists() if name not in _OWN for value in values]
    was_reading = request.method != "POST" or _WAS_READING in request.POST
    errors = [text for found in form.errors.values() for text in found] if form is not None else []
    context = {
        "ways": ways,
        "kept": [(name, value) for name, value in kept if name != "csrfmiddlewaretoken"],
        "was_reading": was_reading,
        "errors": errors,
        "options": begin_authentication(user) if "passkey" in ways else None,
        "path": request.get_full_path(),
    }
    response = TemplateResponse(request, "account/recent.html", context)
    response["Cache-Control"] = "no-store"
    return response


# Over REST


class RecentAuthenticationRequired(exceptions.APIException):
    """Somebody in a browser has to show again who they are before this is done."""

    status_code = status.HTTP_403_FORBIDDEN
    default_code = "reauthentication_required"
    default_detail = _("Show once more who you are before you do this.")


def require_recent(request: Request) -> None:
    """
    Insist that who came with a session has shown recently who they are; a program with a key is limited by its scopes.

    :raises RecentAuthenticationRequired: they have not
    """
    if isinstance(request.successful_authenticator, BrowserSession) and not is_recent(request._request):
        raise RecentAuthenticationRequired
