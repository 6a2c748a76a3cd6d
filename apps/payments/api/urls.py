"""Addresses under /api/v1/payments/."""

from django.urls import path
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
from apps.payments.api.provider_webhook import webhook
from apps.payments.api.providers import (
    DisputeViewSet,
    FiscalReceiptViewSet,
    PaymentAttemptViewSet,
    PaymentLinkViewSet,
    ProviderAccountViewSet,
    WebhookMessageViewSet,
)
from apps.payments.api.recurring import InvoiceLetterViewSet, RecurringInvoiceViewSet

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
router.register("provider-accounts", ProviderAccountViewSet)
router.register("recurring-invoices", RecurringInvoiceViewSet)
router.register("letters", InvoiceLetterViewSet)
router.register("links", PaymentLinkViewSet)
router.register("charges", PaymentAttemptViewSet)
router.register("disputes", DisputeViewSet)
router.register("receipts", FiscalReceiptViewSet)
router.register("provider-messages", WebhookMessageViewSet)
urlpatterns = [path("webhooks/<str:key>/", webhook, name="provider-webhook"), *router.urls]
