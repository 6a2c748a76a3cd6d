"""Sending files as a client does, in Python and over REST."""

import hashlib
import io
import uuid
from typing import Any

from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.documents.models import UploadSession
from apps.documents.services import uploads
from tests.documents.factories import kind

BASE = "/api/v1/documents/upload-sessions/"
PIECE = "application/offset+octet-stream"


def begin(actor: User, data: bytes = b"hello", name: str = "notes.txt", **values: Any) -> UploadSession:
    """Open an upload of a new document of the plainest type."""
    if "document_id" not in values:
        values.setdefault("type_id", kind().pk)
    return uploads.open_upload(actor=actor, file_name=name, size=len(data), **values)


def send(session: UploadSession, data: bytes, actor: User, *, piece: int = 1 << 20) -> UploadSession:
    """Send all of a file, piece by piece."""
    for start in range(session.offset, len(data), piece):
        session = uploads.receive_part(
            session.pk, io.BytesIO(data[start : start + piece]), actor=actor, offset=start
        )
    return session


def upload(actor: User, data: bytes = b"hello", name: str = "notes.txt", **values: Any) -> UploadSession:
    """Open, send and finish."""
    session = send(begin(actor, data, name, **values), data, actor)
    return uploads.finish_upload(session.pk, actor=actor)


def post(api: APIClient, data: bytes, name: str = "notes.txt", **values: Any) -> dict[str, Any]:
    """Open an upload over REST."""
    body = {
        "file_name": name,
        "size": len(data),
        "type": kind().pk,
        "client_token": uuid.uuid4().hex,
        **values,
    }
    answer = api.post(BASE, body)
    assert answer.status_code == 201, answer.content
    return dict(answer.json())


def patch(api: APIClient, pk: int, data: bytes, offset: int, content_type: str = PIECE) -> Any:
    return api.patch(
        f"{BASE}{pk}/content/",
        data=data,
        content_type=content_type,
        headers={"Upload-Offset": str(offset)},
    )


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
