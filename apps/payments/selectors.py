"""
What the books say: trial balance, aged receivables, revenue, cash, statements.

Every figure is a sum of postings, or of what invoices owe, which the proof of the books compares with postings.
Amounts are in minor units.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import TruncMonth
from django.utils import timezone

from apps.accounts.models import User
from apps.payments.models import AccountBalance, CreditNote, Invoice, LedgerAccount, Payment, Posting, Refund


@dataclass(frozen=True)
class TrialRow:
    """What stands on an account in a currency: all debits, all credits, and what is over."""

    account: LedgerAccount
    currency: str
    debit_minor: int
    credit_minor: int

    @property
    def balance_minor(self) -> int:
        return self.debit_minor - self.credit_minor


def trial_balance(*, until: date | None = None) -> list[TrialRow]:
    """
    Return what stands on each account, by currency and code.

    :param until: the last accounting date that counts; all of them unless said
    """
    if until is None:
        found = AccountBalance.objects.select_related("account").order_by("currency", "account__code")
        return [TrialRow(row.account, row.currency, row.debit_minor, row.credit_minor) for row in found]
    sums = (
        Posting.objects.filter(entry__accounting_date__lte=until)
        .values("account", "currency")
        .annotate(
            debits=Sum("amount_minor", filter=Q(amount_minor__gt=0), default=0),
            credits=Sum("amount_minor", filter=Q(amount_minor__lt=0), default=0),
        )
        .order_by("currency", "account__code")
    )
    accounts = LedgerAccount.objects.in_bulk()
    return [
        TrialRow(accounts[row["account"]], row["currency"], int(row["debits"]), -int(row["credits"]))
        for row in sums
    ]


# The last day of each bucket after the day when it was due; the first is not due yet, the last has no end.
BUCKETS = (0, 30, 60, 90)


@dataclass
class AgedRow:
    """
    What one customer owes in a currency, by how long it has been due.

    :ivar buckets: not due yet, 1 to 30 days, 31 to 60, 61 to 90, longer
    :ivar advance_minor: what they have paid ahead
    """

    company_id: int | None
    person_id: int | None
    name: str
    currency: str
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    advance_minor: int = 0

    @property
    def total_minor(self) -> int:
        return sum(self.buckets)


def bucket_of(due: date, today: date) -> int:
    """Return the index of the bucket of what was due on a day."""
    late = (today - due).days
    return next((at for at, last in enumerate(BUCKETS) if late <= last), len(BUCKETS))


def aged_receivables(actor: User, *, today: date | None = None) -> list[AgedRow]:
    """Return what customers owe and have paid ahead, as far as the actor sees it; who owes most comes first."""
    day = today or timezone.localdate()
    whose = ["company_id", "person_id", "company__name", "person__full_name", "currency"]
    owed = (
        Invoice.objects.visible_to(actor).owed().values(*whose, "due_date").annotate(total=Sum("due_minor"))
    )
    rows: dict[tuple[Any, ...], AgedRow] = {}
    for each in owed.order_by():
        row = _row(rows, each)
        row.buckets[bucket_of(each["due_date"], day)] += int(each["total"])
    ahead = Payment.objects.visible_to(actor).filter(free_minor__gt=0).values(*whose)
    for each in ahead.annotate(total=Sum("free_minor")).order_by():
        _row(rows, each).advance_minor += int(each["total"])
    return sorted(rows.values(), key=lambda row: (row.currency, -row.total_minor, row.name))


def _row(rows: dict[tuple[Any, ...], AgedRow], each: dict[str, Any]) -> AgedRow:
    key = (each["company_id"], None if each["company_id"] else each["person_id"], each["currency"])
    if key not in rows:
        name = each["company__name"] or each["person__full_name"] or ""
        rows[key] = AgedRow(key[0], key[1], name, each["currency"])
    return rows[key]


@dataclass(frozen=True)
class MonthRow:
    """What came in and went out in a month, in a currency."""

    month: date
    currency: str
    in_minor: int
    out_minor: int

    @property
    def net_minor(self) -> int:
        return self.in_minor - self.out_minor


def _by_month(postings: QuerySet[Posting], *, since: date) -> list[MonthRow]:
    """Sum postings up by month: debits are `in_minor`, credits `out_minor`."""
    rows = (
        postings.filter(entry__accounting_date__gte=since)
        .annotate(month=TruncMonth("entry__accounting_date"))
        .values("month", "currency")
        .annotate(
            debits=Sum("amount_minor", filter=Q(amount_minor__gt=0), default=0),
            credits=Sum("amount_minor", filter=Q(amount_minor__lt=0), default=0),
        )
        .order_by("month", "currency")
    )
    return [MonthRow(row["month"], row["currency"], int(row["debits"]), -int(row["credits"])) for row in rows]


def year_back(today: date | None = None) -> date:
    """Return the first day of the month eleven months ago."""
    day = (today or timezone.localdate()).replace(day=1)
    return day.replace(year=day.year - 1, month=day.month + 1) if day.month < 12 else day.replace(month=1)


def revenue_by_month(*, since: date | None = None) -> list[MonthRow]:
    """Return what was earned each month: `in_minor` is revenue, `out_minor` what was credited or taken back."""
    found = _by_month(
        Posting.objects.filter(account__type=LedgerAccount.Type.INCOME), since=since or year_back()
    )
    return [MonthRow(row.month, row.currency, row.out_minor, row.in_minor) for row in found]


def cash_flow(*, since: date | None = None) -> list[MonthRow]:
    """Return what came to our accounts of money each month, and what went."""
    money = LedgerAccount.objects.filter(purpose=LedgerAccount.Purpose.CASH)
    held = (
        LedgerAccount.objects.filter(pk__in=Payment.objects.order_by().values("account").distinct()) | money
    )
    return _by_month(Posting.objects.filter(account__in=held), since=since or year_back())


@dataclass(frozen=True)
class StatementRow:
    """A step of a statement, and what stands after it."""

    date: date
    text: str
    amount_minor: int
    balance_minor: int
    source: str
    source_id: int


@dataclass(frozen=True)
class Statement:
    """What stood before, each step, and what stands after."""

    currency: str
    opening_minor: int
    rows: list[StatementRow]

    @property
    def closing_minor(self) -> int:
        return self.rows[-1].balance_minor if self.rows else self.opening_minor


def account_statement(account_id: int, currency: str, *, first: date, last: date) -> Statement:
    """Return what was posted to an account in a currency between two days, in the order of accounting dates."""
    rows = Posting.objects.filter(account=account_id, currency=currency)
    before = rows.filter(entry__accounting_date__lt=first).aggregate(total=Sum("amount_minor", default=0))
    within = rows.filter(entry__accounting_date__range=(first, last)).select_related("entry")
    steps = [
        (
            leg.entry.accounting_date,
            str(leg.entry.memo or leg.entry),
            leg.amount_minor,
            "payments.journalentry",
            leg.entry_id,
        )
        for leg in within.order_by("entry__accounting_date", "id")
    ]
    return _statement(currency, int(before["total"]), steps)


@dataclass(frozen=True)
class LatestPosting:
    """A posting, and what stood on its account after it, in minor units."""

    leg: Posting
    after_minor: int


def latest_postings(balance: AccountBalance, *, count: int) -> list[LatestPosting]:
    """Return the latest postings of an account in a currency, the newest first, reckoned back from its balance."""
    rows = Posting.objects.filter(account=balance.account_id, currency=balance.currency)
    after, found = int(balance.balance_minor), []
    for leg in rows.select_related("entry").order_by("-id")[:count]:
        found.append(LatestPosting(leg, after))
        after -= leg.amount_minor
    return found


def _statement(currency: str, opening: int, steps: Iterable[tuple[date, str, int, str, int]]) -> Statement:
    balance, rows = opening, []
    for day, text, amount, source, source_id in steps:
        balance += amount
        rows.append(StatementRow(day, text, amount, balance, source, source_id))
    return Statement(currency, opening, rows)


def customer_statement(
    actor: User,
    currency: str,
    *,
    company_id: int | None = None,
    person_id: int | None = None,
    first: date | None = None,
    last: date | None = None,
) -> Statement:
    """
    Return what a customer came to owe and has paid, in a currency; above zero they owe us.

    :param first: the first day that is told step by step; what was before is the opening
    """
    end = last or timezone.localdate()
    begin = first or end - timedelta(days=365)
    steps = sorted(
        (step for step in _steps(actor, currency, company_id, person_id) if step[0] <= end),
        key=lambda step: (step[0], step[3], step[4]),
    )
    opening = sum(step[2] for step in steps if step[0] < begin)
    return _statement(currency, opening, (step for step in steps if step[0] >= begin))


def _steps(
    actor: User, currency: str, company_id: int | None, person_id: int | None
) -> Iterable[tuple[date, str, int, str, int]]:
    whose = Q(company=company_id) if company_id is not None else Q(person=person_id)
    invoices = Invoice.objects.visible_to(actor).filter(whose, currency=currency)
    issued = invoices.filter(status__in=["OPEN", "PAID", "UNCOLLECTIBLE"])
    for invoice in issued:
        if invoice.issue_date is not None:
            yield invoice.issue_date, str(invoice), invoice.total_minor, "payments.invoice", invoice.pk
            if invoice.written_off_minor:
                gone = -invoice.written_off_minor
                yield (
                    timezone.localdate(invoice.updated_at),
                    str(invoice),
                    gone,
                    "payments.invoice",
                    invoice.pk,
                )
    for note in CreditNote.objects.filter(invoice__in=issued):
        yield note.issue_date, str(note), -note.total_minor, "payments.creditnote", note.pk
    payments = Payment.objects.visible_to(actor).filter(whose, currency=currency, status="SUCCEEDED")
    for payment in payments:
        if payment.received_date is not None:
            text = payment.reference or str(payment)
            yield payment.received_date, text, -payment.captured_minor, "payments.payment", payment.pk
    for refund in Refund.objects.filter(payment__in=payments, status="SUCCEEDED"):
        yield refund.refunded_date, refund.reason, refund.amount_minor, "payments.refund", refund.pk


@dataclass(frozen=True)
class CustomerBalance:
    """What a customer owes, has of it overdue, and has paid ahead, in a currency."""

    currency: str
    owed_minor: int
    overdue_minor: int
    advance_minor: int


def customer_balances(actor: User, **whose: int) -> list[CustomerBalance]:
    """
    Return the balances of a customer, by currency.

    :param whose: `company=…`, `person=…` or, for what is owed of one deal, `deal=…`
    """
    today = timezone.localdate()
    owed = Invoice.objects.visible_to(actor).owed().filter(**whose).values("currency").order_by()
    found: dict[str, list[int]] = {}
    late = Sum("due_minor", filter=Q(due_date__lt=today), default=0)
    for row in owed.annotate(all_owed=Sum("due_minor"), overdue=late):
        found[row["currency"]] = [int(row["all_owed"]), int(row["overdue"]), 0]
    if "deal" not in whose:
        free = (
            Payment.objects.visible_to(actor).filter(**whose, free_minor__gt=0).values("currency").order_by()
        )
        for ahead in free.annotate(all_free=Sum("free_minor")):
            found.setdefault(ahead["currency"], [0, 0, 0])[2] = int(ahead["all_free"])
    return [CustomerBalance(currency, *sums) for currency, sums in sorted(found.items())]
