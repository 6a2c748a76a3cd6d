"""Change sets and undos of the tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.db import connection, models
from django.utils import timezone

from apps.accounts.models import User
from apps.history import rows
from apps.history.context import Face, Work, change_set
from apps.history.models import Change, ChangeSet, Undo
from apps.history.selectors import creations
from apps.history.services import undoing
from apps.history.tracking import FOLLOWING, tracked, tracked_models
from apps.jobs.models import Job


@contextmanager
def recorded(actor: User | None = None, **facts: Any) -> Iterator[Work]:
    """Put what is done inside into one change set of `actor`."""
    work = Work(facts.pop("face", Face.ADMIN), actor_id=actor.pk if actor else None, **facts)
    with change_set(work):
        yield work


def set_of(work: Work) -> ChangeSet:
    return ChangeSet.objects.get(uid=work.uid)


def changes_of(work: Work, model: type[models.Model]) -> list[Change]:
    made, label = ChangeSet.objects.filter(uid=work.uid).first(), model._meta.label_lower
    if made is None:
        return []
    written = Change.objects.filter(change_set=made, model=label)
    subject = tracked(label)
    assert subject is not None
    rows = creations.row_ids(made.pk, label, 0, 1_000)
    created = creations.of_rows(made.pk, subject, rows)
    unwritten = [Change(op=Change.Op.INSERT, **one._asdict()) for one in created]
    return sorted([*unwritten, *written], key=lambda change: change.pk)


def undo(subject: ChangeSet, actor: User) -> Undo:
    """Undo a change set to the end, as the job's worker would."""
    # A commit stands between the two outside of tests.
    rows.settle()
    started = undoing.start_undo(subject.pk, actor=actor)
    run_undo(started)
    return started


def run_undo(started: Undo, chunks: int | None = None) -> dict[str, Any] | None:
    """Do the job's next chunks, or all; return its result once it is at its end."""
    job = started.job
    assert job is not None
    done = 0
    while chunks is None or done < chunks:
        step = undoing.undo_step(job, _Silent())
        # Through JSON, as between two chunks in the database.
        job.checkpoint = step.checkpoint
        job.save(update_fields=["checkpoint"])
        job.refresh_from_db()
        done += 1
        if step.result is not None:
            Job.objects.filter(pk=job.pk).update(state=Job.State.SUCCEEDED, finished_at=timezone.now())
            return step.result
    return None


class _Silent:
    def progress(self, done: int, total: int | None = None, message: str = "") -> None:
        raise AssertionError("An undo's chunks are short; they report by their checkpoints.")

    def is_cancelled(self) -> bool:
        return False


def everything() -> dict[str, dict[str, dict[str, Any]]]:
    """
    Return every tracked table as it is, row by row.

    Without what an undo moves on and never back: versions and who changed a row last; and without the way
    that deals went, which is never rewritten.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    with connection.cursor() as cursor:
        for model in tracked_models():
            cursor.execute(f"select {model.key}::text, to_jsonb(t)::text from {model.table} t")
            if not model.is_append_only:
                found[model.label] = {
                    key: _lasting(row, {*FOLLOWING, *model.hidden}) for key, row in cursor.fetchall()
                }
    return found


def _lasting(row: str, left_out: set[str]) -> dict[str, Any]:
    from apps.history import exact

    return {column: value for column, value in exact.loads(row).items() if column not in left_out}


def whole_table(label: str) -> dict[str, str]:
    """Return one table with every column."""
    model = apps.get_model(label)
    with connection.cursor() as cursor:
        cursor.execute(f"select id::text, to_jsonb(t)::text from {model._meta.db_table} t")
        return dict(cursor.fetchall())


__all__ = ["changes_of", "everything", "recorded", "run_undo", "set_of", "undo", "whole_table"]
