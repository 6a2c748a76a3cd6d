"""The pages by which people log in: nothing serious for axe-core, and all of it by keyboard."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

from tests.pages.test_accessibility import findings

if TYPE_CHECKING:
    from apps.accounts.models import User
    from tests.support.processes import Server

pytestmark = pytest.mark.browser
FOR_ALL = ["login/", "login/code/", "password/reset/"]
FOR_ONE = ["", "email/", "app/add/", "passkeys/add/"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_have_no_serious_finding(
    theme: Any, ada: "User", page: Page, artel_server: "Server", enter: Callable[..., Page]
) -> None:
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    found = {}
    for path in FOR_ALL:
        page.goto(f"{artel_server.url}/accounts/{path}")
        found[path] = findings(page)
    enter(ada, "/accounts/security/")
    for path in FOR_ONE:
        page.goto(f"{artel_server.url}/accounts/security/{path}")
        found[f"security/{path}"] = findings(page)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{artel_server.url}/accounts/security/")
    found["narrow"] = findings(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert {path: each for path, each in found.items() if each} == {}


def test_one_logs_in_without_a_mouse(ada: "User", page: Page, artel_server: "Server") -> None:
    ada.set_password("correct horse battery")
    ada.save()
    page.goto(f"{artel_server.url}/accounts/login/?next=/accounts/security/")
    page.get_by_label("Email").focus()
    page.keyboard.type(ada.email or "")
    page.keyboard.press("Tab")
    page.keyboard.type("correct horse battery")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Security", exact=True)).to_be_visible()
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_where_there_are_no_passkeys_none_are_offered(page: Page, artel_server: "Server") -> None:
    # An address made of numbers: browsers make no passkeys for it.
    page.goto(f"{artel_server.url}/accounts/login/")
    expect(page.get_by_role("button", name="Log in", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Log in with a passkey")).to_be_hidden()
    page.goto(f"http://localhost:{artel_server.port}/accounts/login/")
    expect(page.get_by_role("button", name="Log in with a passkey")).to_be_visible()
