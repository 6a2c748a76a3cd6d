"""Jobs that were left lying are sent to the workers again; old ones are forgotten."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django.fixtures import Settings

from apps.jobs import runner
from apps.jobs.models import Job, JobEvent
from apps.jobs.services import cancel_job, expire_jobs, sweep_jobs, sweeping, working
from apps.jobs.services.writing import Fenced
from tests.jobs.factories import make_job


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The jobs that were sent to the workers."""
    sent: list[int] = []
    monkeypatch.setattr(sweeping, "send_job", sent.append)
    return sent


def lapse(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_a_job_whose_worker_has_gone_silent_is_sent_again(sent: list[int]) -> None:
    job = make_job()
    claimed = working.claim_job(job.pk)
    assert claimed is not None
    assert (sweep_jobs(), sent) == (0, [])
    lapse(job)
    assert (sweep_jobs(), sent) == (1, [job.pk])
    assert (sweep_jobs(), sent) == (0, [job.pk]), "not again before the message has had its time"
    job.refresh_from_db()
    assert job.state == "QUEUED"
    with pytest.raises(Fenced):
        working.renew_lease(claimed)
    runner.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.attempt) == ("SUCCEEDED", 2)


def test_a_job_that_nobody_picked_up_is_sent_again(sent: list[int]) -> None:
    job = make_job()
    assert sweep_jobs() == 0
    lapse(job)
    assert (sweep_jobs(), sent) == (1, [job.pk])
    job.refresh_from_db()
    assert job.lease_until is not None
    assert timedelta(seconds=5) < job.lease_until - timezone.now() <= sweeping.RESEND_AFTER


def test_the_longer_a_job_waits_the_rarer_it_is_sent(sent: list[int]) -> None:
    job = make_job()
    Job.objects.filter(pk=job.pk).update(created_at=timezone.now() - timedelta(hours=1))
    lapse(job)
    sweep_jobs()
    job.refresh_from_db()
    assert job.lease_until is not None
    assert job.lease_until - timezone.now() > timedelta(seconds=55)


def test_two_sweepers_send_a_job_once(sent: list[int]) -> None:
    job = make_job()
    lapse(job)
    other = connection.copy()
    try:
        with transaction.atomic():
            assert sweep_jobs() == 1
            with other.cursor() as cursor:
                cursor.execute(
                    "SELECT id FROM jobs_job WHERE id = %s FOR NO KEY UPDATE SKIP LOCKED", [job.pk]
                )
                assert cursor.fetchall() == []
    finally:
        other.close()


def test_old_jobs_are_forgotten_with_their_logs(settings: Settings) -> None:
    settings.JOB_RETENTION_DAYS = 30
    jobs = [make_job() for _number in range(5)]
    for job in jobs[:4]:
        cancel_job(job.pk, actor=job.owner)
    Job.objects.filter(pk__in=[job.pk for job in jobs[:3]]).update(
        finished_at=timezone.now() - timedelta(days=31)
    )
    assert expire_jobs(batch=2) == 3
    assert list(Job.objects.order_by("pk")) == jobs[3:]
    assert not JobEvent.objects.filter(job__in=[job.pk for job in jobs[:3]]).exists()
    assert expire_jobs() == 0
