"""A limit on requests' bodies that holds before Django, which under ASGI takes a whole body to disk first."""

from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.utils import translation

from apps.common.middleware import BodyLimitMiddleware

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class BodyLimit:
    """Refuses a request as soon as it says, or shows, that it is larger than settings.BODY_MAX_BYTES."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _said_size(scope) > settings.BODY_MAX_BYTES:
            await _refuse(scope, send)
            return
        await _Counted(scope, receive, send).run(self.app)


class _Counted:
    """One request whose bytes are counted as they come: a chunked one does not say how many there will be."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self.size = 0
        self.is_over = False

    async def run(self, app: App) -> None:
        await app(self.scope, self.receive, self.send)

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] != "http.request":
            return message
        self.size += len(message.get("body", b""))
        if self.size <= settings.BODY_MAX_BYTES:
            return message
        if not self.is_over:
            self.is_over = True
            await _refuse(self.scope, self._send)
        # To Django the client has gone away: it stops reading and deletes what it has taken.
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if not self.is_over:
            await self._send(message)


def _said_size(scope: Scope) -> int:
    said = dict(scope["headers"]).get(b"content-length", b"")
    return int(said) if said.isdigit() else 0


async def _refuse(scope: Scope, send: Send) -> None:
    response = await sync_to_async(_refusal)(scope)
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in response.items()]
    # The rest of the body is not read, so the connection cannot be used again.
    headers += [(b"connection", b"close"), (b"content-length", str(len(response.content)).encode())]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.content})


def _refusal(scope: Scope) -> HttpResponse:
    """Return the page, or the problem document, that the middleware shows where it comes first."""
    request = ASGIRequest(scope, BytesIO())
    request.META["CONTENT_LENGTH"] = str(settings.BODY_MAX_BYTES + 1)
    with translation.override(translation.get_language_from_request(request)):
        return BodyLimitMiddleware(_not_reached)(request)


def _not_reached(request: HttpRequest) -> HttpResponse:
    raise AssertionError(request.path)
