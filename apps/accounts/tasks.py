"""Celery tasks of accounts."""

from celery import shared_task

from apps.accounts import services


@shared_task
def deliver_letter(*, letter_id: int) -> None:
    """Give a letter to the mail server."""
    services.deliver_letter(letter_id)


@shared_task
def deliver_letters() -> int:
    """Send the letters that are due and that no worker was told of."""
    return services.deliver_letters()
