"""Celery tasks of jobs."""

from celery import shared_task

from apps.jobs import runner, services


@shared_task
def run_job(job_id: int) -> None:
    """Do a job from its checkpoint to its end."""
    runner.run(job_id)


@shared_task
def sweep_jobs() -> int:
    """Send the jobs to the workers again that nobody works on."""
    return services.sweep_jobs()


@shared_task
def expire_jobs() -> int:
    """Delete jobs whose retention is over."""
    return services.expire_jobs()
