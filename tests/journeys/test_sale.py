"""
A sale from a stranger's message to a won deal, in a real browser: the form on a site, the lead, the deal, its lines, the
quote that the customer accepts by its link.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from tests.pages.importing import PATIENCE_MS

if TYPE_CHECKING:
    from apps.accounts.models import User
    from apps.crm.models import Company, Deal
    from tests.support.processes import Processes, Running

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]


def test_from_a_strangers_message_to_a_won_deal(
    ada: "User", enter: Callable[..., Page], artel_processes: "Processes"
) -> None:
    from tests.crm.factories import make_company, make_product, stage
    from tests.crm.quoting import ask_for

    company = make_company("Mebel", owner=ada, domain="mebel.example")
    make_product("Oak desk", price=100, tax_rate=22, unit="pcs")
    ask_for(stage("Prospecting"), ("quote", {}))
    worker = artel_processes.worker(is_awaited=False)
    worker.await_line(" ready.", within=2 * PATIENCE_MS / 1000)
    artel_processes.relay()
    page = enter(ada, "/admin/")
    page.set_default_timeout(PATIENCE_MS)
    site = re.sub(r"/admin/.*", "", page.url)

    _write_as_a_stranger(page, site, ada)
    deal = _qualify(page, site, ada, company)
    _withdraw_consent(page, site, deal)
    page.goto(f"{site}/admin/crm/deal/{deal.pk}/change/")
    _add_lines(page)
    _accept_quote(page, _send_quote(page, worker))
    _win(page, site, deal)


def _write_as_a_stranger(page: Page, site: str, ada: "User") -> None:
    from apps.crm.services import lead_catalog

    form = lead_catalog.create_form(
        actor=ada, name="Write to us", consent_text="You may write to me.", success_message="We have it."
    )
    lead_catalog.create_rule(actor=ada, name="All to Ada", to_user_id=ada.pk)

    # The stranger, in a browser without a script of ours.
    stranger = page.context.browser.new_context(java_script_enabled=False, locale="ru-RU")  # type: ignore[union-attr]
    there = stranger.new_page()
    there.set_default_timeout(PATIENCE_MS)
    there.goto(f"{site}/api/v1/crm/forms/{form.token}/")
    there.locator("[name=name]").fill("Ivan <b>Petrov</b>")
    there.locator("[name=email]").fill("ivan@mebel.example")
    there.locator("[name=message]").fill("Forty desks, please")
    there.locator("[name=consent]").check()
    there.locator("button.primary").click()
    expect(there.locator("[role=status]")).to_have_text("We have it.")
    stranger.close()


def _qualify(page: Page, site: str, ada: "User", company: "Company") -> "Deal":
    from apps.crm.models import Lead

    lead = Lead.objects.get()
    assert (lead.owner_id, lead.language, lead.known_company_id) == (ada.pk, "ru", company.pk)

    # The inbox, by the keyboard.
    page.goto(f"{site}/admin/crm/lead/")
    expect(page.locator("#result_list")).to_contain_text("Ivan <b>Petrov</b>")
    page.keyboard.press("j")
    page.keyboard.press("e")
    page.wait_for_url(re.compile(f"/crm/lead/{lead.pk}/change/"))
    expect(page.locator("[data-why]")).to_contain_text("Rule “All to Ada” gives all leads to this person.")
    expect(page.get_by_role("heading", name="Seems to be from")).to_be_visible()
    expect(page.locator(".lead-message")).to_have_text("Forty desks, please")

    # Qualified with the company that is known, which is proposed.
    page.keyboard.press("q")
    page.wait_for_url(re.compile(f"/crm/lead/{lead.pk}/qualify/"))
    expect(page.locator(f"input[name=company][value='{company.pk}']")).to_be_checked()
    expect(page.locator("input[name=person][value=new]")).to_be_checked()
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1280, "height": 900})
    page.locator("#deal-name").fill("Forty desks")
    page.locator("#deal-amount").fill("1500.50")
    page.get_by_role("button", name="Qualify lead").click()

    page.wait_for_url(re.compile(r"/crm/deal/\d+/change/"))
    expect(page.get_by_text("Qualified.")).to_be_visible()
    lead.refresh_from_db()
    deal, person = lead.converted_deal, lead.converted_person
    assert deal is not None
    assert person is not None
    assert (deal.title, str(deal.amount), deal.company, deal.person) == (
        "Forty desks",
        "1500.50",
        company,
        person,
    )
    return deal


def _withdraw_consent(page: Page, site: str, deal: "Deal") -> None:
    from apps.crm.models import Consent

    # What was agreed to stands on the page of the person, and is taken back there.
    page.goto(f"{site}/admin/crm/person/{deal.person_id}/change/")
    card = page.locator("section", has=page.get_by_role("heading", name="Consents"))
    expect(card).to_contain_text("News and offers")
    card.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("Withdrawn. From now on it does not hold.")).to_be_visible()
    assert Consent.objects.latest("pk").status == "WITHDRAWN"


def _add_lines(page: Page) -> None:
    # What it needs stands there before anybody tries, and trying is refused with the same words.
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


def _send_quote(page: Page, worker: "Running") -> str:
    """Send a quote of the deal that is open, and return the customer's address of it."""
    from apps.crm.models import Quote

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
    return page.get_by_label("Link for the customer").input_value()


def _accept_quote(page: Page, address: str) -> None:
    from apps.crm.models import Quote

    # The customer, who has no account, on a phone.
    customer = page.context.browser.new_context(viewport={"width": 390, "height": 844})  # type: ignore[union-attr]
    try:
        offer = customer.new_page()
        offer.set_default_timeout(PATIENCE_MS)
        offer.goto(address)
        # In the language in which they wrote.
        expect(offer.locator(".quote-total")).to_contain_text(re.compile("Итого.*3\\s700"))
        assert offer.evaluate("document.documentElement.scrollWidth") <= 390
        offer.get_by_role("button", name="Принять предложение").click()
        expect(offer.get_by_text("Отметьте, что принимаете предложение.")).to_be_visible()
        offer.get_by_label("Я принимаю это предложение и его условия").check()
        offer.get_by_role("button", name="Принять предложение").click()
        expect(offer.get_by_role("status")).to_contain_text("Предложение принято: Clara Customer")
    finally:
        customer.close()
    quote = Quote.objects.get()
    assert (quote.status, quote.total_minor) == (Quote.Status.ACCEPTED, 370000)


def _win(page: Page, site: str, deal: "Deal") -> None:
    from apps.crm.models import Deal, Quote

    # Now there is what the stage asks for.
    page.goto(f"{site}/admin/crm/deal/{deal.pk}/change/")
    expect(page.locator("#contract")).to_contain_text("The deal has what")
    page.get_by_role("button", name="Win deal").click()
    expect(page.get_by_text("Won.")).to_be_visible()
    deal.refresh_from_db()
    assert (deal.status, deal.amount_mode, deal.amount) == (
        Deal.Status.WON,
        "QUOTE",
        Quote.objects.get().total,
    )
