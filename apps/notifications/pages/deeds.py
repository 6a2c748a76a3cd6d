"""
The pages behind the buttons and the last line of a message: whoever has the message may do this, without a session.

A page only asks; its button does it. Programs that open every link of a letter do nothing by that.
"""

from typing import Any

from django.core import signing
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext, override
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from apps.accounts.faces.declared import public
from apps.accounts.models import User
from apps.common.addresses import client_address, limited_address
from apps.common.admin import refusal_text
from apps.common.limits import Counter, Limit, take
from apps.notifications.models import Channel
from apps.notifications.services import deeds, preferences
from apps.notifications.services.planning import language_of
from apps.notifications.services.writing import unsubscribed

# Of an address, whatever secrets it tries.
_LIMIT = Limit(60, 60)


@public("whoever holds the secret of a message to them, which works once")
# The secret in the address is what is asked for; there is no session that somebody could abuse.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def deed(request: HttpRequest, secret: str) -> HttpResponse:
    """Ask whether something is to be done, and do it."""
    if not _is_patient(request):
        return HttpResponse(status=429)
    try:
        asked = deeds.ask(secret)
    except deeds.Forgotten:
        return _page(request, "forgotten.html", {}, status=404)
    with override(language_of(asked.user)):
        if request.method != "POST":
            return _page(request, "ask.html", {"asked": asked})
        try:
            deeds.perform(secret)
        except deeds.Forgotten:
            return _page(request, "forgotten.html", {}, status=404)
        except (PermissionDenied, ValidationError, ObjectDoesNotExist) as error:
            return _page(request, "refused.html", {"asked": asked, "said": refusal_text(error)}, status=409)
        return _page(request, "done.html", {"name": asked.name, "said": asked.kind.done})


@public("whoever holds a message to them, whose last line we have signed")
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, said: str) -> HttpResponse:
    """Ask whether somebody wants no more of a kind by a channel, and see to it; by one POST, as RFC 8058 has it."""
    if not _is_patient(request):
        return HttpResponse(status=429)
    try:
        user_id, kind, channel = unsubscribed(said)
        user = User.objects.get(pk=user_id)
    except (signing.BadSignature, User.DoesNotExist, ValueError):
        return _page(request, "forgotten.html", {}, status=404)
    with override(language_of(user)):
        told = {"kind": preferences.label_of(kind), "channel": str(Channel(channel).label)}
        if request.method != "POST":
            return _page(request, "unsubscribe.html", told)
        preferences.unsubscribe(user_id, kind, channel)
        text = gettext("You are sent no more of this by %(channel)s.") % told
        return _page(request, "done.html", {"name": told["kind"], "said": text})


def _is_patient(request: HttpRequest) -> bool:
    address = limited_address(client_address(request))
    return take(Counter("deeds", address, _LIMIT)).is_allowed


def _page(request: HttpRequest, name: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    response = render(request, f"notifications/deeds/{name}", context, status=status)
    response["Cache-Control"] = "no-store"
    # The address is the secret.
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    return response
