"""What is owed and what was recorded that a bank line may be about, within what somebody may see."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from apps.accounts.models import User
from apps.payments.matching.scoring import Came, Candidate, Owed, candidates
from apps.payments.models.bank import BankLine
from apps.payments.models.invoices import Invoice
from apps.payments.models.payments import Payment

# Scoring one takes some 30 µs; of more open invoices than this, those are looked at that something speaks for.
_MOST = 2000
_NEAR = timedelta(days=10)
# Of a payment that was received, there is a day.
_LONG_AGO = date.min
_VALUES = (
    "id", "number", "due_minor", "total_minor", "issue_date", "due_date", "customer_name", "customer_tax_id",
    "company_id", "person_id",
)  # fmt: skip


@dataclass(frozen=True)
class KnownPayment:
    """A payment that somebody recorded before the bank told of it: the line is this money, and no more."""

    payment: Payment
    reasons: tuple[str, ...]
    confidence: int


def came_of(line: BankLine) -> Came:
    """Return what scoring looks at."""
    return Came(
        amount=line.open_minor,
        day=line.booked_on,
        name=line.counterparty_name,
        tax_id=line.counterparty_tax_id,
        purpose=f"{line.purpose} {line.reference}".strip(),
    )


def candidates_for(line: BankLine, *, actor: User, most: int = 8) -> list[Candidate]:
    """Return the invoices that a line may pay, the likeliest first; none for money that went out."""
    if not line.is_income or line.open_minor <= 0:
        return []
    open_ones = owed_in(line.account.currency, actor=actor)
    rows = list(open_ones.order_by("due_date", "id").values(*_VALUES)[: _MOST + 1])
    if len(rows) > _MOST:
        speaks = Q(due_minor=line.open_minor) | Q(total_minor=line.open_minor)
        if line.counterparty_tax_id:
            speaks |= Q(customer_tax_id=line.counterparty_tax_id)
        words = [word for word in line.counterparty_name.split() if len(word) > 3][:3]
        for word in words:
            speaks |= Q(customer_name__icontains=word)
        for token in [word.strip(".,;:()№#") for word in line.purpose.split()][:60]:
            if any(each.isdigit() for each in token) and len(token) > 1:
                speaks |= Q(number__iendswith=token)
        rows = list(open_ones.filter(speaks).order_by("due_date", "id").values(*_VALUES)[:_MOST])
    return candidates(came_of(line), [_owed(row) for row in rows], most=most)


def owed_in(currency: str, *, actor: User) -> QuerySet[Invoice]:
    """Return the invoices in a currency that are still to be paid, as far as somebody sees them."""
    return Invoice.objects.visible_to(actor).filter(
        status=Invoice.Status.OPEN, currency=currency, due_minor__gt=0
    )


def known_payments(line: BankLine, *, actor: User, most: int = 3) -> list[KnownPayment]:
    """Return payments of this amount that no bank line is matched with, nearest in time first."""
    if not line.is_income or line.open_minor <= 0:
        return []
    rows = (
        Payment.objects.visible_to(actor)
        .filter(
            status=Payment.Status.SUCCEEDED,
            provider=Payment.Provider.MANUAL,
            currency=line.account.currency,
            captured_minor=line.open_minor,
            received_date__range=(line.booked_on - _NEAR, line.booked_on + _NEAR),
        )
        .exclude(bank_matches__released_at=None, bank_matches__isnull=False)
        .select_related("company", "person")
    )
    found = sorted(
        rows[:50], key=lambda row: (abs(((row.received_date or _LONG_AGO) - line.booked_on).days), row.pk)
    )
    return [
        KnownPayment(
            row,
            ("recorded", "amount", *(("same_day",) if row.received_date == line.booked_on else ())),
            80 if row.received_date == line.booked_on else 60,
        )
        for row in found[:most]
    ]


def _owed(row: dict[str, Any]) -> Owed:
    return Owed(
        invoice_id=row["id"],
        number=row["number"] or "",
        due=row["due_minor"],
        total=row["total_minor"],
        issued=row["issue_date"],
        due_date=row["due_date"],
        customer=row["customer_name"],
        tax_id=row["customer_tax_id"],
        customer_key=f"company-{row['company_id']}" if row["company_id"] else f"person-{row['person_id']}",
    )
