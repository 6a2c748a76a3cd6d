"""Valid rows of documents, made fast, and contents that lie in the storage of the tests."""

import io
from itertools import count
from typing import Any

from apps.accounts.models import User
from apps.documents.models import Blob, Document, DocumentType, DocumentVersion, Folder
from apps.documents.services import blobs
from apps.documents.services.documents import Content

_numbers = count(1)


def kind(code: str = "file") -> DocumentType:
    """Return a type that every installation begins with."""
    return DocumentType.objects.get(code=code)


def make_blob(content: bytes = b"", content_type: str = "text/plain") -> Blob:
    """Keep a content in the storage; a new one where none is named."""
    return blobs.keep(io.BytesIO(content or f"content {next(_numbers)}".encode()), content_type=content_type)


def make_content(content: bytes = b"", file_name: str = "notes.txt", **fields: Any) -> Content:
    return Content(make_blob(content), file_name, **fields)


def make_folder(name: str = "", parent: Folder | None = None, **fields: Any) -> Folder:
    return Folder.objects.create(name=name or f"Folder {next(_numbers)}", parent=parent, **fields)


def make_document(
    owner: User, title: str = "", content: bytes | None = None, *, file_name: str = "notes.txt", **fields: Any
) -> Document:
    """Make a document straight into the tables, with one version where a content is given."""
    fields = {"type": kind(), **fields}
    document = Document.objects.create(
        title=title or f"Document {next(_numbers)}", owner=owner, created_by=owner, **fields
    )
    if content is not None:
        version = DocumentVersion.objects.create(
            document=document,
            number=1,
            blob=make_blob(content),
            file_name=file_name,
            source=DocumentVersion.Source.UPLOAD,
            created_by=owner,
        )
        Document.objects.filter(pk=document.pk).update(current_version=version)
        document.refresh_from_db()
    return document
