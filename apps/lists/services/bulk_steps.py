"""The chunks of the two jobs of a bulk change: rehearsing, which takes everything back, and applying."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Count
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.common.templatetags.artel import number
from apps.events.failpoints import failpoint
from apps.history.models import Undo
from apps.jobs.kinds import JobKind, JobRefused, Reporter, Step, register
from apps.jobs.models import Job
from apps.lists.bulk import Choice, bulk_of
from apps.lists.models import BulkEdit, BulkRow
from apps.lists.services.bulk import APPLY, REHEARSE, change_set_of
from apps.lists.services.bulk_engine import Fate, Plan, Work
from apps.lists.services.bulk_values import checked
from apps.lists.services.selections import keys_after

State, Verdict = BulkEdit.State, BulkRow.Verdict
COUNTED = {
    Verdict.CHANGED: "changed",
    Verdict.SAME: "same",
    Verdict.REFUSED: "refused",
    Verdict.GONE: "gone",
    Verdict.MOVED: "moved",
}


def register_kinds() -> None:
    """Make both kinds of work known to jobs; called when the app is ready."""
    rehearsal, change = gettext_lazy("rehearsal of a bulk change"), gettext_lazy("bulk change")
    register(JobKind(REHEARSE, rehearsal, rehearse_step, ended=_ended, resumed=_resumed, page=_page))
    register(JobKind(APPLY, change, apply_step, ended=_ended, resumed=_resumed, page=_page))


def rehearse_step(job: Job, reporter: Reporter) -> Step:
    """Do the next rows for real, keep what became of each, and take the rest back."""
    edit = _edit(job, State.REHEARSING)
    position = int(job.checkpoint.get("position", 0))
    if position == 0:
        BulkRow.objects.filter(edit=edit)._raw_delete(using="default")
    rows = keys_after(edit.selection_id or 0, position, _at_once(edit))
    if not rows:
        return _rehearsed(edit, position)
    work = Work(bulk_of(edit.model_label), _choice(edit), edit.owner, edit.face)
    with transaction.atomic():
        _wait_briefly()
        fates = work.run([key for _position, key in rows])
        transaction.set_rollback(True)
    BulkRow.objects.bulk_create(_row(edit, at, key, fates[key]) for at, key in rows)
    at = rows[-1][0]
    return Step(checkpoint={"position": at}, done=at, total=edit.count, message=_("Trying out"))


def _wait_briefly() -> None:
    """Whoever edits a row is not waited for long; the chunk is tried again."""
    with connection.cursor() as cursor:
        cursor.execute("set local lock_timeout = '10s'")


def _row(edit: BulkEdit, position: int, key: Any, fate: Fate) -> BulkRow:
    return BulkRow(
        edit=edit,
        position=position,
        row_id=key,
        verdict=fate.verdict,
        version=fate.version,
        values=fate.values,
        reason=fate.reason,
    )


def _rehearsed(edit: BulkEdit, position: int) -> Step:
    with connection.cursor() as cursor:
        # What was just written is not yet in the planner's statistics.
        cursor.execute("analyze lists_bulkrow (edit_id, position, verdict)")
    edit.counts = count_rows(edit)
    edit.plan_digest = digest(edit)
    edit.state = State.REHEARSED
    edit.save(update_fields=["counts", "plan_digest", "state"])
    result = {"edit": edit.pk, "counts": edit.counts}
    return Step({"position": position}, edit.count, edit.count, summary(edit), result=result)


def apply_step(job: Job, reporter: Reporter) -> Step:
    """Change the next rows exactly as they were rehearsed; those that are not as they were then are left alone."""
    edit = _edit(job, State.APPLYING)
    if not job.checkpoint and not edit.applied_to and digest(edit) != edit.plan_digest:
        raise JobRefused(_("The rows are no longer as they were rehearsed. Rehearse the change again."))
    planned = _planned(edit)
    rows = list(planned.filter(position__gt=edit.applied_to).order_by("position")[: _at_once(edit)])
    done = int(job.checkpoint.get("done", 0))
    if not rows:
        return _applied(edit, done)
    plans = {row.row_id: Plan(row.version, row.values or {}) for row in rows}
    work = Work(bulk_of(edit.model_label), _choice(edit), edit.owner, edit.face, plans)
    _keep_refused(rows, work.run(list(plans)))
    failpoint("bulk.in_chunk")
    edit.applied_to = rows[-1].position
    edit.save(update_fields=["applied_to"])
    done += len(rows)
    return Step({"done": done}, done, edit.counts["changed"], _("Changing"))


def _at_once(edit: BulkEdit) -> int:
    return bulk_of(edit.model_label).at_once(edit.changes)


def _planned(edit: BulkEdit) -> Any:
    """Return the rows that are to be changed, or were."""
    return BulkRow.objects.filter(edit=edit, verdict=Verdict.CHANGED)


def _keep_refused(rows: Iterable[BulkRow], fates: dict[Any, Fate]) -> None:
    """Note down which of the planned rows were left alone, and why."""
    for row in rows:
        fate = fates[row.row_id]
        if fate.verdict != Verdict.CHANGED:
            BulkRow.objects.filter(edit_id=row.edit_id, position=row.position).update(
                verdict=fate.verdict, reason=fate.reason
            )


def _applied(edit: BulkEdit, done: int) -> Step:
    edit.counts = count_rows(edit)
    edit.state = State.APPLIED
    edit.applied_at = timezone.now()
    edit.save(update_fields=["counts", "state", "applied_at"])
    result = {"edit": edit.pk, "counts": edit.counts}
    return Step({"done": done}, done, done, summary(edit), result=result)


def count_rows(edit: BulkEdit) -> dict[str, int]:
    """Return how many rows of a bulk change have each verdict."""
    found = BulkRow.objects.filter(edit=edit).values_list("verdict").annotate(Count("position"))
    return dict.fromkeys(COUNTED.values(), 0) | {COUNTED[Verdict(key)]: count for key, count in found}


def digest(edit: BulkEdit) -> str:
    """Return the SHA-256 over what was decided for each row, in blocks of a thousand, and over what was chosen."""
    with connection.cursor() as cursor:
        cursor.execute(_DIGEST, [edit.pk])
        blocks = "".join(block for (block,) in cursor.fetchall())
    said = json.dumps([edit.model_label, edit.changes], sort_keys=True)
    return hashlib.sha256(f"{blocks}{said}".encode()).hexdigest()


_DIGEST = """
select encode(sha256(convert_to(string_agg(concat_ws('|', position, row_id, verdict, version, "values"), E'\\n'
       order by position), 'UTF8')), 'hex')
