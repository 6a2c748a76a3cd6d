"""Where a mail server posts the letters that came."""

import base64
import binascii
import hashlib
import hmac
import time

from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest, JsonResponse
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from apps.accounts.faces.declared import public
from apps.crm.services.mail import receive_mail

# As the Standard Webhooks say: older or newer than this, it may be somebody who has listened.
TOLERANCE_SECONDS = 300


@public("A mail server posts here, and signs what it posts.")
@csrf_exempt
@require_POST
def inbound(request: HttpRequest) -> JsonResponse:
    """
    Take a letter in, raw as it came, signed by the Standard Webhooks scheme.

    200 says what became of it, also where it was known; 401 a wrong signature; 422 a letter that cannot be taken in,
    which is not to be sent again.
    """
    if not settings.MAIL_INBOUND_SECRET:
        return JsonResponse({"code": "mail_not_set_up"}, status=404)
    raw = request.read(settings.MAIL_MAX_BYTES + 1)
    if not is_signed(request, raw):
        return JsonResponse({"code": "signature", "detail": _("The signature is wrong.")}, status=401)
    try:
        received = receive_mail(raw)
    except ValidationError as error:
        return JsonResponse({"code": error.code, "detail": " ".join(error.messages)}, status=422)
    activity = received.activity
    return JsonResponse({"outcome": received.outcome.value, "activity": activity.pk if activity else None})


def is_signed(request: HttpRequest, raw: bytes) -> bool:
    """Tell whether whoever posts this knows the secret, and does so now."""
    given, at = request.headers.get("Webhook-Id", ""), request.headers.get("Webhook-Timestamp", "")
    if not at.isascii() or not at.isdecimal() or abs(time.time() - int(at[:20])) > TOLERANCE_SECONDS:
        return False
    expected = signature(settings.MAIL_INBOUND_SECRET, given, at, raw)
    signatures = request.headers.get("Webhook-Signature", "").split()[:10]
    return any(constant_time_compare(each, expected) for each in signatures)


def signature(secret: str, message_id: str, at: str, raw: bytes) -> str:
    """Return the signature of a post, as a header has it."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        # A secret that somebody has made up as words.
        key = secret.encode()
    digest = hmac.new(key, f"{message_id}.{at}.".encode() + raw, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
