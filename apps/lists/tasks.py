"""Celery tasks of lists."""

from celery import shared_task

from apps.lists.services import exports
from apps.lists.services.bulk import expire_bulk_edits as expire_edits
from apps.lists.services.selections import expire_selections as expire


@shared_task
def expire_selections() -> int:
    """Forget what was selected long ago."""
    return expire()


@shared_task
def expire_bulk_edits() -> int:
    """Remove the rows of old bulk changes."""
    return expire_edits()


@shared_task
def expire_exports() -> int:
    """Remove the files of exports whose time is over."""
    return exports.expire_exports()
