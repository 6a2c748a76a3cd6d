"""Taking back some of an invoice: what a customer does not owe any more."""

from collections.abc import Mapping
from datetime import date

from django.core.exceptions import ValidationError
from django.db.models import Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.accounts.owned_rows import locked
from apps.accounts.rows import refusal
from apps.payments import amounts, events
from apps.payments.amounts import Part
from apps.payments.models import CreditNote, CreditNoteLine, Invoice, InvoiceLine
from apps.payments.services.invoices import next_credit_note_number, require_open, settle
from apps.payments.services.ledger import Entry, Kind, Leg, Purpose, moves_money, post


@moves_money
def credit_invoice(
    invoice_id: int,
    *,
    actor: User,
    reason: str,
    parts: Mapping[int, int] | None = None,
    issue_date: date | None = None,
    expected_version: int | None = None,
) -> CreditNote:
    """
    Credit some of an open invoice, or all that is still to be paid of it.

    :param parts: how much of which lines, by the line's id, tax included, in minor units; None for all that is owed,
        taken from the lines in their order
    :raises DoesNotExist: the invoice is out of sight
    :raises PermissionDenied: the actor may not
    :raises ValidationError: it is not open ("invoice_not_open"), there is no reason ("required"), a line is none of its
        own ("not_found") or has less left ("more_than_left"), that is more than is owed ("invoice_not_overpaid": take
        allocations back first), the day is in the future ("future") or in a closed period ("ledger_period_open"),
        "stale"
    """
    invoice = locked(Invoice, invoice_id, actor=actor, action="credit", expected_version=expected_version)
    require_open(invoice)
    if not reason.strip():
        raise refusal("reason", _("Say why, in a few words."), code="required")
    day = issue_date or timezone.localdate()
    if day > timezone.localdate():
        raise refusal("issue_date", _("This day has not come yet."), code="future")
    taken = _taken(invoice, parts)
    total = sum(part.total for part in taken.values())
    if total > invoice.left_minor:
        raise ValidationError(
            _("Only %(left)s is still owed. Take allocations back first, and credit then."),
            code="invoice_not_overpaid",
            params={"left": invoice.due},
        )
    note = CreditNote.objects.create(
        number=next_credit_note_number(invoice, day.year),
        invoice=invoice,
        issue_date=day,
        reason=reason.strip(),
        net_minor=sum(part.net for part in taken.values()),
        tax_minor=sum(part.tax for part in taken.values()),
        total_minor=total,
        created_by=actor,
    )
    CreditNoteLine.objects.bulk_create(
        CreditNoteLine(credit_note=note, line_id=pk, net_minor=part.net, tax_minor=part.tax)
        for pk, part in taken.items()
    )
    settle(invoice, actor=actor, credited=total)
    events.publish_invoice(events.INVOICE_CREDITED, invoice.pk, actor_id=actor.pk)
    legs = [
        Leg(Purpose.REVENUE, note.net_minor, invoice.currency, invoice.pk),
        Leg(Purpose.TAX, note.tax_minor, invoice.currency, invoice.pk),
        Leg(Purpose.RECEIVABLE, -total, invoice.currency, invoice.pk),
    ]
    entry = Entry(Kind.CREDIT_NOTE, "payments.creditnote", note.pk, day, legs, f"{note}: {note.reason}")
    post([entry], actor_id=actor.pk)
    return note


def _taken(invoice: Invoice, parts: Mapping[int, int] | None) -> dict[int, Part]:
    """Return what is taken of which lines, with its tax."""
    lines = {line.pk: line for line in invoice.lines.order_by("position")}
    before = _credited(invoice)
    if parts is None:
        lefts = [line.total_minor - before.get(pk, Part(0, 0)).total for pk, line in lines.items()]
        wanted = dict(zip(lines, amounts.due_in_order(invoice.left_minor, lefts), strict=True))
        parts = {pk: amount for pk, amount in wanted.items() if amount}
    if not parts:
        raise refusal("parts", _("Say how much of which lines."), code="required")
    found = {}
    for pk, amount in parts.items():
        line = lines.get(pk)
        if line is None:
            raise refusal("parts", _("This invoice has no such line."), code="not_found")
        try:
            found[pk] = amounts.part_of_line(_sum(line), before.get(pk, Part(0, 0)), amount)
        except ValueError:
            raise refusal(
                "parts",
                _("“%(name)s” has less left than that."),
                code="more_than_left",
                name=line.name,
            ) from None
    return found


def _sum(line: InvoiceLine) -> amounts.Sum:
    return amounts.Sum(line.amount_minor, line.net_minor, line.tax_minor)


def _credited(invoice: Invoice) -> dict[int, Part]:
    rows = CreditNoteLine.objects.filter(credit_note__invoice=invoice).values("line")
    found = rows.annotate(net=Sum("net_minor"), tax=Sum("tax_minor")).values_list("line", "net", "tax")
    return {pk: Part(int(net), int(tax)) for pk, net, tax in found}
