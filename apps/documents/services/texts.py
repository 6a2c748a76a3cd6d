"""The words of documents: read out of their contents by a process of their own, and kept where the search finds them."""

import logging

from django.conf import settings
from django.db import DataError, OperationalError, connection, transaction
from django.db.models import F

from apps.documents import sandbox
from apps.documents.models import Blob, Document, DocumentText
from apps.documents.selectors import LANGUAGES
from apps.documents.services import blobs
from apps.documents.services.renditions import OFFICE, PDF, TEXT

logger = logging.getLogger(__name__)

# Types of content with words, by what the process calls them.
_READABLE = {
    PDF: "pdf",
    TEXT: "txt",
    "text/csv": "txt",
    **{kind: suffix for kind, suffix in OFFICE.items() if suffix in {"docx", "xlsx"}},
}
# The words of a text, in every language that we know. PostgreSQL takes at most a megabyte of them.
_WORDS = " || ".join(f"to_tsvector('{language}', left(%(text)s, %(length)s))" for language in LANGUAGES)


@transaction.atomic
def request_text(document_id: int) -> bool:
    """
    Note that the words of a document's current version are to be read, unless they are known.

    :return: whether they are waited for now
    """
    document = Document.objects.filter(pk=document_id, current_version__isnull=False).first()
    if document is None or document.current_version_id is None:
        return False
    values = {"version_id": document.current_version_id, "text": "", "words": None}
    text, is_new = DocumentText.objects.get_or_create(document=document, defaults=values)
    if not is_new and text.version_id != document.current_version_id:
        DocumentText.objects.filter(pk=text.pk).update(**values)
        return True
    return is_new or text.words is None


def unread_documents(limit: int) -> list[int]:
    """Return the documents whose words wait to be read."""
    unread = DocumentText.objects.filter(words=None).order_by("document_id")
    return list(unread.values_list("document_id", flat=True)[:limit])


def read_text(document_id: int) -> None:
    """
    Read the words of a document and keep them; nothing where that is done already, or it has another version meanwhile.

    Parsing happens outside of transactions.
    """
    rows = DocumentText.objects.filter(
        pk=document_id, words=None, version_id=F("document__current_version_id")
    )
    waiting = rows.select_related("version__blob").defer("text").first()
    if waiting is None:
        return
    try:
        text = _text_of(waiting.version.blob)
    except sandbox.Refused as refused:
        # What cannot be read has no words, and is not tried again.
        logger.info("no words in version %s: %s", waiting.version_id, refused.reason)
        text = ""
    except OSError:
        # `verify_documents` tells of it; `prepare_documents --again` reads it once it is back.
        logger.warning("the content %s cannot be read", waiting.version.blob.digest, exc_info=True)
        text = ""
    _keep(waiting, text)


def _text_of(blob: Blob) -> str:
    """
    Return the text of a content; empty for what has none.

    :raises Refused: it cannot be read
    :raises OSError: the storage has lost it
    """
    kind = _READABLE.get(blob.content_type)
    if kind is None or blob.size > settings.DOCUMENTS_PREVIEW_MAX_BYTES:
        return ""
    with blobs.open_blob(blob) as file, sandbox.work("text", file, kind=kind) as outcome:
        (written,) = outcome.files
        return written.read_text(encoding="utf-8")


def _keep(waiting: DocumentText, text: str) -> None:
    """Write down a text with its words: as many of them, from the beginning, as PostgreSQL takes."""
    length = len(text)
    while not _written(waiting, text, length):
        length //= 2


def _written(waiting: DocumentText, text: str, length: int) -> bool:
    update = f"""
        update documents_documenttext set text = %(text)s, words = {_WORDS}
        where document_id = %(document)s and version_id = %(version)s"""  # noqa: S608 - names of our own
    params = {"text": text, "length": length, "document": waiting.pk, "version": waiting.version_id}
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(update, params)
    except (DataError, OperationalError) as error:
        # "string is too long for tsvector": anything else is not ours to mend.
        if getattr(error.__cause__, "sqlstate", "") != _TOO_LONG or not length:
            raise
        return False
    return True


# program_limit_exceeded
_TOO_LONG = "54000"
