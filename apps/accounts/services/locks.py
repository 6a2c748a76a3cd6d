"""Letting somebody try again who has given too many wrong passwords."""

import redis
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.accounts import attempts, rows
from apps.accounts.models import User
from apps.accounts.services.auth_events import record_auth_event
from apps.accounts.services.limits import require_over


@transaction.atomic
def unlock_user(user_id: int, *, actor: User) -> User:
    """
    Let a user log in again at once, from anywhere.

    :raises DoesNotExist: the actor does not see such a user
    :raises PermissionDenied: the actor may not, or the user holds more than they do
    :raises ValidationError: they are not locked ("not_locked"), or it cannot be done at the moment ("unavailable")
    """
    user = rows.locked(User, user_id, actor=actor, action="change")
    require_over(actor, user)
    subject = attempts.person(user.email or "")
    if not attempts.is_locked(subject):
        raise ValidationError(_("This account is not locked."), code="not_locked")
    try:
        attempts.unlock(subject)
    except redis.RedisError as error:
        raise ValidationError(
            _("This cannot be done at the moment. Try again."), code="unavailable"
        ) from error
    record_auth_event("unlocked", user=user, actor=actor)
    return user
