"""
What may be done to a job, by people and by the worker that runs it.

A worker's writes are fenced: each is one conditional UPDATE on "still running, still my attempt", and no row is locked
between them, so that neither a cancel nor the lease ever waits for a chunk.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from celery import Task, current_app
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import (
    DateTimeField,
    DurationField,
    ExpressionWrapper,
    F,
    Q,
    QuerySet,
    Value,
)
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts import access
from apps.accounts.models import User
from apps.events.enqueue import enqueue_on_commit
from apps.events.failpoints import failpoint
from apps.events.wakeup import poke_stream
from apps.jobs.kinds import Step, kind_of
from apps.jobs.models import Job, JobEvent

logger = logging.getLogger(__name__)

# A message to the workers that was not picked up in this time is taken for lost. A message too many only finds the
# job taken; the wait grows with the job's age up to the second figure, so that a long queue is not flooded.
RESEND_AFTER = timedelta(seconds=10)
RESEND_AT_MOST = timedelta(seconds=60)
# A job whose worker died this often in a row without a chunk committed would kill the next one too.
MAX_LOST_ATTEMPTS = 5
RUN_JOB = "apps.jobs.tasks.run_job"


class Fenced(Exception):
    """The job is no longer this worker's: another has taken it over, or it has ended."""


@dataclass(frozen=True)
class Progress:
    """How far a job is, as its watchers see it."""

    done: int
    total: int | None
    message: str
    eta_at: datetime | None = None


def stream_of(job_id: int) -> str:
    """Return the name of the stream that tells of a job."""
    return f"job:{job_id}"


@transaction.atomic
def start_job(
    kind: str,
    *,
    actor: User,
    title: str,
    params: dict[str, Any],
    total: int | None = None,
) -> Job:
    """
    Start long work for `actor` and return at once; the workers hear of it after the commit.

    Whether the actor may do such work is for the service that calls this one to say: it knows the work's subject.

    :param params: what the kind's step needs to know, JSON-serializable
    :raises KeyError: no app does such work
    """
    kind_of(kind)
    job = Job.objects.create(
        kind=kind,
        title=title[:200],
        owner=actor,
        params=params,
        total=total,
        lease_until=_in(RESEND_AFTER),
    )
    _tell(job.pk, [(JobEvent.Kind.STATE, {"state": Job.State.QUEUED, "total": total})])
    _send(job.pk)
    job.refresh_from_db()
    return job


@transaction.atomic
def cancel_job(job_id: int, *, actor: User) -> Job:
    """
    Ask a job to stop: one that waits ends here, one that runs ends before its next chunk.

    Asking again changes nothing.

    :raises Job.DoesNotExist: the actor cannot see such a job
    :raises PermissionDenied: the actor may not cancel it
    :raises ValidationError: it has ended already (code "job_finished")
    """
    access.require(actor, "cancel", Job.objects.visible_to(actor).get(pk=job_id))
    job = Job.objects.select_for_update(no_key=True).get(pk=job_id)
    if job.is_finished:
        raise ValidationError(_("This job has ended already."), code="job_finished")
    if job.state == Job.State.QUEUED:
        _end(job, Job.State.CANCELLED, None)
    elif job.cancel_requested_at is None:
        Job.objects.filter(pk=job.pk).update(cancel_requested_at=timezone.now())
        _tell(
            job.pk, [(JobEvent.Kind.STATE, {"state": job.state, "is_cancelling": True})]
        )
    job.refresh_from_db()
    return job


@transaction.atomic
def retry_job(job_id: int, *, actor: User) -> Job:
    """
    Let a failed or cancelled job go on from its checkpoint; it stays the same job, with the same watchers and log.

    :raises Job.DoesNotExist: the actor cannot see such a job
    :raises PermissionDenied: the actor may not retry it
    :raises ValidationError: it has not failed (code "job_not_failed"), or its kind refuses
    """
    access.require(actor, "retry", Job.objects.visible_to(actor).get(pk=job_id))
    job = Job.objects.select_for_update(no_key=True).get(pk=job_id)
    if job.state not in {Job.State.FAILED, Job.State.CANCELLED}:
        raise ValidationError(
            _("Only a failed or cancelled job can go on."), code="job_not_failed"
        )
    resumed = kind_of(job.kind).resumed
    if resumed is not None:
        resumed(job)
    Job.objects.filter(pk=job.pk).update(
        state=Job.State.QUEUED,
        error=None,
        message="",
        finished_at=None,
        cancel_requested_at=None,
        lost_attempts=0,
        lease_until=_in(RESEND_AFTER),
    )
    _tell(
        job.pk,
        [
            (
                JobEvent.Kind.STATE,
                {"state": Job.State.QUEUED, "done": job.done, "error": None},
            )
        ],
    )
    _send(job.pk)
    job.refresh_from_db()
    return job


# What follows is for the worker and the sweeper, which have no face and act for the owner.


