"""What history records of money: the chart of accounts. The rest records itself, and nobody undoes it."""

from apps.history.tracking import exempt, track
from apps.payments.models import (
    AccountBalance,
    Allocation,
    CreditNote,
    CreditNoteLine,
    Invoice,
    InvoiceLine,
    JournalEntry,
    LedgerAccount,
    Payment,
    PeriodLock,
    Posting,
    Refund,
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
