"""Where an application sends people to be logged out here too (OpenID Connect RP-Initiated Logout)."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from oauthlib.common import add_params_to_uri

from apps.accounts import services, tokens
from apps.accounts.models import Application
from apps.accounts.oauth.views.authorize import redirect_to

_NAMES = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state")


class Refused(Exception):
    """Somebody is not sent anywhere, and not logged out without being asked."""


@dataclass
class Asked:
    """What an application asks for."""

    application: Application | None
    # Who was logged in to it, as its ID token says.
    subject: str | None
    redirect_uri: str
    state: str


@method_decorator(csrf_exempt, name="dispatch")
@method_decorator(never_cache, name="dispatch")
class LogoutView(View):
    """Logs somebody out; asks them first, unless the application shows that it knows who they are."""

    public = "says who wants them out, and logs out nobody but themselves"

    def get(self, request: HttpRequest) -> HttpResponse:
        try:
            asked = _asked(request)
        except Refused as refusal:
            return render(request, "oauth/refused.html", {"description": str(refusal)}, status=400)
        is_theirs = asked.subject is not None and asked.subject == str(request.user.pk)
        if is_theirs or not request.user.is_authenticated:
            return _log_out(request, asked)
        return render(request, "oauth/logout.html", {"application": asked.application})

    def post(self, request: HttpRequest) -> HttpResponse:
        if "decision" in request.POST:
            return self._decide(request)
        # As a form from an application; cookies come only with what is opened by a link.
        return HttpResponseRedirect(f"{request.path}?{request.POST.urlencode()}")

    @method_decorator(csrf_protect)
    def _decide(self, request: HttpRequest) -> HttpResponse:
        try:
            asked = _asked(request)
        except Refused as refusal:
            return render(request, "oauth/refused.html", {"description": str(refusal)}, status=400)
        if request.POST["decision"] != "allow":
            return render(request, "oauth/logged_out.html", {"is_still_in": True})
        return _log_out(request, asked)


def _asked(request: HttpRequest) -> Asked:
    hint, client_id, uri, state = (request.GET.get(name, "") for name in _NAMES)
    claims = _claims_of(hint) if hint else {}
    named = str(claims.get("aud", "")) or client_id
    if hint and client_id and named != client_id:
        raise Refused(_("The ID token was made for another application."))
    application = services.find_application(named)
    if named and application is None:
        raise Refused(_("There is no such application."))
    if uri and (application is None or not application.post_logout_redirect_uri_allowed(uri)):
        raise Refused(_("The application has not registered the address that you would be sent to."))
    return Asked(application, claims.get("sub"), uri, state)


def _claims_of(hint: str) -> dict[str, Any]:
    try:
        # Whoever has been away for long is logged out all the same.
        return tokens.verify(hint, typ="JWT", allow_expired=True)
    except tokens.InvalidToken:
        raise Refused(_("This ID token is not ours.")) from None


def _log_out(request: HttpRequest, asked: Asked) -> HttpResponse:
    logout(request)
    if not asked.redirect_uri:
        return render(request, "oauth/logged_out.html", {"application": asked.application})
    added = [("state", asked.state)] if asked.state else []
    return redirect_to(add_params_to_uri(asked.redirect_uri, added))
