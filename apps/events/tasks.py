"""What the workers and the beat do for facts."""

import logging

from celery import shared_task

from apps.events import services

logger = logging.getLogger(__name__)


@shared_task
def deliver(*, event_id: int, receiver: str) -> None:
    """Let one receiver hear one fact."""
    services.deliver(event_id, receiver)


@shared_task
def expire_events() -> None:
    """Delete facts past their retention."""
    if count := services.expire_events():
        logger.info("%d events expired", count)