from lists_bulkrow where edit_id = %s group by position / 1000 order by position / 1000
"""


def summary(edit: BulkEdit) -> str:
    """Say in one line what became of the rows, or would."""
    counts = {name: number(count) for name, count in edit.counts.items()}
    left = edit.counts["gone"] + edit.counts["moved"]
    text = _("%(changed)s changed, %(same)s already so, %(refused)s refused, %(left)s left out")
    return text % (counts | {"left": number(left)})


def _choice(edit: BulkEdit) -> Choice:
    """Read what was chosen anew: rights, and what a value names, may have gone since. :raises JobRefused: it has"""
    try:
        return checked(bulk_of(edit.model_label), edit.changes, actor=edit.owner)
    except ValidationError as error:
        raise JobRefused(" ".join(error.messages)) from error


def _edit(job: Job, state: str) -> BulkEdit:
    """Return the job's bulk change, locked, in the state in which the job works."""
    rows = BulkEdit.objects.select_for_update(of=("self",)).select_related("owner")
    edit = rows.filter(pk=job.params["edit"]).first()
    if edit is None or edit.state != state:
        raise JobRefused(_("The bulk change went another way meanwhile."))
    return edit


def _place(job: Job) -> tuple[str, BulkEdit.State]:
    return ("rehearse_job", State.REHEARSING) if job.kind == REHEARSE else ("apply_job", State.APPLYING)


def _ended(job: Job) -> None:
    """Free the bulk change of a job that failed or was cancelled, unless it went another way meanwhile."""
    state = State.CANCELLED if job.state == Job.State.CANCELLED else State.FAILED
    place, working = _place(job)
    edit = BulkEdit.objects.filter(**{place: job.pk}, pk=job.params["edit"], state=working)
    edit.update(state=state)


def _resumed(job: Job) -> None:
    """
    Take up the bulk change of a job again that failed or was cancelled.

    :raises ValidationError: it went another way since, or what it changed was undone ("bulk_edit_not_editable")
    """
    place, working = _place(job)
    ended = BulkEdit.objects.filter(**{place: job.pk}, state__in=[State.FAILED, State.CANCELLED])
    edit = ended.select_for_update(of=("self",)).filter(pk=job.params["edit"]).first()
    if edit is None or Undo.objects.filter(change_set=change_set_of(edit)).exists():
        message = _("The bulk change was changed, undone or thrown away meanwhile.")
        raise ValidationError(message, code="bulk_edit_not_editable")
    edit.state = working
    edit.save(update_fields=["state"])


def _page(job: Job) -> str:
    return reverse("admin:lists_bulkedit_change", args=[job.params["edit"]])
