"""Contents that arrive: at once, together with what is said of them, or in parts of an upload that can be resumed."""

import re
from datetime import timedelta
from email.message import Message
from typing import Any

from tests.fakes.drive.api import files, metadata
from tests.fakes.drive.api.context import Context, answer_file, find
from tests.fakes.drive.exchange import Reply, Request, parsed
from tests.fakes.drive.model import Blob, Item, Session, new_id
from tests.fakes.drive.refusals import Refusal, forbidden, invalid
from tests.fakes.drive.schema import Operation, route

SESSION_LIFE = timedelta(days=7)
# Every part but the last is a multiple of it.
GRAIN = 256 * 1024
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


def begin(context: Context, request: Request) -> Reply:
    """Take in a content at once, or begin an upload that can be resumed."""
    kind = request.params.get("uploadType", "")
    if kind == "media":
        writer = context.store.blobs.writer()
        for block in request.blocks():
            writer.write(request.taken(block))
        return _take(context, request, {}, writer.finish(), request.headers.get("content-type"))
    if kind == "multipart":
        said, content, mime = _apart(request)
        return _take(context, request, said, context.store.blobs.blob(content), mime)
    if kind == "resumable":
        return _begin_session(context, request)
    raise invalid("uploadType", f"Invalid upload type: {kind}")


def _apart(request: Request) -> tuple[dict[str, Any], bytes, str]:
    """Return the two parts of a body of multipart/related: what is said, the content with its type."""
    header = Message()
    header["Content-Type"] = request.headers.get("content-type", "")
    boundary = header.get_param("boundary")
    parts = request.body().split(b"--" + str(boundary).encode())
    if header.get_content_type() != "multipart/related" or len(parts) != 4:
        raise Refusal(400, "badContent", "Malformed multipart body.")
    (_, first), (mime, content) = (_part(part) for part in parts[1:3])
    request.said = parsed(first)
    return request.said, request.taken(content), mime


def _part(part: bytes) -> tuple[str, bytes]:
    # The blank line shows whether lines end with one character or two.
    blank = re.search(rb"(\r?\n)\1", part)
    if blank is None:
        raise Refusal(400, "badContent", "Malformed multipart body.")
    found = re.search(rb"(?im)^content-type:\s*([^\r\n;]+)", part[: blank.start()])
    # The line end before the boundary belongs to the boundary.
    content = part[blank.end() :].removesuffix(blank[1])
    return (found[1].decode().strip() if found else "application/octet-stream"), content


def _take(context: Context, request: Request, said: dict[str, Any], blob: Blob, mime: str | None) -> Reply:
    with context.store.lock:
        return answer_file(context, request, _taken(context, request, said, blob, mime))


def _taken(context: Context, request: Request, said: dict[str, Any], blob: Blob, mime: str | None) -> Item:
    metadata.check(said)
    mime = mime or "application/octet-stream"
    if request.name == "files.create":
        item = metadata.prepare(context, request, said, mime, blob.size)
        return context.store.add(item, blob)
    item = find(context, request)
    _check_content(context, request, item, blob.size)
    files.change(context, request, item, said)
    context.store.set_content(item, blob, request.viewer, said.get("mimeType") or mime)
    return item


def _check_content(context: Context, request: Request, item: Item, size: int) -> None:
    files.check_may_edit(context, item, request.viewer)
    if item.is_native:
        raise forbidden("fileNotDownloadable", "The content of this file cannot be replaced.")
    # The room is asked for as if the old content did not count, for it goes on counting as a revision.
    metadata.check_room(context, request, item, size, item.mime, grows=0)


def _begin_session(context: Context, request: Request) -> Reply:
    said = metadata.check(request.json())
    total = request.headers.get("x-upload-content-length")
    mime = request.headers.get("x-upload-content-type") or said.get("mimeType") or "application/octet-stream"
    with context.store.lock:
        if request.name == "files.create":
            metadata.prepare(context, request, said, mime, int(total or 0))
        else:
            _check_content(context, request, find(context, request), int(total or 0))
        session = Session(
            id=new_id("A", 40),
            operation=request.name,
            file_id=request.values.get("fileId"),
            params=request.params,
            metadata=said,
            mime=mime,
            by=request.viewer,
            expires=context.store.clock.now() + SESSION_LIFE,
            total=int(total) if total else None,
        )
        context.store.sessions[session.id] = session
    context.uploading[session.id] = context.store.blobs.writer()
    where = f"{context.base}{request.path}?uploadType=resumable&upload_id={session.id}"
    return Reply(200, headers={"Location": where, "X-GUploader-UploadID": session.id})


