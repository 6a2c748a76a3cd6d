"""Money in the admin."""

from apps.payments.admin import (
    cards,
    invoices,
    ledger,
    payments,
    providers,
    rates,
    reconciliation,
    statements,
)

__all__ = ["cards", "invoices", "ledger", "payments", "providers", "rates", "reconciliation", "statements"]
