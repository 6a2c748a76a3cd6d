"""Undoing a change set: who may, starting it, its chunks, and deciding what it has left open."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from apps.accounts import access
from apps.accounts.models import User
from apps.history import maps, rows
from apps.history.context import Face, Work, change_set, current
from apps.history.models import ChangeSet, Conflict, Undo
from apps.history.nets import Kind, Net
from apps.history.selectors import conflicts, sets, titles
from apps.history.selectors.words import shown_fields
from apps.history.services import reverting
from apps.history.services.blanking import blanked_among
from apps.history.tracking import Tracked, parents_first, tracked
from apps.jobs.kinds import JobRefused, Reporter, Step
from apps.jobs.models import Job
from apps.jobs.services import start_job
from apps.jobs.titles import Title, of_job

JOB_KIND = "history.undo"
PUT_BACK_KIND = "history.put_back"
# Long enough to be fast, short enough that a lock held for a chunk is not noticed by who edits one of its rows.
CHUNK = 1000
# Rows that were refused are tried again while that frees more of them: chains are short, cycles stay refused.
MOST_PASSES = 5

# In which order: what others point at has to be there before them, and go after them.
_ORDER = [(Kind.DELETED, "D"), (Kind.CHANGED, "U"), (Kind.CREATED, "I")]


def refusal(change_set: ChangeSet, *, actor: User) -> Exception | None:
    """Return why `actor` cannot undo a change set; None where they can."""
    if not may_undo(change_set, actor):
        return PermissionDenied(_("You may not undo this."))
    if Undo.objects.filter(change_set=change_set).exists():
        return ValidationError(_("This has been undone already."), code="undone")
    if change_set.job is not None and not change_set.job.is_finished:
        return ValidationError(_("This is still being done."), code="not_finished")
    if sets.is_empty(change_set):
        return ValidationError(_("What was changed here is no longer kept."), code="forgotten")
    if sets.is_blanked(change_set):
        return ValidationError(reverting.ERASED, code="erased")
    return None


def may_undo(change_set: ChangeSet, actor: User) -> bool:
    """Tell whether somebody may undo a set at all: their own for some days, others' by permission."""
    if not actor.is_active:
        return False
    if change_set.actor_id == actor.pk and _is_recent(change_set):
        return True
    return access.can(actor, "undo", change_set)


def _is_recent(change_set: ChangeSet) -> bool:
    return change_set.at > timezone.now() - timedelta(days=settings.HISTORY_UNDO_OWN_DAYS)


def undoable(change_sets: Collection[ChangeSet], *, actor: User) -> set[int]:
    """Return those of some sets that the actor may undo and nobody has; one query for others' sets, one more."""
    own = {one.pk for one in change_sets if one.actor_id == actor.pk and _is_recent(one)}
    others = [one.pk for one in change_sets if one.pk not in own]
    allowed = own | set(
        ChangeSet.objects.visible_to(actor, "undo").filter(pk__in=others).values_list("pk", flat=True)
    )
    return allowed - set(Undo.objects.filter(change_set__in=allowed).values_list("change_set_id", flat=True))


@transaction.atomic
def start_undo(change_set_id: int, *, actor: User, reason: str = "") -> Undo:
    """
    Take a change set back, as a job; each row's own permission is asked when its turn comes.

    :raises ChangeSet.DoesNotExist: there is no such set
    :raises PermissionDenied: the actor may not undo it
    :raises ValidationError: it was undone before ("undone"), still runs ("not_finished"), its changes are no longer
        kept ("forgotten"), or it is about people who were erased ("erased")
    """
    subject = ChangeSet.objects.select_for_update(of=("self",)).get(pk=change_set_id)
    against = refusal(subject, actor=actor)
    if against is not None:
        raise against
    undo = Undo.objects.create(change_set=subject, actor=actor, reason=reason)
    undo.job = start_job(JOB_KIND, actor=actor, title=undo_title(subject), params={"undo": undo.pk})
    undo.save(update_fields=["job"])
    return undo


