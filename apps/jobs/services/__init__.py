"""What may be done to a job: by people, by the worker that runs it, and by the sweeper."""

from apps.jobs.services.asking import cancel_job, retry_job, start_job
from apps.jobs.services.sweeping import expire_jobs, sweep_jobs

__all__ = ["cancel_job", "expire_jobs", "retry_job", "start_job", "sweep_jobs"]
