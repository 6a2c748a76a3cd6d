"""What nobody asks for: finding the jobs that were left lying, and forgetting the old ones."""

import logging
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from apps.jobs.models import Job, JobEvent
from apps.jobs.sending import send_job
from apps.jobs.services.writing import change_state, from_now

logger = logging.getLogger(__name__)

# A message to the workers that was not picked up in this time is taken for lost; one too many finds the job
# taken. The wait grows with the job's age up to the second figure, so that a long queue is not flooded.
RESEND_AFTER = timedelta(seconds=10)
RESEND_AT_MOST = timedelta(seconds=60)


def sweep_jobs() -> int:
    """
    Send the jobs to the workers again whose worker has gone silent, or whom no worker has picked up.

    :return: how many
    """
    ids = (
        Job.objects.unfinished()
        .filter(lease_until__lt=Now())
        .order_by("lease_until")
        .values_list("pk", flat=True)
    )
    return sum(_resend(job_id) for job_id in ids[:500])


@transaction.atomic
def _resend(job_id: int) -> bool:
    lapsed = Job.objects.unfinished().filter(pk=job_id, lease_until__lt=Now())
    job = lapsed.select_for_update(no_key=True, skip_locked=True).first()
    if job is None:
        return False
    if job.state == Job.State.RUNNING:
        logger.warning("job %s: attempt %s has gone silent, sent to the workers again", job.pk, job.attempt)
        change_state(
            job, Job.State.QUEUED, {"lease_until": from_now(RESEND_AFTER), "eta_at": None}, eta_at=None
        )
    else:
        wait = min(max(timezone.now() - job.created_at, RESEND_AFTER), RESEND_AT_MOST)
        Job.objects.filter(pk=job.pk).update(lease_until=from_now(wait))
    send_job(job.pk)
    return True


def expire_jobs(batch: int = 500) -> int:
    """
    Delete jobs that ended more than settings.JOB_RETENTION_DAYS ago, with their logs, in short transactions.

    :return: how many
    """
    before = timezone.now() - timedelta(days=settings.JOB_RETENTION_DAYS)
    old = Job.objects.filter(finished_at__lt=before).order_by("pk").values_list("pk", flat=True)
    gone = 0
    while ids := list(old[:batch]):
        with transaction.atomic():
            JobEvent.objects.filter(job__in=ids).delete()
            Job.objects.filter(pk__in=ids).delete()
        gone += len(ids)
    return gone
