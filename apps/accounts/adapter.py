"""How people log in: nobody signs up by themselves."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):
    """Users are invited or imported by administrators."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False
