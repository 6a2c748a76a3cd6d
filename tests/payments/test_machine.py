"""Whatever is done to invoices and payments, in whatever order: all sums are zero, and every figure is its postings."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.models import User
from apps.payments.models import Allocation, Invoice, Payment, Posting, Refund
from apps.payments.services import invoices
from apps.payments.services.allocations import allocate_by_due_date, allocate_payment, release_allocation
from apps.payments.services.credit_notes import credit_invoice
from apps.payments.services.payments import (
    Outcome,
    Received,
    begin_charge,
    cancel_payment,
    note_outcome,
    record_payment,
)
from apps.payments.services.refunds import note_refund_outcome, refund_payment
from tests.crm.factories import make_company
from tests.payments.factories import draft, line, wrong
from tests.payments.test_invoices import committed

DEEDS = [
    *[
        "draft",
        "issue",
        "void",
        "write_off",
        "reinstate",
        "credit",
        "record",
        "allocate",
        "by_due_date",
        "release",
    ],
    *["refund", "refund_later", "refund_ends", "cancel", "charge", "outcome"],
]
# What is done, to which of the rows there are, and with how much.
STEPS = st.tuples(st.sampled_from(DEEDS), st.integers(0, 50), st.integers(1, 15000))
CURRENCIES = ["RUB", "JPY"]


def at(rows: Any, which: int) -> Any:
    """Return one of some rows. :raises ValidationError: there are none"""
    found = list(rows.order_by("pk"))
    if not found:
        raise ValidationError("nothing there yet")
    return found[which % len(found)].pk


def do(what: str, which: int, amount: int, *, actor: User, company: Any) -> None:
    """Do one thing; that it may be refused is part of the game."""
    every, money = Invoice.objects.all(), Payment.objects.all()
    currency = CURRENCIES[which % 2]
    outcomes = [
        Outcome("UNKNOWN"),
        Outcome("CANCELED"),
        Outcome("SUCCEEDED", captured_minor=amount, fee_minor=amount // 50),
    ]
    said: dict[str, Any] = {"actor": actor, "reason": "because"}
    deeds: dict[str, Callable[[], object]] = {
        "draft": lambda: draft(
            actor, line(str(amount)), line("3.33", "7"), company=company, currency=currency
        ),
        "issue": lambda: invoices.issue_invoice(at(every.filter(status="DRAFT"), which), actor=actor),
        "void": lambda: invoices.void_invoice(at(every, which), **said),
        "write_off": lambda: invoices.write_off_invoice(at(every, which), **said),
        "reinstate": lambda: invoices.reinstate_invoice(at(every, which), actor=actor),
        "credit": lambda: credit_invoice(
            at(every, which),
            **said,
            parts={Invoice.objects.get(pk=at(every, which)).lines.earliest("id").pk: amount},
        ),
        "record": lambda: record_payment(
            Received(amount * 40, currency, company_id=company.pk, fee_minor=amount % 40), actor=actor
        ),
        "allocate": lambda: allocate_payment(
            at(money, which), actor=actor, invoice_id=at(every, amount), amount_minor=amount
        ),
        "by_due_date": lambda: allocate_by_due_date(at(money, which), actor=actor),
        "release": lambda: release_allocation(at(Allocation.objects, which), actor=actor),
        "refund": lambda: refund_payment(at(money, which), **said, amount_minor=amount),
        "refund_later": lambda: refund_payment(
            at(money, which), **said, amount_minor=amount, is_pending=True
        ),
        "refund_ends": lambda: note_refund_outcome(
            at(Refund.objects, which), actor=actor, has_succeeded=bool(amount % 2)
        ),
        "cancel": lambda: cancel_payment(at(money, which), **said),
        "charge": lambda: begin_charge(at(every, which), actor=actor, provider="STRIPE"),
        "outcome": lambda: note_outcome(
            at(money.filter(provider="STRIPE"), which), outcomes[amount % 3], actor=actor
        ),
    }
    before = Posting.objects.count()
    try:
        deeds[what]()
    except ValidationError:
        assert Posting.objects.count() == before, "a refusal posted something"


@pytest.mark.django_db
@given(steps=st.lists(STEPS, min_size=4, max_size=24))
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
def test_any_sequence_of_services_keeps_the_books_whole(
    steps: list[tuple[str, int, int]], berta: User
) -> None:
    company = make_company()
    # Something to begin with, so that most steps find a row.
    for currency in range(2):
        do("draft", currency, 100, actor=berta, company=company)
        do("issue", 0, 1, actor=berta, company=company)
        do("record", currency, 300, actor=berta, company=company)
    for what, which, amount in steps:
        do(what, which, amount, actor=berta, company=company)
        committed()
        sums = Posting.objects.values("currency").order_by().annotate(total=Sum("amount_minor"))
        assert {row["total"] for row in sums} <= {0}
    assert wrong() == []
