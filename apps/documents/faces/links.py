"""Addresses of pages that letters lead to."""

from django.http import HttpRequest
from django.urls import reverse
from rest_framework.request import Request


def signing_link(request: HttpRequest | Request) -> str:
    """Return where documents are accepted, up to the secret."""
    return request.build_absolute_uri(reverse("documents:accept", args=["x"])).removesuffix("x/")
