"""Two people save the same deal, each in a browser of their own: the second is shown both, and decides by keyboard."""

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from playwright.sync_api import Browser, Page, expect

from tests.pages.test_accessibility import findings

if TYPE_CHECKING:
    from apps.accounts.models import User
    from tests.support.processes import Server

pytestmark = pytest.mark.browser


def test_the_second_to_save_decides(
    ada: "User",
    enter: Callable[..., Page],
    browser: Browser,
    artel_server: "Server",
    aside: Callable[..., Any],
) -> None:
    from apps.crm.models import Deal
    from tests.crm import factories

    lena = factories.make_user("Lena Lead", is_superuser=True)
    deal = factories.make_deal("Forty desks", owner=ada, amount=Decimal(1000))
    path = f"/admin/crm/deal/{deal.pk}/change/"
    mine = enter(ada, path)
    profile = browser.new_context(locale="en-US", timezone_id="UTC")
    hers = Client()
    hers.force_login(lena)
    session = hers.cookies["sessionid"].value
    profile.add_cookies([{"name": "sessionid", "value": session, "url": artel_server.url}])
    theirs = profile.new_page()
    theirs.goto(f"{artel_server.url}{path}")

    mine.fill("#id_title", "My title")
    mine.fill("input[name=next_step]", "Call them")
    theirs.fill("#id_title", "Her title")
    theirs.fill("input[name=amount]", "1500")
    theirs.click("[name=_save]")
    theirs.wait_for_url("**/crm/deal/")
    profile.close()
    mine.click("[name=_save]")

    panel = mine.locator("#stale")
    expect(panel).to_contain_text("Lena Lead has changed this since you opened it")
    expect(panel).to_be_focused()
    rows = panel.locator("tbody tr")
    expect(rows).to_have_count(2)
    assert rows.nth(0).locator("th, td").all_inner_texts()[:2] == ["Title", "Forty desks"]
    expect(mine.locator("input[name=next_step]")).to_have_value("Call them")
    expect(mine.locator("[name=_save]")).to_have_count(1)
    assert [found for found in findings(mine) if "stale" in found[1] or "keep:" in found[1]] == []

    # Without the mouse: to the first choice, on to the second, and the button.
    for _step in range(5):
        mine.keyboard.press("Tab")
        if mine.evaluate("document.activeElement.type") == "radio":
            break
    mine.keyboard.press("ArrowRight")
    expect(panel.get_by_role("radio", name="My title")).to_be_checked()
    mine.keyboard.press("Tab")
    expect(panel.get_by_role("button", name="Save with these choices")).to_be_focused()
    mine.keyboard.press("Enter")
    mine.wait_for_url("**/crm/deal/")
    saved = aside(Deal.objects.get)
    assert (saved.title, saved.amount, saved.next_step) == ("My title", Decimal(1500), "Call them")
