"""What can be wrong with contents and uploads, and how it is put right."""

import re
from collections.abc import Iterator
from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.documents.integrity import Check, Found, Look, Wrong, add_check
from apps.documents.models import Blob, DocumentVersion, UploadSession
from apps.documents.services import blobs, uploads
from apps.documents.storage import Stored, contents, direct
from apps.jobs.models import Job

# What is younger may still be on its way.
_SETTLED = timedelta(days=1)
_LATE = timedelta(hours=1)
_KEY = re.compile(r"sha256/([0-9a-f]{2})/([0-9a-f]{2})/(\1\2[0-9a-f]{60})")
_PIECE = re.compile(r"uploads/(\d{1,18})/")
_UNDER_WAY = (UploadSession.State.OPEN, UploadSession.State.VERIFYING)


def register_checks() -> None:
    """Add the checks of this room; called from the app's ready()."""
    add_check(
        Check(
            "contents",
            find_contents,
            (
                Wrong(
                    "missing",
                    _("Contents that are gone"),
                    _(
                        "The content of “%(name)s” is not in the storage any more. Upload the same file again."
                    ),
                ),
                Wrong(
                    "changed",
                    _("Contents that are not what was stored"),
                    _("The content of “%(name)s” is not what was stored. Upload the same file again."),
                ),
                Wrong(
                    "orphan",
                    _("Files that belong to nothing"),
                    _("%(subject)s lies in the storage and belongs to no document."),
                    mend_orphan,
                ),
                Wrong(
                    "stray",
                    _("Files that do not belong here"),
                    _("%(subject)s lies among the contents and is none."),
                ),
                Wrong(
                    "unused",
                    _("Contents that nobody uses"),
                    _("A content of %(size)s bytes is used by no document."),
                    lambda subject: blobs.remove_unused(int(subject)),
                ),
            ),
        )
    )
    add_check(
        Check(
            "uploads",
            find_uploads,
            (
                Wrong(
                    "upload_leftover",
                    _("Leftovers of uploads"),
                    _("%(subject)s is left of an upload that has ended."),
                    mend_leftover,
                ),
                Wrong(
                    "multipart_leftover",
                    _("Uploads to the storage that were never finished"),
                    _("%(key)s was begun in the storage and belongs to no upload."),
                    mend_multipart,
                ),
                Wrong(
                    "upload_stuck",
                    _("Uploads that nobody checks"),
                    _("“%(name)s” waits to be checked since %(since)s."),
                    lambda subject: bool(uploads.sweep_uploads()),
                ),
            ),
        )
    )
    add_check(
        Check(
            "jobs",
            find_stuck_jobs,
            (
                Wrong(
                    "job_stuck",
                    _("Jobs that nobody works on"),
                    _("The job “%(title)s” has not gone on since %(since)s. Look whether the workers run."),
                ),
            ),
        )
    )


# Contents


def find_contents(look: Look) -> Iterator[Found]:
    """Compare rows and files, one two-hundred-and-fifty-sixth of them at a time."""
    for first in range(256):
        rows = Blob.objects.filter(sha256__gte=bytes([first]))
        if first < 255:
            rows = rows.filter(sha256__lt=bytes([first + 1]))
        known = {blob.key: blob for blob in rows.iterator()}
        lying = {each.key: each for each in contents().stored(f"sha256/{first:02x}/")}
        look.count("contents", len(known))
        look.count("files", len(lying))
        for key, blob in known.items():
            yield from _wrong_with(blob, lying.get(key), look)
        for key in lying.keys() - known.keys():
            yield from _belonging_to_nothing(lying[key])
        look.count("steps")
    for blob in Blob.objects.filter(blobs.unused()).iterator():
        yield Found("unused", str(blob.pk), {"size": blob.size, "digest": blob.digest})


def _wrong_with(blob: Blob, file: Stored | None, look: Look) -> Iterator[Found]:
    if file is None:
        yield from _missing(blob)
        return
    is_right = file.size == blob.size
    if is_right and (look.is_deep or blob.missing_since is not None):
        is_right = _is_what_it_was(blob, look)
    if is_right:
        if look.is_deep or blob.missing_since is not None:
            Blob.objects.filter(pk=blob.pk).update(verified_at=timezone.now(), missing_since=None)
        return
    _note_missing(blob)
    if name := name_of(blob):
        yield Found("changed", blob.digest, {"name": name, "size": blob.size, "found_size": file.size})


