"""How people log in: invited or signed up, and everybody ends up where they wanted to go."""

from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse

from apps.accounts.cuts import cut_user
from apps.accounts.doors import DoorsAdapter
from apps.accounts.models import User


class AccountAdapter(DoorsAdapter):
    """What allauth asks the platform about, in one place."""

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("admin:index")

    def set_password(self, user: User, password: str) -> None:
        """Keep a new password, and end the access tokens of before, as it does sessions."""
        with transaction.atomic():
            super().set_password(user, password)
            cut_user(user.pk)

    def add_message(self, *args: object, **kwargs: object) -> None:
        """Say nothing: that one is logged in or out can be seen."""
