"""How people log in: nobody signs up by themselves, and everybody ends up where they wanted to go."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest
from django.urls import reverse


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Users are invited or imported by administrators."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("admin:index")

    def add_message(self, *args: object, **kwargs: object) -> None:
        """Say nothing: that one is logged in or out can be seen."""
