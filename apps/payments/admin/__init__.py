"""Money in the admin."""

from apps.payments.admin import cards, invoices, ledger, payments

__all__ = ["cards", "invoices", "ledger", "payments"]
