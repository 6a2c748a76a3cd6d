"""Celery tasks of accounts."""

import logging

from celery import shared_task

from apps.accounts import cuts, services
from apps.accounts.models import User
from apps.accounts.services.verifying import BrokenChain, missing_guards, verify_auth_events

logger = logging.getLogger(__name__)


@shared_task
def verify_auth_events_nightly() -> str:
    """
    Verify the record of access events, and log where it ends: a log that is kept elsewhere proves it later.

    :raises BrokenChain: it is not what was recorded
    """
    head = verify_auth_events()
    off = missing_guards()
    if off:
        raise BrokenChain(f"The guards of the access events are turned off: {', '.join(off)}.")
    logger.info("the access events are as recorded, up to %s", head)
    return str(head)


@shared_task
def rotate_signing_keys() -> int:
    """Do what is due about the keys that sign tokens; return how many were changed."""
    return len(services.rotate_keys(actor=User.objects.system()))


@shared_task
def expire_token_cuts() -> int:
    """Forget which tokens were ended, once they have expired by themselves."""
    return cuts.forget_old_cuts()


@shared_task
def clear_tokens() -> int:
    """Delete codes and tokens that have expired."""
    return services.clear_tokens()


@shared_task
def deliver_letter(*, letter_id: int) -> None:
    """Give a letter to the mail server."""
    services.deliver_letter(letter_id)


@shared_task
def deliver_letters() -> int:
    """Send the letters that are due and that no worker was told of."""
    return services.deliver_letters()
