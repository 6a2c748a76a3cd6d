"""Bulk changes of the tests, taken to their end as the jobs' workers would."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from apps.accounts.models import User
from apps.history.context import change_set
from apps.history.services.undoing import job_work
from apps.jobs.models import Job
from apps.lists.models import BulkEdit, BulkRow
from apps.lists.services.bulk import apply_bulk_edit, open_bulk_edit, rehearse_bulk_edit
from tests.crm.importing import take_steps

Changes = Mapping[str, Mapping[str, Any]]


def rehearse(rows: QuerySet[Any], changes: Changes, *, actor: User) -> BulkEdit:
    edit = open_bulk_edit(rows, actor=actor)
    finish(rehearse_bulk_edit(edit.pk, changes, actor=actor))
    return reread(edit)


def apply(edit: BulkEdit, *, actor: User) -> BulkEdit:
    finish(apply_bulk_edit(edit.pk, actor=actor))
    return reread(edit)


def finish(job: Job, most: int | None = None) -> None:
    """Take a job's steps in its change set, to the end or at most so many."""
    with change_set(job_work(job)):
        step = take_steps(job, most=most)
    if step is not None:
        Job.objects.filter(pk=job.pk).update(
            state=Job.State.SUCCEEDED, finished_at=timezone.now(), result=step.result
        )


def break_off(job: Job, state: str) -> None:
    """End a job half-way, as a cancel or a failure does."""
    from apps.jobs.services.writing import end

    end(Job.objects.get(pk=job.pk), state, None)


def reread(edit: BulkEdit) -> BulkEdit:
    return BulkEdit.objects.get(pk=edit.pk)


def verdicts(edit: BulkEdit) -> dict[int, str]:
    """Return {primary key: verdict}."""
    return dict(BulkRow.objects.filter(edit=edit).values_list("row_id", "verdict"))


def reasons(edit: BulkEdit) -> dict[int, str]:
    found = BulkRow.objects.filter(edit=edit).exclude(reason="")
    return dict(found.values_list("row_id", "reason"))


def set_to(value: Any) -> dict[str, Any]:
    return {"how": "set", "value": getattr(value, "pk", value)}


def do(value: Any = None) -> dict[str, Any]:
    return {"how": "do", "value": getattr(value, "pk", value)}
