"""Money that came: recorded, allocated, given back, through providers; each step with what it does to the books."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.events.models import Event
from apps.payments.models import Allocation, Payment, Refund
from apps.payments.services.allocations import allocate_by_due_date, allocate_payment, release_allocation
from apps.payments.services.payments import (
    Outcome,
    Received,
    begin_charge,
    cancel_payment,
    change_payment,
    note_outcome,
    record_payment,
)
from apps.payments.services.refunds import note_refund_outcome, refund_payment
from tests.accounts.factories import make_member, make_team
from tests.crm.factories import make_company
from tests.payments.factories import balance, issued, line, overdue, paid, rate, wrong
from tests.payments.test_invoices import code_of, committed

pytestmark = pytest.mark.django_db


def facts() -> list[str]:
    found = Event.objects.filter(type__startswith="payments.").order_by("id")
    return [kind.removeprefix("payments.") for kind in found.values_list("type", flat=True)]


def test_money_is_the_customers_until_it_is_allocated(berta: User) -> None:
    company = make_company("Customer")
    payment = paid(berta, 15000, company_id=company.pk, fee_minor=250)
    assert (payment.captured_minor, payment.left_minor) == (15000, 15000)
    assert (balance("CASH"), balance("ADVANCES"), balance("FEES")) == (14750, -15000, 250)
    invoice = issued(berta, line("100"), company=company)
    allocation = allocate_payment(payment.pk, actor=berta, invoice_id=invoice.pk)
    invoice.refresh_from_db()
    payment.refresh_from_db()
    assert (allocation.amount_minor, invoice.status, payment.left_minor) == (10000, "PAID", 5000)
    assert (balance("ADVANCES"), balance("RECEIVABLE")) == (-5000, 0)
    assert facts() == ["payment.received.v1", "invoice.issued.v1", "invoice.paid.v1", "payment.allocated.v1"]
    committed()
    assert wrong() == []


def test_in_parts_and_more_than_is_owed(berta: User) -> None:
    invoice = issued(berta, line("100"))
    paid(berta, 4000, invoice_id=invoice.pk)
    invoice.refresh_from_db()
    assert (invoice.status, invoice.left_minor) == ("OPEN", 6000)
    over = paid(berta, 9000, invoice_id=invoice.pk)
    invoice.refresh_from_db()
    assert (invoice.status, invoice.paid_minor, over.left_minor) == ("PAID", 10000, 3000)
    # What came for an invoice that is settled is not refused: it stays the customer's.
    more = paid(berta, 100, invoice_id=invoice.pk)
    assert (more.left_minor, more.company) == (100, invoice.company)
    assert balance("ADVANCES") == -3100
    committed()
    assert wrong() == []


def test_the_oldest_due_comes_first(berta: User) -> None:
    company = make_company("Customer")
    new = issued(berta, line("100"), company=company)
    old = overdue(berta, line("70"), days=40, company=company)
    older = overdue(berta, line("50"), days=90, company=company)
    overdue(berta, line("10"), days=100)
    payment = paid(berta, 15000, company_id=company.pk)
    made = allocate_by_due_date(payment.pk, actor=berta)
    assert [(each.invoice, each.amount_minor) for each in made] == [(older, 5000), (old, 7000), (new, 3000)]
    assert allocate_by_due_date(payment.pk, actor=berta) == []
    committed()
    assert wrong() == []


def test_nobodys_money_is_not_allocated_by_rule(berta: User) -> None:
    payment = paid(berta, 100)
    with pytest.raises(ValidationError) as caught:
        allocate_by_due_date(payment.pk, actor=berta)
    assert code_of(caught) == "no_customer"
    company = make_company("Found")
    invoice = issued(berta, company=company)
    change_payment(payment.pk, actor=berta, company_id=company.pk)
    assert [each.invoice for each in allocate_by_due_date(payment.pk, actor=berta)] == [invoice]


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"amount_minor": 3001}, "payment_not_overspent"),
        ({"amount_minor": 0}, "amount"),
        ({"amount_minor": -1}, "amount"),
        ({"amount_minor": 100, "invoice_amount_minor": 99}, "amount"),
    ],
)
def test_what_is_not_allocated(berta: User, values: dict[str, Any], code: str) -> None:
    invoice, payment = issued(berta), paid(berta, 3000)
    with pytest.raises(ValidationError) as caught:
        allocate_payment(payment.pk, actor=berta, invoice_id=invoice.pk, **values)
    assert code_of(caught) == code
    assert not Allocation.objects.exists()


def test_no_more_is_allocated_than_is_owed(berta: User) -> None:
    invoice, payment = issued(berta, line("10")), paid(berta, 3000)
    with pytest.raises(ValidationError) as caught:
        allocate_payment(payment.pk, actor=berta, invoice_id=invoice.pk, amount_minor=1001)
    assert code_of(caught) == "invoice_not_overpaid"


def test_what_is_taken_back_is_owed_again(berta: User) -> None:
    invoice = issued(berta, line("100"))
    payment = paid(berta, 10000, invoice_id=invoice.pk)
    (allocation,) = payment.allocations.all()
    release_allocation(allocation.pk, actor=berta)
    invoice.refresh_from_db()
    assert (invoice.status, invoice.left_minor, invoice.settled_at) == ("OPEN", 10000, None)
    assert (balance("ADVANCES"), balance("RECEIVABLE")) == (-10000, 10000)
    with pytest.raises(ValidationError) as caught:
        release_allocation(allocation.pk, actor=berta)
    assert code_of(caught) == "released"
    assert "invoice.reopened.v1" in facts()
    committed()
    assert wrong() == []


def test_refunds_are_of_what_is_left(berta: User) -> None:
    invoice = issued(berta, line("60"))
    payment = paid(berta, 10000, invoice_id=invoice.pk)
    refund_payment(payment.pk, actor=berta, amount_minor=1500, reason="Too much")
    with pytest.raises(ValidationError) as caught:
        refund_payment(payment.pk, actor=berta, amount_minor=2501, reason="Too much")
    assert code_of(caught) == "payment_not_overspent"
    assert refund_payment(payment.pk, actor=berta, reason="The rest").amount_minor == 2500
    payment.refresh_from_db()
    assert (payment.refunded_minor, payment.left_minor) == (4000, 0)
    assert (balance("CASH"), balance("ADVANCES")) == (6000, 0)
    committed()
    assert wrong() == []


def test_a_refund_under_way_is_kept_for_it(berta: User) -> None:
    payment = paid(berta, 10000)
    refund = refund_payment(payment.pk, actor=berta, amount_minor=7000, reason="Back", is_pending=True)
    with pytest.raises(ValidationError) as caught:
        refund_payment(payment.pk, actor=berta, amount_minor=3001, reason="More")
    assert code_of(caught) == "payment_not_overspent"
    assert balance("CASH") == 10000
    committed()
    assert wrong() == []
    note_refund_outcome(refund.pk, actor=berta, has_succeeded=True, external_id="re_1")
    note_refund_outcome(refund.pk, actor=berta, has_succeeded=False)
    payment.refresh_from_db()
    assert (payment.refunded_minor, payment.refund_pending_minor, balance("CASH")) == (7000, 0, 3000)
    failed = refund_payment(payment.pk, actor=berta, reason="Rest", is_pending=True)
    note_refund_outcome(failed.pk, actor=berta, has_succeeded=False)
    payment.refresh_from_db()
    assert (payment.left_minor, Refund.objects.filter(status="FAILED").count()) == (3000, 1)
    committed()
    assert wrong() == []


def test_a_mistake_is_taken_back_with_its_fee(berta: User) -> None:
    payment = paid(berta, 500, fee_minor=20)
    cancelled = cancel_payment(payment.pk, actor=berta, reason="Typed twice")
    assert (cancelled.status, cancelled.captured_minor) == ("CANCELED", 0)
    assert (balance("CASH"), balance("ADVANCES"), balance("FEES")) == (0, 0, 0)
    committed()
    assert wrong() == []
    with pytest.raises(ValidationError) as caught:
        refund_payment(payment.pk, actor=berta, reason="No")
    assert code_of(caught) == "payment_not_received"


def test_what_is_allocated_is_no_mistake(berta: User) -> None:
    payment = paid(berta, 500, invoice_id=issued(berta).pk)
    with pytest.raises(ValidationError) as caught:
        cancel_payment(payment.pk, actor=berta, reason="No")
    assert code_of(caught) == "payment_touched"


@pytest.mark.parametrize(
    ("received", "code"),
    [
        (Received(0, "RUB"), "amount"),
        (Received(-5, "RUB"), "amount"),
        (Received(10**14, "RUB"), "amount"),
        (Received(100, "RUB", fee_minor=101), "fee"),
        (Received(100, "rub"), "currency"),
        (Received(100, "RUB", received_date=timezone.localdate() + timedelta(days=1)), "future"),
        (Received(100, "RUB", company_id=10**9), "not_found"),
        (Received(100, "RUB", invoice_id=10**9), "not_found"),
        (Received(100, "RUB", account_id=10**9), "not_found"),
    ],
)
def test_what_is_not_recorded(berta: User, received: Received, code: str) -> None:
    with pytest.raises(ValidationError) as caught:
        record_payment(received, actor=berta)
    assert code_of(caught) == code
    assert not Payment.objects.exists()


def test_the_same_line_of_a_bank_is_one_payment(berta: User) -> None:
    paid(berta, 100, provider="BANK", external_id="line-1")
    with pytest.raises(ValidationError) as caught:
        paid(berta, 100, provider="BANK", external_id="line-1")
    assert code_of(caught) == "payment_recorded_once"
    paid(berta, 100, provider="STRIPE", external_id="line-1")
    assert balance("CASH") == 200


def test_who_sells_sees_their_money_and_moves_none(berta: User) -> None:
    anna = make_member(make_team("North"), "salesperson", "Anna")
    company = make_company("Annas", owner=anna)
    payment = paid(berta, 100, company_id=company.pk)
    paid(berta, 100)
    assert list(Payment.objects.visible_to(anna)) == [payment]
    with pytest.raises(PermissionDenied):
        record_payment(Received(100, "RUB"), actor=anna)
    with pytest.raises(PermissionDenied):
        refund_payment(payment.pk, actor=anna, reason="No")


# Rates


def test_a_gain_by_rates_is_posted(berta: User) -> None:
    today = timezone.localdate()
    rate(berta, "EUR", "90", today - timedelta(days=60))
    company = make_company("Abroad")
    invoice = overdue(berta, line("100", tax=None), days=20, company=company)
    invoice = issued(
        berta, line("100", tax=None), company=company, currency="EUR", issue_date=today - timedelta(days=30)
    )
    rate(berta, "EUR", "95", today)
    payment = paid(berta, 10000, currency="EUR", invoice_id=invoice.pk)
    (allocation,) = payment.allocations.all()
    # 100 EUR x (95 - 90) RUB.
    assert allocation.exchange_minor == 50000
    assert (balance("EXCHANGE_GAIN"), balance("EXCHANGE")) == (-50000, 50000)
    assert (balance("RECEIVABLE", "EUR"), balance("ADVANCES", "EUR")) == (0, 0)
    release_allocation(allocation.pk, actor=berta)
    assert (balance("EXCHANGE_GAIN"), balance("EXCHANGE")) == (0, 0)
    committed()
    assert wrong() == []


def test_an_invoice_is_paid_in_another_currency(berta: User) -> None:
    today = timezone.localdate()
    rate(berta, "EUR", "100", today - timedelta(days=60))
    invoice = issued(berta, line("100", tax=None), currency="EUR")
    payment = paid(berta, 900000)
    allocation = allocate_payment(
        payment.pk, actor=berta, invoice_id=invoice.pk, amount_minor=450000, invoice_amount_minor=5000
    )
    # 50 EUR were worth 5,000 RUB, and 4,500 came.
    assert allocation.exchange_minor == -50000
    assert (balance("EXCHANGE"), balance("EXCHANGE", "EUR"), balance("EXCHANGE_LOSS")) == (
        -500000,
        5000,
        50000,
    )
    rest = allocate_payment(payment.pk, actor=berta, invoice_id=invoice.pk)
    assert (rest.amount_minor, rest.invoice_amount_minor, rest.exchange_minor) == (450000, 4500, 0)
    committed()
    assert wrong() == []


def test_without_a_rate_both_amounts_are_asked_for(berta: User) -> None:
    invoice, payment = issued(berta, currency="USD"), paid(berta, 900000)
    with pytest.raises(ValidationError) as caught:
        allocate_payment(payment.pk, actor=berta, invoice_id=invoice.pk)
    assert code_of(caught) == "no_rate"


# Through a provider


def test_one_charge_at_a_time_and_none_while_unknown(berta: User) -> None:
    invoice = issued(berta, line("100"))
    charge = begin_charge(invoice.pk, actor=berta, provider="STRIPE")
    assert (charge.status, charge.amount_minor) == ("PROCESSING", 10000)
    note_outcome(charge.pk, Outcome("UNKNOWN"), actor=berta)
    with pytest.raises(ValidationError) as caught:
        begin_charge(invoice.pk, actor=berta, provider="STRIPE")
    assert code_of(caught) == "payment_one_charge_under_way"
    came = Outcome("SUCCEEDED", captured_minor=10000, fee_minor=290, external_id="pi_1")
    note_outcome(charge.pk, came, actor=berta)
    # Heard once more, late and out of order.
    note_outcome(charge.pk, came, actor=berta)
    note_outcome(charge.pk, Outcome("PROCESSING"), actor=berta)
    note_outcome(charge.pk, Outcome("CANCELED"), actor=berta)
    invoice.refresh_from_db()
    charge.refresh_from_db()
    assert (invoice.status, charge.status, charge.external_id) == ("PAID", "SUCCEEDED", "pi_1")
    assert (balance("CASH"), balance("FEES")) == (9710, 290)
    assert "payment.unknown.v1" in facts()
    committed()
    assert wrong() == []


def test_a_charge_of_a_settled_invoice_is_not_lost(berta: User) -> None:
    invoice = issued(berta, line("100"))
    charge = begin_charge(invoice.pk, actor=berta, provider="STRIPE")
    note_outcome(charge.pk, Outcome("UNKNOWN"), actor=berta)
    paid(berta, 10000, invoice_id=invoice.pk)
    late = note_outcome(charge.pk, Outcome("SUCCEEDED", captured_minor=10000), actor=berta)
    invoice.refresh_from_db()
    # Not paid twice: the second is the customer's, to be given back.
    assert (invoice.paid_minor, late.left_minor, balance("ADVANCES")) == (10000, 10000, -10000)


def test_what_came_to_nothing_lets_another_be_begun(berta: User) -> None:
    invoice = issued(berta)
    charge = begin_charge(invoice.pk, actor=berta, provider="STRIPE")
    note_outcome(charge.pk, Outcome("CANCELED"), actor=berta)
    assert begin_charge(invoice.pk, actor=berta, provider="STRIPE", amount_minor=100).amount_minor == 100
    assert balance("CASH") == 0


# Attacks


@pytest.mark.parametrize(
    ("attack", "constraint"),
    [
        ("update payments_payment set amount_minor = amount_minor + 1", "payment_frozen"),
        ("update payments_payment set status = 'PROCESSING', captured_minor = 0", "payment_state_order"),
        ("delete from payments_payment", "payment_frozen"),
        ("update payments_payment set refunded_minor = 5000", "payment_not_overspent"),
        ("update payments_payment set refunded_minor = 1", "money_counted"),
        ("delete from payments_allocation", "allocation_frozen"),
        ("update payments_allocation set amount_minor = 1", "allocation_frozen"),
        (
            "update payments_allocation set released_at = now(), released_by_id = created_by_id",
            "money_counted",
        ),
        (
            """insert into payments_allocation
            (payment_id, invoice_id, amount_minor, invoice_amount_minor, allocated_date, exchange_minor, created_at,
                created_by_id)
            select payment_id, invoice_id, 1, 1, allocated_date, 0, now(), created_by_id from payments_allocation""",
            "money_counted",
        ),
        (
            """insert into payments_refund
            (payment_id, amount_minor, status, reason, refunded_date, external_id, created_at, created_by_id)
            select id, 1, 'SUCCEEDED', '', now(), '', now(), created_by_id from payments_payment""",
            "money_counted",
        ),
    ],
)
def test_what_moved_is_not_made_up(berta: User, attack: str, constraint: str) -> None:
    paid(berta, 10000, invoice_id=issued(berta, line("60")).pk)
    committed()
    with pytest.raises(IntegrityError) as caught, transaction.atomic(), connection.cursor() as cursor:  # noqa: PT012
        cursor.execute(attack)
        cursor.execute("set constraints all immediate")
    assert caught.value.__cause__.diag.constraint_name == constraint  # type: ignore[union-attr]
    assert wrong() == []
