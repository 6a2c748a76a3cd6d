"""What happens to invoices: drafted, changed, issued, void, written off; each step is in the ledger when it is done."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, TypedDict, Unpack

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.accounts.owned_rows import first_team, insert, named
from apps.accounts.owned_rows import locked as locked_row
from apps.accounts.rows import differing, refusal, write
from apps.crm.models import Company, Deal, Person, Product, Quote
from apps.crm.services.lines import lines_of
from apps.crm.totals import item_of, taxes_json
from apps.documents.amounts import LANGUAGES
from apps.documents.models import LegalEntity
from apps.documents.services.legal_entities import usual_entity
from apps.documents.services.numbers import next_in_series
from apps.payments import events
from apps.payments.amounts import LARGEST, Totals, totals_of
from apps.payments.models import Invoice, InvoiceLine, Payment
from apps.payments.services.exchange import frozen_values
from apps.payments.services.ledger import Entry, Kind, Leg, Purpose, moves_money, post, posted, reversal_of

Status = Invoice.Status
SOURCE = "payments.invoice"
DUE_DAYS = 14


@dataclass(frozen=True)
class NewLine:
    """
    A line as somebody writes it.

    :ivar unit_price: of one unit, in whole units of the invoice's currency
    :ivar discount_percent: taken off, 0 to 100
    :ivar tax_rate: in percent; None where no tax is due
    """

    name: str
    quantity: Decimal = Decimal(1)
    unit_price: Decimal = Decimal()
    unit: str = ""
    discount_percent: Decimal = Decimal()
    tax_rate: Decimal | None = None
    is_tax_included: bool = True
    product_id: int | None = None


class InvoiceFields(TypedDict, total=False):
    """What people write on a draft."""

    company_id: int | None
    person_id: int | None
    legal_entity_id: int | None
    series: str
    currency: str
    locale: str
    issue_date: date | None
    due_date: date
    customer_name: str
    customer_tax_id: str
    customer_address: str
    note: str


@transaction.atomic
def create_invoice(
    *,
    actor: User,
    lines: Sequence[NewLine] = (),
    deal_id: int | None = None,
    **fields: Unpack[InvoiceFields],
) -> Invoice:
    """
    Draft an invoice. Of a deal, it says what the deal's accepted quote or its lines say, unless lines are given.

    :param lines: in their order
    :raises PermissionDenied: the actor may not
    :raises ValidationError: what is named is out of sight ("not_found"), it is made out to nobody
        ("invoice_of_somebody"), or a value is refused
    """
    deal = named(Deal, deal_id, actor=actor, field="deal")
    values: dict[str, Any] = {**_usual(deal, actor=actor), **fields}
    _require_named(values, actor=actor)
    invoice = insert(Invoice(deal=deal, **values), actor=actor)
    given = list(lines) if lines or deal is None else lines_of_deal(deal)
    _write_lines(invoice, given, actor=actor)
    return invoice


def _usual(deal: Deal | None, *, actor: User) -> dict[str, Any]:
    """Return what a draft begins with."""
    language = settings.LANGUAGE_CODE.split("-")[0]
    found: dict[str, Any] = {
        "owner": actor,
        "team": first_team(actor),
        "currency": settings.BASE_CURRENCY,
        "locale": language if language in LANGUAGES else "en",
        "due_date": timezone.localdate() + timedelta(days=DUE_DAYS),
    }
    entity = usual_entity(actor=actor)
    if entity is not None:
        found["legal_entity_id"] = entity.pk
    if deal is not None:
        found |= {"owner": deal.owner, "team": deal.team, "currency": deal.currency}
        found |= {"company_id": deal.company_id}
        if deal.company_id is None:
            found["person_id"] = deal.person_id
    return found


def first_values(*, actor: User) -> dict[str, Any]:
    """Return what the form of a new invoice begins with."""
    values = _usual(None, actor=actor)
    kept = {name: values[name] for name in ("currency", "locale", "due_date")}
    return kept | {"legal_entity": values.get("legal_entity_id")}


def _require_named(values: dict[str, Any], *, actor: User) -> None:
    for name, model in (("company", Company), ("person", Person), ("legal_entity", LegalEntity)):
        named(model, values.get(f"{name}_id"), actor=actor, field=name)
    if "locale" in values and values["locale"] not in LANGUAGES:
        raise refusal("locale", _("Papers are written in Russian or English."), code="unknown_language")


def lines_of_deal(deal: Deal) -> list[NewLine]:
    """Return what a deal is about: as its accepted quote says it, else its lines, else one line for all of it."""
    quote = deal.quotes.filter(status=Quote.Status.ACCEPTED).first()
    rows: Sequence[Any] = list(quote.lines.order_by("position") if quote else lines_of(deal))
    found = [
        NewLine(
            name=row.name,
            quantity=row.quantity,
            unit_price=item_of(row).price,
            unit=row.unit,
            discount_percent=row.discount_percent,
            tax_rate=row.tax_rate,
            is_tax_included=row.is_tax_included,
            product_id=row.product_id,
        )
        for row in rows
    ]
    if found or deal.amount is None:
        return found
    return [NewLine(name=deal.title, unit_price=deal.amount)]


@transaction.atomic
def change_invoice(
    invoice_id: int,
    *,
    actor: User,
    lines: Sequence[NewLine] | None = None,
    expected_version: int | None = None,
    **fields: Unpack[InvoiceFields],
) -> Invoice:
    """
    Change a draft; what is not named stays.

    :param lines: all of them, in place of those that are there
    :raises DoesNotExist: the invoice is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: it was issued ("invoice_issued"), "stale", "not_found", or a value is refused
    """
    invoice = locked_row(Invoice, invoice_id, actor=actor, action="change", expected_version=expected_version)
    _require_draft(invoice)
    changes = differing(invoice, dict(fields))
    _require_named(changes, actor=actor)
    if changes:
        write(invoice, changes, actor=actor)
    if lines is not None:
        _write_lines(invoice, lines, actor=actor)
    elif "currency" in changes:
        _write_totals(invoice, list(invoice.lines.order_by("position")), actor=actor)
    return invoice


@transaction.atomic
def discard_invoice(invoice_id: int, *, actor: User, expected_version: int | None = None) -> None:
    """
    Throw a draft away.

    :raises DoesNotExist: the invoice is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: it was issued ("invoice_issued"), "stale"
    """
    invoice = locked_row(Invoice, invoice_id, actor=actor, action="change", expected_version=expected_version)
    _require_draft(invoice)
    invoice.delete()


def _require_draft(invoice: Invoice) -> None:
    if invoice.status != Status.DRAFT:
        raise ValidationError(
            _("This invoice was issued, and stays as it is. Credit it instead."), code="invoice_issued"
        )


def _write_lines(invoice: Invoice, given: Sequence[NewLine], *, actor: User) -> None:
    invoice.lines.all().delete()
    rows = [
        InvoiceLine(
            invoice=invoice,
            product=named(Product, line.product_id, actor=actor, field="lines"),
            name=line.name,
            quantity=line.quantity,
            unit=line.unit,
            unit_price=line.unit_price,
            discount_percent=line.discount_percent,
            tax_rate=line.tax_rate,
            is_tax_included=line.is_tax_included,
            position=place,
        )
        for place, line in enumerate(given)
    ]
    for row in rows:
        row.clean_fields(exclude={"invoice", "product"})
    _write_totals(invoice, rows, actor=actor)


def _write_totals(invoice: Invoice, rows: list[InvoiceLine], *, actor: User) -> None:
    """Reckon what lines come to in the invoice's currency, and write both."""
    # They say what they are of as the lines of deals and quotes do.
    lines: Sequence[Any] = rows
    totals = totals_of([item_of(line) for line in lines], invoice.currency)
    _require_small(totals)
    for row, found in zip(rows, totals.lines, strict=True):
        row.amount_minor, row.net_minor, row.tax_minor = found.amount, found.net, found.tax
    InvoiceLine.objects.bulk_create([row for row in rows if row._state.adding])
    InvoiceLine.objects.bulk_update(
        [row for row in rows if not row._state.adding], ["amount_minor", "net_minor", "tax_minor"]
    )
    values = {
        "net_minor": totals.net,
        "tax_minor": totals.tax,
        "total_minor": totals.total,
        "taxes": taxes_json(totals),
    }
    write(invoice, values, actor=actor)


