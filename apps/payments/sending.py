"""Telling the workers what waits for them; the beat finds it again should a message be lost."""

from typing import Any, cast

from celery import Task, current_app

from apps.events.enqueue import enqueue_on_commit


def send_message(message_id: int) -> None:
    """Have a message of a provider read, after the commit."""
    _send("read_provider_message", message_id=message_id)


def send_refund(refund_id: int) -> None:
    """Have a provider asked to give money back, after the commit."""
    _send("send_refund", refund_id=refund_id)


def send_receipt(receipt_id: int) -> None:
    """Have a fiscal receipt registered, after the commit."""
    _send("send_receipt", receipt_id=receipt_id)


def _send(name: str, **kwargs: Any) -> None:
    # By name: the task stands above the services. A signature answers to what enqueueing asks of a task.
    task = cast("Task[Any, Any]", current_app.signature(f"apps.payments.tasks.{name}"))
    enqueue_on_commit(task, **kwargs)
