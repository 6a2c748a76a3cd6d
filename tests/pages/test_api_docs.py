"""The page on which the API can be looked through and tried."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from apps.accounts.models import User


def test_the_api_is_looked_through_without_asking_anybody_else(
    ada: "User", enter: Callable[..., "Page"], page: "Page"
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    opened = enter(ada, "/api/v1/docs/")
    # One of the first: the page writes the others as one comes to them.
    operation = opened.locator("#operations-accounts-accounts_api_keys_list")
    operation.click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    operation.locator(".live-responses-table .response-col_status", has_text="200").wait_for()
    ours = opened.evaluate("location.origin")
    assert [url for url in asked if not url.startswith((f"{ours}/", "data:", "blob:"))] == []
    assert any("/static/drf_spectacular_sidecar/" in url for url in asked)
