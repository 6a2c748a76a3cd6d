"""What every change of a job writes: the row under its fence, and the numbered events its watchers read."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F, Q, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Now
from django.utils import timezone

from apps.events.wakeup import poke_stream
from apps.jobs.kinds import kind_of
from apps.jobs.models import Job, JobEvent

logger = logging.getLogger(__name__)

Events = Sequence[tuple[str, dict[str, Any]]]


class Fenced(Exception):
    """The job is no longer this worker's: another has taken it over, or it has ended."""


def mine(job: Job) -> Q:
    """Return the fence: the job is still running, in the attempt that the caller made."""
    return Q(pk=job.pk, attempt=job.attempt, state=Job.State.RUNNING)


def advance(job: Job, changes: dict[str, Any], events: Events) -> None:
    """
    Change a running job that is still the caller's, and tell its watchers.

    :raises Fenced: it is not
    """
    if not Job.objects.filter(mine(job)).update(**changes, seq=F("seq") + len(events)):
        raise Fenced
    _write(job.pk, events)


def change_state(job: Job, state: str, changes: dict[str, Any], **told: Any) -> None:
    """Change the state of a job that the caller has locked, tell its watchers, read the instance afresh."""
    Job.objects.filter(pk=job.pk).update(state=state, **changes, seq=F("seq") + 1)
    _write(job.pk, [(JobEvent.Kind.STATE, {"state": state, **told})])
    job.refresh_from_db()


def end(job: Job, state: str, error: dict[str, str] | None) -> None:
    """
    End a job that the caller has locked as failed or cancelled, with its kind's bookkeeping.

    That going wrong does not keep the job alive: it would be taken up again and again.
    """
    changes = ended_now() | {"error": error, "done": F("done_committed")}
    change_state(job, state, changes, error=error, done=job.done_committed)
    try:
        with transaction.atomic():
            ended = kind_of(job.kind).ended
            if ended is not None:
                ended(job)
    except Exception:
        logger.exception("job %s: the bookkeeping of its end failed", job.pk)


def ended_now() -> dict[str, Any]:
    """Return what is set on every job that ends."""
    return {"finished_at": timezone.now(), "lease_until": None, "eta_at": None}


def from_now(wait: timedelta) -> Combinable:
    """Return a moment by the database's clock, the only one that all workers share."""
    return ExpressionWrapper(Now() + Value(wait, output_field=DurationField()), output_field=DateTimeField())


def _write(job_id: int, events: Events) -> None:
    """Insert events under the numbers that the caller's UPDATE has just taken: it holds the row's lock."""
    if not events:
        return
    head = Job.objects.values_list("seq", flat=True).get(pk=job_id)
    JobEvent.objects.bulk_create(
        JobEvent(job_id=job_id, seq=head - len(events) + place, kind=kind, data=data)
        for place, (kind, data) in enumerate(events, 1)
    )
    poke_stream(f"job:{job_id}")