def _require_small(totals: Totals) -> None:
    if totals.total > LARGEST:
        raise refusal("lines", _("This amount is too large."), code="too_large")


# Issued


@moves_money
def issue_invoice(
    invoice_id: int, *, actor: User, issue_date: date | None = None, expected_version: int | None = None
) -> Invoice:
    """
    Issue a draft: it gets its number, and what the customer owes is in the books.

    :param issue_date: what it is dated; the draft's own date, or today
    :raises DoesNotExist: the invoice is out of sight
    :raises PermissionDenied: the actor may not issue it
    :raises ValidationError: it was issued ("invoice_issued"), there is nothing to pay ("nothing_to_pay"), the date is
        in the future ("future") or in a closed period ("ledger_period_open"), "stale"
    """
    invoice = locked_row(Invoice, invoice_id, actor=actor, action="issue", expected_version=expected_version)
    _require_draft(invoice)
    if invoice.total_minor <= 0:
        raise ValidationError(_("There is nothing to pay. Add lines first."), code="nothing_to_pay")
    day = issue_date or invoice.issue_date or timezone.localdate()
    if day > timezone.localdate():
        raise refusal("issue_date", _("This day has not come yet."), code="future")
    values: dict[str, Any] = {
        "status": Status.OPEN,
        "issued_at": timezone.now(),
        "issue_date": day,
        "due_date": max(invoice.due_date, day),
        **_customer(invoice),
        **frozen_values(invoice.currency, day),
        # Last of what others wait for, but for the accounts.
        "number": next_invoice_number(invoice, day.year),
    }
    write(invoice, values, actor=actor)
    events.publish_invoice(events.INVOICE_ISSUED, invoice.pk, actor_id=actor.pk)
    legs = [
        Leg(Purpose.RECEIVABLE, invoice.total_minor, invoice.currency, invoice.pk),
        Leg(Purpose.REVENUE, -invoice.net_minor, invoice.currency, invoice.pk),
        Leg(Purpose.TAX, -invoice.tax_minor, invoice.currency, invoice.pk),
    ]
    post([Entry(Kind.INVOICE, SOURCE, invoice.pk, day, legs, str(invoice))], actor_id=actor.pk)
    return invoice


