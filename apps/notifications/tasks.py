"""Celery tasks of telling others."""

from celery import shared_task

from apps.notifications.services import webhook_sending


@shared_task
def expire_webhook_deliveries() -> int:
    """Delete what was sent to other systems long ago."""
    return webhook_sending.expire_deliveries()
