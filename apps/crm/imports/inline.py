"""Importing in the caller's own process: the steps that the jobs take, one after the other, without a worker."""

from collections.abc import Mapping
from typing import IO, Any, TypedDict

from django.core.exceptions import ValidationError
from django.db import transaction

from apps.accounts.models import User
from apps.crm.imports.selectors import issue_groups
from apps.crm.imports.steps import rehearse_step
from apps.crm.models import ImportBatch
from apps.crm.services import imports as services
from apps.jobs.kinds import JobRefused
from apps.jobs.models import Job


class Summary(TypedDict):
    """What an import came to, in numbers of rows; issues are grouped, the most frequent first."""

    import_id: int
    kind: str
    rows: int
    created: int
    updated: int
    unchanged: int
    errors: int
    issues: list[dict[str, Any]]
    applied: bool


class Silent:
    """The reporter of work that nobody watches."""

    def progress(self, done: int, total: int | None = None, message: str = "") -> None:
        """Say nothing."""

    def is_cancelled(self) -> bool:
        return False


def import_file(
    kind: str,
    file: IO[bytes],
    filename: str,
    *,
    actor: User,
    mapping: Mapping[str, str] | None = None,
    values: Mapping[str, Mapping[str, str]] | None = None,
    accepts_suggestions: bool = False,
    applies: bool = False,
    skip_errors: bool = False,
    source: str = "",
    mode: str | None = None,
    currency: str | None = None,
) -> Summary:
    """
    Rehearse a file and, with `applies`, import it in one pass: what the rehearsal wrote is kept, all or nothing.

    :param mapping: columns to be matched otherwise than proposed
    :raises PermissionDenied: the actor may not import this
    :raises ValidationError: the file cannot be read, or a setting is wrong
    """
    batch = services.upload_import(kind, file, filename, actor=actor, source=source)
    try:
        _correct(batch, actor, mapping or {}, values or {}, mode, currency)
        must_go_on = True
        while must_go_on:
            _run(batch, actor, keeps=applies, skip_errors=skip_errors)
            must_go_on = accepts_suggestions and _accepts(batch, actor)
    except ValidationError:
        batch.refresh_from_db()
        services.discard_import(batch.pk, actor=actor)
        raise
    return summarize(ImportBatch.objects.get(pk=batch.pk))


def summarize(batch: ImportBatch) -> Summary:
    """Return an import's figures and issues."""
    counts = batch.counts
    return {
        "import_id": batch.pk,
        "kind": batch.kind,
        "rows": counts.get("rows", 0),
        "created": counts.get("create", 0),
        "updated": counts.get("update", 0),
        "unchanged": counts.get("unchanged", 0),
        "errors": counts.get("error", 0) + counts.get("conflict", 0),
        "issues": [
            {
                "field": group.field,
                "column": group.column,
                "code": group.code,
                "message": group.message,
                "value": group.value,
                "suggestion": group.suggestion,
                "count": group.count,
                "lines": group.lines,
            }
            for group in issue_groups(batch)
        ],
        "applied": batch.state == ImportBatch.State.APPLIED,
    }


def _correct(
    batch: ImportBatch,
    actor: User,
    mapping: Mapping[str, str],
    values: Mapping[str, Mapping[str, str]],
    mode: str | None,
    currency: str | None,
) -> None:
    # A column that is matched by hand takes its field from the column it was proposed for.
    proposed = {column: field for column, field in batch.mapping.items() if field not in mapping.values()}
    services.correct_import(
        batch.pk,
        actor=actor,
        mapping={**proposed, **mapping} if mapping else None,
        values={**batch.values, **values} if values else None,
        mode=mode,
        options={"currency": currency} if currency else None,
    )


def _run(batch: ImportBatch, actor: User, *, keeps: bool, skip_errors: bool) -> None:
    """Take the steps of the rehearsal. :raises ValidationError: the file turns out to be broken"""
    with transaction.atomic():
        locked = ImportBatch.objects.select_for_update(of=("self",)).get(pk=batch.pk)
        services.must_be_mapped(locked)
        locked.state = ImportBatch.State.REHEARSING
        locked.updated_by = actor
        locked.save()
    job = Job(owner=actor, params={"batch": batch.pk, "keep": keeps, "skip_errors": skip_errors})
    try:
        is_last = False
        while not is_last:
            with transaction.atomic():
                step = rehearse_step(job, Silent())
            job.checkpoint, is_last = step.checkpoint, step.is_last
    except JobRefused as error:
        ImportBatch.objects.filter(pk=batch.pk).update(state=ImportBatch.State.FAILED)
        raise ValidationError(str(error), code="refused") from error


def _accepts(batch: ImportBatch, actor: User) -> bool:
    """Take suggestions once more; tells whether there were any."""
    batch.refresh_from_db()
    if batch.state == ImportBatch.State.APPLIED:
        return False
    return services.accept_suggestions(batch.pk, actor=actor) > 0
