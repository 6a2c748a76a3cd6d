"""
What money tells about people outside, and what becomes of it when one of them is erased.

See `apps.common.personal` for the words.
"""

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.common.personal import Kept, Place, declare_place, not_personal
from apps.payments.models import (
    AccountBalance,
    CreditNote,
    IdempotencyKey,
    Invoice,
    InvoiceLine,
    JournalEntry,
    LedgerAccount,
    Payment,
    PeriodLock,
    Posting,
    Refund,
)

_KEPT = _("Invoices and what was paid of them are accounting records, which the law wants kept for years.")


def declare() -> None:
    """Declare it; called when the app is ready."""
    declare_place(
        Place(
            Invoice,
            dict.fromkeys(["customer_name", "customer_tax_id", "customer_address", "note"], ""),
            lambda subject: Invoice.objects.filter(person__in=subject.people),
            kept=(Kept("accounting", lambda subject: ~Q(status=Invoice.Status.DRAFT), _KEPT),),
        )
    )
    not_personal(
        Invoice,
        "Numbers, currencies, and why we gave something up.",
        *("number", "series", "currency", "locale", "taxes", "reason"),
    )
    declare_place(
        Place(
            Payment,
            dict.fromkeys(["payer_name", "reference"], ""),
            lambda subject: Payment.objects.filter(person__in=subject.people),
            kept=(Kept("accounting", lambda subject: ~Q(captured_minor=0), _KEPT),),
        )
    )
    not_personal(
        Payment,
        "Currencies, a provider's number, and why it was taken back.",
        "currency",
        "external_id",
        "reason",
    )
    not_personal(InvoiceLine, "What was sold.")
    not_personal(CreditNote, "Numbers, and why we take something back.")
    not_personal(Refund, "A provider's number, and why we gave it back.")
    not_personal(JournalEntry, "What the books say about sums; who paid, payments say.")
    for figures in (Posting, AccountBalance, LedgerAccount, PeriodLock):
        not_personal(figures, "Figures of the books.")
    not_personal(IdempotencyKey, "What was answered to a program; it goes by itself after a few days.")
