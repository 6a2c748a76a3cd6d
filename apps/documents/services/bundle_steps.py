"""The job that writes a bundle: contents as they are, one behind the other, with harmless names."""

import hashlib
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import IO

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.files.storage import default_storage
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.documents.models import Bundle, Document, DocumentVersion
from apps.documents.names import numbered, safe_file_name
from apps.documents.services import blobs
from apps.documents.services.bundles import bundleable, may_bundle
from apps.documents.storage import chunks_of
from apps.jobs.kinds import JobCancelled, JobRefused, Reporter, Step
from apps.jobs.models import Job

# What a zip can say without its large form.
_LARGE = 2**31


@dataclass(frozen=True)
class Written:
    """A file that lies in the storage, and that no bundle speaks of yet."""

    storage_name: str
    sha256: str
    size: int
    count: int


def write_file(job: Job, reporter: Reporter) -> Written:
    """
    Write the whole file into the storage, outside of transactions. A worker that dies leaves it to the next, which
    begins anew, in the same place.

    :raises JobRefused: the owner may no longer do that, or nothing is left
    """
    bundle = Bundle.objects.select_related("owner").get(pk=job.params["bundle"])
    if not may_bundle(bundle.owner):
        raise JobRefused(_("You may no longer take documents away as a file."))
    allowed = bundleable(Document.objects.filter(pk__in=bundle.parts.values("document_id")), bundle.owner)
    parts = bundle.parts.filter(document__in=allowed).order_by("position")
    versions = [part.version for part in parts.select_related("version__blob")]
    if not versions:
        raise JobRefused(_("None of the documents is yours to take away any more."))
    with tempfile.TemporaryFile() as file:
        _write(versions, file, reporter)
        return _keep(bundle, file, len(versions))


def finish_step(job: Job, reporter: Reporter, written: Written) -> Step:
    """Let the bundle speak of its file."""
    bundle = Bundle.objects.get(pk=job.params["bundle"])
    bundle.storage_name, bundle.sha256, bundle.size = written.storage_name, written.sha256, written.size
    bundle.left_out = bundle.chosen - written.count
    bundle.finished_at = timezone.now()
    bundle.expires_at = bundle.finished_at + timedelta(hours=settings.BUNDLE_KEPT_HOURS)
    fields = ["storage_name", "size", "sha256", "left_out", "finished_at", "expires_at"]
    bundle.save(update_fields=fields)
    result = {"bundle": bundle.pk, "size": bundle.size, "left_out": bundle.left_out}
    return Step(done=written.count, total=bundle.chosen, result=result)


def _write(versions: list[DocumentVersion], file: IO[bytes], reporter: Reporter) -> None:
    # Stored, not packed: what documents hold is packed already, and packing it again only takes time.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        names = distinct_names([version.file_name for version in versions])
        for done, (version, name) in enumerate(zip(versions, names, strict=True)):
            if reporter.is_cancelled():
                raise JobCancelled
            reporter.progress(done, len(versions), name)
            _add(archive, version, name)


def _add(archive: zipfile.ZipFile, version: DocumentVersion, name: str) -> None:
    entry = zipfile.ZipInfo(name, timezone.localtime(version.created_at).timetuple()[:6])
    # A file that its owner reads and writes, whatever unpacks it.
    entry.external_attr = 0o600 << 16
    is_large = version.blob.size >= _LARGE
    try:
        content = blobs.open_blob(version.blob)
    except OSError as error:
        raise JobRefused(_("The content of “%(name)s” is not where it was put.") % {"name": name}) from error
    with content, archive.open(entry, "w", force_zip64=is_large) as target:
        for piece in chunks_of(content):
            target.write(piece)


def _keep(bundle: Bundle, file: IO[bytes], count: int) -> Written:
    """Store the file; what a dead worker has left is removed first."""
    directory = f"bundles/{bundle.created_at:%Y/%m}/{bundle.uid}"
    default_storage.delete(f"{directory}/bundle.zip")
    digest, size = hashlib.sha256(), 0
    file.seek(0)
    for piece in chunks_of(file):
        digest.update(piece)
        size += len(piece)
    file.seek(0)
    return Written(
        default_storage.save(f"{directory}/bundle.zip", File(file)), digest.hexdigest(), size, count
    )


def distinct_names(names: list[str]) -> Iterator[str]:
    """Yield harmless names, of which no two are one on any system: those that repeat are numbered."""
    taken: set[str] = set()
    for given in names:
        name = safe_file_name(given)
        at = 1
        while name.casefold() in taken:
            at += 1
            name = numbered(safe_file_name(given), at)
        taken.add(name.casefold())
        yield name


def ended(job: Job) -> None:
    """Note that the job has failed or was cancelled."""
    Bundle.objects.filter(pk=job.params["bundle"]).update(finished_at=timezone.now())


def resumed(job: Job) -> None:
    """Let the job be tried again. :raises ValidationError: the bundle was cleared away ("bundle_expired")"""
    bundle = Bundle.objects.select_for_update(of=("self",)).filter(pk=job.params["bundle"]).first()
    if bundle is None or bundle.expired_at is not None:
        raise ValidationError(
            _("This bundle has been cleared away. Ask for it again."), code="bundle_expired"
        )
    bundle.finished_at = None
    bundle.expires_at = timezone.now() + timedelta(hours=settings.BUNDLE_KEPT_HOURS)
    bundle.save(update_fields=["finished_at", "expires_at"])
