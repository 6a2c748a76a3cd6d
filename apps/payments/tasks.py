"""What workers do for money by the clock."""

from celery import shared_task

from apps.payments.services import idempotency


@shared_task
def expire_idempotency_keys() -> int:
    """Forget what was answered to requests of more than a week ago."""
    return idempotency.expire_idempotency_keys()
