"""Celery tasks of the sales side."""

from celery import shared_task

from apps.crm.services import imports


@shared_task
def expire_imports() -> int:
    """Remove the files and rows of imports whose retention is over."""
    return imports.expire_imports()
