"""What money is: invoices, payments, the ledger that proves both, rates, and what banks say of our accounts."""

from apps.payments.models.bank import BankAccount, BankLine, BankMatch, BankStatement, StatementFile
from apps.payments.models.disputes import Dispute, FiscalReceipt
from apps.payments.models.feed import FeedEntry
from apps.payments.models.idempotency import IdempotencyKey
from apps.payments.models.invoices import CreditNote, CreditNoteLine, Invoice, InvoiceLine
from apps.payments.models.ledger import AccountBalance, JournalEntry, LedgerAccount, PeriodLock, Posting
from apps.payments.models.payments import Allocation, Payment, Refund
from apps.payments.models.providers import PaymentAttempt, PaymentLink, ProviderAccount, WebhookMessage
from apps.payments.models.rates import ExchangeRate, Provider, RateSource
from apps.payments.models.recurring import InvoiceLetter, RecurringInvoice, RecurringIssue

__all__ = [
    "AccountBalance",
    "Allocation",
    "BankAccount",
    "BankLine",
    "BankMatch",
    "BankStatement",
    "CreditNote",
    "CreditNoteLine",
    "Dispute",
    "ExchangeRate",
    "FeedEntry",
    "FiscalReceipt",
    "IdempotencyKey",
    "Invoice",
    "InvoiceLetter",
    "InvoiceLine",
    "JournalEntry",
    "LedgerAccount",
    "Payment",
    "PaymentAttempt",
    "PaymentLink",
    "PeriodLock",
    "Posting",
    "Provider",
    "ProviderAccount",
    "RateSource",
    "RecurringInvoice",
    "RecurringIssue",
    "Refund",
    "StatementFile",
    "WebhookMessage",
]
