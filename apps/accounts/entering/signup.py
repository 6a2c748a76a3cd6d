"""What strangers are asked when they sign up, beside address and password; allauth reads it before any models."""

from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import pgettext_lazy


class NameForm(forms.Form):
    """How others call them."""

    name = forms.CharField(
        label=pgettext_lazy("person", "Name"),
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    field_order = ("name", "email", "password1")

    def signup(self, request: HttpRequest, user: Any) -> None:
        """Do nothing more: the account is made with its name."""