def undo_title(change_set: ChangeSet) -> Title:
    """Say what is undone, to whoever may see the job: without the names of rows."""
    words = change_set.job.title_words if change_set.job is not None else None
    what = of_job(words) if words else _in_short(change_set)
    return Title(gettext_noop("Undo: %(what)s"), {"what": what})


def _in_short(change_set: ChangeSet) -> str:
    return Truncator(change_set.label or titles.in_short(change_set)).chars(180)


def work_of(undo: Undo, face: str = Face.JOB) -> Work:
    """Return the change set that an undo makes, the same in each of its transactions."""
    return Work(
        face,
        actor_id=undo.actor_id,
        label=str(undo_title(undo.change_set)),
        reason=undo.reason,
        job_id=undo.job_id,
        reverts_id=undo.change_set_id,
        known_uid=undo.uid,
    )


# The job


@dataclass
class Progress:
    """Where an undo is: kept in the job's checkpoint, together with the chunk it follows."""

    plan: list[list[str]]
    total: int
    place: int = 0
    after: str = ""
    done: int = 0
    reverted: int = 0
    kept: int = 0
    passes: int = 0
    freed: int = 0


def undo_step(job: Job, reporter: Reporter) -> Step:
    """Take back the next chunk of rows of one model, what was refused once more, or tell what came of it."""
    undo = Undo.objects.select_related("change_set", "actor").get(pk=job.params["undo"])
    progress = Progress(**job.checkpoint) if job.checkpoint else _begin(undo)
    if not undo.actor.is_active:
        raise JobRefused(_("Whoever started this has left."))
    with change_set(work_of(undo)):
        if progress.place < len(progress.plan):
            _next_chunk(undo, progress)
        elif progress.passes < MOST_PASSES and _has_refused(undo):
            _once_more(undo, progress)
        else:
            return _end(undo, progress)
    return Step(checkpoint=vars(progress), done=progress.done, total=progress.total)


def _begin(undo: Undo) -> Progress:
    """Plan the undo: restore, put back, delete, each model by model."""
    touched = {entry.label: entry for entry in sets.touched(undo.change_set_id)}
    labels = [model.label for model in parents_first() if model.label in touched]
    plan = []
    total = 0
    for kind, op in _ORDER:
        for label in reversed(labels) if kind == Kind.CREATED else labels:
            if op in touched[label].ops:
                plan.append([kind.value, label])
                total += touched[label].total
    return Progress(plan, total)


def _next_chunk(undo: Undo, progress: Progress) -> None:
    kind, label = progress.plan[progress.place]
    model = tracked(label)
    ids = sets.row_ids(undo.change_set_id, label, progress.after, CHUNK) if model else []
    if model is not None and ids:
        outcome = reverting.revert(undo.change_set_id, model, Kind(kind), ids, actor=undo.actor)
        progress.reverted += outcome.reverted
        progress.kept += outcome.kept
        _set_aside(undo, label, outcome.blocked)
    progress.done = min(progress.total, progress.done + len(ids))
    progress.after = ids[-1] if ids else ""
    if len(ids) < CHUNK:
        progress.place += 1
        progress.after = ""


def _set_aside(undo: Undo, label: str, blocked: Sequence[reverting.Blocked]) -> None:
    conflicts = [
        Conflict(undo=undo, model=label, row_id=row.row_id, kind=row.kind, detail=row.detail[:500])
        for row in blocked
    ]
    Conflict.objects.bulk_create(
        conflicts,
        update_conflicts=True,
        unique_fields=["undo", "model", "row_id"],
        update_fields=["kind", "detail"],
    )


_WORTH_TRYING = [Conflict.Kind.REFERRED, Conflict.Kind.REFUSED]


def _has_refused(undo: Undo) -> bool:
    return undo.conflicts.filter(kind__in=_WORTH_TRYING, outcome=Conflict.Outcome.OPEN).exists()


