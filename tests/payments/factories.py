"""Who keeps books and sells, and money on its way; all of it through the services."""

from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from django.utils import timezone

from apps.accounts.models import User
from apps.crm.models import Company, CurrencyRate
from apps.payments.models import Invoice, LedgerAccount, Payment
from apps.payments.services import invoices
from apps.payments.services.invoices import NewLine
from apps.payments.services.payments import Received, record_payment
from apps.payments.services.verifying import Finding, verify_ledger
from tests.accounts.factories import make_member, make_team
from tests.crm.factories import make_company

_numbers = count(1)


def make_accountant() -> User:
    return make_member(make_team("Books"), "accountant", "Berta Books")


def line(price: str = "100.00", quantity: str = "1", tax: str | None = "20", **fields: Any) -> NewLine:
    return NewLine(
        name=f"Thing {next(_numbers)}",
        quantity=Decimal(quantity),
        unit_price=Decimal(price),
        tax_rate=None if tax is None else Decimal(tax),
        **fields,
    )


def draft(actor: User, *lines: NewLine, company: Company | None = None, **fields: Any) -> Invoice:
    company = company or make_company()
    fields = {"currency": "RUB", "due_date": timezone.localdate() + timedelta(days=14), **fields}
    return invoices.create_invoice(
        actor=actor, company_id=company.pk, lines=list(lines) or [line()], **fields
    )


def issued(actor: User, *lines: NewLine, company: Company | None = None, **fields: Any) -> Invoice:
    """Issue an invoice; of 100.00 RUB with 20 % VAT within unless lines are given."""
    return invoices.issue_invoice(draft(actor, *lines, company=company, **fields).pk, actor=actor)


def overdue(
    actor: User, *lines: NewLine, days: int, company: Company | None = None, **fields: Any
) -> Invoice:
    """Issue an invoice that has been due for some days."""
    due = timezone.localdate() - timedelta(days=days)
    dates = {"due_date": due, "issue_date": due - timedelta(days=14)}
    made = draft(actor, *lines, company=company, **dates, **fields)
    return invoices.issue_invoice(made.pk, actor=actor)


def paid(actor: User, amount_minor: int, **fields: Any) -> Payment:
    return record_payment(Received(amount_minor, **{"currency": "RUB", **fields}), actor=actor)


def rate(actor: User, currency: str, value: str, day: date) -> CurrencyRate:
    return CurrencyRate.objects.create(currency=currency, rate=Decimal(value), date=day, source="manual")


def balance(purpose: str, currency: str = "RUB") -> int:
    """Return what stands on an account, in minor units; a debit is above zero."""
    account = LedgerAccount.objects.get(purpose=purpose)
    row = account.balances.filter(currency=currency).first()
    return int(row.balance_minor) if row else 0


def wrong() -> list[Finding]:
    """Return what the proof of the books finds."""
    return verify_ledger()
