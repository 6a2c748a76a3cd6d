"""Where providers tell us what happened."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from apps.accounts.faces.declared import public
from apps.common.addresses import client_address, limited_address
from apps.common.limits import Counter, Limit, take
from apps.payments.models import ProviderAccount
from apps.payments.providers.interface import NotGenuine
from apps.payments.services import inbox


@public(
    "providers post here; what they sign is verified, and what they do not sign, their API is asked about"
)
@csrf_exempt
@require_POST
def webhook(request: HttpRequest, key: str) -> HttpResponse:
    """Keep a message: 200 for theirs, new or not; 400 for one that they have not written, 404 for another address."""
    counter = Counter(
        "provider_messages", limited_address(client_address(request)), Limit(settings.PAYMENT_WEBHOOKS, 60)
    )
    if not take(counter).is_allowed:
        return HttpResponse(status=429)
    try:
        size = int(request.headers.get("Content-Length") or 0)
    except ValueError:
        return HttpResponse(status=400)
    if size > inbox.MOST_BYTES:
        return HttpResponse(status=413)
    body = request.read(inbox.MOST_BYTES + 1)
    if len(body) > inbox.MOST_BYTES:
        return HttpResponse(status=413)
    try:
        inbox.receive(key, body, request.headers)
    except ProviderAccount.DoesNotExist:
        return HttpResponse(status=404)
    except NotGenuine:
        return HttpResponse(status=400)
    return HttpResponse(status=200)
