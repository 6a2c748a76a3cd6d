"""How people log in: invited or signed up, and everybody ends up where they wanted to go."""

from django.http import HttpRequest
from django.urls import reverse

from apps.accounts.doors import DoorsAdapter


class AccountAdapter(DoorsAdapter):
    """What allauth asks the platform about, in one place."""

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("admin:index")

    def add_message(self, *args: object, **kwargs: object) -> None:
        """Say nothing: that one is logged in or out can be seen."""
