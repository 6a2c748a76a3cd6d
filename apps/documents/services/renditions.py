"""Making contents visible: what is made of each, once, by a worker, out of the platform's own process."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import IO

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from apps.documents import events, office, sandbox
from apps.documents.models import Blob, Rendition
from apps.documents.services import blobs

logger = logging.getLogger(__name__)

Kind, State, Reason = Rendition.Kind, Rendition.State, Rendition.Reason
PDF, TEXT, PICTURE = "application/pdf", "text/plain", "image/webp"
PICTURES = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif", "image/tiff", "image/bmp"})
# What LibreOffice is asked to open, by the ending that tells it what it is. No formats with macros.
OFFICE = {
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.oasis.opendocument.presentation": "odp",
    "application/msword": "doc",
    "application/vnd.ms-excel": "xls",
    "application/rtf": "rtf",
    "text/rtf": "rtf",
    "text/csv": "csv",
}
_PRESENTATIONS = {"pptx", "odp"}
# A worker that has said nothing for so long is gone; making a preview takes a minute at most.
_CLAIM = timedelta(minutes=5)
# So many workers may die at a content before it is left alone.
_ATTEMPTS = 3
# So many documents with a content are told that it can be seen; the pages of others find out with the next heartbeat.
_TOLD = 20


@dataclass
class _Made:
    """What there is of a content, before it is written down."""

    preview: Blob
    pages: dict[int, Blob] = field(default_factory=dict)
    thumbnail: Blob | None = None
    page_count: int | None = None


@transaction.atomic
def request_renditions(blob: Blob) -> bool:
    """Note that a content is to be made visible, unless that is noted already. :return: whether it waits now"""
    rendition, _is_new = Rendition.objects.get_or_create(source=blob, kind=Kind.PREVIEW, page=0)
    return rendition.state == State.PENDING


@transaction.atomic
def request_again(blob_ids: Iterable[int]) -> None:
    """Let contents be tried once more of which nothing came, as after LibreOffice was installed."""
    refused = Rendition.objects.filter(source__in=blob_ids, kind=Kind.PREVIEW, state=State.REFUSED)
    refused.update(state=State.PENDING, reason="", attempts=0, claimed_until=None)


def pending_renditions(limit: int) -> list[int]:
    """Return the contents that wait for longer than it takes a worker to hear of them."""
    now = timezone.now()
    waiting = Rendition.objects.filter(state=State.PENDING, created_at__lt=now - timedelta(minutes=1))
    free = waiting.filter(Q(claimed_until=None) | Q(claimed_until__lt=now))
    return list(free.order_by("id").values_list("source_id", flat=True)[:limit])


def make_renditions(blob_id: int) -> None:
    """
    Make what is to be made of a content and write it down; nothing where that is done, or somebody is at it.

    Parsing and storing happen outside of transactions.
    """
    if not _claim(blob_id):
        return
    blob = Blob.objects.get(pk=blob_id)
    try:
        made = _made_of(blob)
    except sandbox.Refused as refused:
        _settle(blob, reason=refused.reason)
        return
    except OSError:
        # `verify_documents` tells of it; `prepare_documents --again` tries it once it is back.
        logger.warning("the content %s cannot be read", blob.digest, exc_info=True)
        _settle(blob, reason=Reason.MISSING)
        return
    _keep(blob, made)


def _claim(blob_id: int) -> bool:
    now = timezone.now()
    rows = Rendition.objects.filter(source_id=blob_id, kind=Kind.PREVIEW, state=State.PENDING)
    free = rows.filter(Q(claimed_until=None) | Q(claimed_until__lt=now))
    is_claimed = free.update(claimed_until=now + _CLAIM, attempts=F("attempts") + 1) == 1
    if is_claimed and rows.filter(attempts__gt=_ATTEMPTS).exists():
        _settle(Blob.objects.get(pk=blob_id), reason=Reason.DAMAGED)
        return False
    return is_claimed


def _made_of(blob: Blob) -> _Made:
    """
    Make the files and keep them.

    :raises Refused: nothing can be made of it
    :raises OSError: the storage has lost the content
    """
    if blob.size > settings.DOCUMENTS_PREVIEW_MAX_BYTES:
        raise sandbox.Refused(Reason.TOO_LARGE)
    with blobs.open_blob(blob) as file:
        if blob.content_type == TEXT:
            return _Made(blob)
        if blob.content_type == PDF:
            return _of_pdf(file, blob)
        if blob.content_type in PICTURES:
            return _of_picture(file)
        if blob.content_type in OFFICE:
            return _of_office(file, OFFICE[blob.content_type])
    raise sandbox.Refused(Reason.UNSUPPORTED)


def _of_picture(file: IO[bytes]) -> _Made:
    with sandbox.work("picture", file) as outcome:
        pages, thumbnail = _kept(outcome.files)
    return _Made(pages[1], pages, thumbnail, page_count=1)


def _of_pdf(file: IO[bytes], blob: Blob | None = None) -> _Made:
    """Make pictures of the pages; the PDF itself is what is shown, and kept where it is new."""
    with sandbox.work("pdf", file, pages=settings.DOCUMENTS_PREVIEW_PAGES) as outcome:
        pages, thumbnail = _kept(outcome.files)
    if not pages:
        raise sandbox.Refused(Reason.DAMAGED)
    # Pictures of the pages do nothing, whatever the file would do.
    preview = pages[1] if outcome.facts.get("is_active", True) else blob or blobs.keep(file, content_type=PDF)
    return _Made(preview, pages, thumbnail, page_count=outcome.facts.get("pages"))


def _of_office(file: IO[bytes], suffix: str) -> _Made:
    try:
        with office.made_pdf(file, suffix) as made, made.open("rb") as pdf:
            return _of_pdf(pdf)
    except office.NothingMade as nothing:
        # Presentations take a part of LibreOffice that may be missing.
        reason = Reason.UNSUPPORTED if suffix in _PRESENTATIONS else Reason.DAMAGED
        raise sandbox.Refused(reason) from nothing


def _kept(files: list[Path]) -> tuple[dict[int, Blob], Blob | None]:
    pages, thumbnail = {}, None
    for path in files:
        with path.open("rb") as file:
            blob = blobs.keep(file, content_type=PICTURE)
        number = path.stem.rpartition("-")[2]
        if number.isdecimal():
            pages[int(number)] = blob
        else:
            thumbnail = blob
    return pages, thumbnail


@transaction.atomic
def _keep(blob: Blob, made: _Made) -> None:
    """Write down what was made, in one transaction, so that nobody sees half of it."""
    rows = [Rendition(kind=Kind.PAGE, page=number, blob=page) for number, page in made.pages.items()]
    if made.thumbnail is not None:
        rows.append(Rendition(kind=Kind.THUMBNAIL, blob=made.thumbnail))
    for row in rows:
        row.source, row.state = blob, State.READY
    Rendition.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["source", "kind", "page"],
        update_fields=["state", "blob", "reason"],
    )
    done = {"state": State.READY, "blob": made.preview, "page_count": made.page_count, "claimed_until": None}
    Rendition.objects.filter(source=blob, kind=Kind.PREVIEW).update(reason="", **done)
    _tell_watchers(blob)


@transaction.atomic
def _settle(blob: Blob, *, reason: str) -> None:
    waiting = Rendition.objects.filter(source=blob, kind=Kind.PREVIEW, state=State.PENDING)
    waiting.update(state=State.REFUSED, reason=reason, claimed_until=None)
    _tell_watchers(blob)


def _tell_watchers(blob: Blob) -> None:
    versions = blob.versions.order_by("-pk").values_list("document_id", flat=True)
    events.tell_watchers(*versions[:_TOLD])
