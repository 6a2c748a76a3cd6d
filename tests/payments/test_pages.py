"""Money on its pages: the list, the paper, what stands beside it, and every button."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.crm.models import Company
from apps.payments.models import (
    Allocation,
    Invoice,
    JournalEntry,
    LedgerAccount,
    Payment,
    PeriodLock,
    ProviderAccount,
)
from apps.payments.services.provider_accounts import create_provider_account
from apps.payments.services.receipts import send_receipt
from tests.accounts.factories import make_member, make_team
from tests.crm.factories import make_company
from tests.crm.quoting import make_sale
from tests.payments.factories import balance, draft, issued, line, overdue, paid, wrong
from tests.payments.providing import begun
from tests.payments.test_invoices import committed

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(berta: User) -> Client:
    client = Client()
    client.force_login(berta)
    return client


def url(model: str, what: str = "changelist", *args: Any) -> str:
    return reverse(f"admin:payments_{model}_{what}", args=args)


def text_of(response: Any) -> str:
    assert response.status_code == 200, response
    return str(response.content.decode()).replace("\u202f", " ").replace("\xa0", " ")


def press(client: Client, row: Any, command: str, **said: Any) -> str:
    """Press a button on the page of a row, and return the page that follows."""
    model = row._meta.model_name
    return text_of(client.post(url(model, "command", row.pk, command), said, follow=True))


def test_the_list_says_how_invoices_stand(client: Client, berta: User) -> None:
    overdue(berta, line("100"), days=5, customer_name="Late payer")
    part = issued(berta, line("2000"), customer_name="Half payer")
    paid(berta, 50000, invoice_id=part.pk)
    text = text_of(client.get(url("invoice")))
    assert "overdue" in text
    assert "partly paid" in text
    assert "1 500 ₽" in text.replace(",", " ")
    found = text_of(client.get(url("invoice"), {"q": "half"}))
    assert "Half payer" in found
    assert "Late payer" not in found
    late = text_of(client.get(url("invoice"), {"overdue": "1"}))
    assert "Late payer" in late
    assert "Half payer" not in late


@pytest.mark.parametrize("model", ["invoice", "payment", "journalentry"])
def test_lists_cost_the_same_whatever_their_length(client: Client, berta: User, model: str) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as found:
            assert client.get(url(model)).status_code == 200
        return len(found)

    paid(berta, 500, invoice_id=issued(berta).pk)
    client.get(url(model))
    few = queries()
    for _each in range(5):
        paid(berta, 500, invoice_id=issued(berta).pk)
    assert queries() <= few


def test_a_draft_is_written_with_its_lines(client: Client) -> None:
    company = make_company("Customer")
    form = {
        "company": company.pk,
        "currency": "RUB",
        "locale": "en",
        "due_date": "2099-01-31",
        "lines-TOTAL_FORMS": "2",
        "lines-INITIAL_FORMS": "0",
        "lines-0-name": "Desk",
        "lines-0-quantity": "3",
        "lines-0-unit_price": "99.99",
        "lines-0-discount_percent": "0",
        "lines-0-tax_rate": "20",
        "lines-0-is_tax_included": "on",
        "lines-1-name": "Delivery",
        "lines-1-quantity": "1",
        "lines-1-unit_price": "10",
        "lines-1-discount_percent": "0",
    }
    assert text_of(client.get(url("invoice", "add"))).count('name="lines-0-name"') == 1
    text = text_of(client.post(url("invoice", "add"), {**form, "_continue": "1"}, follow=True))
    invoice = Invoice.objects.get()
    assert (invoice.total_minor, invoice.company) == (30997, company)
    assert "Issue invoice" in text
    lines = list(invoice.lines.order_by("position"))
    changed = {
        **form,
        "expected_version": invoice.version,
        "lines-INITIAL_FORMS": "2",
        **{f"lines-{at}-id": each.pk for at, each in enumerate(lines)},
        **{f"lines-{at}-invoice": invoice.pk for at in range(2)},
        "lines-1-DELETE": "on",
        "note": "Thank you",
    }
    client.post(url("invoice", "change", invoice.pk), changed)
    invoice.refresh_from_db()
    assert (invoice.total_minor, invoice.note, invoice.lines.count()) == (29997, "Thank you", 1)


def test_an_invoice_goes_its_way_by_buttons(client: Client, berta: User) -> None:
    invoice = draft(berta, line("100"))
    text = press(client, invoice, "issue", version=invoice.version)
    number = f"INV-{timezone.localdate().year}-000001"
    assert f"Issued as {number}" in text
    assert "invoice issued" in text
    press(client, invoice, "record-payment", amount="40,00", date=str(timezone.localdate()), reference="Bank")
    text = press(client, invoice, "record-payment", amount="50", date=str(timezone.localdate()))
    assert "Recorded." in text
    assert Payment.objects.count() == 2
    allocation = Allocation.objects.latest("id")
    press(client, invoice, "release", allocation=allocation.pk)
    invoice.refresh_from_db()
    assert invoice.paid_minor == 4000
    press(client, invoice, "allocate", payment=allocation.payment_id)
    invoice.refresh_from_db()
    assert invoice.paid_minor == 9000
    text = press(client, invoice, "credit", **{f"line-{invoice.lines.get().pk}": "4", "reason": "Late"})
    assert "Credited by CN-" in text
    press(client, invoice, "write-off", reason="Small")
    invoice.refresh_from_db()
    assert (invoice.status, invoice.written_off_minor) == ("UNCOLLECTIBLE", 600)
    press(client, invoice, "reinstate")
    invoice.refresh_from_db()
    assert invoice.status == "OPEN"
    committed()
    assert wrong() == []


def test_refusals_stand_on_the_page(client: Client, berta: User) -> None:
    invoice = issued(berta)
    assert "was issued" in press(client, invoice, "issue")
    assert "Say why" in press(client, invoice, "void")
    assert "more than zero" in press(client, invoice, "record-payment", amount="x", date="")
    assert "changed this meanwhile" in press(client, invoice, "void", reason="No", version=1)
    assert "declared void" in press(client, invoice, "void", reason="Twice").lower()


def test_a_draft_is_thrown_away(client: Client, berta: User) -> None:
    invoice = draft(berta)
    assert "thrown away" in press(client, invoice, "discard")
    assert not Invoice.objects.exists()


def test_a_payment_is_recorded_and_goes_its_way(client: Client, berta: User) -> None:
    company = make_company("Customer")
    owed = overdue(berta, line("30"), days=3, company=company)
    other = issued(berta, line("50"), company=company)
    form = {
        "amount": "100.5",
        "currency": "RUB",
        "received_date": str(timezone.localdate()),
        "fee": "1",
        "company": company.pk,
        "method": "TRANSFER",
    }
    client.post(url("payment", "add"), form)
    payment = Payment.objects.get()
    assert (payment.captured_minor, payment.fee_minor, payment.company) == (10050, 100, company)
    assert str(owed) in text_of(client.get(url("payment", "change", payment.pk)))
    press(client, payment, "allocate", invoice=other.pk, amount="20")
    press(client, payment, "allocate-by-due-date")
    payment.refresh_from_db()
    assert payment.allocated_minor == 8000
    press(client, payment, "release", allocation=payment.allocations.earliest("id").pk)
    press(client, payment, "refund", amount="10", reason="Too much")
    payment.refresh_from_db()
    assert (payment.allocated_minor, payment.refunded_minor) == (6000, 1000)
    assert "Given back" in text_of(client.get(url("payment", "change", payment.pk)))
    mistake = paid(berta, 700)
    press(client, mistake, "cancel", reason="Twice")
    mistake.refresh_from_db()
    assert mistake.status == "CANCELED"
    stranger = paid(berta, 100)
    client.post(
        url("payment", "change", stranger.pk),
        {"company": company.pk, "method": "CASH", "expected_version": 1},
    )
    stranger.refresh_from_db()
    assert (stranger.company, stranger.method, stranger.amount_minor) == (company, "CASH", 100)
    committed()
    assert wrong() == []


def test_the_books_have_their_pages(client: Client, berta: User) -> None:
    company = make_company("Customer")
    overdue(berta, line("100"), days=45, company=company)
    paid(berta, 3000, company_id=company.pk)
    trial = text_of(client.get(reverse("admin:payments_trial_balance")))
    assert "1100 Receivables from customers" in trial
    yesterday = reverse("admin:payments_trial_balance") + "?until=2000-01-01"
    assert "Nothing is in the books yet" in text_of(client.get(yesterday))
    aged = text_of(client.get(reverse("admin:payments_aged_receivables")))
    assert "Customer" in aged
    assert "100 ₽" in aged
    entry = JournalEntry.objects.earliest("id")
    page = text_of(client.get(url("journalentry", "change", entry.pk)))
    assert "4000 Revenue" in page
    account = LedgerAccount.objects.get(purpose="CASH")
    assert "30 ₽" in text_of(client.get(url("ledgeraccount")))
    paid(berta, 1250)
    latest = text_of(client.get(url("ledgeraccount", "change", account.pk)))
    assert "42,50 ₽" in latest.replace(".", ",")
    assert latest.index("12,50".replace(",", ".")) < latest.index("30 ₽")


def test_an_account_and_a_closed_period_are_made(client: Client, berta: User) -> None:
    client.post(url("ledgeraccount", "add"), {"code": "1001", "name": "Till", "type": "ASSET"})
    account = LedgerAccount.objects.get(code="1001")
    press(client, account, "archive", version=account.version)
    account.refresh_from_db()
    assert account.archived_at is not None
    client.post(url("periodlock", "add"), {"closed_until": "2020-12-31", "reason": "2020 is done"})
    assert str(PeriodLock.objects.get().closed_until) == "2020-12-31"
    assert "2020 is done" in text_of(client.get(url("periodlock")))


def test_an_entry_by_hand_is_reversed_on_its_page(client: Client, berta: User) -> None:
    from apps.payments.services.ledger import ManualEntry, post_by_hand

    fees, cash = (LedgerAccount.objects.get(purpose=purpose).pk for purpose in ("FEES", "CASH"))
    said = ManualEntry(timezone.localdate(), "Fee", [(fees, 5, "RUB"), (cash, -5, "RUB")])
    entry = post_by_hand(said, actor=berta)
    press(client, entry, "reverse", reason="Twice")
    assert balance("FEES") == 0
    assert "Taken back by entry" in text_of(client.get(url("journalentry", "change", entry.pk)))


def test_a_deal_leads_to_its_invoice(client: Client, berta: User) -> None:
    anna = make_member(make_team("North"), "salesperson", "Anna")
    deal = make_sale(anna, company=make_company("Customer", owner=anna))
    seller = Client()
    seller.force_login(anna)
    card = reverse("admin:crm_deal_card", args=[deal.pk, "money"])
    assert "No invoices yet" in text_of(seller.get(card))
    text = text_of(seller.post(url("invoice", "of_deal", deal.pk), follow=True))
    assert "Draft of an invoice" in text
    invoice = Invoice.objects.get()
    assert (invoice.deal, invoice.total_minor) == (deal, 370000)
    press(seller, invoice, "issue", version=invoice.version)
    shown = text_of(seller.get(card))
    assert "INV-" in shown
    assert "Owed" in shown
    # The books are not for who sells.
    assert "In the books" not in text_of(seller.get(url("invoice", "change", invoice.pk)))
    assert seller.get(reverse("admin:payments_trial_balance")).status_code == 403
    company_card = reverse("admin:crm_company_card", args=[Company.objects.get().pk, "money"])
    assert "INV-" in text_of(seller.get(company_card))


# Providers, links and what follows


def test_an_account_with_a_provider_is_written_down(client: Client, berta: User) -> None:
    said = {
        "provider": "STRIPE",
        "mode": "TEST",
        "name": "Cards",
        "new_secret": "sk_test_page",
        "new_webhook_secret": "whsec_page",
    }
    refused = client.post(url("provideraccount", "add"), {**said, "new_secret": ""})
    assert "cannot be asked" in text_of(refused)
    client.post(url("provideraccount", "add"), said)
    account = ProviderAccount.objects.get()
    text = text_of(client.get(url("provideraccount", "change", account.pk)))
    assert f"/api/v1/payments/webhooks/{account.webhook_key}/" in text
    assert "sk_test_page" not in text
    assert account.secret not in text
    # A key that is left empty stays.
    was = account.secret
    client.post(
        url("provideraccount", "change", account.pk),
        {
            **said,
            "name": "Cards of ours",
            "new_secret": "",
            "new_webhook_secret": "",
            "expected_version": "1",
        },
    )
    account.refresh_from_db()
    assert (account.name, account.secret) == ("Cards of ours", was)
    assert "Cards of ours" in text_of(client.get(url("provideraccount")))


def test_a_link_is_made_shown_once_and_taken_back(client: Client, berta: User) -> None:
    invoice = issued(berta, line("100"))
    text = press(client, invoice, "payment-link")
    found = re.search(r"http://testserver(/pay/[\w-]+/)", text)
    assert found is not None
    assert found[1] not in text_of(client.get(url("invoice", "change", invoice.pk)))
    assert Client().get(found[1]).status_code == 200
    press(client, invoice, "revoke-link", link=invoice.payment_links.get().pk)
    assert Client().get(found[1]).status_code == 404


def test_an_invoice_is_sent_and_drawn_up_again(client: Client, berta: User) -> None:
    invoice = issued(berta, line("100"))
    assert "anna@example.org" in press(
        client, invoice, "send", recipients="anna@example.org; bob@example.org"
    )
    assert len(invoice.letters.get().recipients) == 2
    today = timezone.localdate().isoformat()
    press(client, invoice, "repeat", rule="FREQ=WEEKLY", first_date=today, due_days="7", is_sent="on")
    series = invoice.recurrences.get()
    assert (series.recurrence, series.due_days, series.is_sent, series.is_issued) == (
        "FREQ=WEEKLY",
        7,
        True,
        True,
    )
    for command, state in (("pause-series", "PAUSED"), ("resume-series", "ACTIVE"), ("end-series", "ENDED")):
        press(client, invoice, command, series=series.pk)
        series.refresh_from_db()
        assert series.state == state


def test_a_charge_that_nobody_tells_of_is_settled_on_its_page(
    client: Client, berta: User, settings: Any
) -> None:
    settings.PAYMENT_DEMO = True
    account = create_provider_account(actor=berta, provider="STRIPE", mode="DEMO", has_receipts=True)
    attempt = begun(issued(berta, line("100")), account, contact="anna@example.org")
    payment = attempt.payment
    assert "Say how it ended" in text_of(client.get(url("payment", "change", payment.pk)))
    text = press(client, payment, "settle", outcome="come", external_id="seen-there")
    assert "Say how it ended" not in text
    payment.refresh_from_db()
    assert (payment.status, payment.external_id) == ("SUCCEEDED", "seen-there")
    receipt = payment.receipts.get()
    receipt.state = "FAILED"
    receipt.save()
    press(client, payment, "retry-receipt", receipt=receipt.pk)
    send_receipt(receipt.pk)
    press(client, payment, "correct-receipt", receipt=receipt.pk, reason="another tax")
    assert payment.receipts.filter(kind="CORRECTION", corrects=receipt).exists()
