"""Two companies with 30 relations are merged in a real browser, looked at, and made two again."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from tests.pages.importing import PATIENCE_MS

if TYPE_CHECKING:
    from apps.accounts.models import User
    from tests.support.processes import Processes

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]


def test_two_companies_become_one_and_two_again(
    ada: "User", enter: Callable[..., Page], artel_processes: "Processes"
) -> None:
    from apps.crm.models import Company, Deal
    from apps.history.models import ChangeSet
    from tests.crm.merging import two_companies
    from tests.history.factories import everything

    winner, loser = two_companies(ada)
    before = everything()
    worker = artel_processes.worker(is_awaited=False)
    worker.await_line(" ready.", within=2 * PATIENCE_MS / 1000)

    # Found on the page of the company, with the reason.
    page = enter(ada, f"/admin/crm/company/{winner.pk}/change/")
    page.set_default_timeout(PATIENCE_MS)
    card = page.locator(".dup-card")
    expect(card).to_contain_text("ООО Gamma")
    expect(card).to_contain_text("Same name")
    card.get_by_role("link", name="Merge…").click()

    # Side by side; swapped and back by the keyboard, the city of the other one chosen by it.
    expect(page.get_by_role("heading", name="What stays")).to_be_visible()
    page.wait_for_load_state()
    page.keyboard.press("s")
    page.wait_for_url(re.compile(f"/{loser.pk}/merge/"), wait_until="load")
    page.keyboard.press("s")
    page.wait_for_url(re.compile(f"/{winner.pk}/merge/"))
    expect(page.locator(".dup-moving")).to_contain_text("12 deals")
    city = page.get_by_role("group", name="City")
    expect(city.get_by_role("radio").first).to_be_checked()
    rows = page.locator("[data-row]")
    for _row in range(rows.count()):
        page.keyboard.press("j")
        if "City" in page.locator(".art-row-current").inner_text():
            break
    page.keyboard.press("l")
    expect(city.get_by_role("radio").last).to_be_checked()
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1280, "height": 900})
    page.get_by_role("button", name="Merge", exact=True).click()

    expect(page.get_by_text("Merged.")).to_be_visible()
    winner.refresh_from_db()
    assert winner.city == "Perm"
    assert Deal.objects.filter(company=winner).count() == 13
    page.goto(page.url.replace(f"/{winner.pk}/", f"/{loser.pk}/"))
    page.wait_for_url(re.compile(f"/{winner.pk}/change/"))
    expect(page.get_by_text("has been merged into this")).to_be_visible()

    # One click on what was done takes all of it back.
    made = ChangeSet.objects.filter(label="Merge of two companies").get()
    page.goto(
        page.url.replace(
            f"/admin/crm/company/{winner.pk}/change/", f"/admin/history/changeset/{made.pk}/undo/"
        )
    )
    page.get_by_role("button", name="Undo these changes").click()
    state = page.locator("[data-job-part=state]")
    expect(state).to_have_text("Done", timeout=PATIENCE_MS)
    assert everything() == before
    assert Company.objects.filter(merged_into__isnull=False).count() == 0
