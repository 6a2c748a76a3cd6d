"""Telling the workers that something about Drive is due."""

from typing import Any, cast

from celery import Task, current_app

from apps.events.enqueue import enqueue_on_commit


def poke() -> None:
    """Wake a worker after the commit; the beat does it too should the message be lost."""
    # By name: the task stands above the services. A signature answers to what enqueueing asks of a task.
    enqueue_on_commit(cast("Task[Any, Any]", current_app.signature("apps.documents.tasks.work_on_drive")))
