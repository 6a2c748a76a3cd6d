"""
The money of the demo: invoices of won deals, most of them paid, some in part, some late; and providers that the
platform plays itself.
"""

from collections.abc import Sequence
from datetime import date, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.crm.models import Deal
from apps.payments.models import ProviderAccount
from apps.payments.services.invoices import create_invoice, issue_invoice
from apps.payments.services.payments import Received, record_payment
from apps.payments.services.provider_accounts import create_provider_account

# Of as many won deals in a row: paid, paid in part, late, paid, not sent yet, just sent.
_FATES = ("paid", "part", "late", "paid", "draft", "sent")
_TERM = timedelta(days=14)


def make_providers(*, system: User) -> None:
    """Let invoices be paid in a demonstration, where that is allowed."""
    if not settings.PAYMENT_DEMO:
        return
    for provider in ProviderAccount.Provider:
        create_provider_account(
            actor=system,
            provider=provider,
            mode=ProviderAccount.Mode.DEMO,
            has_receipts=provider == ProviderAccount.Provider.YOOKASSA,
        )


@transaction.atomic
def make_money(deals: Sequence[Deal], *, accountant: User) -> int:
    """Invoice what was won, as the accountant does. :return: how many invoices"""
    won = [deal for deal in deals if deal.status == Deal.Status.WON]
    for place, deal in enumerate(won):
        _invoice(deal, _FATES[place % len(_FATES)], accountant=accountant)
    return len(won)


def _invoice(deal: Deal, fate: str, *, accountant: User) -> None:
    today = timezone.localdate()
    won_on = timezone.localdate(deal.closed_at) if deal.closed_at else today
    day = _day_of(fate, won_on, today)
    invoice = create_invoice(actor=accountant, deal_id=deal.pk, due_date=day + _TERM, locale="ru")
    if fate == "draft":
        return
    invoice = issue_invoice(invoice.pk, actor=accountant, issue_date=day)
    if fate in {"paid", "part"}:
        amount = invoice.total_minor if fate == "paid" else invoice.total_minor // 200 * 100
        received = Received(
            amount_minor=amount,
            currency=invoice.currency,
            received_date=min(day + timedelta(days=9), today),
            company_id=invoice.company_id,
            invoice_id=invoice.pk,
            payer_name=invoice.customer_name,
            reference=invoice.number or "",
        )
        record_payment(received, actor=accountant)


def _day_of(fate: str, won_on: date, today: date) -> date:
    """Return when an invoice is dated: when the deal was won, but for what is late and what was sent just now."""
    return {"late": today - timedelta(days=40), "sent": today - timedelta(days=3)}.get(fate, won_on)
