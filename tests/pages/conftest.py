"""Somebody logged in, in Django's client and in a real browser."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from django.test import Client
    from playwright.sync_api import Page

    from apps.accounts.models import User
    from tests.support.processes import Processes, Server

DATA = Path(__file__).parent / "data"


@pytest.fixture
def ada(db: None) -> "User":
    """Sees and does everything."""
    from tests.crm import factories

    return factories.make_admin()


@pytest.fixture
def ada_client(ada: "User", client: "Client") -> "Client":
    client.force_login(ada)
    return client


@pytest.fixture
def enter(page: "Page", artel_server: "Server", client: "Client") -> Callable[..., "Page"]:
    """Log somebody in, in the browser, and open an address: `enter(user, "/admin/")`."""

    def open_as(user: "User", path: str) -> "Page":
        client.force_login(user)
        page.context.add_cookies(
            [{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": artel_server.url}]
        )
        page.goto(f"{artel_server.url}{path}")
        return page

    return open_as


@pytest.fixture
def worker(artel_processes: "Processes") -> None:
    artel_processes.worker()
