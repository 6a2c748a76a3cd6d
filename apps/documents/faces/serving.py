"""
How contents leave the house: to be kept, or to be looked at where nothing in them can act.

What a content is was found out when it came in, and is believed by nobody: every answer shuts its content into a
sandbox of its own, tells the browser to guess nothing, and shows only what is on a short list. Everything else is for
keeping. These headers do not depend on what stands in front of us.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import quote

from django.conf import settings
from django.core.files.storage import Storage, default_storage
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _

from apps.documents.models import Blob, Bundle, DocumentVersion
from apps.documents.names import safe_file_name
from apps.documents.selectors import is_harmless_pdf
from apps.documents.storage import CHUNK, Contents, contents

PDF = "application/pdf"
# What a browser shows in our name, and as what; nothing in these acts. A PDF is asked about besides.
_SHOWN = {
    PDF: PDF,
    "image/png": "image/png",
    "image/jpeg": "image/jpeg",
    "image/webp": "image/webp",
    "image/gif": "image/gif",
    "text/plain": "text/plain; charset=utf-8",
}
_OCTETS = "application/octet-stream"
# What no browser takes for a page, whatever it does with it: files of offices, archives, sound and film; nothing that
# is XML by its name ("image/svg+xml").
_KEPT = re.compile(r"application/(vnd\.[a-z0-9.-]+|pdf|zip|gzip|msword|rtf)|(audio|video|image)/[a-z0-9.-]+")
_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; object-src 'self'; "
    "frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
)
_RANGE = re.compile(r"bytes=([0-9]*)-([0-9]*)")
# More digits are no place in a file.
_LONGEST_NUMBER = 18


@dataclass(frozen=True)
class Stored:
    """
    A file as it lies in a storage.

    :param digest: what tells it from every other, for browsers that keep it
    :param location: what nginx calls the directory of the storage; empty where it knows none
    """

    storage: Contents | Storage
    name: str
    size: int
    digest: str
    location: str = ""


def respond_with(version: DocumentVersion, request: Any, *, as_attachment: bool) -> HttpResponseBase:
    """
    Answer with the content of a version; that the caller may see it has been asked.

    :param as_attachment: it is to be kept; otherwise it is shown where that does no harm
    :raises Http404: the storage has lost it
    """
    return respond_with_blob(version.blob, request, file_name=version.file_name, as_attachment=as_attachment)


def respond_with_blob(
    blob: Blob, request: Any, *, file_name: str, as_attachment: bool, content_type: str = ""
) -> HttpResponseBase:
    """
    Answer with a content under a name.

    :param content_type: what we have made ourselves is known to be that
    :raises Http404: the storage has lost it
    """
    kind = content_type or blob.content_type
    is_shown = (
        not as_attachment and kind in _SHOWN and (kind != PDF or bool(content_type) or is_harmless_pdf(blob))
    )
    stored = Stored(contents(), blob.key, blob.size, blob.digest, settings.DOCUMENTS_ACCEL)
    said = _SHOWN[kind] if is_shown else kind if _KEPT.fullmatch(kind) else _OCTETS
    return respond(stored, request, file_name=file_name, content_type=said, as_attachment=not is_shown)


def respond_with_bundle(bundle: Bundle, request: Any) -> HttpResponseBase:
    """Answer with the file of a bundle. :raises Http404: the storage has lost it"""
    stored = Stored(default_storage, bundle.storage_name, bundle.size or 0, bundle.sha256)
    return respond(
        stored, request, file_name=bundle.file_name, content_type="application/zip", as_attachment=True
    )


def respond(
    stored: Stored, request: Any, *, file_name: str, content_type: str, as_attachment: bool
) -> HttpResponseBase:
    """
    Answer with a stored file: by nginx, by S3, or by ourselves, as it is set up.

    :raises Http404: the storage has lost it
    """
    # What DRF wraps.
    plain: HttpRequest = getattr(request, "_request", request)
    name = safe_file_name(file_name)
    disposition = content_disposition_header(as_attachment, name) or "attachment"
    if hasattr(stored.storage, "bucket_name"):
        response: HttpResponseBase = _sent_to_s3(stored, content_type, disposition)
    elif stored.location:
        response = _left_to_nginx(stored)
    else:
        response = _sent_by_us(stored, plain)
    response["Content-Type"] = content_type
    if response.status_code != 304:
        response["Content-Disposition"] = disposition
    return _made_safe(response)


def _made_safe(response: HttpResponseBase) -> HttpResponseBase:
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = _POLICY
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    # A page of ours may show it; the policy above says the same to newer browsers.
    response["X-Frame-Options"] = "SAMEORIGIN"
    # Kept by the person's own browser, which asks each time whether it still may show it.
    response.setdefault("Cache-Control", "private, no-cache")
    return response


def _sent_to_s3(stored: Stored, content_type: str, disposition: str) -> HttpResponse:
    """Send the browser to S3, with an address that works for a moment and says what our headers would."""
    parameters = {
        "ResponseContentType": content_type,
        "ResponseContentDisposition": disposition,
        "ResponseCacheControl": "private, no-store",
    }
    storage: Any = stored.storage
    address = storage.url(stored.name, parameters=parameters, expire=settings.DOCUMENTS_S3_SECONDS)
    # Not kept: the address ends.
    return HttpResponseRedirect(address, headers={"Cache-Control": "private, no-store"})


def _left_to_nginx(stored: Stored) -> HttpResponse:
    """Name the file to nginx, which answers ranges and conditions by itself."""
    place = f"/{stored.location.strip('/')}/{quote(stored.name)}"
    return HttpResponse(headers={"X-Accel-Redirect": place})


def _sent_by_us(stored: Stored, request: HttpRequest) -> HttpResponseBase:
    headers = {"ETag": f'"{stored.digest}"', "Accept-Ranges": "bytes"}
    if _is_known(request, headers["ETag"]):
        return HttpResponse(status=304, headers=headers)
    part = _asked_part(request, stored.size, headers["ETag"])
    if part is None:
        return HttpResponse(status=416, headers={**headers, "Content-Range": f"bytes */{stored.size}"})
    first, last = part
    length = last - first + 1
    headers["Content-Length"] = str(length)
    is_partial = length < stored.size
    if is_partial:
        headers["Content-Range"] = f"bytes {first}-{last}/{stored.size}"
    if request.method == "HEAD":
        return HttpResponse(headers=headers, status=206 if is_partial else 200)
    file = _opened(stored)
    file.seek(first)
    response = StreamingHttpResponse(
        _pieces(file, length), status=206 if is_partial else 200, headers=headers
    )
    response._resource_closers.append(file.close)  # type: ignore[attr-defined]
    return response


def _opened(stored: Stored) -> IO[bytes]:
    try:
        return stored.storage.open(stored.name)
    except OSError as error:
        raise Http404(_("The file is not where it was put.")) from error


def _is_known(request: HttpRequest, tag: str) -> bool:
    given = request.headers.get("If-None-Match", "")
    known = {each.strip().removeprefix("W/") for each in given.split(",")}
    return request.method in {"GET", "HEAD"} and bool(known & {tag, "*"})


def _asked_part(request: HttpRequest, size: int, tag: str) -> tuple[int, int] | None:
    """
    Return the first and the last byte that are asked for: all of them, unless it is one range of the same file.

    :return: None where there is nothing in the range
    """
    everything = (0, size - 1)
    found = _RANGE.fullmatch(request.headers.get("Range", "").replace(" ", ""))
    if request.method not in {"GET", "HEAD"} or found is None or request.headers.get("If-Range", tag) != tag:
        return everything
    first, last = found.groups()
    if (not first and not last) or max(len(first), len(last)) > _LONGEST_NUMBER:
        return everything
    if not first:
        return (max(size - int(last), 0), size - 1) if int(last) and size else None
    start, end = int(first), min(int(last), size - 1) if last else size - 1
    if last and int(last) < start:
        return everything
    return (start, end) if start < size else None


def _pieces(file: IO[bytes], length: int) -> Iterator[bytes]:
    while length > 0 and (piece := file.read(min(CHUNK, length))):
        length -= len(piece)
        yield piece
