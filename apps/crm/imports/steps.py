"""The chunks of the two jobs: rehearsing (read and decide, then try and take back) and applying."""

from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection, transaction
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.common.templatetags.artel import number
from apps.crm.events import IMPORT_APPLIED, IMPORT_OF_ANY_KIND_APPLIED
from apps.crm.imports.effects import (
    APPLY_CHUNK,
    finish_chunk,
    next_chunk,
    write_all,
    write_chunk,
)
from apps.crm.imports.kinds import kind_of
from apps.crm.imports.loading import Loader
from apps.crm.imports.planning import decide, digest, find_conflicts
from apps.crm.imports.reading import ReadError
from apps.crm.imports.rights import require_import
from apps.crm.imports.sql import fetch
from apps.crm.imports.staging import count_rows, stage
from apps.crm.models import ImportBatch
from apps.events.failpoints import failpoint
from apps.events.services import publish
from apps.jobs.kinds import JobCancelled, JobRefused, Reporter, Step
from apps.jobs.models import Job

State = ImportBatch.State


def rehearse_step(job: Job, reporter: Reporter) -> Step:
    """
    Rehearse the job's batch: first read and decide, then do it all and take it back.

    With the parameter "keep" the second half is not taken back unless rows have errors: an import in one pass.
    """
    batch = _batch(job, State.REHEARSING)
    if not job.checkpoint:
        return _read(batch, reporter)
    return _try(batch, job, reporter)


