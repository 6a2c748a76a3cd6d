"""What every request passes through first."""

import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import cast

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import BadRequest
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from apps.common.logs import request_id

_Next = Callable[[HttpRequest], HttpResponse]
_ID = re.compile(r"[\w-]{1,64}", re.ASCII)
# So many bytes are read in one go at least, each of which costs a change of threads.
_ENOUGH = 64 * 1024


class RequestIdMiddleware:
    """Takes the caller's X-Request-Id, or makes one, and gives it to the log and back to the caller."""

    def __init__(self, get_response: _Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # Not `headers`, which are made of the whole environment.
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        token = request_id.set(given if _ID.fullmatch(given) else uuid.uuid4().hex)
        try:
            response = self.get_response(request)
            response["X-Request-Id"] = request_id.get()
        finally:
            request_id.reset(token)
        return response


class StreamMiddleware:
    """
    Sends what is long piece by piece under ASGI, and gives the connection to the database back before that.

    Django would read there as a whole what it cannot await. And a connection that waits for the end of a slow download is
    one that no other request has.
    """

    def __init__(self, get_response: _Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not response.streaming or not hasattr(request, "scope"):
            return response
        streamed = cast(StreamingHttpResponse, response)
        if not streamed.is_async:
            streamed.streaming_content = _awaited(iter(cast("Iterator[bytes]", streamed.streaming_content)))
        if not connection.in_atomic_block:
            connection.close()
        return response


async def _awaited(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    def read() -> bytes:
        read, size = [], 0
        while size < _ENOUGH and (piece := next(pieces, None)) is not None:
            read.append(piece)
            size += len(piece)
        return b"".join(read)

    while piece := await sync_to_async(read, thread_sensitive=False)():
        yield piece


class PlainAddressMiddleware:
    """Refuses an address with a NUL character in it, which no text of ours has and PostgreSQL does not take."""

    def __init__(self, get_response: _Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "%00" in request.META.get("QUERY_STRING", ""):
            raise BadRequest("a NUL character in the address")
        return self.get_response(request)


class BodyLimitMiddleware:
    """
    Refuses a request that says it is larger than anything we take, before a byte of it is read.

    Only files are large; Django bounds forms by itself, REST framework reads any JSON there is into memory.
    """

    def __init__(self, get_response: _Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        size = request.META.get("CONTENT_LENGTH") or "0"
        is_json = request.content_type == "application/json"
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE if is_json else settings.BODY_MAX_BYTES
        if not size.isdecimal() or (len(size) < 20 and int(size) <= most):
            return self.get_response(request)
        detail = _("The file is larger than %(limit)s, the most that is accepted here.") % {
            "limit": filesizeformat(most if is_json else settings.IMPORT_MAX_BYTES)
        }
        if request.path.startswith("/api/"):
            body = {"type": "about:blank", "title": detail, "status": 413, "code": "too_large"}
            return JsonResponse(body, status=413, content_type="application/problem+json")
        return render(request, "too_large.html", {"detail": detail}, status=413)
