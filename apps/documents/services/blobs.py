"""
Keeping contents: each once, under its digest.

The row comes first and says that the content is not there yet; once it is, the row says so. Whoever deletes what nobody
uses asks for the row under the same lock, and so never takes away what is just being kept.
"""

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import IO, Any

from django.core.files import File
from django.db import connection, models, transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone

from apps.documents.models import Blob
from apps.documents.models.blobs import key_of
from apps.documents.storage import chunks_of, contents
from apps.events.failpoints import failpoint

# What was kept and is not used by then is removed: an upload is checked and written down within minutes.
UNUSED_AFTER = timedelta(days=1)


@dataclass(frozen=True)
class Digests:
    """What a content is known by; the size in bytes."""

    sha256: bytes
    md5: bytes
    size: int


def digests_of(file: IO[bytes]) -> Digests:
    """Read a file through from its beginning and return its digests."""
    file.seek(0)
    # Google Drive and S3 know contents by their MD5; nothing is trusted because of it.
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    for piece in chunks_of(file):
        sha256.update(piece)
        md5.update(piece)
        size += len(piece)
    return Digests(sha256.digest(), md5.digest(), size)


def keep(
    file: IO[bytes],
    *,
    content_type: str,
    flags: Collection[str] = (),
    digests: Digests | None = None,
    lies_at: str = "",
) -> Blob:
    """
    Keep the content of a file, unless it is kept already.

    The storage may be far away: call this outside of transactions. What is kept and never used is found by
    `verify_documents`.

    :param file: readable from its beginning, and seekable
    :param content_type: what the content was found to be
    :param flags: what was found in it that would do something (`kinds.Kind.flags`)
    :param digests: where the caller has read it through already
    :param lies_at: where the storage has the same content, which it then copies by itself
    """
    digests = digests or digests_of(file)
    blob = _claimed(digests, content_type, flags)
    if blob.missing_since is None:
        return blob
    failpoint("blob.before_saving")
    if lies_at:
        contents().copy_within(lies_at, blob.key)
    else:
        file.seek(0)
        contents().save(blob.key, File(file))
    failpoint("blob.before_told")
    blob.missing_since, blob.verified_at = None, timezone.now()
    blob.save(update_fields=["missing_since", "verified_at"])
    return blob


def open_blob(blob: Blob) -> IO[bytes]:
    """Open a kept content for reading. :raises FileNotFoundError: the storage has lost it"""
    file: IO[bytes] = contents().open(blob.key)
    return file


def _claimed(digests: Digests, content_type: str, flags: Collection[str]) -> Blob:
    """Return the row of a content, wanted from now on: a new one says that the content is still missing."""
    with transaction.atomic():
        lock_content(digests.sha256)
        Blob.objects.filter(sha256=digests.sha256).update(kept_at=Now())
        blob, _is_new = Blob.objects.get_or_create(
            sha256=digests.sha256,
            defaults={
                "md5": digests.md5,
                "size": digests.size,
                "content_type": content_type,
                "flags": sorted(flags),
                "missing_since": timezone.now(),
            },
        )
    return blob


def lock_content(sha256: bytes) -> None:
    """Be alone with one content until the transaction ends: to write its row down, or to delete it."""
    # A key of 64 bits out of a digest is as good as one of the whole: two contents that share it only wait.
    key = int.from_bytes(sha256[:8], signed=True)
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", [key])


def uses() -> list[tuple[type[models.Model], str]]:
    """Return each model and column by which a content is used, whichever room of the app they are of."""
    found: Any = Blob._meta.related_objects
    return [(relation.related_model, relation.field.attname) for relation in found]


def unreferenced(*, but: Collection[tuple[type[models.Model], str]] = ()) -> Q:
    """
    Return which contents nobody uses.

    :param but: models and columns that do not count as a use
    """
    conditions = Q()
    for model, column in uses():
        if (model, column) not in but:
            conditions &= Q(~Exists(model._base_manager.filter(**{column: OuterRef("pk")})))
    return conditions


def unused() -> Q:
    """Return which contents nobody uses, and nobody has wanted for a day."""
    return Q(kept_at__lt=Now() - UNUSED_AFTER) & unreferenced()


def remove_unused(blob_id: int, condition: Callable[[], Q] = unused) -> bool:
    """
    Delete a content that nobody uses, row and file; tell whether that was still so.

    The row says first that the content is missing: should this process die between the file and the row, whoever keeps
    the same content brings it again. The file is deleted under the content's lock, for which they wait.

    :param condition: returns which contents nobody uses
    """
    with transaction.atomic():
        blob = _locked_unused(blob_id, condition)
        if blob is None:
            return False
        Blob.objects.filter(pk=blob_id).update(missing_since=timezone.now())
    with transaction.atomic():
        blob = _locked_unused(blob_id, condition)
        if blob is None:
            return False
        contents().delete(blob.key)
        failpoint("blob.after_deleting")
        blob.delete()
    return True


def _locked_unused(blob_id: int, condition: Callable[[], Q]) -> Blob | None:
    known = Blob.objects.filter(pk=blob_id).first()
    if known is None:
        return None
    lock_content(bytes(known.sha256))
    return Blob.objects.select_for_update().filter(condition(), pk=blob_id).first()


@transaction.atomic
def remove_orphan(digest: str) -> bool:
    """
    Delete what lies under a digest that no row has; tell whether that was still so.

    :param digest: in hexadecimal digits
    """
    sha256 = bytes.fromhex(digest)
    lock_content(sha256)
    if Blob.objects.filter(sha256=sha256).exists():
        return False
    contents().delete(key_of(digest))
    return True
