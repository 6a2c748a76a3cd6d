"""What people may do to a job."""

from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts import access
from apps.accounts.models import User
from apps.jobs.kinds import kind_of
from apps.jobs.models import Job
from apps.jobs.sending import send_job
from apps.jobs.services.sweeping import RESEND_AFTER
from apps.jobs.services.writing import change_state, end, from_now
from apps.jobs.titles import LONGEST, Title


@transaction.atomic
def start_job(
    kind: str, *, actor: User, title: str | Title, params: dict[str, Any], total: int | None = None
) -> Job:
    """
    Start long work for `actor` and return at once; the workers hear of it after the commit.

    Whether the actor may do such work is for the calling service to say: it knows the work's subject.

    :param title: a text stays in the language of the actor; a :class:`Title` is said in that of whoever reads it
    :param params: what the kind's step needs to know, JSON-serializable
    :raises KeyError: no app does such work
    :raises PermissionDenied: the actor came with a key that is limited, the work would be done with all of their rights;
        or somebody acts as them, and would not be named for what the work does
    """
    kind_of(kind)
    if actor.key_scopes is not None:
        raise PermissionDenied(_("Long work takes a person, or a key that may do whatever its owner may."))
    if actor.impersonation is not None:
        raise PermissionDenied(
            _("Long work outlasts the time in which you act as somebody else: it is not begun so.")
        )
    words = title.stored() if isinstance(title, Title) else {}
    job = Job.objects.create(
        kind=kind, title=str(title)[:LONGEST], title_words=words, owner=actor, params=params, total=total
    )
    change_state(job, Job.State.QUEUED, {"lease_until": from_now(RESEND_AFTER)}, total=total)
    send_job(job.pk)
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
    job = _locked(job_id, "cancel", actor)
    if job.is_finished:
        raise ValidationError(_("This job has ended already."), code="job_finished")
    if job.state == Job.State.QUEUED:
        end(job, Job.State.CANCELLED, None)
    elif job.cancel_requested_at is None:
        change_state(job, job.state, {"cancel_requested_at": timezone.now()}, is_cancelling=True)
    return job


@transaction.atomic
def retry_job(job_id: int, *, actor: User) -> Job:
    """
    Let a failed or cancelled job go on from its checkpoint; it stays the same job, with its watchers and log.

    :raises Job.DoesNotExist: the actor cannot see such a job
    :raises PermissionDenied: the actor may not retry it
    :raises ValidationError: it has not failed (code "job_not_failed"), or its kind refuses
    """
    job = _locked(job_id, "retry", actor)
    if job.state not in {Job.State.FAILED, Job.State.CANCELLED}:
        raise ValidationError(_("Only a failed or cancelled job can go on."), code="job_not_failed")
    resumed = kind_of(job.kind).resumed
    if resumed is not None:
        resumed(job)
    changes: dict[str, Any] = {"error": None, "message": "", "finished_at": None, "cancel_requested_at": None}
    changes |= {"lost_attempts": 0, "lease_until": from_now(RESEND_AFTER)}
    change_state(job, Job.State.QUEUED, changes, error=None, message="", is_cancelling=False)
    send_job(job.pk)
    return job


def _locked(job_id: int, action: str, actor: User) -> Job:
    """Return a job to whom the actor may do `action`, its row locked but for keys that refer to it."""
    access.require(actor, action, Job.objects.visible_to(actor).get(pk=job_id))
    return Job.objects.select_for_update(no_key=True).get(pk=job_id)