def next_invoice_number(invoice: Invoice, year: int) -> str:
    """Draw the next number of an invoice's series and year, in the transaction that uses it."""
    return _numbered(invoice, "payments.invoice", invoice.series or "INV", year)


def next_credit_note_number(invoice: Invoice, year: int) -> str:
    """Draw the next number of credit notes to invoices of a series and year."""
    series = f"{invoice.series}-CN" if invoice.series else "CN"
    return _numbered(invoice, "payments.creditnote", series, year)


def _numbered(invoice: Invoice, kind: str, series: str, year: int) -> str:
    # Each company of ours counts for itself, under its prefix.
    prefix = invoice.legal_entity.number_prefix if invoice.legal_entity else ""
    count = next_in_series(f"{kind}/{prefix}/{series}", year=year)
    return f"{prefix}{series}-{year}-{count:06d}"


def _customer(invoice: Invoice) -> dict[str, str]:
    """Return who an invoice is made out to, as it stands by now; what was written by hand stays."""
    company, person = invoice.company, invoice.person
    known = {"customer_name": str(person or "")}
    if company is not None:
        known = {
            "customer_name": company.legal_name or company.name,
            "customer_tax_id": company.tax_id,
            "customer_address": ", ".join(part for part in (company.country, company.city) if part),
        }
    return {name: getattr(invoice, name) or value for name, value in known.items()}


@moves_money
def void_invoice(
    invoice_id: int, *, actor: User, reason: str, expected_version: int | None = None
) -> Invoice:
    """
    Declare an invoice void that nobody has paid any of; its number stays its own.

    :raises DoesNotExist: the invoice is out of sight
    :raises PermissionDenied: the actor may not
    :raises ValidationError: it is not open ("invoice_not_open"), something was paid or credited ("invoice_touched"),
        there is no reason ("required"), today is in a closed period ("ledger_period_open"), "stale"
    """
    invoice = locked_row(Invoice, invoice_id, actor=actor, action="void", expected_version=expected_version)
    require_open(invoice)
    _require_reason(reason)
    if invoice.paid_minor or invoice.credited_minor:
        raise ValidationError(
            _("Some of this invoice was paid or credited. Take that back first, or credit the rest."),
            code="invoice_touched",
        )
    _require_no_charge(invoice)
    write(invoice, {"status": Status.VOID, "reason": reason.strip()}, actor=actor)
    events.publish_invoice(events.INVOICE_VOIDED, invoice.pk, actor_id=actor.pk)
    _take_back(invoice, Kind.INVOICE, Kind.VOID, actor=actor)
    return invoice


def _require_no_charge(invoice: Invoice) -> None:
    """Insist that no payment of it is under way. :raises ValidationError: one is ("charge_under_way")"""
    under_way = [Payment.Status.PROCESSING, Payment.Status.UNKNOWN, Payment.Status.REQUIRES_CAPTURE]
    if invoice.charges.filter(status__in=under_way).exists():
        raise ValidationError(
            _("A payment of this invoice is under way, and nobody knows yet how it ends."),
            code="charge_under_way",
        )


