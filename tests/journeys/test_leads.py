"""A stranger writes through a form on a site, and in a real browser their message becomes a lead, a person and a deal."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from tests.pages.importing import PATIENCE_MS

if TYPE_CHECKING:
    from apps.accounts.models import User

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_strangers_message_becomes_a_deal(ada: "User", enter: Callable[..., Page]) -> None:
    from apps.crm.models import Consent, Lead
    from apps.crm.services import lead_catalog
    from tests.crm import factories

    form = lead_catalog.create_form(
        actor=ada, name="Write to us", consent_text="You may write to me.", success_message="We have it."
    )
    lead_catalog.create_rule(actor=ada, name="All to Ada", to_user_id=ada.pk)
    company = factories.make_company("Mebel", owner=ada, domain="mebel.example")
    page = enter(ada, "/admin/")
    page.set_default_timeout(PATIENCE_MS)
    site = re.sub(r"/admin/.*", "", page.url)

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

    # What was agreed to stands on the page of the person, and is taken back there.
    page.goto(f"{site}/admin/crm/person/{person.pk}/change/")
    card = page.locator("section", has=page.get_by_role("heading", name="Consents"))
    expect(card).to_contain_text("News and offers")
    card.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("Withdrawn. From now on it does not hold.")).to_be_visible()
    assert Consent.objects.latest("pk").status == "WITHDRAWN"
