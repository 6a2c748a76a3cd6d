"""What follows when somebody has logged in, or has set a new password with a code from a letter."""

import hashlib
import logging
from typing import Any

import redis
from allauth.account.signals import (
    email_verification_code_rejected,
    login_code_rejected,
    password_reset,
    password_reset_code_rejected,
    user_logged_in,
)
from django.conf import settings
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from apps.accounts import attempts, services
from apps.accounts.models import KnownDevice, User
from apps.common.addresses import client_address

logger = logging.getLogger(__name__)

_LONGEST_AGENT = 200


@receiver(user_logged_in, dispatch_uid="accounts.new_device")
def tell_of_new_device(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Write a letter to somebody who has logged in from a browser that is new, unless it is their first one."""
    agent = request.headers.get("User-Agent", "")
    digest = hashlib.sha256(agent.encode()).hexdigest()
    is_first = not KnownDevice.objects.filter(user=user).exists()
    _device, is_new = KnownDevice.objects.get_or_create(user=user, digest=digest)
    if is_first or not is_new or not user.email or not settings.ACCOUNT_EMAIL_NOTIFICATIONS:
        return
    context = {
        "timestamp": timezone.now(),
        "ip": client_address(request),
        "user_agent": agent[:_LONGEST_AGENT] or "—",
    }
    services.send_letter("account/email/new_device", user.email, context)


@receiver(password_reset, dispatch_uid="accounts.unlock")
def forget_wrong_passwords(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Let somebody log in at once who has shown that the mailbox is theirs."""
    try:
        attempts.unlock(attempts.person(user.email or ""))
    except redis.RedisError as error:
        logger.warning("a lock stays although the password is new: %s", error)


@receiver(
    [login_code_rejected, password_reset_code_rejected, email_verification_code_rejected],
    dispatch_uid="accounts.code_refused",
)
def record_refused_code(user: User, **kwargs: Any) -> None:
    """Record that somebody has typed a wrong code, or one that was used or is too old."""
    services.record_auth_event("code_refused", user=user)
