"""Celery tasks of telling people and other systems."""

from celery import shared_task

from apps.notifications.services import inbox, reminding, webhook_sending


@shared_task
def expire_webhook_deliveries() -> int:
    """Delete what was sent to other systems long ago."""
    return webhook_sending.expire_deliveries()


@shared_task
def fire_due_reminders() -> int:
    """Remind people of what it is time for."""
    return reminding.fire_due_reminders()


@shared_task
def expire_inboxes() -> int:
    """Forget what people were told long ago."""
    return inbox.expire()
