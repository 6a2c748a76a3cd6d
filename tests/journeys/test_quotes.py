"""A deal gets lines, a quote of them is sent and accepted by its link, and only then is the deal won."""

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


def test_from_lines_to_a_won_deal(
    ada: "User", enter: Callable[..., Page], artel_processes: "Processes"
) -> None:
    from apps.crm.models import Deal, Quote
    from tests.crm.factories import make_deal, make_product, stage
    from tests.crm.quoting import ask_for

    make_product("Oak desk", price=100, tax_rate=22, unit="pcs")
    deal = make_deal("Forty desks", owner=ada, amount=None)
    ask_for(stage("Prospecting"), ("quote", {}))
    worker = artel_processes.worker(is_awaited=False)
    worker.await_line(" ready.", within=2 * PATIENCE_MS / 1000)
    artel_processes.relay()

    # What it needs stands there before anybody tries, and trying is refused with the same words.
    page = enter(ada, f"/admin/crm/deal/{deal.pk}/change/")
    page.set_default_timeout(PATIENCE_MS)
    expect(page.locator("#contract")).to_contain_text("an accepted quote")
    page.get_by_role("button", name="Win deal").click()
    expect(page.get_by_text("Before it goes on, the deal needs: an accepted quote.")).to_be_visible()

    # Lines by the keyboard, reckoned by the server while they are typed.
    page.get_by_role("button", name="Add line").click()
    line = page.locator(".crm-line").first
    with page.expect_response(re.compile("/lines/products/")):
        page.keyboard.type("Oak desk")
    line.locator("[name=what]").fill("")
    line.locator("[name=what]").fill("Oak desk")
    expect(line.locator("[name=unit_price]")).to_have_value("100.00")
    line.locator("[name=quantity]").fill("40")
    line.locator("[name=discount_percent]").fill("10")
    expect(page.locator("[data-lines-totals]")).to_contain_text("3,600")
    page.keyboard.press("Enter")
    second = page.locator(".crm-line").nth(1)
    second.locator("[name=what]").fill("Assembly")
    second.locator("[name=unit_price]").fill("100")
    second.locator("[name=what]").press("Alt+ArrowUp")
    expect(page.locator(".crm-line").first.locator("[name=what]")).to_have_value("Assembly")
    expect(page.locator("[data-lines-totals]")).to_contain_text("3,700")
    with page.expect_navigation():
        page.get_by_role("button", name="Save lines").click()
    expect(page.locator(".crm-sum")).to_contain_text("3,700")

    # The quote says it, goes out, and its paper is made.
    page.get_by_role("button", name="New quote").click()
    page.locator("#quotes .art-list-row").click()
    expect(page.locator(".crm-paper")).to_contain_text("3,700")
    page.locator("[name=recipient_name]").fill("Clara Customer")
    page.locator("[name=recipient_email]").fill("clara@customer.example")
    page.get_by_role("button", name="Save and continue editing").click()
    page.get_by_role("button", name="Send quote").click()
    expect(page.get_by_text("Sent. The letter goes")).to_be_visible()
    link = page.get_by_role("button", name="New link")
    expect(page.get_by_text("The PDF is being made").or_(link)).to_be_visible()
    is_made = Quote.objects.filter(document__isnull=False).exists
    worker.await_true(is_made, "the paper of the quote", within=2 * PATIENCE_MS / 1000)
    page.reload()
    link.click()
    address = page.get_by_label("Link for the customer").input_value()

    # The customer, who has no account, on a phone.
    customer = page.context.browser.new_context(viewport={"width": 390, "height": 844})  # type: ignore[union-attr]
    try:
        offer = customer.new_page()
        offer.set_default_timeout(PATIENCE_MS)
        offer.goto(address)
        expect(offer.locator(".quote-total")).to_contain_text("3,700")
        assert offer.evaluate("document.documentElement.scrollWidth") <= 390
        offer.get_by_role("button", name="Accept the quote").click()
        expect(offer.get_by_text("Say that you accept what the quote says.")).to_be_visible()
        offer.get_by_label("I accept this quote and its terms").check()
        offer.get_by_role("button", name="Accept the quote").click()
        expect(offer.get_by_role("status")).to_contain_text("Clara Customer accepted this quote")
    finally:
        customer.close()
    quote = Quote.objects.get()
    assert (quote.status, quote.total_minor) == (Quote.Status.ACCEPTED, 370000)

    # Now there is what the stage asks for.
    page.goto(page.url.split("/admin/")[0] + f"/admin/crm/deal/{deal.pk}/change/")
    expect(page.locator("#contract")).to_contain_text("The deal has what")
    page.get_by_role("button", name="Win deal").click()
    expect(page.get_by_text("Won.")).to_be_visible()
    deal.refresh_from_db()
    assert (deal.status, deal.amount_mode, deal.amount) == (Deal.Status.WON, "QUOTE", quote.total)
