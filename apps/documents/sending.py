"""Telling the workers what waits for them; the sweeps send it again should a message be lost."""

from typing import Any, cast

from celery import Task, current_app

from apps.events.enqueue import enqueue_on_commit


def send_upload(session_id: int, attempt: int) -> None:
    """Send a file that has come whole to be checked, after the commit."""
    _send("check_upload", session_id=session_id, attempt=attempt)


def send_integrity_run(run_id: int) -> None:
    """Send a check of what is kept to be made, after the commit."""
    _send("verify_documents", run_id=run_id)


def _send(name: str, **kwargs: Any) -> None:
    # By name: the task stands above the services. A signature answers to what enqueueing asks of a task.
    task = cast("Task[Any, Any]", current_app.signature(f"apps.documents.tasks.{name}"))
    enqueue_on_commit(task, **kwargs)
