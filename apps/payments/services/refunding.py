"""Refunds through providers: asked for outside of any transaction, once under one key, and what came of it."""

import logging
import uuid
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.payments.models import Allocation, Payment, PaymentAttempt, Refund
from apps.payments.providers.interface import NoAnswer, Notice, RefundAnswer, Refused, State
from apps.payments.services.allocations import release_allocation, settle_from
from apps.payments.services.asking import next_ask
from apps.payments.services.ledger import gathered
from apps.payments.services.provider_accounts import provider_of
from apps.payments.services.receipts import begin_refund_receipt
from apps.payments.services.refunds import note_refund_outcome, refund_payment

logger = logging.getLogger(__name__)

# Providers remember a key for a day; after that the same request would be another refund.
_KEY_LIVES = timedelta(hours=23)


def refund_key(attempt: PaymentAttempt, refund_id: int) -> str:
    """Return under which a provider carries a refund out once."""
    return str(uuid.uuid5(attempt.request_key, f"refund/{refund_id}"))


def send_refund(refund_id: int) -> Refund:
    """Ask the provider for a refund, or after one that it has; outside of transactions."""
    refund = Refund.objects.select_related("payment__attempt__account").get(pk=refund_id)
    if refund.status != Refund.Status.PENDING:
        return refund
    payment, attempt = refund.payment, refund.payment.attempt
    provider = provider_of(attempt.account)
    try:
        if refund.external_id:
            answer = provider.ask_refund(refund.external_id)
        elif timezone.now() - refund.created_at > _KEY_LIVES:
            return _put_off(refund_id, is_last=True)
        else:
            answer = provider.refund(
                payment.external_id,
                refund.amount_minor,
                payment.currency,
                key=refund_key(attempt, refund.pk),
            )
    except NoAnswer:
        return _put_off(refund_id)
    except Refused as error:
        if refund.external_id:
            # It has the refund and will not say how it stands.
            return _put_off(refund_id)
        logger.warning("refund %s was refused: %s", refund_id, error.code)
        answer = RefundAnswer(State.FAILED, "")
    return note_refund(refund_id, answer)


def due_refunds() -> list[int]:
    """Return the refunds whose provider is to be asked now."""
    due = Refund.objects.filter(status=Refund.Status.PENDING, next_ask_at__lte=timezone.now())
    return list(due.order_by("next_ask_at").values_list("pk", flat=True)[:100])


@transaction.atomic
def _put_off(refund_id: int, *, is_last: bool = False) -> Refund:
    refund = Refund.objects.select_for_update(of=("self",), no_key=True).get(pk=refund_id)
    if refund.status == Refund.Status.PENDING:
        refund.next_ask_at = None if is_last else next_ask(refund.created_at)
        refund.save(update_fields=["next_ask_at"])
    return refund


@transaction.atomic
def note_refund(refund_id: int, answer: RefundAnswer) -> Refund:
    """Record what a provider says of a refund; to hear the same again changes nothing."""
    system = User.objects.system()
    if answer.state == State.PENDING:
        refund = Refund.objects.select_for_update(of=("self",), no_key=True).get(pk=refund_id)
        if refund.status == Refund.Status.PENDING:
            refund.external_id = refund.external_id or answer.external_id
            refund.next_ask_at = next_ask(refund.created_at)
            refund.save(update_fields=["external_id", "next_ask_at"])
        return refund
    has_succeeded = answer.state == State.SUCCEEDED
    refund = note_refund_outcome(
        refund_id, actor=system, has_succeeded=has_succeeded, external_id=answer.external_id
    )
    if refund.status == Refund.Status.SUCCEEDED:
        begin_refund_receipt(refund, actor=system)
    return refund


def refund_told_of(payment: Payment, notice: Notice, answer: RefundAnswer) -> Refund | None:
    """Return the refund of ours that a provider tells of: by its number, by our key, or the one that waits for it."""
    known = payment.refunds.filter(external_id=answer.external_id).first()
    if known is not None:
        return known
    waiting = list(payment.refunds.filter(status=Refund.Status.PENDING, external_id="").order_by("pk"))
    key = notice.key or answer.key
    attempt = PaymentAttempt.objects.filter(payment=payment).first()
    if key and attempt is not None:
        return next((each for each in waiting if refund_key(attempt, each.pk) == key), None)
    return next((each for each in waiting if each.amount_minor == answer.amount_minor), None)


@transaction.atomic
def note_foreign_refund(payment_id: int, answer: RefundAnswer) -> Refund | None:
    """
    Record a refund that somebody made at the provider: what is allocated is taken back as far as it needs, newest first.

    :return: None where it was recorded already, or has not ended
    """
    if answer.state != State.SUCCEEDED:
        return None
    system = User.objects.system()
    payment = Payment.objects.select_for_update(of=("self",), no_key=True).get(pk=payment_id)
    if payment.refunds.filter(external_id=answer.external_id).exists():
        return None
    taken_back: list[int] = []
    with gathered():
        for allocation in Allocation.objects.filter(payment=payment, released_at=None).order_by("-pk"):
            payment.refresh_from_db()
            if payment.left_minor >= answer.amount_minor:
                break
            release_allocation(allocation.pk, actor=system)
            taken_back.append(allocation.invoice_id)
        payment.refresh_from_db()
        if payment.left_minor < answer.amount_minor:
            logger.error("refund %s is more than payment %s holds", answer.external_id, payment.pk)
            return None
        refund = refund_payment(
            payment.pk,
            actor=system,
            amount_minor=answer.amount_minor,
            reason="Made at the provider",
            external_id=answer.external_id,
        )
        # What is left of it is for what it was for.
        for invoice_id in reversed(taken_back):
            payment.refresh_from_db()
            if payment.left_minor > 0:
                settle_from(payment, invoice_id, actor=system, on=timezone.localdate())
    begin_refund_receipt(refund, actor=system)
    return refund
