"""In the browser: select everything that matches, choose columns, watch the file being made, and take it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from apps.crm.models import Deal
from apps.lists.models import Export
from tests.crm.factories import make_admin
from tests.lists.test_export_workers import make_deals
from tests.pages.conftest import enter, worker

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.support.processes import Processes

__all__ = ["enter", "worker"]
pytestmark = [pytest.mark.browser, pytest.mark.slow]
DEALS = 250


def test_from_the_list_to_the_file(
    enter: Callable[..., "Page"], artel_processes: "Processes", aside: Callable[..., Any], tmp_path: Any
) -> None:
    admin = aside(make_admin)
    aside(make_deals, admin, DEALS)
    page = enter(admin, "/admin/crm/deal/?q=Deal&o=2")

    page.locator("#action-toggle").check()
    page.get_by_role("link", name="Select all").click()
    page.select_option("select[name=action]", "export")
    page.get_by_role("button", name="Run").click()

    start = page.get_by_role("button", name=f"Export {DEALS} deals")
    start.wait_for()
    page.get_by_text("CSV", exact=True).click()
    page.get_by_role("button", name="None").click()
    assert start.is_disabled(), "nothing to write"
    page.get_by_role("checkbox", name="Amount", exact=True).check()
    page.get_by_role("checkbox", name="Title").check()
    first = page.locator(".exp-columns li").first
    assert first.inner_text().strip().startswith("Amount")
    # By keyboard alone.
    page.get_by_role("button", name="Move Title up").focus()
    page.keyboard.press("Enter")
    assert page.get_by_role("status").filter(has_text="column").inner_text() == "Title is column 1 now"
    assert first.inner_text().strip().startswith("Title")

    start.click()
    page.get_by_text("You can leave this page").wait_for()
    page.get_by_text("Waiting", exact=True).wait_for()
    artel_processes.worker(EXPORT_CHUNK_ROWS="20")
    # The page turns into that of the file by itself.
    link = page.get_by_role("link", name="Download", exact=True)
    link.wait_for(timeout=60_000)
    assert page.get_by_text(f"{DEALS} rows").is_visible()
    with page.expect_download() as waiting:
        link.click()
    target = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(target)
    assert target.name.startswith("Deals-")
    lines = target.read_text(encoding="utf-8-sig").splitlines()
    assert lines[0] == "Title,Amount"
    titles = aside(lambda: list(Deal.objects.order_by("title").values_list("title", "amount")))
    assert lines[1:] == [f"{title},{amount}" for title, amount in titles]
    assert aside(Export.objects.get).downloads == 1


@pytest.mark.parametrize("width", [390, 1440])
def test_the_pages_are_accessible_and_fit(
    enter: Callable[..., "Page"], aside: Callable[..., Any], width: int
) -> None:
    from tests.pages.test_accessibility import findings

    admin = aside(make_admin)
    aside(make_deals, admin, 3)
    page = enter(admin, "/admin/lists/export/new/crm.deal/")
    page.set_viewport_size({"width": width, "height": 900})
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Export 3 deals").click()
    page.get_by_text("You can leave this page").wait_for()
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
