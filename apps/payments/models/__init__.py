"""What money is: invoices, payments, and the ledger that proves both."""

from apps.payments.models.feed import FeedEntry
from apps.payments.models.idempotency import IdempotencyKey
from apps.payments.models.invoices import CreditNote, CreditNoteLine, Invoice, InvoiceLine
from apps.payments.models.ledger import AccountBalance, JournalEntry, LedgerAccount, PeriodLock, Posting
from apps.payments.models.payments import Allocation, Payment, Refund

__all__ = [
    "AccountBalance",
    "Allocation",
    "CreditNote",
    "CreditNoteLine",
    "FeedEntry",
    "IdempotencyKey",
    "Invoice",
    "InvoiceLine",
    "JournalEntry",
    "LedgerAccount",
    "Payment",
    "PeriodLock",
    "Posting",
    "Refund",
]
