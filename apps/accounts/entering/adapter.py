"""How people log in: invited or signed up, and everybody ends up where they wanted to go."""

from collections.abc import Iterable
from typing import Any

from allauth.account.models import EmailAddress
from allauth.core import context
from allauth.core.exceptions import ReauthenticationRequired
from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.accounts import services
from apps.accounts.cuts import cut_user
from apps.accounts.entering.doors import DoorsAdapter
from apps.accounts.faces.recent import is_recent
from apps.accounts.models import User
from apps.accounts.second_factor import has_factor
from apps.accounts.services.in_person import require_in_person


class AccountAdapter(DoorsAdapter):
    """What allauth asks the platform about, in one place."""

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        """Let in people only, whichever way they came; programs have keys."""
        if user.kind != User.Kind.HUMAN:
            answer: HttpResponse = self.respond_user_inactive(request, user)
            return answer
        services.vouch_for_unknown_email(user.pk)
        refused: HttpResponse | None = super().pre_login(request, user, **kwargs)
        return refused

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """Let somebody log in with the address that they have just confirmed; `User.email` is the truth."""
        try:
            with transaction.atomic():
                services.change_own_email(email_address.user_id, email_address.email)
                return bool(super().confirm_email(request, email_address))
        except ValidationError:
            self.add_message(request, messages.ERROR, message=_("Somebody else uses this address already."))
            return False

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """:raises ReauthenticationRequired: somebody has to show first who they are"""
        # Allauth itself counts no login as recent, takes a password from who has a second factor, and looks no further
        # where somebody has nothing to show who they are: only an exception is the last word.
        if not is_recent(context.request):
            raise ReauthenticationRequired
        return False

    def reauthenticate(self, user: User, password: str) -> bool:
        """Take a password from who has no second factor alone, at every door."""
        if has_factor(user):
            text = _("Show your second factor: a password is not enough.")
            raise ValidationError(text, code="second_factor_required")
        return bool(super().reauthenticate(user, password))

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """Lead to the one page that knows how somebody can show who they are."""
        if not user.is_authenticated:
            return []
        url = reverse("account_reauthenticate")
        return [{"id": "reauthenticate", "description": _("Show who you are"), "url": url}]

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("account_security")

    def get_email_verification_redirect_url(self, email_address: EmailAddress) -> str:
        return reverse("account_security" if context.request.user.is_authenticated else "account_login")

    def add_message(self, request: HttpRequest, level: int, *args: Any, **kwargs: Any) -> None:
        """Say only what went wrong: that one is logged in or out can be seen."""
        if level >= messages.ERROR:
            super().add_message(request, level, *args, **kwargs)

    def set_password(self, user: User, password: str) -> None:
        """
        Keep a new password, and end the access tokens of before, as it does sessions.

        :raises PermissionDenied: somebody acts as the user
        """
        require_in_person(user)
        with transaction.atomic():
            super().set_password(user, password)
            cut_user(user.pk)


class SessionsAdapter(DefaultUserSessionsAdapter):  # type: ignore[misc]
    """Sessions that somebody ends over REST."""

    def end_sessions(self, sessions: Iterable[UserSession]) -> None:
        """End sessions as the page does: with their open pages, and with what applications were given in them."""
        services.end_sessions(sessions, actor=context.request.user)
