"""How people log in: nobody signs up by themselves, and everybody ends up where they wanted to go."""

from allauth.account.adapter import DefaultAccountAdapter
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse

from apps.accounts.cuts import cut_user
from apps.accounts.models import User


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Users are invited or imported by administrators."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("admin:index")

    def set_password(self, user: User, password: str) -> None:
        """Keep a new password, and end the access tokens of before, as it does sessions."""
        with transaction.atomic():
            super().set_password(user, password)
            cut_user(user.pk)

    def add_message(self, *args: object, **kwargs: object) -> None:
        """Say nothing: that one is logged in or out can be seen."""
