"""The job that writes all that is kept about a person: a file of JSON for each kind of rows, and the files themselves."""

import base64
import hashlib
import json
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.files.storage import default_storage
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from apps.accounts import access
from apps.common.personal import Place
from apps.crm.models import Disclosure
from apps.crm.services import disclosing
from apps.crm.services.subjects import subject_of, to_tell
from apps.documents.names import safe_file_name
from apps.documents.storage import chunks_of
from apps.jobs.kinds import JobCancelled, JobRefused, Reporter, Step
from apps.jobs.models import Job
from apps.lists.services.export_files import kept_for

_BLOCK = 500


@dataclass(frozen=True)
class Written:
    """A file that lies in the storage, and that no disclosure speaks of yet."""

    storage_name: str
    sha256: str
    size: int
    rows: int
    files: int


def write_file(job: Job, reporter: Reporter) -> Written:
    """
    Write the whole file into the storage, outside of transactions. A worker that dies leaves it to the next, which
    begins anew, in the same place.

    :raises JobRefused: the owner may no longer do that, or the person has been erased
    """
    disclosure = _open(job)
    with tempfile.TemporaryFile() as file:
        rows, files = _write(disclosure, file, reporter)
        return _keep(disclosure, file, rows, files)


def finish_step(job: Job, reporter: Reporter, written: Written) -> Step:
    """Let the disclosure speak of its file. :raises JobRefused: the person has been erased meanwhile"""
    # Locked, for an erasure removes what is there.
    Disclosure.objects.select_for_update(of=("self",)).get(pk=job.params["disclosure"])
    disclosure = _open(job)
    disclosure.storage_name, disclosure.sha256, disclosure.size = (
        written.storage_name,
        written.sha256,
        written.size,
    )
    disclosure.rows, disclosure.files = written.rows, written.files
    disclosure.finished_at = timezone.now()
    disclosure.expires_at = disclosure.finished_at + kept_for()
    told = ["storage_name", "sha256", "size", "rows", "files", "finished_at", "expires_at"]
    disclosure.save(update_fields=told)
    result = {"disclosure": disclosure.pk, "rows": written.rows, "files": written.files}
    return Step(done=written.rows, total=written.rows, result=result)


def _open(job: Job) -> Disclosure:
    found = Disclosure.objects.select_related("owner", "person").get(pk=job.params["disclosure"])
    if not access.can(found.owner, "disclose", found.person):
        raise JobRefused(_("You may no longer take away what is kept about this person."))
    if found.expired_at is not None or found.person.erased_at is not None:
        default_storage.delete(disclosing.file_of(found))
        raise JobRefused(_("This person has been erased, and does not come back."))
    return found


def _write(disclosure: Disclosure, file: IO[bytes], reporter: Reporter) -> tuple[int, int]:
    """Write the rows of each place, then what belongs to them. :return: how many rows, how many files"""
    rows, files = 0, 0
    subject = subject_of(disclosure.person)
    # Field names and kinds are those of the API, and English.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive, override("en"):
        for place in to_tell(subject):
            if reporter.is_cancelled():
                raise JobCancelled
            found = place.rows(subject)
            count = _write_rows(archive, place, found)
            rows += count
            if place.files is not None and count:
                for name, open_ in place.files(found):
                    _write_content(archive, f"files/{safe_file_name(name)}", open_)
                    files += 1
            reporter.progress(rows, None, place.label)
    return rows, files


def _write_rows(archive: zipfile.ZipFile, place: Place, found: models.QuerySet[Any]) -> int:
    count = 0
    for row in found.order_by("pk").values(*_told_columns(place)).iterator(chunk_size=_BLOCK):
        if not count:
            target = archive.open(f"{place.label}.json", "w", force_zip64=True)
        target.write(b"[\n" if not count else b",\n")
        target.write(json.dumps(row, cls=_Encoder, ensure_ascii=False, indent=1).encode())
        count += 1
    if count:
        target.write(b"\n]\n")
        target.close()
    return count


def _told_columns(place: Place) -> Iterator[str]:
    """Yield what is told of a row: all that stands in it, but for secrets."""
    for column in place.model._meta.concrete_fields:
        if column.name not in place.hidden and not isinstance(column, models.CompositePrimaryKey):
            yield column.attname


def _write_content(archive: zipfile.ZipFile, name: str, open_: Any) -> None:
    try:
        content = open_()
    except OSError as error:
        raise JobRefused(_("The content of “%(name)s” is not where it was put.") % {"name": name}) from error
    with content, archive.open(name, "w", force_zip64=True) as target:
        for piece in chunks_of(content):
            target.write(piece)


class _Encoder(DjangoJSONEncoder):
    def default(self, o: Any) -> Any:
        if isinstance(o, bytes | memoryview):
            return base64.b64encode(bytes(o)).decode()
        return super().default(o)


def _keep(disclosure: Disclosure, file: IO[bytes], rows: int, files: int) -> Written:
    """Store the file; what a dead worker has left is removed first."""
    place = disclosing.file_of(disclosure)
    default_storage.delete(place)
    digest, size = hashlib.sha256(), 0
    file.seek(0)
    for piece in chunks_of(file):
        digest.update(piece)
        size += len(piece)
    file.seek(0)
    return Written(default_storage.save(place, File(file)), digest.hexdigest(), size, rows, files)


def ended(job: Job) -> None:
    """Note that the job has failed or was cancelled."""
    Disclosure.objects.filter(pk=job.params["disclosure"]).update(finished_at=timezone.now())


def resumed(job: Job) -> None:
    """Let the job be tried again. :raises ValidationError: the disclosure was cleared away ("export_expired")"""
    found = Disclosure.objects.select_for_update(of=("self",)).filter(pk=job.params["disclosure"]).first()
    if found is None or found.expired_at is not None:
        raise ValidationError(
            _("This export has been cleared away. Ask for it again."), code="export_expired"
        )
    found.finished_at = None
    found.expires_at = timezone.now() + kept_for()
    found.save(update_fields=["finished_at", "expires_at"])
