"""The facts of money, and the one place that says what each tells: the invoice or payment as it is after the change."""

from collections.abc import Mapping
from typing import Any

from apps.events.services import Fact, publish
from apps.payments.bank_events import (  # noqa: F401 - facts of this app
    LINE_MATCHED,
    LINE_PUT_BACK,
    LINE_SET_ASIDE,
    LINE_UNMATCHED,
    RATE_WRITTEN,
    RATES_PUBLISHED,
    STATEMENT_IMPORTED,
    STATEMENT_UNDONE,
)
from apps.payments.models import Allocation, Invoice, InvoiceLine, Payment
from apps.payments.provider_events import (  # noqa: F401 - facts of this app
    DISPUTE_ENDED,
    DISPUTE_OPENED,
    PROVIDER_ACCOUNT_CHANGED,
)

INVOICE_ISSUED = Fact("payments.invoice.issued.v1")
INVOICE_PAID = Fact("payments.invoice.paid.v1")
# Money that had settled it was taken back.
INVOICE_REOPENED = Fact("payments.invoice.reopened.v1")
INVOICE_CREDITED = Fact("payments.invoice.credited.v1")
INVOICE_VOIDED = Fact("payments.invoice.voided.v1")
INVOICE_WRITTEN_OFF = Fact("payments.invoice.written_off.v1")
INVOICE_REINSTATED = Fact("payments.invoice.reinstated.v1")
# Found by the clock, so many days before or after, as the installation says.
INVOICE_DUE_SOON = Fact("payments.invoice.due_soon.v1")
INVOICE_OVERDUE = Fact("payments.invoice.overdue.v1")
PAYMENT_RECEIVED = Fact("payments.payment.received.v1")
PAYMENT_CHANGED = Fact("payments.payment.changed.v1")
# A provider has not answered: nobody knows whether money moved.
PAYMENT_UNKNOWN = Fact("payments.payment.unknown.v1")
PAYMENT_CANCELED = Fact("payments.payment.canceled.v1")
PAYMENT_ALLOCATED = Fact("payments.payment.allocated.v1")
PAYMENT_RELEASED = Fact("payments.payment.released.v1")
PAYMENT_REFUNDED = Fact("payments.payment.refunded.v1")

FACTS = [value for value in globals().values() if isinstance(value, Fact)]

_WHOSE = ["company_id", "company__name", "person_id", "person__full_name", "owner_id", "owner__name"]
_INVOICE = [
    *[
        "id",
        "number",
        "status",
        "currency",
        "issue_date",
        "due_date",
        "customer_name",
        "net_minor",
        "tax_minor",
    ],
    *["total_minor", "paid_minor", "credited_minor", "written_off_minor", "due_minor", "reason", "version"],
]
_LINE = ["name", "product_id", "quantity", "unit", "unit_price", "net_minor", "tax_minor"]
_PAYMENT = [
    *["id", "status", "provider", "method", "currency", "amount_minor", "captured_minor", "refunded_minor"],
    *[
        "allocated_minor",
        "fee_minor",
        "free_minor",
        "received_date",
        "external_id",
        "reference",
        "invoice_id",
    ],
    "version",
]


def publish_invoice(fact: Fact, invoice_id: int, *, actor_id: int) -> None:
    """Tell a fact of one invoice, as it stands in the database."""
    row = Invoice.objects.values(*_INVOICE, *_WHOSE, "deal_id", "deal__number", "deal__title").get(
        pk=invoice_id
    )
    lines = InvoiceLine.objects.filter(invoice=invoice_id).order_by("position").values(*_LINE)
    deal = {"id": row["deal_id"], "number": row["deal__number"], "title": row["deal__title"]}
    data = {
        **{name: row[name] for name in _INVOICE},
        **_whose(row),
        "deal": deal if row["deal_id"] else None,
        "lines": [
            {**line, "quantity": str(line["quantity"]), "unit_price": str(line["unit_price"])}
            for line in lines
        ],
    }
    publish(fact, invoice_id, data, actor_id=actor_id)


def publish_payment(fact: Fact, payment_id: int, *, actor_id: int) -> None:
    """Tell a fact of one payment, with what it is allocated to."""
    row = Payment.objects.values(*_PAYMENT, *_WHOSE).get(pk=payment_id)
    allocations = Allocation.objects.filter(payment=payment_id, released_at=None).order_by("id")
    data = {
        **{name: row[name] for name in _PAYMENT},
        **_whose(row),
        "allocations": [
            {
                "id": each["id"],
                "invoice": {"id": each["invoice_id"], "number": each["invoice__number"]},
                "amount_minor": each["amount_minor"],
                "invoice_amount_minor": each["invoice_amount_minor"],
            }
            for each in allocations.values(
                "id", "invoice_id", "invoice__number", "amount_minor", "invoice_amount_minor"
            )
        ],
    }
    publish(fact, payment_id, data, actor_id=actor_id)


def _whose(row: Mapping[str, Any]) -> dict[str, Any]:
    names = {"company": "company__name", "person": "person__full_name", "owner": "owner__name"}
    return {
        key: None if row[f"{key}_id"] is None else {"id": row[f"{key}_id"], "name": row[name]}
        for key, name in names.items()
    }
