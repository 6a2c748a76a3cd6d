"""Where Google Drive says that something changed."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from apps.accounts.faces.declared import public
from apps.documents.services.drive import channels

# A number of PostgreSQL's bigint; Drive's are small.
_LARGEST = 2**63 - 1


@public("Google Drive posts here, and shows the secret of its channel.")
@csrf_exempt
@require_POST
def webhook(request: HttpRequest) -> HttpResponse:
    """Take a message of Drive in: 204 for one of ours, 404 for everything else, whatever is wrong with it."""
    message = _message_of(request)
    if message is None or not channels.receive(message):
        return HttpResponse(status=404)
    return HttpResponse(status=204)


def _message_of(request: HttpRequest) -> channels.Message | None:
    number = request.headers.get("X-Goog-Message-Number", "")
    if not number.isascii() or not number.isdigit() or int(number[:20]) > _LARGEST:
        return None
    return channels.Message(
        channel_id=request.headers.get("X-Goog-Channel-ID", ""),
        token=request.headers.get("X-Goog-Channel-Token", ""),
        resource_id=request.headers.get("X-Goog-Resource-ID", ""),
        number=int(number[:20]),
        state=request.headers.get("X-Goog-Resource-State", ""),
    )