def _read(batch: ImportBatch, reporter: Reporter) -> Step:
    """Stage and decide the rows; half of the work by count."""

    def progress(rows: int, read_bytes: int) -> None:
        if reporter.is_cancelled():
            raise JobCancelled
        expected = max(rows, rows * batch.size // max(read_bytes, 1))
        reporter.progress(rows // 2, expected, _("Reading"))

    try:
        rows = stage(batch, progress)
    except ReadError as error:
        raise JobRefused(str(error.message) % error.params if error.params else str(error.message)) from error
    decide(_loader(batch))
    return Step(
        checkpoint={"rows": rows},
        done=rows // 2,
        total=rows,
        message=_("Trying out"),
        log=[_("%(count)d rows were read.") % {"count": rows}],
    )


def _try(batch: ImportBatch, job: Job, reporter: Reporter) -> Step:
    """Write every row for real, and take it back unless the import is to be kept."""
    loader = _loader(batch)
    rows = int(job.checkpoint["rows"])
    keeps = bool(job.params.get("keep"))
    before = count_rows(batch)

    def progress(done: int) -> None:
        if reporter.is_cancelled():
            raise JobCancelled
        reporter.progress(rows // 2 + min(done, rows) // 2, rows, _("Trying out"))

    is_kept = keeps and (bool(job.params.get("skip_errors")) or not before["error"])
    with transaction.atomic():
        with connection.cursor() as cursor:
            # Nobody who edits a row waits for a rehearsal for long, nor the other way round.
            cursor.execute("set local lock_timeout = '10s'")
        loader.prepare()
        write_all(loader, progress)
        refused = _refused(batch)
        is_kept = is_kept and (bool(job.params.get("skip_errors")) or not refused)
        if not is_kept:
            transaction.set_rollback(True)
    if not is_kept:
        _keep_refusals(batch, refused)
    batch.counts = count_rows(batch)
    if is_kept:
        _close(batch, loader.actor)
    else:
        batch.state = State.REHEARSED
        batch.plan_digest = digest(batch)
    batch.save()
    return Step(
        checkpoint=job.checkpoint, done=rows, total=rows, message=_summary(batch), result=_result(batch)
    )


def _refused(batch: ImportBatch) -> list[tuple[Any, ...]]:
    """Return line and errors of the rows that the database refused: what must outlive the rollback."""
    return fetch(
        f"select line, errors::text from crm_importrow where batch_id = {batch.pk} and verdict = 'E'"
        ' and errors @> \'[{"code": "refused"}]\''
    )


def _keep_refusals(batch: ImportBatch, refused: list[tuple[Any, ...]]) -> None:
    with connection.cursor() as cursor:
        for line, errors in refused:
            cursor.execute(
                "update crm_importrow set verdict = 'E', errors = %s::jsonb where batch_id = %s and line = %s",
                [errors, batch.pk, line],
            )


def apply_step(job: Job, reporter: Reporter) -> Step:
    """Apply the next rows of the job's batch exactly as they were rehearsed."""
    batch = _batch(job, State.APPLYING)
    loader = _loader(batch)
    if not batch.applied_to:
        if digest(batch) != batch.plan_digest:
            raise JobRefused(_("The rows are no longer as they were rehearsed. Rehearse the import again."))
        loader.prepare()
        batch.applied_to = {"pass": 1, "line": 0}
    elif not next_chunk(loader, 0, 1):
        raise JobRefused(_("The rows of this import are gone. Upload the file again."))
    at = batch.applied_to
    chunk = next_chunk(loader, at["line"], APPLY_CHUNK)
    if chunk is None:
        return _next_pass(batch, loader)
    if at["pass"] == 1:
        find_conflicts(loader, *chunk)
        write_chunk(loader, *chunk)
    else:
        finish_chunk(loader, *chunk)
    failpoint("import.in_chunk")
    batch.applied_to = {"pass": at["pass"], "line": chunk[1]}
    batch.save(update_fields=["applied_to"])
    done = _rows_up_to(batch, chunk[1]) if at["pass"] == 1 else batch.counts["rows"]
    return Step(checkpoint=batch.applied_to, done=done, total=batch.counts["rows"], message=_("Importing"))


def _next_pass(batch: ImportBatch, loader: Loader) -> Step:
    rows = batch.counts["rows"]
    if loader.has_finish and batch.applied_to["pass"] == 1:
        batch.applied_to = {"pass": 2, "line": 0}
        batch.save(update_fields=["applied_to"])
        return Step(checkpoint=batch.applied_to, done=rows, total=rows, message=_("Linking rows"))
    batch.counts = count_rows(batch)
    _close(batch, loader.actor)
    batch.save()
    return Step(
        checkpoint=batch.applied_to, done=rows, total=rows, message=_summary(batch), result=_result(batch)
    )


# Readers of the first version were told that there are no others.
_KINDS_OF_V1 = frozenset({"products", "users", "companies", "people", "deals"})


def _close(batch: ImportBatch, actor: User) -> None:
    """Mark a batch as applied and tell so, once."""
    batch.state = State.APPLIED
    batch.applied_at = timezone.now()
    batch.applied_to = batch.applied_to or {"pass": 1, "line": 0}
    if batch.kind in _KINDS_OF_V1:
        publish(IMPORT_APPLIED, batch.pk, snapshot(batch), actor_id=actor.pk)
    publish(IMPORT_OF_ANY_KIND_APPLIED, batch.pk, snapshot(batch), actor_id=actor.pk)


def snapshot(batch: ImportBatch) -> dict[str, Any]:
    """Return what the fact that an import was applied tells of it."""
    return {
        "id": batch.pk,
        "kind": batch.kind,
        "filename": batch.filename,
        "source": batch.source,
        "counts": batch.counts,
        "applied_at": batch.applied_at,
    }


def ended(job: Job) -> None:
    """Free the batch of a job that failed or was cancelled, unless it went another way meanwhile."""
    state = State.CANCELLED if job.state == Job.State.CANCELLED else State.FAILED
    field, working = _place(job)
    ImportBatch.objects.filter(**{field: job.pk}, pk=job.params["batch"], state=working).update(state=state)


def resumed(job: Job) -> None:
    """
    Take up the batch of a job again that failed or was cancelled.

    :raises ValidationError: the import went another way since (code "import_not_editable")
    """
    field, working = _place(job)
    taken = ImportBatch.objects.filter(
        **{field: job.pk}, pk=job.params["batch"], state__in=[State.FAILED, State.CANCELLED]
    ).update(state=working)
    if not taken:
        raise ValidationError(
            _("The import was changed or thrown away meanwhile."), code="import_not_editable"
        )


def _place(job: Job) -> tuple[str, State]:
    """Return the batch's reference to a job of this kind, and the state in which it works."""
    if job.kind == "crm.rehearse_import":
        return "rehearse_job", State.REHEARSING
    return "apply_job", State.APPLYING


def page(job: Job) -> str:
    """Return the address of the admin's page of a job's import, "" where the admin has none."""
    try:
        return reverse("admin:crm_importbatch_change", args=[job.params["batch"]])
    except NoReverseMatch:
        return ""


def _batch(job: Job, state: str) -> ImportBatch:
    """Return the job's batch, locked, in the state that the job works in."""
    batch = ImportBatch.objects.select_for_update(of=("self",)).filter(pk=job.params["batch"]).first()
    if batch is None or batch.state != state:
        raise JobRefused(_("The import was changed or thrown away meanwhile."))
    return batch


def _loader(batch: ImportBatch) -> Loader:
    kind = kind_of(batch.kind)
    loader = kind.loader(batch, kind)
    try:
        # Rights may have gone between the click and the work.
        require_import(loader.actor, kind)
    except PermissionDenied as error:
        raise JobRefused(_("You may not import this.")) from error
    return loader


def _rows_up_to(batch: ImportBatch, line: int) -> int:
    return int(
        fetch(f"select count(*) from crm_importrow where batch_id = {batch.pk} and line <= {line}")[0][0]
    )


def _result(batch: ImportBatch) -> dict[str, Any]:
    return {"batch": batch.pk, "counts": batch.counts, "applied": batch.state == State.APPLIED}


def _summary(batch: ImportBatch) -> str:
    text = _("%(create)s new, %(update)s changed, %(unchanged)s unchanged, %(error)s with errors")
    return text % {verdict: number(count) for verdict, count in batch.counts.items()}
