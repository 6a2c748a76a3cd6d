"""Telling the workers that a job waits."""

from typing import Any, cast

from celery import Task, current_app

from apps.events.enqueue import enqueue_on_commit


def send_job(job_id: int) -> None:
    """Send a job to the workers after the commit; the sweeper sends it again should the message be lost."""
    # By name: the task stands above the services. A signature answers to what enqueueing asks of a task.
    task = cast("Task[Any, Any]", current_app.signature("apps.jobs.tasks.run_job"))
    enqueue_on_commit(task, job_id=job_id)
