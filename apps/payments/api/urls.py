"""Addresses under /api/v1/payments/."""

from rest_framework.routers import SimpleRouter

from apps.payments.api.bank import (
    BankAccountViewSet,
    BankLineViewSet,
    BankMatchViewSet,
    BankStatementViewSet,
    ExchangeRateViewSet,
    StatementFileViewSet,
)
from apps.payments.api.feed import FeedViewSet
from apps.payments.api.invoices import CreditNoteViewSet, InvoiceViewSet
from apps.payments.api.ledger import (
    CustomerReportViewSet,
    JournalEntryViewSet,
    LedgerAccountViewSet,
    LedgerReportViewSet,
    PeriodViewSet,
)
from apps.payments.api.money import AllocationViewSet, PaymentViewSet, RefundViewSet

router = SimpleRouter()
router.register("invoices", InvoiceViewSet)
router.register("credit-notes", CreditNoteViewSet)
router.register("payments", PaymentViewSet)
router.register("allocations", AllocationViewSet)
router.register("refunds", RefundViewSet)
router.register("ledger/accounts", LedgerAccountViewSet)
router.register("ledger/entries", JournalEntryViewSet)
router.register("ledger/periods", PeriodViewSet)
router.register("events", FeedViewSet, basename="payments-event")
router.register("reports", LedgerReportViewSet, basename="ledger-report")
router.register("reports", CustomerReportViewSet, basename="customer-report")
router.register("exchange-rates", ExchangeRateViewSet)
router.register("bank-accounts", BankAccountViewSet)
router.register("statement-files", StatementFileViewSet)
router.register("bank-statements", BankStatementViewSet)
router.register("bank-lines", BankLineViewSet)
router.register("bank-matches", BankMatchViewSet)
urlpatterns = router.urls