def _once_more(undo: Undo, progress: Progress) -> None:
    """Try a chunk of refused rows again: what stood in their way may have been put back since."""
    after = int(progress.after or 0)
    waiting = undo.conflicts.filter(kind__in=_WORTH_TRYING, outcome=Conflict.Outcome.OPEN, pk__gt=after)
    chunk = list(waiting.order_by("pk")[:CHUNK])
    for conflict in chunk:
        if _try_again(undo, conflict):
            progress.freed += 1
            progress.reverted += 1
    progress.after = str(chunk[-1].pk) if chunk else ""
    if len(chunk) < CHUNK:
        progress.after = ""
        progress.passes = progress.passes + 1 if progress.freed else MOST_PASSES
        progress.freed = 0


def _try_again(undo: Undo, conflict: Conflict) -> bool:
    model = tracked(conflict.model)
    if model is None:
        return False
    for kind, _op in _ORDER:
        outcome = reverting.revert(undo.change_set_id, model, kind, [conflict.row_id], actor=undo.actor)
        if outcome.reverted:
            conflict.delete()
            return True
        _set_aside(undo, conflict.model, outcome.blocked)
    return False


def _end(undo: Undo, progress: Progress) -> Step:
    left = undo.conflicts.filter(outcome=Conflict.Outcome.OPEN).count()
    made = ChangeSet.objects.filter(uid=undo.uid).values_list("pk", flat=True).first()
    result = {"undo": undo.pk, "reverted": progress.reverted, "kept": progress.kept, "conflicts": left}
    return Step(
        checkpoint=vars(progress),
        done=progress.total,
        total=progress.total,
        message=_("%(reverted)d put back, %(left)d left to decide")
        % {"reverted": progress.reverted, "left": left},
        result=result | {"change_set": made},
    )


# What it has left open


@transaction.atomic
def keep_row(conflict_id: int, *, actor: User) -> Conflict:
    """
    Leave a row as it is now.

    :raises Conflict.DoesNotExist: there is no such conflict
    :raises PermissionDenied: the actor may not decide it
    :raises ValidationError: it has been decided (code "decided")
    """
    return _decided(_open_conflict(conflict_id, actor), Conflict.Outcome.KEPT, actor)


@transaction.atomic
def keep_rows(undo_id: int, *, actor: User) -> int:
    """
    Leave all rows of an undo that are not decided as they are now; return how many.

    :raises PermissionDenied: the actor may not decide
    """
    undo = Undo.objects.select_related("change_set").get(pk=undo_id)
    _require_decider(undo, actor)
    waiting = undo.conflicts.filter(outcome=Conflict.Outcome.OPEN)
    return waiting.update(outcome=Conflict.Outcome.KEPT, decided_by=actor, decided_at=timezone.now())


@transaction.atomic
def put_back_rows(undo_id: int, *, actor: User) -> Job:
    """
    Put all rows of an undo that are not decided back, as a job; what is refused stays to be decided.

    :raises PermissionDenied: the actor may not decide
    :raises ValidationError: the undo still runs ("not_finished"), or was undone itself ("undone")
    """
    undo = Undo.objects.select_for_update(of=("self",)).select_related("change_set", "job").get(pk=undo_id)
    _require_decider(undo, actor)
    if undo.job is not None and not undo.job.is_finished:
        raise ValidationError(_("This is still being done."), code="not_finished")
    undo.job = start_job(
        PUT_BACK_KIND, actor=actor, title=undo_title(undo.change_set), params={"undo": undo.pk}
    )
    undo.save(update_fields=["job"])
    return undo.job


