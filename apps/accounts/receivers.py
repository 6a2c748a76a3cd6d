"""
What Django and allauth tell about logging in, passwords and factors: it goes on record, and ends what it has to.
"""

from typing import Any

from allauth.account import signals
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import (
    authenticator_added,
    authenticator_removed,
    authenticator_reset,
    authenticator_used,
)
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from apps.accounts import services
from apps.accounts.digests import digest
from apps.accounts.middleware import noted
from apps.accounts.models import User
from apps.accounts.second_factor import FACTORS, step_before, unsettle
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


@receiver(user_logged_in, dispatch_uid="accounts.settle")
def settle(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Remember in the new session, which is being written anyway, whether it needs anything more."""
    step_before(request.session, user)
    noted(_session_key(request))


@receiver([signals.password_changed, signals.password_set], dispatch_uid="accounts.password")
def after_password(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """End all sessions but the one in which the password was changed."""
    services.end_other_sessions(user.pk, kept=_session_key(request))


@receiver(signals.password_reset, dispatch_uid="accounts.password_reset")
def after_reset(user: User, **kwargs: Any) -> None:
    """End all sessions: whoever had the old password may be in one."""
    services.end_other_sessions(user.pk)


# What is put on record of each kind of factor when it comes, and when it goes.
_ADDED = {
    Authenticator.Type.TOTP: "mfa_added",
    Authenticator.Type.WEBAUTHN: "passkey_added",
    Authenticator.Type.RECOVERY_CODES: "recovery_codes_made",
}
_REMOVED = {Authenticator.Type.TOTP: "mfa_removed", Authenticator.Type.WEBAUTHN: "passkey_removed"}


@receiver(authenticator_added, dispatch_uid="accounts.factor_added")
def after_factor_added(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    """Count a factor that somebody has just set up as shown, and end their other sessions, which began without it."""
    record_auth_event(_ADDED[authenticator.type], user=user, actor=user)
    if authenticator.type in FACTORS:
        record_authentication(request, user, "mfa", id=authenticator.pk, type=authenticator.type)
    _after_factors(request, user)


@receiver(authenticator_removed, dispatch_uid="accounts.factor_removed")
def after_factor_removed(
    request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any
) -> None:
    """End the other sessions, and look again at what this one needs."""
    # Recovery codes go with the last factor, which says it.
    if authenticator.type in _REMOVED:
        record_auth_event(_REMOVED[authenticator.type], user=user, actor=user)
    _after_factors(request, user)


@receiver(authenticator_reset, dispatch_uid="accounts.codes_made")
def after_codes_made(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Do the same for new recovery codes."""
    record_auth_event("recovery_codes_made", user=user, actor=user)
    _after_factors(request, user)


@receiver(authenticator_used, dispatch_uid="accounts.code_used")
def after_use(user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    """Put the use of a recovery code on record: it is the way in for whoever found them, too."""
    if authenticator.type == Authenticator.Type.RECOVERY_CODES:
        record_auth_event("recovery_code_used", user=user, actor=user)


def _after_factors(request: HttpRequest, user: User) -> None:
    unsettle(request.session)
    services.end_other_sessions(user.pk, kept=_session_key(request))


def _session_key(request: HttpRequest) -> str:
    return request.session.session_key or ""
