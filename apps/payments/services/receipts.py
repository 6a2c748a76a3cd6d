"""Fiscal receipts (54-FZ): begun with the money, sent after it, and in nobody's way."""

import logging
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import User
from apps.accounts.rows import refusal
from apps.common.amounts import shares
from apps.payments import sending
from apps.payments.models import FiscalReceipt, Invoice, Payment, PaymentAttempt, Refund
from apps.payments.providers.interface import NoAnswer, Receipt, ReceiptAnswer, Refused
from apps.payments.services.provider_accounts import provider_of

logger = logging.getLogger(__name__)

Kind, State = FiscalReceipt.Kind, FiscalReceipt.State
# The law gives a few minutes; after a day of trying a person has to look.
_DELAYS = [
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    *[timedelta(hours=1)] * 4,
    *[timedelta(hours=6)] * 4,
]
# Whoever sends is given up after so long.
_LEASE = timedelta(minutes=2)


def begin_receipt(attempt: PaymentAttempt, *, actor: User) -> FiscalReceipt | None:
    """Write down the receipt of a payment that came, in its transaction; None where the law wants none."""
    payment = attempt.payment
    if not attempt.account.has_receipts or payment.currency != "RUB" or not attempt.contact:
        return None
    payment.refresh_from_db(fields=["captured_minor"])
    return _begin(
        payment,
        Kind.SALE,
        payment.captured_minor,
        contact=attempt.contact,
        lines=lines_of(payment.invoice, payment.captured_minor),
        actor=actor,
    )


def begin_refund_receipt(refund: Refund, *, actor: User) -> FiscalReceipt | None:
    """Write down the receipt of money that went back; None where the payment had none."""
    sale = FiscalReceipt.objects.filter(payment=refund.payment_id, kind=Kind.SALE).first()
    if sale is None or FiscalReceipt.objects.filter(refund=refund).exists():
        return None
    lines = _parts(sale.lines, refund.amount_minor)
    return _begin(
        refund.payment,
        Kind.REFUND,
        refund.amount_minor,
        contact=sale.contact,
        lines=lines,
        refund=refund,
        actor=actor,
    )


def _begin(payment: Payment, kind: str, total: int, *, actor: User, **values: Any) -> FiscalReceipt:
    made = FiscalReceipt.objects.create(
        payment=payment,
        kind=kind,
        total_minor=total,
        currency=payment.currency,
        next_attempt_at=timezone.now(),
        created_by=actor,
        updated_by=actor,
        **values,
    )
    sending.send_receipt(made.pk)
    return made


def lines_of(invoice: Invoice | None, paid_minor: int) -> list[dict[str, Any]]:
    """Return what so much of an invoice was paid for, line by line; it adds up to what was paid, to the last kopeck."""
    if invoice is None:
        return [{"name": "—", "quantity": "1", "amount_minor": paid_minor, "tax_rate": None}]
    whole = [
        {
            "name": line.name,
            "quantity": f"{line.quantity.normalize():f}",
            "amount_minor": line.total_minor,
            "tax_rate": None if line.tax_rate is None else f"{line.tax_rate.normalize():f}",
        }
        for line in invoice.lines.order_by("position")
    ]
    return _parts(whole, paid_minor)


def _parts(lines: list[dict[str, Any]], total: int) -> list[dict[str, Any]]:
    """Return lines cut down to a total, in proportion; what comes to nothing is left out."""
    parts = shares(total, [line["amount_minor"] for line in lines])
    return [{**line, "amount_minor": part} for line, part in zip(lines, parts, strict=True) if part > 0]


@transaction.atomic
def correct_receipt(receipt_id: int, *, actor: User, reason: str) -> FiscalReceipt:
    """
    Write a correction of a receipt down, which says that it was wrong and why.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not change the payment
    :raises ValidationError: it was not registered ("receipt_not_registered"), was corrected already
        ("receipt_corrected"), or there is no reason ("required")
    """
    known = FiscalReceipt.objects.visible_to(actor).get(pk=receipt_id)
    access.require(actor, "change", known)
    receipt = FiscalReceipt.objects.select_for_update(of=("self",)).select_related("payment").get(pk=known.pk)
    if receipt.state != State.REGISTERED:
        raise ValidationError(_("Only a registered receipt is corrected."), code="receipt_not_registered")
    if FiscalReceipt.objects.filter(corrects=receipt).exists():
        raise ValidationError(_("This receipt was corrected already."), code="receipt_corrected")
    if not reason.strip():
        raise refusal("reason", _("Say why, in a few words."), code="required")
    return _begin(
        receipt.payment,
        Kind.CORRECTION,
        receipt.total_minor,
        contact=receipt.contact,
        lines=receipt.lines,
        corrects=receipt,
        reason=reason.strip()[:300],
        actor=actor,
    )