def put_back_step(job: Job, reporter: Reporter) -> Step:
    """Put the next rows back that somebody else has changed since."""
    undo = Undo.objects.get(pk=job.params["undo"])
    actor = job.owner
    if not actor.is_active:
        raise JobRefused(_("Whoever started this has left."))
    waiting = undo.conflicts.filter(outcome=Conflict.Outcome.OPEN)
    place = job.checkpoint or {"after": 0, "done": 0, "total": waiting.count(), "refused": 0}
    chunk = list(waiting.filter(pk__gt=place["after"]).order_by("pk").values_list("pk", flat=True)[:100])
    for conflict_id in chunk:
        try:
            with transaction.atomic():
                put_back_row(conflict_id, actor=actor)
        except (PermissionDenied, ValidationError, Conflict.DoesNotExist):
            place["refused"] += 1
    place |= {"done": place["done"] + len(chunk), "after": chunk[-1] if chunk else place["after"]}
    done = {"checkpoint": place, "done": place["done"], "total": max(place["total"], place["done"])}
    if chunk:
        return Step(**done)
    told = {"reverted": place["done"] - place["refused"], "left": place["refused"]}
    message = _("%(reverted)d put back, %(left)d left to decide") % told
    return Step(**done, message=message, result={"undo": undo.pk} | told)


@transaction.atomic
def put_back_row(
    conflict_id: int, *, actor: User, columns: Collection[str] | None = None, seen: str | None = None
) -> Conflict:
    """
    Put a row back although it was changed since, wholly or in some of its columns.

    :param columns: which; all that the set changed where None
    :param seen: what :func:`apps.history.selectors.conflicts.digest` said of the row when the actor looked
    :raises Conflict.DoesNotExist: there is no such conflict
    :raises PermissionDenied: the actor may not decide it, or may not change the row
    :raises ValidationError: decided before ("decided"), changed since it was looked at ("stale"), or not possible
        ("refused")
    """
    conflict = _open_conflict(conflict_id, actor)
    model, net = conflicts.subject(conflict)
    current = conflicts.locked(model, net)
    if seen is not None and seen != conflicts.digest(net, current):
        raise ValidationError(
            _("This row has been changed while you were looking. Look again."), code="stale"
        )
    chosen = _chosen(model, net, columns)
    if net.row_id not in reverting.permitted(model, [chosen], actor):
        raise PermissionDenied(_("You may not change this row."))
    with change_set(_work_of_decision(conflict.undo, actor)):
        _force(conflict, model, chosen, actor)
    is_whole = chosen is net
    return _decided(conflict, Conflict.Outcome.REVERTED if is_whole else Conflict.Outcome.PARTLY, actor)


def _open_conflict(conflict_id: int, actor: User) -> Conflict:
    conflict = (
        Conflict.objects.select_for_update(of=("self",))
        .select_related("undo__change_set")
        .get(pk=conflict_id)
    )
    _require_decider(conflict.undo, actor)
    if conflict.outcome != Conflict.Outcome.OPEN:
        raise ValidationError(_("This has been decided already."), code="decided")
    return conflict


def _require_decider(undo: Undo, actor: User) -> None:
    is_own = undo.actor_id == actor.pk and actor.is_active
    if not is_own and not may_undo(undo.change_set, actor):
        raise PermissionDenied(_("You may not undo this."))
    if Undo.objects.filter(change_set__uid=undo.uid).exists():
        raise ValidationError(_("This undo has been undone itself."), code="undone")


def _work_of_decision(undo: Undo, actor: User) -> Work:
    """Return the change set of one row that is put back: the undo's own, but only for who made that."""
    asked = current()
    face = asked.face if asked is not None else Face.ADMIN
    if actor.pk == undo.actor_id:
        return work_of(undo, face)
    return Work(face, actor_id=actor.pk, label=str(undo_title(undo.change_set)), reason=undo.reason)


