"""
What money tells about people outside, and what becomes of it when one of them is erased.

See `apps.common.personal` for the words.
"""

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from apps.common.personal import Kept, Place, Subject, declare_place, not_personal
from apps.payments.models import (
    AccountBalance,
    CreditNote,
    Dispute,
    FeedEntry,
    FiscalReceipt,
    IdempotencyKey,
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
        *("number", "series", "currency", "locale", "taxes", "reason", "due_minor"),
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
        *("currency", "external_id", "reason", "free_minor"),
    )
    not_personal(InvoiceLine, "What was sold.")
    not_personal(CreditNote, "Numbers, and why we take something back.")
    not_personal(Refund, "A provider's number, and why we gave it back.")
    not_personal(JournalEntry, "What the books say about sums; who paid, payments say.")
    for figures in (Posting, AccountBalance, LedgerAccount, PeriodLock, FeedEntry):
        not_personal(figures, "Figures of the books.")
    not_personal(IdempotencyKey, "What was answered to a program; it goes by itself after a few days.")
    _declare_providers()


def _declare_providers() -> None:
    declare_place(
        Place(
            PaymentAttempt,
            {"contact": ""},
            lambda subject: PaymentAttempt.objects.filter(payment__person__in=subject.people),
            kept=(Kept("accounting", lambda subject: Q(state=PaymentAttempt.State.SUCCEEDED), _KEPT),),
        )
    )
    not_personal(
        PaymentAttempt,
        "A provider's number and pages, and what was wrong.",
        *("external_id", "url", "origin", "locale", "error"),
    )
    declare_place(
        Place(
            FiscalReceipt,
            {"contact": ""},
            lambda subject: FiscalReceipt.objects.filter(payment__person__in=subject.people),
            kept=(Kept("accounting", lambda subject: Q(), _KEPT),),
        )
    )
    not_personal(
        FiscalReceipt,
        "What was sold, numbers of the tax service, and why it was wrong.",
        *("lines", "currency", "reason", "external_id", "fiscal_storage", "fiscal_document", "fiscal_sign"),
        "error",
    )
    declare_place(
        Place(
            WebhookMessage,
            {"body": b""},
            _told_of,
            # What was read has had its effect; what waits is read first, and goes by its age.
            kept=(Kept("accounting", lambda subject: Q(state=WebhookMessage.State.NEW), _KEPT),),
            is_told=False,
            is_searched=True,
        )
    )
    not_personal(WebhookMessage, "Numbers of a provider, and what was wrong.", "event_id", "type", "error")
    declare_place(
        Place(
            InvoiceLetter,
            {"recipients": []},
            lambda subject: InvoiceLetter.objects.filter(
                Q(invoice__person__in=subject.people) | Q(recipients__overlap=subject.values("EMAIL"))
            ),
        )
    )
    not_personal(InvoiceLetter, "Where our own pages are.", "origin")
    not_personal(RecurringInvoice, "How an invoice is drawn up again.")
    not_personal(RecurringIssue, "Which invoice is of which day.")
    not_personal(Dispute, "A provider's number and code.")
    not_personal(PaymentLink, "A digest of a secret.")
    not_personal(ProviderAccount, "Our own accounts and their keys.")


def _told_of(subject: Subject) -> QuerySet[WebhookMessage]:
    """Find what providers told of the charges of a person, by the numbers that they gave them."""
    theirs = PaymentAttempt.objects.filter(payment__person__in=subject.people)
    found = Q(pk__in=[])
    for session, payment in theirs.values_list("external_id", "payment__external_id"):
        for number in {session, payment} - {""}:
            found |= Q(event_id__endswith=f":{number}") | Q(pk__in=_naming(number))
    return WebhookMessage.objects.filter(found)


def _naming(number: str) -> list[int]:
    # As bytes: a number of a provider stands in its messages as it is.
    rows = WebhookMessage.objects.extra(where=["position(%s::bytea in body) > 0"], params=[number.encode()])
    return list(rows.values_list("pk", flat=True))
