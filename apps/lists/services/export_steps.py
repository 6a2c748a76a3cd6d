"""The steps of the job that writes an export: some rows a chunk, and at the end the file of all chunks."""

import tempfile
import zlib
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import formats, timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import override

from apps.events.failpoints import failpoint
from apps.events.services import publish
from apps.jobs.kinds import JobCancelled, JobRefused, Reporter, Step
from apps.jobs.models import Job
from apps.lists import events
from apps.lists.exporting.columns import Column, columns_of
from apps.lists.exporting.csvfile import CsvWriter
from apps.lists.exporting.reading import read
from apps.lists.exporting.writing import Manner, Writer
from apps.lists.exporting.xlsxfile import SHEET_ROWS, XlsxWriter
from apps.lists.models import Export, ExportPart
from apps.lists.services.export_files import keep_file, kept_for
from apps.lists.services.exports import may_export, model_of
from apps.lists.services.selections import keys_after

# Parts are read once more and deleted soon.
_COMPRESSION = 1
_DATE_FORMATS = {"ru": "%d.%m.%Y"}
# What adds up from chunk to chunk.
_COUNTED = ("rows", "left_out", "hidden", "cut")


def write_step(job: Job, reporter: Reporter) -> Step:
    """Write the next rows, or put the file together when there are none left."""
    export = Export.objects.select_related("owner", "selection").get(pk=job.params["export"])
    model, columns = _subject(export)
    with override(export.language):
        writer = _writer(export, model, columns)
    so_far: dict[str, int] = {"position": 0, "part": 0, **dict.fromkeys(_COUNTED, 0)} | job.checkpoint
    keys = keys_after(export.selection_id or 0, so_far["position"], settings.EXPORT_CHUNK_ROWS)
    if not keys:
        return _finish(export, writer, so_far, reporter)
    found = read(model, [key for _position, key in keys], columns, actor=export.owner)
    with override(export.language):
        written = writer.write(found.rows, after=so_far["rows"])
    parts = [
        ExportPart(export=export, number=number, sheet=sheet, data=zlib.compress(data, _COMPRESSION))
        for number, (sheet, data) in enumerate(written.parts, start=so_far["part"] + 1)
    ]
    ExportPart.objects.bulk_create(parts)
    added = (len(found.rows), found.left_out, found.hidden, written.cut)
    so_far |= {name: so_far[name] + count for name, count in zip(_COUNTED, added, strict=True)}
    so_far |= {"position": keys[-1][0], "part": so_far["part"] + len(parts)}
    return Step(checkpoint=so_far, done=so_far["position"], total=export.chosen)


def _subject(export: Export) -> tuple[type[models.Model], list[Column]]:
    """
    Return what is exported.

    :raises JobRefused: the owner may no longer do that, or it is not there any more
    """
    model = model_of(export)
    if model is None or export.selection_id is None:
        raise JobRefused(_("What was to be exported is not there any more."))
    if not may_export(export.owner, model):
        raise JobRefused(
            _("You may no longer take such rows away as a file: %(rows)s.")
            % {"rows": model._meta.verbose_name_plural}
        )
    known = columns_of(model)
    if not set(export.columns) <= known.keys():
        raise JobRefused(_("The columns have changed meanwhile. Ask for the export again."))
    return model, [known[key] for key in export.columns]


def _writer(export: Export, model: type[models.Model], columns: list[Column]) -> Writer:
    manner = Manner(
        is_machine=export.style == Export.Style.MACHINE,
        zone=ZoneInfo(export.owner.time_zone or timezone.get_default_timezone_name()),
        has_decimal_comma=export.style == Export.Style.LOCAL
        and formats.get_format("DECIMAL_SEPARATOR", export.language) == ",",
        date_format=_DATE_FORMATS.get(export.language, "%Y-%m-%d"),
    )
    if export.format == Export.Format.CSV:
        return CsvWriter(columns, manner, separator=export.separator, has_bom=export.has_bom)
    title = str(capfirst(str(model._meta.verbose_name_plural)))
    return XlsxWriter(columns, manner, title=title, sheet_rows=SHEET_ROWS)


def _finish(export: Export, writer: Writer, so_far: dict[str, int], reporter: Reporter) -> Step:
    """Put the parts together; the file is there for its owner once this commits."""
    reporter.progress(so_far["position"], export.chosen, _("Putting the file together"))
    with tempfile.TemporaryFile() as file:
        with override(export.language):
            writer.assemble(_parts(export, so_far["part"], reporter), file, total=so_far["rows"])
        keep_file(export, file)
    failpoint("export.after_keeping")
    counts = {name: so_far[name] for name in _COUNTED}
    for name, count in counts.items():
        setattr(export, name, count)
    export.finished_at = timezone.now()
    export.expires_at = export.finished_at + kept_for()
    kept = ["storage_name", "size", "sha256", "finished_at", "expires_at"]
    export.save(update_fields=[*kept, *counts])
    export.parts.all().delete()
    data = events.export_data(export, state=Job.State.SUCCEEDED)
    publish(events.EXPORT_FINISHED, export.pk, data, actor_id=export.owner_id)
    result: dict[str, Any] = {**counts, "export": export.pk, "size": export.size, "sha256": export.sha256}
    return Step(checkpoint=so_far, done=export.chosen, total=export.chosen, result=result)


def _parts(export: Export, count: int, reporter: Reporter) -> Iterator[tuple[int, bytes]]:
    """Yield the parts in order, one at a time in memory."""
    for number in range(1, count + 1):
        if reporter.is_cancelled():
            raise JobCancelled
        sheet, data = export.parts.values_list("sheet", "data").get(number=number)
        yield sheet, zlib.decompress(data)


def ended(job: Job) -> None:
    """Note that a job has failed or was cancelled; what it has written waits for it to go on, or to expire."""
    export = Export.objects.select_for_update(of=("self",)).filter(pk=job.params["export"]).first()
    if export is None:
        return
    export.finished_at = timezone.now()
    export.save(update_fields=["finished_at"])
    data = events.export_data(export, state=job.state)
    publish(events.EXPORT_FINISHED, export.pk, data, actor_id=export.owner_id)


def resumed(job: Job) -> None:
    """
    Let an export go on.

    :raises ValidationError: what was chosen has been forgotten meanwhile (code "export_expired")
    """
    export = Export.objects.select_for_update(of=("self",)).filter(pk=job.params["export"]).first()
    if export is None or export.expired_at is not None:
        raise ValidationError(
            _("This export has been cleared away. Ask for it again."), code="export_expired"
        )
    export.finished_at = None
    export.expires_at = timezone.now() + kept_for()
    export.save(update_fields=["finished_at", "expires_at"])