def _chosen(model: Tracked, net: Net, columns: Collection[str] | None) -> Net:
    """Keep what was chosen; columns that nobody has a word for follow when all the others go."""
    if columns is None or net.kind != Kind.CHANGED:
        return net
    offered = (shown_fields(model).keys() & net.before.keys()) | {
        f"{column}.{key}"
        for column in model.maps.keys() & net.before.keys()
        for key in maps.changed_keys(net.before[column], net.after.get(column))
    }
    if offered <= set(columns):
        return net
    before = {column: value for column, value in net.before.items() if column in columns}
    after = dict(net.after)
    for column in model.maps.keys() & net.before.keys():
        chosen = [name.removeprefix(f"{column}.") for name in columns if name.startswith(f"{column}.")]
        if chosen:
            before[column], after[column] = (
                {key: value for key, value in (side.get(column) or {}).items() if key in chosen}
                for side in (net.before, net.after)
            )
    if not before:
        raise ValidationError(_("Choose what to put back."), code="nothing_chosen")
    return Net(net.row_id, net.about, net.kind, before, after)


def _force(conflict: Conflict, model: Tracked, net: Net, actor: User) -> None:
    """:raises ValidationError: the database refuses it, or its former values were erased (code "refused")"""
    if blanked_among([net.about]):
        raise ValidationError(reverting.ERASED, code="refused")
    current = rows.read(model, [net.row_id], is_locked=True)
    if (net.row_id in current) is (net.kind == Kind.DELETED):
        raise ValidationError(conflict.get_kind_display(), code="refused")
    parts = reverting.created_parts(conflict.undo.change_set_id, model, [net])
    blocked = reverting.attempt([net], lambda some: reverting.put_back(model, some, current, parts, actor))
    if blocked:
        text = f"{Conflict.Kind(blocked[0].kind).label}. {blocked[0].detail}".strip()
        raise ValidationError(text, code="refused")


def _decided(conflict: Conflict, outcome: str, actor: User) -> Conflict:
    conflict.outcome = outcome
    conflict.decided_by = actor
    conflict.decided_at = timezone.now()
    conflict.save(update_fields=["outcome", "decided_by", "decided_at"])
    return conflict


# Before it


@dataclass(frozen=True)
class Preview:
    """What an undo would do to the rows of one model."""

    label: str
    touched: sets.Touched
    blocked: list[reverting.Blocked]
    kept: int
    is_checked: bool


def preview_undo(change_set: ChangeSet, *, actor: User) -> list[Preview]:
    """
    Tell what undoing a change set would do, model by model, as far as it can be told without doing it.

    Rows beyond settings.HISTORY_PREVIEW_ROWS are counted and not compared.
    """
    found = []
    left = settings.HISTORY_PREVIEW_ROWS
    for touched in sets.touched(change_set.pk):
        model = tracked(touched.label)
        is_checked = model is not None and touched.total <= left
        blocked, kept = _rehearse(change_set, model, touched, actor) if is_checked and model else ([], 0)
        left -= touched.total
        found.append(Preview(touched.label, touched, blocked, kept, is_checked))
    return found


def _rehearse(
    change_set: ChangeSet, model: Tracked, touched: sets.Touched, actor: User
) -> tuple[list[reverting.Blocked], int]:
    blocked: list[reverting.Blocked] = []
    kept = 0
    after = ""
    while ids := sets.row_ids(change_set.pk, model.label, after, CHUNK):
        for kind, op in _ORDER:
            if op in touched.ops:
                outcome = reverting.revert(change_set.pk, model, kind, ids, actor=actor, is_rehearsal=True)
                blocked += outcome.blocked
                kept += outcome.kept
        after = ids[-1]
    return blocked, kept


def uid_of_job(job_id: int) -> uuid.UUID:
    """Return the change set of a job, the same in each of its chunks, whichever worker does them."""
    return uuid.uuid5(uuid.NAMESPACE_OID, f"artel-job-{job_id}")


def job_work(job: Job) -> Work:
    """Return what a job's chunks are told to be."""
    return Work(
        _faces.get(job.kind, Face.JOB),
        actor_id=job.owner_id,
        label=job.title,
        request_id=f"job-{job.pk}",
        job_id=job.pk,
        known_uid=uid_of_job(job.pk),
    )


_faces: dict[str, Any] = {}


def name_face(kind: str, face: str) -> None:
    """Say through which face a kind of job changes things, where "a job" is too little."""
    _faces[kind] = face
