"""What is shown of a job, in the same words on every face."""

from datetime import datetime
from typing import Any

from django.utils import timezone

from apps.jobs.kinds import kind_of
from apps.jobs.models import Job, JobEvent

# What a log shows at first; who wants more reads the events.
LOG_LINES = 200


def eta_seconds(job: Job, now: datetime | None = None) -> int | None:
    """Return in how many seconds the job is expected to be done; None while nobody can tell."""
    if job.state != Job.State.RUNNING or job.eta_at is None:
        return None
    left = (job.eta_at - (now or timezone.now())).total_seconds()
    # What was foretold has passed: nobody knows any more.
    return round(left) if left >= 0 else None


def page_of(job: Job) -> str:
    """Return the address of the page where the job's result is seen; "" for none."""
    try:
        page = kind_of(job.kind).page
    except KeyError:
        return ""
    return page(job) if page is not None else ""


def snapshot(job: Job) -> dict[str, Any]:
    """Return the whole of a job for a watcher, but its log."""
    return {
        "id": job.pk,
        "kind": job.kind,
        "title": job.said,
        "state": job.state,
        "done": job.done,
        "total": job.total,
        "eta_at": job.eta_at,
        "message": job.message,
        "result": job.result,
        "error": job.error,
        "is_cancelling": is_cancelling(job),
        "page": page_of(job),
        "attempt": job.attempt,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
    }


def is_cancelling(job: Job) -> bool:
    """Tell whether the job has been asked to stop and has not yet."""
    return job.state == Job.State.RUNNING and job.cancel_requested_at is not None


def log_of(job: Job) -> list[dict[str, Any]]:
    """Return the last lines of the job's log as of the instance, oldest first: [{"seq", "at", "text"}]."""
    lines = job.events.filter(kind=JobEvent.Kind.LOG, seq__lte=job.seq).order_by("-seq")[:LOG_LINES]
    return [{"seq": line.seq, "at": line.at, "text": line.data["text"]} for line in reversed(lines)]


def kind_label(job: Job) -> str:
    """Return what kind of work it is, in the reader's language."""
    try:
        return str(kind_of(job.kind).label)
    except KeyError:
        return job.kind
