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


@pytest.fixture
def too_wide() -> Callable[["Page"], list[str]]:
    """Name what stands out of the window to the right, the innermost of it: `assert too_wide(page) == []`."""

    def find(page: "Page") -> list[str]:
        found: list[str] = page.evaluate(
            """() => {
                const edge = document.documentElement.clientWidth;
                if (document.documentElement.scrollWidth <= edge) return [];
                const out = [...document.body.querySelectorAll("*")].filter((one) => {
                    const box = one.getBoundingClientRect();
                    return box.width && box.right > edge + 1;
                });
                const inner = out.filter((one) => !out.some((other) => other !== one && one.contains(other)));
                return inner.slice(0, 8).map((one) =>
                    `${one.tagName} ${one.className} ${Math.round(one.getBoundingClientRect().right)} ` +
                    one.textContent.trim().slice(0, 40));
            }"""
        )
        return found

    return find