def _session(context: Context, request: Request) -> Session:
    session = context.store.sessions.get(request.params.get("upload_id", ""))
    if session is None:
        raise Refusal(404, "notFound", "Upload session not found.")
    if session.expires <= context.store.clock.now():
        raise Refusal(session.status_when_expired, "notFound", "The upload session has expired.")
    return session


def cancel(context: Context, request: Request) -> Reply:
    session = _session(context, request)
    with context.store.lock:
        del context.store.sessions[session.id]
    writer = context.uploading.pop(session.id, None)
    if writer is not None:
        writer.discard()
    return Reply(499)


def chunk(context: Context, request: Request) -> Reply:
    """Take in a part of an upload, or tell how much has arrived."""
    session = _session(context, request)
    if session.finished is not None:
        return _finished(context, request, session)
    found = _RANGE.fullmatch(
        request.headers.get("content-range", f"bytes 0-{request.length - 1}/{request.length}")
    )
    if found is None and request.length:
        raise Refusal(400, "badRequest", "Failed to parse Content-Range header.")
    total = _total(session, found[3] if found else "0")
    if session.id not in context.uploading:
        # What had arrived went with the process.
        context.uploading[session.id] = context.store.blobs.writer()
        session.received = 0
    if found is not None and found[1] is not None:
        _receive(context, request, session, int(found[1]), int(found[2]), total)
    is_question = found is not None and found[1] is None
    if total is not None and session.received == total and not (is_question and total):
        return _finish(context, request, session)
    headers = {"Range": f"bytes=0-{session.received - 1}"} if session.received else {}
    return Reply(308, headers={**headers, "X-GUploader-UploadID": session.id})


def _total(session: Session, said: str) -> int | None:
    if said != "*":
        if session.total is not None and session.total != int(said):
            raise Refusal(400, "badRequest", "The total size of the upload has changed.")
        session.total = int(said)
    return session.total


def _receive(
    context: Context, request: Request, session: Session, first: int, last: int, total: int | None
) -> None:
    size = last - first + 1
    if first > session.received or size != request.length:
        raise Refusal(
            400, "badRequest", f"Invalid request. There were {session.received} byte(s) in the session."
        )
    is_last = total is not None and last + 1 == total
    if not is_last and size % GRAIN:
        raise Refusal(400, "badRequest", "Invalid request. The size of a part must be a multiple of 262144.")
    skip, left = session.received - first, size
    if request.lets_through is not None:
        left = min(size, skip + request.lets_through // GRAIN * GRAIN)
    writer = context.uploading[session.id]
    at = 0
    for block in request.blocks():
        wanted = block[max(0, skip - at) : max(0, left - at)]
        at += len(block)
        writer.write(request.taken(wanted))
        session.received += len(wanted)


def _finish(context: Context, request: Request, session: Session) -> Reply:
    blob = context.uploading.pop(session.id).finish()
    asked = _as_begun(request, session)
    with context.store.lock:
        try:
            item = _taken(context, asked, session.metadata, blob, session.mime)
        except Refusal:
            context.store.sessions.pop(session.id, None)
            raise
        session.finished = item.id
        return answer_file(context, asked, item)


def _finished(context: Context, request: Request, session: Session) -> Reply:
    # Whoever asks again hears the same answer; the bytes of the question are not looked at.
    request.body()
    with context.store.lock:
        asked = _as_begun(request, session)
        return answer_file(context, asked, find(context, asked, session.finished))


def _as_begun(request: Request, session: Session) -> Request:
    """Return the request that began an upload, for its end is answered as if it were that."""
    values = {"fileId": session.file_id} if session.file_id else {}
    method = "POST" if session.operation == "files.create" else "PATCH"
    operation: Operation = route(method, "/".join(["/drive/v3/files", *values.values()]))[0]
    return Request(
        method=method,
        path=request.path,
        params=session.params,
        headers={},
        stream=request.stream,
        length=0,
        name=session.operation,
        operation=operation,
        values=values,
        viewer=session.by,
    )
