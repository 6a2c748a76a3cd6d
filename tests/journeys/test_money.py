"""A deal is won, its invoice issued and printed, paid in two parts, and the books say so."""

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


def test_from_a_won_deal_to_money_in_the_books(
    ada: "User", enter: Callable[..., Page], artel_processes: "Processes", aside: Callable[..., object]
) -> None:
    from apps.payments.models import Invoice
    from apps.payments.services.verifying import verify_ledger
    from tests.crm.factories import make_company
    from tests.crm.quoting import make_sale

    deal = make_sale(ada, company=make_company("Romashka", owner=ada))
    worker = artel_processes.worker(is_awaited=False)
    worker.await_line(" ready.", within=2 * PATIENCE_MS / 1000)
    artel_processes.relay()

    page = enter(ada, f"/admin/crm/deal/{deal.pk}/change/")
    page.set_default_timeout(PATIENCE_MS)
    page.get_by_role("button", name="Win deal").click()
    expect(page.get_by_text("Won", exact=True).first).to_be_visible()

    # The invoice says what the deal says; issuing gives it its number.
    page.locator("#money").get_by_role("button", name="New invoice").click()
    expect(page.locator(".pay-paper")).to_contain_text("3,700")
    expect(page.locator(".pay-paper")).to_contain_text("Draft of an invoice")
    page.get_by_role("button", name="Issue invoice").click()
    expect(page.locator(".pay-paper")).to_contain_text(re.compile(r"Invoice INV-\d{4}-000001"))
    expect(page.locator(".pay-entries")).to_contain_text("invoice issued")

    # Its PDF comes by itself.
    is_made = Invoice.objects.filter(document__isnull=False).exists
    worker.await_true(is_made, "the paper of the invoice", within=2 * PATIENCE_MS / 1000)
    page.reload()
    expect(page.get_by_role("link", name="Open the PDF")).to_be_visible()

    # Two parts.
    for amount, state in (("1500", "partly paid"), ("2200", "settled")):
        page.locator("summary", has_text="Record a payment").click()
        page.get_by_label("Amount, RUB").fill(amount)
        page.locator("form[action$='record-payment/'] button").click()
        expect(page.get_by_text("Recorded.")).to_be_visible()
        expect(page.locator(".row-summary")).to_contain_text(state)
    expect(page.locator("[aria-labelledby=allocations-head] li")).to_have_count(2)

    page.goto(f"{page.url.split('/admin/')[0]}/admin/payments/ledgeraccount/trial-balance/")
    cash = page.get_by_role("row", name="Bank accounts")
    expect(cash).to_contain_text("3,700")
    expect(page.get_by_role("row", name="Total")).to_contain_text("0")
    page.goto(f"{page.url.split('/admin/')[0]}/admin/payments/invoice/aged-receivables/")
    expect(page.get_by_text("Nobody owes you anything")).to_be_visible()
    assert aside(verify_ledger) == []
