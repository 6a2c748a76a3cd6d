"""Bank lines become payments: all of a line at once, for one invoice, several, or none yet; and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access, rows
from apps.accounts.models import User
from apps.accounts.owned_rows import named
from apps.accounts.rows import refusal, refusals
from apps.events.services import publish
from apps.payments import bank_events as events
from apps.payments.models import Allocation, BankLine, BankMatch, Invoice, Payment
from apps.payments.services.allocations import allocate_payment, release_allocation
from apps.payments.services.bank_lines import told
from apps.payments.services.ledger import moves_money
from apps.payments.services.payments import Received, cancel_payment, record_payment


@dataclass(frozen=True)
class Part:
    """How much of a line pays an invoice; as much as is due unless it is said."""

    invoice_id: int
    amount_minor: int | None = None


@dataclass(frozen=True)
class Why:
    """Why a match was proposed, and how sure that was."""

    reasons: tuple[str, ...] = ()
    confidence: int | None = None


@moves_money
def match_line(
    line_id: int,
    *,
    actor: User,
    parts: Sequence[Part] = (),
    company_id: int | None = None,
    person_id: int | None = None,
    why: Why | None = None,
) -> BankMatch:
    """
    Record what is left of a line as one payment, and allocate it; what the invoices do not take stays the customer's.

    :param parts: the invoices that it pays; none where the money is known by its payer alone
    :param company_id: who paid; that of the first invoice unless it is said
    :raises DoesNotExist: the line is out of sight
    :raises PermissionDenied: the actor may not match lines, record payments or allocate them
    :raises ValidationError: money went out ("line_outgoing"), it is set aside ("line_set_aside") or matched
        ("line_matched"), nobody says whose it is ("no_customer"), an invoice is named twice ("invoice_twice"), the parts
        are more than the line ("more_than_line"), or an invoice or the books refuse it
    """
    line = _open_line(line_id, actor=actor)
    _require_parts(line, parts)
    first = named(Invoice, parts[0].invoice_id, actor=actor, field="invoice") if parts else None
    if first is not None and company_id is None and person_id is None:
        company_id, person_id = first.company_id, first.person_id
    if company_id is None and person_id is None:
        raise refusal("company", _("Say who paid, or which invoice is paid."), code="no_customer")
    payment = record_payment(
        Received(
            line.open_minor,
            line.account.currency,
            received_date=line.booked_on,
            company_id=company_id,
            person_id=person_id,
            provider=Payment.Provider.BANK,
            external_id=f"line-{line.pk}-{line.matches.count() + 1}",
            payer_name=line.counterparty_name[: _limit("payer_name")],
            reference=line.purpose[: _limit("reference")],
        ),
        actor=actor,
    )
    made = _allocate(payment, parts, actor=actor)
    return _matched(line, payment, line.open_minor, made, why, is_made=True, actor=actor)


@moves_money
def match_payment(line_id: int, *, actor: User, payment_id: int, why: Why | None = None) -> BankMatch:
    """
    Say that a line is money that was recorded by hand before: no second payment is made.

    :raises DoesNotExist: the line is out of sight
    :raises PermissionDenied: the actor may not match lines
    :raises ValidationError: as :func:`match_line`; the payment is out of sight ("not_found"), in another currency
        ("other_currency"), not received ("payment_not_received"), or matched already ("payment_matched")
    """
    line = _open_line(line_id, actor=actor)
    known = named(Payment, payment_id, actor=actor, field="payment")
    payment = Payment.objects.select_for_update(of=("self",), no_key=True).get(pk=known.pk)  # type: ignore[union-attr]
    if payment.currency != line.account.currency:
        raise refusal(
            "payment", _("The payment is in another currency than the account."), code="other_currency"
        )
    if payment.status != Payment.Status.SUCCEEDED:
        text = _("This payment was not received, or was taken back.")
        raise refusal("payment", text, code="payment_not_received")
    taken = sum(payment.bank_matches.filter(released_at=None).values_list("amount_minor", flat=True))
    amount = min(line.open_minor, payment.captured_minor - taken)
    if amount <= 0:
        raise refusal(
            "payment", _("This payment is matched with a bank line already."), code="payment_matched"
        )
    return _matched(line, payment, amount, [], why, is_made=False, actor=actor)


@moves_money
def unmatch_line(match_id: int, *, actor: User, reason: str) -> BankMatch:
    """
    Take a match back: its allocations are released, and a payment that it made is taken back in the books.

    :raises DoesNotExist: the match is out of sight
    :raises PermissionDenied: the actor may not match lines, allocate or take payments back
    :raises ValidationError: it was taken back ("match_released"), there is no reason ("no_reason"), or some of the money
        was given back or allocated elsewhere since ("payment_touched")
    """
    known = BankMatch.objects.visible_to(actor).get(pk=match_id)
    line = rows.locked(BankLine, known.line_id, actor=actor, action="change")
    match = BankMatch.objects.select_for_update(of=("self",), no_key=True).get(pk=known.pk)
    if match.released_at is not None:
        raise ValidationError(_("This match was taken back already."), code="match_released")
    if not reason.strip():
        raise refusal("reason", _("Say why the match is taken back."), code="no_reason")
    standing = Allocation.objects.filter(pk__in=match.allocation_ids, released_at=None)
    for allocation_id in standing.order_by("pk").values_list("pk", flat=True):
        release_allocation(allocation_id, actor=actor)
    if match.is_payment_made:
        cancel_payment(match.payment_id, actor=actor, reason=reason.strip())
    match.released_at, match.released_by = timezone.now(), actor
    match.save(update_fields=["released_at", "released_by"])
    rows.write(line, {"matched_minor": line.matched_minor - match.amount_minor}, actor=actor)
    publish(events.LINE_UNMATCHED, line.pk, told(line) | {"reason": reason.strip()}, actor_id=actor.pk)
    return match


def _open_line(line_id: int, *, actor: User) -> BankLine:
    line = rows.locked(BankLine, line_id, actor=actor, action="change")
    if not line.is_income:
        text = _("This money went out. Set the line aside, with the reason.")
        raise ValidationError(text, code="line_outgoing")
    if line.set_aside_at is not None:
        raise ValidationError(_("This line is set aside. Put it back first."), code="line_set_aside")
    if line.open_minor <= 0:
        raise ValidationError(_("This line is matched already."), code="line_matched")
    return line


def _require_parts(line: BankLine, parts: Sequence[Part]) -> None:
    ids = [part.invoice_id for part in parts]
    if len(set(ids)) < len(ids):
        raise refusal("parts", _("An invoice is named twice."), code="invoice_twice")
    said = [part.amount_minor for part in parts if part.amount_minor is not None]
    if any(amount <= 0 for amount in said):
        raise refusal("parts", _("An amount is more than zero."), code="amount")
    if sum(said) > line.open_minor:
        raise refusal("parts", _("That is more than came with this line."), code="more_than_line")


def _limit(column: str) -> int:
    field: Any = Payment._meta.get_field(column)
    return int(field.max_length)


def _allocate(payment: Payment, parts: Sequence[Part], *, actor: User) -> list[int]:
    """Allocate what was said first, the rest in the order given, as far as there is money."""
    made = []
    left = payment.captured_minor - sum(part.amount_minor or 0 for part in parts)
    # Invoices are locked in the order of their ids, as everybody does.
    takes: dict[int, int] = {}
    for part in parts:
        if part.amount_minor is not None:
            takes[part.invoice_id] = part.amount_minor
            continue
        invoice = named(Invoice, part.invoice_id, actor=actor, field="invoice")
        takes[part.invoice_id] = min(left, invoice.left_minor if invoice else 0)
        left -= takes[part.invoice_id]
    for invoice_id, amount in sorted(takes.items()):
        if amount > 0:
            allocation = allocate_payment(
                payment.pk,
                actor=actor,
                invoice_id=invoice_id,
                amount_minor=amount,
                on=payment.received_date,
            )
            made.append(allocation.pk)
    return made


def _matched(
    line: BankLine,
    payment: Payment,
    amount: int,
    allocation_ids: list[int],
    why: Why | None,
    *,
    is_made: bool,
    actor: User,
) -> BankMatch:
    access.require(actor, "change", line)
    with refusals():
        match = BankMatch.objects.create(
            line=line,
            payment=payment,
            amount_minor=amount,
            is_payment_made=is_made,
            allocation_ids=allocation_ids,
            reasons=list(why.reasons) if why else [],
            confidence=why.confidence if why else None,
            created_by=actor,
        )
    rows.write(line, {"matched_minor": line.matched_minor + amount}, actor=actor)
    line.refresh_from_db(fields=["open_minor"])
    publish(events.LINE_MATCHED, line.pk, told(line), actor_id=actor.pk)
    return match
