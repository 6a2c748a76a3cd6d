"""The pages on which people look after how they log in; what allauth serves itself is only put in place in `urls`."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.internal.flows.add import redirect_if_add_not_allowed
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.internal.auth import begin_registration
from allauth.mfa.webauthn.views import AddWebAuthnView, RemoveWebAuthnView
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ObjectDoesNotExist
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from apps.accounts import services
from apps.accounts.devices import device_name
from apps.accounts.entering.factors import MFAAdapter
from apps.accounts.faces.admin import actor_of
from apps.accounts.faces.declared import own_only
from apps.accounts.faces.recent import ask, recently_authenticated
from apps.accounts.second_factor import Step, is_required_of, step_before, unsettle
from apps.accounts.selectors import live_sessions

# Where somebody wanted to go when they were asked for a second factor.
_WANTED = "second_factor_next"


@own_only("how one logs in oneself, and where one is logged in")
@login_required
@never_cache
def security(request: HttpRequest) -> HttpResponse:
    """Show how somebody logs in, and where they are logged in."""
    user = actor_of(request)
    factors = list(Authenticator.objects.filter(user=user.pk).order_by("created_at", "pk"))
    by_type = {each.type: each for each in factors}
    codes = by_type.get(Authenticator.Type.RECOVERY_CODES)
    sessions = [
        {"row": row, "device": device_name(row.user_agent), "is_this": row.session_key == _key_of(request)}
        for row in live_sessions(user)
    ]
    sessions.sort(key=lambda shown: not shown["is_this"])
    context = {
        "app": by_type.get(Authenticator.Type.TOTP),
        "passkeys": [
            {"row": each, "name": each.wrap().name}
            for each in factors
            if each.type == Authenticator.Type.WEBAUTHN
        ],
        "codes": codes,
        "codes_left": len(codes.wrap().get_unused_codes()) if codes else 0,
        "new_email": EmailAddress.objects.get_new(user),
        "is_required": is_required_of(user),
        "sessions": sessions,
        "has_others": len(sessions) > 1,
    }
    return TemplateResponse(request, "account/security.html", context)


@own_only("ends one of one's own sessions")
@login_required(redirect_field_name=None)
@require_POST
def end_session(request: HttpRequest, pk: int) -> HttpResponse:
    """End a session, be it this one."""
    try:
        services.end_session(pk, actor=actor_of(request))
    except ObjectDoesNotExist:
        raise Http404 from None
    return HttpResponseRedirect(reverse("account_security"))


@own_only("ends one's own sessions but this")
@login_required(redirect_field_name=None)
@require_POST
def end_other_sessions(request: HttpRequest) -> HttpResponse:
    """End all sessions but this one."""
    actor = actor_of(request)
    services.end_other_sessions(actor.pk, kept=_key_of(request), actor=actor)
    return HttpResponseRedirect(reverse("account_security"))


@own_only("asks who is there, and leads back")
@login_required
@never_cache
def reauthenticate(request: HttpRequest) -> HttpResponse:
    """Ask who is there, however lately that was shown, and lead to where it was needed."""
    wanted = _wanted(request) or reverse("account_security")
    return ask(request, always=True, then=wanted) or HttpResponseRedirect(wanted)


@own_only("leads to what one has to set up or show oneself")
@login_required
@never_cache
def second_factor(request: HttpRequest) -> HttpResponse:
    """Lead somebody through what they have to do before anything else opens, and then to where they wanted."""
    wanted = _wanted(request)
    if wanted:
        request.session[_WANTED] = wanted
    step = step_before(request.session, actor_of(request))
    if step is Step.ENROL:
        return TemplateResponse(request, "account/second_factor.html", {})
    if step is Step.SHOW:
        return ask(request) or HttpResponseRedirect(reverse("account_second_factor"))
    if step is Step.KEEP_CODES:
        return HttpResponseRedirect(reverse("mfa_view_recovery_codes"))
    return HttpResponseRedirect(request.session.pop(_WANTED, None) or reverse("account_security"))


@own_only("one's own recovery codes, shown until one has said that they are kept")
@login_required
@never_cache
@recently_authenticated
def recovery_codes(request: HttpRequest) -> HttpResponse:
    """Show recovery codes until somebody says that they keep them, and never again."""
    row = Authenticator.objects.filter(
        user=actor_of(request).pk, type=Authenticator.Type.RECOVERY_CODES
    ).first()
    if row is None:
        return HttpResponseRedirect(reverse("account_security"))
    codes = row.wrap()
    if request.method == "POST":
        codes.mark_as_viewed()
        unsettle(request.session)
        return HttpResponseRedirect(reverse("account_second_factor"))
    unused = codes.get_unused_codes()
    context = {"codes": [] if codes.did_view else unused, "left": len(unused)}
    return TemplateResponse(request, "mfa/recovery_codes/index.html", context)


@method_decorator(redirect_if_add_not_allowed, name="dispatch")
class AddPasskey(AddWebAuthnView):  # type: ignore[misc]
    """A new passkey, of the kind that can log in alone."""

    own_only = "adds a passkey to one's own account"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        context["js_data"] = {
            "creation_options": begin_registration(actor_of(self.request), passwordless=True)
        }
        return context


class RemovePasskey(RemoveWebAuthnView):  # type: ignore[misc]
    """Removing a passkey, unless it is the last factor of somebody who has to have one."""

    own_only = "removes a passkey of one's own account"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        adapter = MFAAdapter()
        if not adapter.can_delete_authenticator(self.object):
            context["refused"] = adapter.error_messages["cannot_delete_authenticator"]
        return context

    def form_valid(self, form: Any) -> HttpResponse:
        if not MFAAdapter().can_delete_authenticator(self.object):
            answer: HttpResponse = self.render_to_response(self.get_context_data(form=form), status=409)
            return answer
        done: HttpResponse = super().form_valid(form)
        return done


def _key_of(request: HttpRequest) -> str:
    return request.session.session_key or ""


def _wanted(request: HttpRequest) -> str:
    """Return an address of ours that somebody wants to go to; empty for one of somebody else's."""
    wanted = request.POST.get(REDIRECT_FIELD_NAME) or request.GET.get(REDIRECT_FIELD_NAME) or ""
    hosts = {request.get_host()}
    is_ours = url_has_allowed_host_and_scheme(wanted, allowed_hosts=hosts, require_https=request.is_secure())
    return wanted if is_ours else ""
