"""Celery tasks of telling people and other systems."""

from celery import shared_task

from apps.notifications.services import delivering, escalating, inbox, reminding, sweeping, webhook_sending


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


@shared_task
def sweep_deliveries() -> int:
    """Put digests together, and hand over to the broker what it does not have."""
    return sweeping.gather_digests() + sweeping.sweep_or_wait()


@shared_task
def escalate_ignored() -> int:
    """Tell those who wait that nobody has looked at what they have asked for."""
    return escalating.escalate_ignored()


@shared_task
def expire_deliveries() -> int:
    """Forget what was sent long ago."""
    return delivering.expire()