@moves_money
def write_off_invoice(
    invoice_id: int, *, actor: User, reason: str, expected_version: int | None = None
) -> Invoice:
    """
    Give up what is still owed of an invoice.

    :raises DoesNotExist: the invoice is out of sight
    :raises PermissionDenied: the actor may not
    :raises ValidationError: it is not open ("invoice_not_open"), there is no reason ("required"), a payment is under
        way ("charge_under_way"), today is in a closed period ("ledger_period_open"), "stale"
    """
    invoice = locked_row(
        Invoice, invoice_id, actor=actor, action="writeoff", expected_version=expected_version
    )
    require_open(invoice)
    _require_reason(reason)
    _require_no_charge(invoice)
    left = invoice.left_minor
    values = {"status": Status.UNCOLLECTIBLE, "written_off_minor": left, "reason": reason.strip()}
    write(invoice, values, actor=actor)
    events.publish_invoice(events.INVOICE_WRITTEN_OFF, invoice.pk, actor_id=actor.pk)
    legs = [
        Leg(Purpose.BAD_DEBT, left, invoice.currency, invoice.pk),
        Leg(Purpose.RECEIVABLE, -left, invoice.currency, invoice.pk),
    ]
    entry = Entry(Kind.WRITE_OFF, SOURCE, invoice.pk, timezone.localdate(), legs, f"{invoice}: {reason}")
    post([entry], actor_id=actor.pk)
    return invoice


@moves_money
def reinstate_invoice(invoice_id: int, *, actor: User, expected_version: int | None = None) -> Invoice:
    """
    Wait again for the money of an invoice that was written off.

    :raises DoesNotExist: the invoice is out of sight
    :raises PermissionDenied: the actor may not
    :raises ValidationError: it was not written off ("not_written_off"), today is in a closed period
        ("ledger_period_open"), "stale"
    """
    invoice = locked_row(
        Invoice, invoice_id, actor=actor, action="writeoff", expected_version=expected_version
    )
    if invoice.status != Status.UNCOLLECTIBLE:
        raise ValidationError(_("This invoice was not written off."), code="not_written_off")
    write(invoice, {"status": Status.OPEN, "written_off_minor": 0, "reason": ""}, actor=actor)
    events.publish_invoice(events.INVOICE_REINSTATED, invoice.pk, actor_id=actor.pk)
    _take_back(invoice, Kind.WRITE_OFF, Kind.REINSTATED, actor=actor)
    return invoice


def _take_back(invoice: Invoice, kind: Kind, by: Kind, *, actor: User) -> None:
    (entry,) = posted(SOURCE, invoice.pk, kind)
    today = timezone.localdate()
    post([reversal_of(entry, kind=by, on=today, memo=f"{invoice}: {invoice.reason}")], actor_id=actor.pk)


def require_open(invoice: Invoice) -> None:
    """Insist that something is owed. :raises ValidationError: it is not open ("invoice_not_open")"""
    if invoice.status != Status.OPEN:
        raise ValidationError(
            _("Invoice %(number)s is not open."), code="invoice_not_open", params={"number": str(invoice)}
        )


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise refusal("reason", _("Say why, in a few words."), code="required")


def settle(invoice: Invoice, *, actor: User, paid: int = 0, credited: int = 0) -> None:
    """
    Count on a locked invoice what was paid or credited, and let its state follow.

    :param paid: in minor units of its currency; below zero where it was taken back
    :raises ValidationError: that is more than is owed ("invoice_not_overpaid")
    """
    if paid + credited > invoice.left_minor:
        raise ValidationError(_("That is more than is still to be paid."), code="invoice_not_overpaid")
    was = invoice.status
    left = invoice.left_minor - paid - credited
    status = Status.PAID if left == 0 else Status.OPEN
    values: dict[str, Any] = {
        "paid_minor": invoice.paid_minor + paid,
        "credited_minor": invoice.credited_minor + credited,
        "status": status,
        "settled_at": (invoice.settled_at or timezone.now()) if status == Status.PAID else None,
    }
    write(invoice, differing(invoice, values), actor=actor)
    if status != was:
        fact = events.INVOICE_PAID if status == Status.PAID else events.INVOICE_REOPENED
        events.publish_invoice(fact, invoice.pk, actor_id=actor.pk)