@transaction.atomic
def claim_job(job_id: int) -> Job | None:
    """Take a waiting job, or one whose worker has gone silent, under a lease; None when there is nothing to take."""
    takeable = Q(state=Job.State.QUEUED) | Q(
        state=Job.State.RUNNING, lease_until__lt=Now()
    )
    job = (
        Job.objects.select_for_update(no_key=True, skip_locked=True)
        .filter(takeable, pk=job_id)
        .first()
    )
    if job is None:
        return None
    if job.lost_attempts >= MAX_LOST_ATTEMPTS:
        _end(
            job,
            Job.State.FAILED,
            _error("lost", _("The work broke off again and again at the same place.")),
        )
        return None
    Job.objects.filter(pk=job.pk).update(
        state=Job.State.RUNNING,
        attempt=F("attempt") + 1,
        lost_attempts=F("lost_attempts") + 1,
        lease_until=_lease(),
        started_at=job.started_at or timezone.now(),
        done=F("done_committed"),
        eta_at=None,
    )
    state = {
        "state": Job.State.RUNNING,
        "attempt": job.attempt + 1,
        "done": job.done_committed,
    }
    _tell(job.pk, [(JobEvent.Kind.STATE, state | {"total": job.total, "eta_at": None})])
    job.refresh_from_db()
    return job


def do_chunk(
    job: Job,
    work: Callable[[Job], Step],
    *,
    eta: Callable[[int, int | None], datetime | None],
    is_told: Callable[[], bool],
) -> Step:
    """
    Do one chunk and commit its effect, its checkpoint and its progress together, or nothing of it.

    :param work: does the chunk; the row it gets is read afresh in the chunk's transaction
    :param eta: foretells the job's end from how much is done, and of how much
    :param is_told: whether the watchers are to hear of this chunk, unless it is the last or has lines for the log
    :raises Fenced: the job is no longer this worker's; the chunk's effect is rolled back
    """
    with transaction.atomic():
        fresh = Job.objects.filter(_mine(job)).first()
        if fresh is None:
            raise Fenced
        step = work(fresh)
        total = fresh.total if step.total is None else step.total
        progress = Progress(step.done, total, step.message, eta(step.done, total))
        failpoint("job.before_commit")
        _commit_step(job, step, progress, is_told=is_told)
    failpoint("job.after_commit")
    return step


def _commit_step(
    job: Job, step: Step, progress: Progress, *, is_told: Callable[[], bool]
) -> None:
    changes: dict[str, Any] = {
        "checkpoint": step.checkpoint,
        "done": step.done,
        "done_committed": step.done,
        "lost_attempts": 0,
    }
    lines = [(JobEvent.Kind.LOG, {"text": line}) for line in step.log]
    if step.result is not None:
        changes |= _final(Job.State.SUCCEEDED) | {"result": step.result}
        shown = [
            (JobEvent.Kind.STATE, {"state": Job.State.SUCCEEDED, "result": step.result})
        ]
    else:
        changes["lease_until"] = _lease()
        shown = [(JobEvent.Kind.PROGRESS, {})] if is_told() or lines else []
    changes |= _shown(progress)
    _advance(
        job,
        changes,
        [*lines, *((kind, data | _seen(progress)) for kind, data in shown)],
    )


@transaction.atomic
def show_progress(job: Job, progress: Progress) -> None:
    """
    Show how far the running chunk is, and renew the lease.

    :raises Fenced: the job is no longer this worker's
    """
    changes = _shown(progress) | {"done": progress.done, "lease_until": _lease()}
    _advance(job, changes, [(JobEvent.Kind.PROGRESS, _seen(progress))])


def renew_lease(job: Job) -> None:
    """Keep the job for another while. :raises Fenced: the job is no longer this worker's"""
    if not Job.objects.filter(_mine(job)).update(lease_until=_lease()):
        raise Fenced


def is_cancel_asked(job: Job) -> bool:
    """Tell whether somebody asked to cancel. :raises Fenced: the job is no longer this worker's"""
    asked = Job.objects.filter(_mine(job)).values_list("cancel_requested_at", flat=True)
    if not asked:
        raise Fenced
    return asked[0] is not None


def note(job: Job, text: str) -> None:
    """Write a line to the job's log. :raises Fenced: the job is no longer this worker's"""
    with transaction.atomic():
        _advance(job, {}, [(JobEvent.Kind.LOG, {"text": text})])


@transaction.atomic
def end_cancelled(job: Job) -> None:
    """Record that the job has stopped on request. :raises Fenced: the job is no longer this worker's"""
    _end(_locked(job), Job.State.CANCELLED, None)


@transaction.atomic
def fail_job(job: Job, code: str, message: str) -> None:
    """
    Record that the job cannot go on.

    :param message: what its owner reads: why, and what to do
    :raises Fenced: the job is no longer this worker's
    """
    _end(_locked(job), Job.State.FAILED, _error(code, message))


def sweep_jobs() -> int:
    """
    Send the jobs to the workers again whose worker has gone silent, or whom no worker has picked up.

    :return: how many
    """
    lapsed = Job.objects.filter(
        state__in=[Job.State.QUEUED, Job.State.RUNNING], lease_until__lt=Now()
    )
    return sum(
        _resend(job_id)
        for job_id in lapsed.order_by("lease_until").values_list("pk", flat=True)[:500]
    )


