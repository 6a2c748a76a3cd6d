"""What Django and allauth tell about logging in and about passwords: it goes on record, and ends what it has to."""

from typing import Any

from allauth.account import signals
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from apps.accounts import services
from apps.accounts.digests import digest
from apps.accounts.models import User
from apps.accounts.services import record_auth_event


@receiver(user_logged_in, dispatch_uid="accounts.record_login")
def record_login(user: User, **kwargs: Any) -> None:
    """Record that somebody came in."""
    record_auth_event("login", user=user, actor=user)


@receiver(user_logged_out, dispatch_uid="accounts.record_logout")
def record_logout(user: User | None, **kwargs: Any) -> None:
    """Record that somebody left; a session of nobody's ends without a word."""
    if isinstance(user, User):
        record_auth_event("logout", user=user, actor=user)


@receiver(user_login_failed, dispatch_uid="accounts.record_failed_login")
def record_failed_login(credentials: dict[str, Any], **kwargs: Any) -> None:
    """Record that somebody was refused; with what they typed, only where it looks like an address and no password."""
    email = str(credentials.get("email") or "").lower()
    # One look-up, whether there is such a person or not.
    user = User.objects.filter(email=email).first()
    data = {"email": email} if user is None and "@" in email else {}
    record_auth_event("login_failed", user=user, data=data)


@receiver([signals.password_changed, signals.password_set], dispatch_uid="accounts.record_new_password")
def record_new_password(user: User, **kwargs: Any) -> None:
    """Record that somebody changed their password."""
    record_auth_event("password_changed", user=user, actor=user)


@receiver(signals.password_reset, dispatch_uid="accounts.record_password_reset")
def record_password_reset(user: User, **kwargs: Any) -> None:
    """Record that somebody set a new password by what was mailed to them."""
    record_auth_event("password_reset", user=user, actor=user)


@receiver(user_logged_out, dispatch_uid="accounts.end_session_of_applications")
def end_session_of_applications(request: HttpRequest | None, **kwargs: Any) -> None:
    """End what applications were given in a session that ends."""
    key = getattr(getattr(request, "session", None), "session_key", None)
    if key:
        services.end_browser_session(digest(key))


@receiver(
    [signals.password_changed, signals.password_set, signals.password_reset],
    dispatch_uid="accounts.end_tokens_of_old_password",
)
def end_tokens_of_old_password(user: User, **kwargs: Any) -> None:
    """End what applications hold: whoever knew the old password may have let one in."""
    services.revoke_families(user_id=user.pk)
