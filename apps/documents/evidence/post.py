"""Telling the workers that a signature is complete and its evidence is to be written."""

from typing import Any, cast

from celery import Task, current_app

from apps.events.enqueue import enqueue_on_commit


def post_evidence(request_id: int) -> None:
    """Send a request to the workers after the commit; the beat finds it again should the message be lost."""
    # By name: the task stands above the services. A signature answers to what enqueueing asks of a task.
    task = cast("Task[Any, Any]", current_app.signature("apps.documents.tasks.write_evidence"))
    enqueue_on_commit(task, request_id=request_id)
