"""Sessions that tests open without the login page."""

from types import SimpleNamespace
from typing import Any

from allauth.account.internal.flows.login import get_authentication_records, record_authentication
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest
from django.test import Client

from apps.accounts.models import User


def count_as_shown(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Let who is put into a session by `force_login` count as having just typed their password."""
    if not get_authentication_records(request, user):
        record_authentication(request, user, "password")


def connect() -> None:
    user_logged_in.connect(count_as_shown, dispatch_uid="tests.count_as_shown")


def show_factor(client: Client, user: User) -> None:
    """Let the session of a client count as one that has shown a second factor."""
    session = client.session
    request: Any = SimpleNamespace(session=session)
    record_authentication(request, user, "mfa", type="totp")
    session.save()
