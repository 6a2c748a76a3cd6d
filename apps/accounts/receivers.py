"""What follows when people log in, and when they change how they do."""

from typing import Any

from allauth.account.internal.flows.login import record_authentication
from allauth.account.signals import password_changed, password_reset, password_set
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_reset
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest

from apps.accounts import services
from apps.accounts.middleware import noted
from apps.accounts.models import User
from apps.accounts.second_factor import FACTORS, step_before, unsettle


@receiver(user_logged_in, dispatch_uid="accounts.settle")
def settle(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Remember in the new session, which is being written anyway, whether it needs anything more."""
    step_before(request.session, user)
    noted(_session_key(request))


@receiver([password_changed, password_set], dispatch_uid="accounts.password")
def after_password(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """End all sessions but the one in which the password was changed."""
    services.end_other_sessions(user.pk, kept=_session_key(request))


@receiver(password_reset, dispatch_uid="accounts.password_reset")
def after_reset(user: User, **kwargs: Any) -> None:
    """End all sessions: whoever had the old password may be in one."""
    services.end_other_sessions(user.pk)


@receiver(authenticator_added, dispatch_uid="accounts.factor_added")
def after_factor_added(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    """Count a factor that somebody has just set up as shown, and end their other sessions, which began without it."""
    if authenticator.type in FACTORS:
        record_authentication(request, user, "mfa", id=authenticator.pk, type=authenticator.type)
    _after_factors(request, user)


@receiver([authenticator_removed, authenticator_reset], dispatch_uid="accounts.factors")
def after_factors(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """End the other sessions, and look again at what this one needs."""
    _after_factors(request, user)


def _after_factors(request: HttpRequest, user: User) -> None:
    unsettle(request.session)
    services.end_other_sessions(user.pk, kept=_session_key(request))


def _session_key(request: HttpRequest) -> str:
    return request.session.session_key or ""