@transaction.atomic
def retry_receipt(receipt_id: int, *, actor: User) -> FiscalReceipt:
    """
    Send a receipt again that was given up.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not change the payment
    :raises ValidationError: it did not fail ("receipt_not_failed")
    """
    known = FiscalReceipt.objects.visible_to(actor).get(pk=receipt_id)
    access.require(actor, "change", known)
    receipt = FiscalReceipt.objects.select_for_update(of=("self",)).get(pk=known.pk)
    if receipt.state != State.FAILED:
        raise ValidationError(_("This receipt did not fail."), code="receipt_not_failed")
    receipt.state, receipt.attempts, receipt.next_attempt_at = State.WAITING, 0, timezone.now()
    receipt.save(update_fields=["state", "attempts", "next_attempt_at", "updated_at"])
    sending.send_receipt(receipt.pk)
    return receipt


def due_receipts() -> list[int]:
    """Return the receipts that are to be sent or asked after now."""
    rows = FiscalReceipt.objects.filter(state__in=[State.WAITING, State.SENT])
    due = rows.filter(next_attempt_at__lte=timezone.now()).order_by("next_attempt_at")
    return list(due.values_list("pk", flat=True)[:100])


def send_receipt(receipt_id: int) -> bool:
    """Have a receipt registered, or ask after it; outside of transactions. Tell whether it is registered by now."""
    receipt = _taken_up(receipt_id)
    if receipt is None:
        return False
    provider = provider_of(receipt.payment.attempt.account)
    try:
        if receipt.external_id:
            answer = provider.ask_receipt(receipt.external_id)
        else:
            answer = provider.send_receipt(_said(receipt))
    except NoAnswer as error:
        return _put_off(receipt.pk, error.reason)
    except Refused as error:
        return _give_up(receipt.pk, str(error))
    return _note(receipt.pk, answer)


@transaction.atomic
def _taken_up(receipt_id: int) -> FiscalReceipt | None:
    rows = FiscalReceipt.objects.select_for_update(skip_locked=True, of=("self",))
    receipt = (
        rows.filter(pk=receipt_id, state__in=[State.WAITING, State.SENT], next_attempt_at__lte=timezone.now())
        .select_related("payment__attempt__account", "refund")
        .first()
    )
    if receipt is not None:
        receipt.next_attempt_at, receipt.attempts = timezone.now() + _LEASE, receipt.attempts + 1
        receipt.save(update_fields=["next_attempt_at", "attempts"])
    return receipt


def _said(receipt: FiscalReceipt) -> Receipt:
    payment = receipt.payment
    paid = receipt.refund.external_id if receipt.refund else payment.external_id
    return Receipt(
        key=str(receipt.request_key),
        kind=receipt.kind,
        paid_id=paid,
        contact=receipt.contact,
        currency=receipt.currency,
        lines=tuple(receipt.lines),
        tax_system=payment.attempt.account.tax_system,
        reason=receipt.reason,
    )


@transaction.atomic
def _put_off(receipt_id: int, reason: str) -> bool:
    receipt = FiscalReceipt.objects.select_for_update(of=("self",)).get(pk=receipt_id)
    if receipt.state not in (State.WAITING, State.SENT):
        return False
    receipt.error = reason[:300]
    if receipt.attempts > len(_DELAYS):
        receipt.state, receipt.next_attempt_at = State.FAILED, None
    else:
        receipt.next_attempt_at = timezone.now() + _DELAYS[receipt.attempts - 1]
    receipt.save(update_fields=["state", "error", "next_attempt_at"])
    return False


@transaction.atomic
def _give_up(receipt_id: int, reason: str) -> bool:
    rows = FiscalReceipt.objects.filter(pk=receipt_id, state__in=[State.WAITING, State.SENT])
    rows.update(state=State.FAILED, error=reason[:300], next_attempt_at=None)
    logger.warning("receipt %s was refused: %s", receipt_id, reason)
    return False


@transaction.atomic
def _note(receipt_id: int, answer: ReceiptAnswer) -> bool:
    receipt = FiscalReceipt.objects.select_for_update(of=("self",)).get(pk=receipt_id)
    if receipt.state in (State.REGISTERED, State.FAILED):
        return receipt.state == State.REGISTERED
    receipt.external_id = receipt.external_id or answer.external_id
    receipt.error = answer.error[:300]
    if answer.state == "SUCCEEDED":
        receipt.state, receipt.registered_at, receipt.next_attempt_at = State.REGISTERED, timezone.now(), None
        receipt.fiscal_storage = answer.fiscal_storage[:32]
        receipt.fiscal_document = answer.fiscal_document[:32]
        receipt.fiscal_sign = answer.fiscal_sign[:32]
    elif answer.state == "PENDING":
        receipt.state = State.SENT
        receipt.next_attempt_at = timezone.now() + _DELAYS[min(receipt.attempts, len(_DELAYS)) - 1]
    else:
        receipt.state, receipt.next_attempt_at = State.FAILED, None
    receipt.save()
    return receipt.state == State.REGISTERED
