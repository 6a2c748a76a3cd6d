"""What history records of money: the chart of accounts. The rest records itself, and nobody undoes it."""

from apps.history.tracking import exempt, track
from apps.payments.models import (
    AccountBalance,
    Allocation,
    CreditNote,
    CreditNoteLine,
    Dispute,
    FeedEntry,
    FiscalReceipt,
    Invoice,
    InvoiceLetter,
    InvoiceLine,
    JournalEntry,
    LedgerAccount,
    Payment,
    PaymentAttempt,
    PaymentLink,
    PeriodLock,
    Posting,
    ProviderAccount,
    RecurringInvoice,
    RecurringIssue,
    Refund,
    WebhookMessage,
)


def declare() -> None:
    """Declare every model of money."""
    track(LedgerAccount, rights=lambda back: {"change"})
    for record in (JournalEntry, Posting, PeriodLock):
        exempt(
            record,
            "The ledger is only added to, and is itself the record; mistakes are taken back by entries.",
        )
    exempt(AccountBalance, "It follows the postings.")
    for paper in (Invoice, InvoiceLine, CreditNote, CreditNoteLine):
        exempt(
            paper,
            "What was issued is a record by itself, which is credited or declared void, and not undone.",
        )
    for money in (Payment, Allocation, Refund):
        exempt(
            money,
            "Money that moved is a record by itself, which is taken back by other steps, and not undone.",
        )
    exempt(
        ProviderAccount,
        "Each step is a fact of its own, and an undo must not bring back an earlier key.",
    )
    exempt(RecurringInvoice, "It is paused, resumed and ended, and what it draws up stands by itself.")
    exempt(RecurringIssue, "It is the record of what was drawn up.")
    exempt(InvoiceLetter, "It is the record of what was written.")
    exempt(PaymentLink, "It is made and taken back, and an undo must not open it again.")
    for told in (PaymentAttempt, Dispute, FiscalReceipt, WebhookMessage):
        exempt(told, "It follows what a provider says, and is itself the record of it.")
    exempt(FeedEntry, "It is the record of what was told.")
