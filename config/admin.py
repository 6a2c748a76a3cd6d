"""The admin site: its order of pages and its home."""

from typing import Any

from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest
from unfold.sites import UnfoldAdminSite


class ArtelAdminConfig(AdminConfig):
    """Makes our site the default one."""

    default_site = "config.admin.ArtelAdminSite"


class ArtelAdminSite(UnfoldAdminSite):
    """Where the staff work."""


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the sidebar for one person."""
    return []
