"""The page that plays a provider in demonstrations, and says so."""

import json

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from apps.accounts.faces.declared import public
from apps.payments.models import PaymentAttempt, ProviderAccount
from apps.payments.pages.shown import limited, nowhere, speak, strict
from apps.payments.services import charging, inbox
from apps.payments.services.provider_accounts import provider_of

_DECISIONS = frozenset({"pay", "refuse", "cancel"})


@public(
    "plays the provider of a demonstration, where no money moves; a charge is found by the key in its name"
)
@limited
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def demo(request: HttpRequest, name: str) -> HttpResponse:
    """Let who pays in a demonstration decide how it ends, and tell it as a provider would."""
    rows = PaymentAttempt.objects.select_related("payment__invoice", "account")
    attempt = rows.filter(external_id=name, account__mode=ProviderAccount.Mode.DEMO).first()
    if attempt is None or not settings.PAYMENT_DEMO:
        return nowhere(request)
    speak(request, attempt.locale)
    decision = request.POST.get("decision", "")
    if request.method == "POST" and decision in _DECISIONS:
        if not attempt.has_ended:
            body = json.dumps({"charge": name, "decision": decision}).encode()
            inbox.keep(attempt.account, provider_of(attempt.account).read(body, {}), body)
        return strict(HttpResponseRedirect(charging.back_path(attempt)))
    return strict(render(request, "payments/demo.html", {"attempt": attempt, "payment": attempt.payment}))
