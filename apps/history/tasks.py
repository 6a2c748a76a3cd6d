"""Celery tasks of history, and the change sets of all tasks."""

from contextlib import ExitStack
from typing import Any

from celery import Task, shared_task
from celery.signals import task_postrun, task_prerun

from apps.history.context import Face, Work, change_set
from apps.history.services.expiring import expire_history as expire

_ATTRIBUTE = "history_change_set"


@shared_task
def expire_history() -> int:
    """Forget history beyond its retention."""
    return expire()


@task_prerun.connect(dispatch_uid="history")
def _enter(task: "Task[Any, Any]", task_id: str, **kwargs: Any) -> None:
    """Put what a task changes into one change set, told by what it did; a job's own takes its place within it."""
    stack = ExitStack()
    stack.enter_context(change_set(Work(Face.SYSTEM, request_id=task_id)))
    task.request.update({_ATTRIBUTE: stack})


@task_postrun.connect(dispatch_uid="history")
def _leave(task: "Task[Any, Any]", **kwargs: Any) -> None:
    stack = task.request.get(_ATTRIBUTE)
    if stack is not None:
        stack.close()
