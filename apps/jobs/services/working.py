"""
What the worker that runs a job does to it, in its owner's name.

A worker's writes are fenced: each is one conditional UPDATE on "still running, still my attempt", and no row
is locked between them, so that neither a cancel nor the lease ever waits for a chunk.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.expressions import Combinable
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.events.failpoints import failpoint
from apps.jobs.kinds import Step
from apps.jobs.models import Job, JobEvent
from apps.jobs.services.writing import Fenced, advance, change_state, end, ended_now, from_now, mine

# A job whose worker died this often in a row without a chunk committed would kill the next one too.
MAX_LOST_ATTEMPTS = 5


@dataclass(frozen=True)
class Progress:
    """How far a job is, as its watchers see it."""

    done: int
    total: int | None
    message: str
    eta_at: datetime | None = None


@transaction.atomic
def claim_job(job_id: int) -> Job | None:
    """Take a waiting job, or one whose worker has gone silent, under a lease; None if there is none."""
    takeable = Q(state=Job.State.QUEUED) | Q(state=Job.State.RUNNING, lease_until__lt=Now())
    job = Job.objects.select_for_update(no_key=True, skip_locked=True).filter(takeable, pk=job_id).first()
    if job is None:
        return None
    if job.lost_attempts >= MAX_LOST_ATTEMPTS:
        text = _("The work broke off again and again at the same place.")
        end(job, Job.State.FAILED, {"code": "lost", "message": text})
        return None
    changes = {
        "attempt": F("attempt") + 1,
        "lost_attempts": F("lost_attempts") + 1,
        "lease_until": _lease(),
        "started_at": job.started_at or timezone.now(),
        "done": F("done_committed"),
        "eta_at": None,
    }
    told = {"attempt": job.attempt + 1, "done": job.done_committed, "total": job.total, "eta_at": None}
    change_state(job, Job.State.RUNNING, changes, **told)
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

    :param work: does the chunk; the job it is given is read afresh in the chunk's transaction
    :param eta: foretells the end from how much is done, and of how much
    :param is_told: whether the watchers are to hear of this chunk; of the last and of log lines always
    :raises Fenced: the job is no longer this worker's; the chunk's effect is rolled back
    """
    with transaction.atomic():
        fresh = Job.objects.filter(mine(job)).first()
        if fresh is None:
            raise Fenced
        step = work(fresh)
        total = fresh.total if step.total is None else step.total
        progress = Progress(step.done, total, step.message[:500], eta(step.done, total))
        failpoint("job.before_commit")
        _commit(job, step, progress, is_told)
    failpoint("job.after_commit")
    return step


def _commit(job: Job, step: Step, progress: Progress, is_told: Callable[[], bool]) -> None:
    """Write the chunk's checkpoint and progress: the last statements of its transaction."""
    changes: dict[str, Any] = asdict(progress)
    changes |= {"checkpoint": step.checkpoint, "done_committed": step.done, "lost_attempts": 0}
    events: list[tuple[str, dict[str, Any]]] = [(JobEvent.Kind.LOG, {"text": line}) for line in step.log]
    if step.result is not None:
        changes |= ended_now() | {"state": Job.State.SUCCEEDED, "result": step.result}
        told = asdict(progress) | {"state": Job.State.SUCCEEDED, "result": step.result, "eta_at": None}
        events.append((JobEvent.Kind.STATE, told))
    else:
        changes["lease_until"] = _lease()
        if is_told() or events:
            events.append((JobEvent.Kind.PROGRESS, asdict(progress)))
    advance(job, changes, events)


@transaction.atomic
def show_progress(job: Job, progress: Progress) -> None:
    """
    Show how far the running chunk is, and renew the lease.

    :raises Fenced: the job is no longer this worker's
    """
    shown = asdict(progress) | {"message": progress.message[:500]}
    advance(job, shown | {"lease_until": _lease()}, [(JobEvent.Kind.PROGRESS, shown)])


def renew_lease(job: Job) -> None:
    """
    Keep the job for another while.

    :raises Fenced: the job is no longer this worker's
    """
    advance(job, {"lease_until": _lease()}, [])


def is_cancel_asked(job: Job) -> bool:
    """
    Tell whether somebody asked to cancel.

    :raises Fenced: the job is no longer this worker's
    """
    asked = Job.objects.filter(mine(job)).values_list("cancel_requested_at").first()
    if asked is None:
        raise Fenced
    return asked[0] is not None


@transaction.atomic
def end_cancelled(job: Job) -> None:
    """
    Record that the job has stopped on request.

    :raises Fenced: the job is no longer this worker's
    """
    end(_locked(job), Job.State.CANCELLED, None)


@transaction.atomic
def fail_job(job: Job, code: str, message: str) -> None:
    """
    Record that the job cannot go on.

    :param message: what its owner reads: why, and what to do
    :raises Fenced: the job is no longer this worker's
    """
    end(_locked(job), Job.State.FAILED, {"code": code, "message": message})


def _locked(job: Job) -> Job:
    row = Job.objects.select_for_update(no_key=True).filter(mine(job)).first()
    if row is None:
        raise Fenced
    return row


def _lease() -> Combinable:
    return from_now(timedelta(seconds=settings.JOB_LEASE_SECONDS))
