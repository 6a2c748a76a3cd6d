"""Addresses of pages that letters lead to."""

from django.http import HttpRequest
from django.urls import reverse
from rest_framework.request import Request


def quote_link(request: HttpRequest | Request) -> str:
    """Return where quotes are answered, up to the secret."""
    return request.build_absolute_uri(reverse("crm:quote", args=["x"])).removesuffix("x/")
