"""Addresses of pages that letters lead to."""

from django.http import HttpRequest
from django.urls import reverse
from rest_framework.request import Request


def invitation_link(request: HttpRequest | Request) -> str:
    """Return where invitations are accepted, up to the secret."""
    return request.build_absolute_uri(reverse("account_invitation", args=["x"])).removesuffix("x/")
