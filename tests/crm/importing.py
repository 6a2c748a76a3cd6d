"""Importing in tests: the services that faces call, and the job's steps taken in the test's own transaction."""

import io
from pathlib import Path
from typing import Any

from django.db import transaction
from openpyxl import Workbook

from apps.accounts.models import User
from apps.crm.imports.inline import Silent
from apps.crm.models import ImportBatch, ImportRow
from apps.crm.services import imports
from apps.jobs.kinds import JobRefused, Step, kind_of
from apps.jobs.models import Job

DATA = Path(__file__).with_name("data")


def upload(
    kind: str,
    content: str | bytes,
    *,
    actor: User,
    name: str = "rows.csv",
    source: str = "",
    **corrections: Any,
) -> ImportBatch:
    """Upload a file given as text or bytes, and correct how it is understood."""
    raw = content.encode() if isinstance(content, str) else content
    batch = imports.upload_import(kind, io.BytesIO(raw), name, actor=actor, source=source)
    return imports.correct_import(batch.pk, actor=actor, **corrections) if corrections else batch


def take_steps(job: Job, most: int | None = None) -> Step | None:
    """Take a job's chunks, each in a transaction of its own, to the end or at most so many."""
    kind = kind_of(job.kind)
    taken = 0
    while most is None or taken < most:
        try:
            with transaction.atomic():
                step = kind.step(job, Silent())
                job.checkpoint = step.checkpoint
                job.save(update_fields=["checkpoint"])
        except JobRefused:
            job.state = Job.State.FAILED
            if kind.ended:
                kind.ended(job)
            raise
        if step.is_last:
            return step
        taken += 1
    return None


def rehearse(batch: ImportBatch, *, actor: User) -> ImportBatch:
    take_steps(imports.rehearse_import(batch.pk, actor=actor))
    return ImportBatch.objects.get(pk=batch.pk)


def apply(batch: ImportBatch, *, actor: User, skip_errors: bool = False) -> ImportBatch:
    take_steps(imports.apply_import(batch.pk, actor=actor, skip_errors=skip_errors))
    return ImportBatch.objects.get(pk=batch.pk)


def bring_in(kind: str, content: str | bytes, *, actor: User, **more: Any) -> ImportBatch:
    """Upload, rehearse and apply."""
    return apply(rehearse(upload(kind, content, actor=actor, **more), actor=actor), actor=actor)


def verdicts(batch: ImportBatch) -> str:
    """Return the verdicts of the rows in file order, as in "CCE"."""
    return "".join(ImportRow.objects.filter(batch=batch).order_by("line").values_list("verdict", flat=True))


def codes(batch: ImportBatch) -> list[tuple[int, str, str]]:
    """Return (line, field, code) of every error in file order."""
    rows = ImportRow.objects.filter(batch=batch).exclude(errors=None).order_by("line")
    return [(row.line, error["field"], error["code"]) for row in rows for error in row.errors or []]


def workbook(*rows: list[Any], sheets: int = 1) -> bytes:
    """Return an .xlsx file whose first sheet has these rows."""
    book = Workbook(write_only=True)
    first = book.create_sheet("Sheet")
    for row in rows:
        first.append(row)
    for number in range(1, sheets):
        book.create_sheet(f"More {number}").append(["x"])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def counts(batch: ImportBatch) -> dict[str, int]:
    """Return the figures that are not zero."""
    return {name: count for name, count in batch.counts.items() if count}
