"""Celery tasks of the sales side."""

from celery import shared_task

from apps.crm.services import boards, imports


@shared_task
def expire_imports() -> int:
    """Remove the files and rows of imports whose retention is over."""
    return imports.expire_imports()


@shared_task
def expire_board_changes() -> int:
    """Forget what changed on boards long ago."""
    return boards.expire_changes()
