"""Money that goes back to who paid it."""

from datetime import date, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.accounts.owned_rows import locked
from apps.accounts.rows import refusal, refusals, write
from apps.payments import events, sending
from apps.payments.models import Payment, PaymentAttempt, Refund
from apps.payments.services.ledger import Entry, Kind, Leg, Purpose, moves_money, post

SOURCE = "payments.refund"
# A message to the workers that was lost.
_LOST_AFTER = timedelta(minutes=1)


@moves_money
def refund_payment(
    payment_id: int,
    *,
    actor: User,
    reason: str,
    amount_minor: int | None = None,
    on: date | None = None,
    external_id: str = "",
    is_pending: bool = False,
    expected_version: int | None = None,
) -> Refund:
    """
    Give back what is left of a payment, or some of it; what is allocated is taken back from its invoice first.

    What came through a provider goes back through it: a worker asks for it, and the refund waits for the answer.

    :param amount_minor: all that is left unless said
    :param is_pending: a provider has yet to do it: the amount is kept for it, and nothing is posted
    :raises DoesNotExist: the payment is out of sight
    :raises PermissionDenied: the actor may not refund it
    :raises ValidationError: it was not received ("payment_not_received"), that is more than is left
        ("payment_not_overspent"), there is no reason ("required"), the day is in the future ("future") or in a closed
        period ("ledger_period_open"), the provider's number is known ("refund_recorded_once"), "stale"
    """
    payment = locked(Payment, payment_id, actor=actor, action="refund", expected_version=expected_version)
    if payment.status != Payment.Status.SUCCEEDED:
        raise ValidationError(
            _("This payment was not received, or was taken back."), code="payment_not_received"
        )
    if not reason.strip():
        raise refusal("reason", _("Say why, in a few words."), code="required")
    day = on or timezone.localdate()
    if day > timezone.localdate():
        raise refusal("refunded_date", _("This day has not come yet."), code="future")
    amount = payment.left_minor if amount_minor is None else amount_minor
    if amount <= 0 and amount_minor is not None:
        raise refusal("amount_minor", _("An amount is more than zero."), code="amount")
    if not 0 < amount <= payment.left_minor:
        raise ValidationError(
            _("Only %(left)s is left of this payment. Take allocations back first."),
            code="payment_not_overspent",
            params={"left": payment.free},
        )
    # What came through a provider goes back through it, unless it has told us of the refund itself.
    is_with_provider = not external_id and PaymentAttempt.objects.filter(payment=payment).exists()
    is_pending = is_pending or is_with_provider
    status = Refund.Status.PENDING if is_pending else Refund.Status.SUCCEEDED
    with refusals():
        refund = Refund.objects.create(
            payment=payment,
            amount_minor=amount,
            status=status,
            reason=reason.strip(),
            refunded_date=day,
            external_id=external_id,
            next_ask_at=timezone.now() + _LOST_AFTER if is_with_provider else None,
            created_by=actor,
        )
    if is_with_provider:
        sending.send_refund(refund.pk)
    column = "refund_pending_minor" if is_pending else "refunded_minor"
    write(payment, {column: getattr(payment, column) + amount}, actor=actor)
    if not is_pending:
        _done(refund, payment, actor=actor)
    return refund


@moves_money
def note_refund_outcome(
    refund_id: int, *, actor: User, has_succeeded: bool, external_id: str = "", on: date | None = None
) -> Refund:
    """
    Record what became of a refund that a provider had to do; to hear the same again changes nothing.

    :raises DoesNotExist: the refund is out of sight
    :raises PermissionDenied: the actor may not refund the payment
    """
    known = Refund.objects.visible_to(actor).get(pk=refund_id)
    payment = locked(Payment, known.payment_id, actor=actor, action="refund")
    refund = Refund.objects.select_for_update(of=("self",), no_key=True).get(pk=refund_id)
    if refund.status != Refund.Status.PENDING:
        return refund
    refund.status = Refund.Status.SUCCEEDED if has_succeeded else Refund.Status.FAILED
    refund.external_id = refund.external_id or external_id
    refund.refunded_date = on or timezone.localdate()
    refund.next_ask_at = None
    refund.save(update_fields=["status", "external_id", "refunded_date", "next_ask_at"])
    values: dict[str, Any] = {"refund_pending_minor": payment.refund_pending_minor - refund.amount_minor}
    if has_succeeded:
        values["refunded_minor"] = payment.refunded_minor + refund.amount_minor
    write(payment, values, actor=actor)
    if has_succeeded:
        _done(refund, payment, actor=actor)
    return refund


def _done(refund: Refund, payment: Payment, *, actor: User) -> None:
    events.publish_payment(events.PAYMENT_REFUNDED, payment.pk, actor_id=actor.pk)
    legs = [
        Leg(Purpose.ADVANCES, refund.amount_minor, payment.currency, payment_id=payment.pk),
        Leg(payment.account_id, -refund.amount_minor, payment.currency, payment_id=payment.pk),
    ]
    entry = Entry(Kind.REFUND, SOURCE, refund.pk, refund.refunded_date, legs, refund.reason)
    post([entry], actor_id=actor.pk)
