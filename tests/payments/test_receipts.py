"""Fiscal receipts: they add up to the kopeck, are registered once, and never hold the money up."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.exceptions import ValidationError
from django.utils import timezone

from apps.accounts.models import User
from apps.payments.models import FiscalReceipt, Payment, ProviderAccount
from apps.payments.services import receipts, refunding
from apps.payments.services.allocations import release_allocation
from apps.payments.services.provider_accounts import create_provider_account, provider_of
from apps.payments.services.refunds import refund_payment
from tests.fakes.provider import Fault
from tests.fakes.yookassa import FakeYooKassa, fake_yookassa
from tests.payments.factories import balance, issued, line
from tests.payments.providing import account_with, begun, told_all
from tests.payments.test_invoices import code_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def fake() -> Iterator[FakeYooKassa]:
    with fake_yookassa() as served:
        yield served


@pytest.fixture
def account(fake: FakeYooKassa, settings: LazySettings, berta: User) -> ProviderAccount:
    return account_with(fake, settings, berta, has_receipts=True, tax_system=1)


def sold(
    fake: FakeYooKassa, account: ProviderAccount, berta: User, amount: int | None = None
) -> FiscalReceipt:
    """Let an invoice of three lines be paid; return the receipt that waits."""
    invoice = issued(berta, line("10.01", tax="22"), line("20", "2", tax="10"), line("0.33", tax=None))
    attempt = begun(invoice, account, contact="anna@example.org", amount_minor=amount)
    fake.pay(attempt.external_id)
    told_all(account, fake.messages)
    return FiscalReceipt.objects.get(kind="SALE")


def test_a_receipt_says_what_was_paid_for(fake: FakeYooKassa, account: ProviderAccount, berta: User) -> None:
    receipt = sold(fake, account, berta)
    assert (receipt.state, receipt.total_minor) == ("WAITING", 5034)
    assert [(each["amount_minor"], each["tax_rate"]) for each in receipt.lines] == [
        (1001, "22"),
        (4000, "10"),
        (33, None),
    ]
    assert receipts.send_receipt(receipt.pk) is True
    receipt.refresh_from_db()
    assert (receipt.state, receipt.fiscal_storage, receipt.fiscal_document != "") == (
        "REGISTERED",
        "9288000100115785",
        True,
    )
    row = fake.receipts[receipt.external_id]
    assert [item["vat_code"] for item in row["items"]] == [11, 3, 1]
    assert row["tax_system_code"] == 1
    # Once.
    assert receipts.send_receipt(receipt.pk) is False
    assert len(fake.receipts) == 1


@pytest.mark.parametrize("amount", [1, 2, 1234, 5033])
def test_a_receipt_of_a_part_adds_up(
    fake: FakeYooKassa, account: ProviderAccount, berta: User, amount: int
) -> None:
    receipt = sold(fake, account, berta, amount)
    assert sum(each["amount_minor"] for each in receipt.lines) == receipt.total_minor == amount
    assert receipts.send_receipt(receipt.pk) is True


@pytest.mark.parametrize("fault", [Fault.ERROR_AFTER, Fault.ERROR_BEFORE, Fault.DROPPED_AFTER, Fault.GARBAGE])
def test_its_troubles_never_hold_up_the_money(
    fake: FakeYooKassa, account: ProviderAccount, berta: User, fault: Fault
) -> None:
    receipt = sold(fake, account, berta)
    fake.faults.append(fault)
    assert receipts.send_receipt(receipt.pk) is False
    receipt.refresh_from_db()
    payment = Payment.objects.get(pk=receipt.payment_id)
    assert payment.invoice is not None
    assert (receipt.state, payment.status, payment.invoice.status) == ("WAITING", "SUCCEEDED", "PAID")
    FiscalReceipt.objects.update(next_attempt_at=timezone.now())
    assert receipts.due_receipts() == [receipt.pk]
    assert receipts.send_receipt(receipt.pk) is True
    assert len(fake.receipts) == 1


def test_a_receipt_that_is_being_registered_is_asked_after(
    fake: FakeYooKassa, account: ProviderAccount, berta: User
) -> None:
    fake.receipt_status = "pending"
    receipt = sold(fake, account, berta)
    receipts.send_receipt(receipt.pk)
    receipt.refresh_from_db()
    assert receipt.state == "SENT"
    fake.end_receipt(receipt.external_id)
    FiscalReceipt.objects.update(next_attempt_at=timezone.now())
    assert receipts.send_receipt(receipt.pk) is True


def test_what_goes_back_has_a_receipt_and_a_mistake_a_correction(
    fake: FakeYooKassa, account: ProviderAccount, berta: User
) -> None:
    sale = sold(fake, account, berta)
    with pytest.raises(ValidationError) as caught:
        receipts.correct_receipt(sale.pk, actor=berta, reason="wrong")
    assert code_of(caught) == "receipt_not_registered"
    receipts.send_receipt(sale.pk)
    payment = Payment.objects.get(pk=sale.payment_id)
    release_allocation(payment.allocations.get().pk, actor=berta)
    refund = refund_payment(payment.pk, actor=berta, reason="broken", amount_minor=1000)
    assert not FiscalReceipt.objects.filter(kind="REFUND").exists()
    refunding.send_refund(refund.pk)
    told_all(account, fake.messages)
    back = FiscalReceipt.objects.get(kind="REFUND")
    assert (back.total_minor, back.contact, sum(each["amount_minor"] for each in back.lines)) == (
        1000,
        "anna@example.org",
        1000,
    )
    assert receipts.send_receipt(back.pk) is True
    assert fake.receipts[FiscalReceipt.objects.get(pk=back.pk).external_id]["type"] == "refund"
    made = receipts.correct_receipt(sale.pk, actor=berta, reason="another tax")
    receipts.send_receipt(made.pk)
    made.refresh_from_db()
    # YooKassa does not take them: it says so, and the money is as it was.
    assert (made.state, made.error.partition(":")[0]) == ("FAILED", "no_corrections")
    with pytest.raises(ValidationError) as caught:
        receipts.correct_receipt(sale.pk, actor=berta, reason="again")
    assert code_of(caught) == "receipt_corrected"
    assert balance("ADVANCES") == -(5034 - 1000)
    receipts.retry_receipt(made.pk, actor=berta)
    made.refresh_from_db()
    assert (made.state, made.attempts) == ("WAITING", 0)


def test_a_receipt_is_tried_for_a_day_and_then_given_up(
    fake: FakeYooKassa, account: ProviderAccount, berta: User
) -> None:
    receipt = sold(fake, account, berta)
    waited = timedelta()
    for _round in range(30):
        fake.faults.append(Fault.ERROR_BEFORE)
        FiscalReceipt.objects.update(next_attempt_at=timezone.now())
        receipts.send_receipt(receipt.pk)
        receipt.refresh_from_db()
        if receipt.next_attempt_at is None:
            break
        waited += receipt.next_attempt_at - timezone.now()
    assert receipt.state == "FAILED"
    assert timedelta(hours=24) < waited < timedelta(hours=48)


def test_the_operator_of_demonstrations_registers_corrections(settings: LazySettings, berta: User) -> None:
    settings.PAYMENT_DEMO = True
    demo = create_provider_account(actor=berta, provider="STRIPE", mode="DEMO", has_receipts=True)
    attempt = begun(issued(berta, line("100")), demo, contact="79123456789")
    from apps.payments.services import inbox

    body = f'{{"charge": "{attempt.external_id}", "decision": "pay"}}'.encode()
    inbox.keep(demo, provider_of(demo).read(body, {}), body)
    for pk in inbox.due_messages():
        inbox.read_message(pk)
    sale: Any = FiscalReceipt.objects.get()
    assert receipts.send_receipt(sale.pk) is True
    made = receipts.correct_receipt(sale.pk, actor=berta, reason="another tax")
    assert receipts.send_receipt(made.pk) is True


def test_dollars_need_no_receipt(account: ProviderAccount, berta: User, settings: LazySettings) -> None:
    settings.PAYMENT_DEMO = True
    demo = create_provider_account(actor=berta, provider="STRIPE", mode="DEMO", has_receipts=True)
    assert begun(issued(berta, currency="USD"), demo).state == "PENDING"
    assert not FiscalReceipt.objects.exists()
