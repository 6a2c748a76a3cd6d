"""Celery tasks of accounts."""

from celery import shared_task

from apps.accounts import services


@shared_task
def clear_tokens() -> int:
    """Delete codes and tokens that have expired."""
    return services.clear_tokens()