@transaction.atomic
def _resend(job_id: int) -> bool:
    unfinished = Job.objects.filter(
        state__in=[Job.State.QUEUED, Job.State.RUNNING], lease_until__lt=Now()
    )
    job = (
        unfinished.select_for_update(no_key=True, skip_locked=True)
        .filter(pk=job_id)
        .first()
    )
    if job is None:
        return False
    wait = min(max(timezone.now() - job.created_at, RESEND_AFTER), RESEND_AT_MOST)
    if job.state == Job.State.RUNNING:
        logger.warning(
            "job %s: attempt %s has gone silent, sent to the workers again",
            job.pk,
            job.attempt,
        )
        wait = RESEND_AFTER
        _tell(
            job.pk, [(JobEvent.Kind.STATE, {"state": Job.State.QUEUED, "eta_at": None})]
        )
    Job.objects.filter(pk=job.pk).update(
        state=Job.State.QUEUED, lease_until=_in(wait), eta_at=None
    )
    _send(job.pk)
    return True


def expire_jobs(batch: int = 500) -> int:
    """
    Delete jobs that ended longer ago than settings.JOB_RETENTION_DAYS, with their logs, in short transactions.

    :return: how many
    """
    before = timezone.now() - timedelta(days=settings.JOB_RETENTION_DAYS)
    old = (
        Job.objects.filter(finished_at__lt=before)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    gone = 0
    while ids := list(old[:batch]):
        with transaction.atomic():
            JobEvent.objects.filter(job__in=ids)._raw_delete("default")
            Job.objects.filter(pk__in=ids).delete()
        gone += len(ids)
    return gone


def _mine(job: Job) -> Q:
    return Q(pk=job.pk, attempt=job.attempt, state=Job.State.RUNNING)


def _locked(job: Job) -> Job:
    mine: QuerySet[Job] = Job.objects.select_for_update(no_key=True).filter(_mine(job))
    row = mine.first()
    if row is None:
        raise Fenced
    return row


def _end(job: Job, state: str, error: dict[str, str] | None) -> None:
    """End a locked job as failed or cancelled, with its kind's bookkeeping; that going wrong does not keep it alive."""
    changes = _final(state) | {"error": error, "done": F("done_committed")}
    Job.objects.filter(pk=job.pk).update(**changes)
    _tell(
        job.pk,
        [
            (
                JobEvent.Kind.STATE,
                {"state": state, "error": error, "done": job.done_committed},
            )
        ],
    )
    job.refresh_from_db()
    try:
        with transaction.atomic():
            ended = kind_of(job.kind).ended
            if ended is not None:
                ended(job)
    except Exception:
        logger.exception("job %s: the bookkeeping of its end failed", job.pk)


def _advance(
    job: Job, changes: dict[str, Any], events: "Sequence[tuple[str, dict[str, Any]]]"
) -> None:
    """Change a running job that is still this worker's, and tell. :raises Fenced: it is not"""
    if not Job.objects.filter(_mine(job)).update(**changes, seq=F("seq") + len(events)):
        raise Fenced
    _write(job.pk, events)


def _tell(job_id: int, events: "Sequence[tuple[str, dict[str, Any]]]") -> None:
    """Tell the watchers of a locked job."""
    Job.objects.filter(pk=job_id).update(seq=F("seq") + len(events))
    _write(job_id, events)


def _write(job_id: int, events: "Sequence[tuple[str, dict[str, Any]]]") -> None:
    """Insert events under the numbers that the caller's UPDATE has just taken: it holds the row's lock."""
    if not events:
        return
    head = Job.objects.values_list("seq", flat=True).get(pk=job_id)
    JobEvent.objects.bulk_create(
        JobEvent(job_id=job_id, seq=head - len(events) + place, kind=kind, data=data)
        for place, (kind, data) in enumerate(events, 1)
    )
    poke_stream(stream_of(job_id))


def _final(state: str) -> dict[str, Any]:
    return {
        "state": state,
        "finished_at": timezone.now(),
        "lease_until": None,
        "eta_at": None,
    }


def _shown(progress: Progress) -> dict[str, Any]:
    return {
        "total": progress.total,
        "message": progress.message[:500],
        "eta_at": progress.eta_at,
    }


def _seen(progress: Progress) -> dict[str, Any]:
    return asdict(progress) | {"message": progress.message[:500]}


def _error(code: str, message: str) -> dict[str, str]:
    return {"code": code, "message": message}


def _send(job_id: int) -> None:
    # By name: the task stands above the services. A signature answers to what enqueueing asks of a task.
    enqueue_on_commit(
        cast("Task[Any, Any]", current_app.signature(RUN_JOB)), job_id=job_id
    )


def _lease() -> ExpressionWrapper:
    return _in(timedelta(seconds=settings.JOB_LEASE_SECONDS))


def _in(wait: timedelta) -> ExpressionWrapper:
    """Return a moment by the database's clock, the only one that all workers share."""
    return ExpressionWrapper(
        Now() + Value(wait, output_field=DurationField()), output_field=DateTimeField()
    )
