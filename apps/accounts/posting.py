"""Telling the workers that a letter waits."""

from typing import Any, cast

from celery import Task, current_app

from apps.events.enqueue import enqueue_on_commit


def post(letter_id: int) -> None:
    """Send a letter to the workers after the commit; the beat finds it again should the message be lost."""
    # By name: the task stands above the services. A signature answers to what enqueueing asks of a task.
    task = cast("Task[Any, Any]", current_app.signature("apps.accounts.tasks.deliver_letter"))
    enqueue_on_commit(task, letter_id=letter_id)
