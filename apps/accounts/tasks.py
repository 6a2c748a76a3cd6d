"""Celery tasks of accounts."""

from celery import shared_task

from apps.accounts import cuts, services
from apps.accounts.models import User


@shared_task
def rotate_signing_keys() -> int:
    """Do what is due about the keys that sign tokens; return how many were changed."""
    return len(services.rotate_keys(actor=User.objects.system()))


@shared_task
def expire_token_cuts() -> int:
    """Forget which tokens were ended, once they have expired by themselves."""
    return cuts.forget_old_cuts()