def _missing(blob: Blob) -> Iterator[Found]:
    # Removed, or brought, since the rows were read: asked again before anything is said.
    blob_now = Blob.objects.filter(pk=blob.pk).first()
    if blob_now is None or contents().exists(blob.key):
        return
    _note_missing(blob_now)
    if name := name_of(blob_now):
        yield Found("missing", blob.digest, {"name": name, "size": blob.size})


def _note_missing(blob: Blob) -> None:
    """Have the content taken again from whoever brings the same file."""
    Blob.objects.filter(pk=blob.pk, missing_since=None).update(missing_since=timezone.now())


def _is_what_it_was(blob: Blob, look: Look) -> bool:
    with blobs.open_blob(blob) as file:
        digests = blobs.digests_of(file)
    look.count("bytes", digests.size)
    return digests.sha256 == bytes(blob.sha256)


def name_of(blob: Blob) -> str:
    """Say whose content this is, for a person; "" where nobody uses it."""
    version = DocumentVersion.objects.filter(blob=blob).select_related("document").order_by("-pk").first()
    if version is not None:
        return f"{version.document} · {version.file_name}"
    is_used = any(model._base_manager.filter(**{column: blob.pk}).exists() for model, column in blobs.uses())
    return blob.digest if is_used else ""


def _belonging_to_nothing(file: Stored) -> Iterator[Found]:
    if file.modified_at > timezone.now() - _SETTLED:
        return
    is_partial = "/.part-" in file.key
    yield Found(
        "orphan" if _KEY.fullmatch(file.key) or is_partial else "stray", file.key, {"size": file.size}
    )


def mend_orphan(key: str) -> bool:
    """Delete a file that belongs to nothing, unless its content has been kept meanwhile."""
    named = _KEY.fullmatch(key)
    if named is not None:
        return blobs.remove_orphan(named[3])
    contents().delete(key)
    return True


# Uploads


def find_uploads(look: Look) -> Iterator[Found]:
    """Find what is left of uploads that have ended, and those that nobody goes on with."""
    for file in contents().stored("uploads/"):
        look.count("pieces")
        if _is_leftover(file.key) and file.modified_at < timezone.now() - _LATE:
            yield Found("upload_leftover", file.key, {"size": file.size})
    storage = direct()
    for key, multipart_id, begun_at in storage.unfinished("uploads/") if storage else ():
        is_known = UploadSession.objects.filter(multipart_id=multipart_id, state__in=_UNDER_WAY).exists()
        if not is_known and begun_at < timezone.now() - _LATE:
            yield Found("multipart_leftover", f"{key} {multipart_id}"[:300], {"key": key})
    late = timezone.now() - _LATE
    for session in UploadSession.objects.filter(state=UploadSession.State.VERIFYING, lease_until__lt=late):
        facts = {"name": session.file_name, "since": f"{session.lease_until:%Y-%m-%d %H:%M}"}
        yield Found("upload_stuck", str(session.pk), facts)


def _is_leftover(key: str) -> bool:
    named = _PIECE.match(key)
    return named is None or not UploadSession.objects.filter(pk=named[1], state__in=_UNDER_WAY).exists()


def mend_leftover(key: str) -> bool:
    """Delete a piece of an upload that has ended: it is never opened again."""
    if not _is_leftover(key):
        return False
    contents().delete(key)
    return True


def mend_multipart(subject: str) -> bool:
    """Give up what was begun in the storage and belongs to no upload."""
    storage = direct()
    if storage is None:
        return False
    key, _space, multipart_id = subject.partition(" ")
    storage.abort_multipart(key, multipart_id)
    return True


# Jobs


def find_stuck_jobs(look: Look) -> Iterator[Found]:
    """Find long work about documents that has not gone on for an hour: the sweep of jobs sends it again by itself."""
    waiting = [Job.State.QUEUED, Job.State.RUNNING]
    stuck = Job.objects.filter(
        kind__startswith="documents.", state__in=waiting, lease_until__lt=timezone.now() - _LATE
    )
    for job in stuck:
        look.count("jobs")
        yield Found(
            "job_stuck", str(job.pk), {"title": job.title, "since": f"{job.lease_until:%Y-%m-%d %H:%M}"}
        )
