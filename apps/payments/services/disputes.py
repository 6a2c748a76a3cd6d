"""Disputes: a payer asks their bank for the money back, the provider withholds it, and it is won or lost."""

from django.utils import timezone

from apps.accounts.models import User
from apps.payments.models import Dispute, Payment
from apps.payments.provider_events import DISPUTE_ENDED, DISPUTE_OPENED, publish_dispute
from apps.payments.providers.interface import DisputeAnswer
from apps.payments.services.ledger import Entry, Kind, Leg, Purpose, moves_money, post

Status = Dispute.Status
SOURCE = "payments.dispute"


@moves_money
def note_dispute(payment_id: int, answer: DisputeAnswer, *, actor: User) -> Dispute:
    """
    Record how a dispute stands; to hear the same again changes nothing, and what has ended stays so.

    Money that is withheld stands on an account of its own until the dispute ends; what is lost is a bad debt. The invoice
    stays as it is: whether the customer owes it again is for people to say.
    """
    payment = Payment.objects.select_for_update(of=("self",), no_key=True).get(pk=payment_id)
    dispute = Dispute.objects.select_for_update(of=("self",)).filter(external_id=answer.external_id).first()
    is_new = dispute is None
    if dispute is None:
        dispute = Dispute(payment=payment, external_id=answer.external_id, opened_at=answer.opened_at)
    elif dispute.status != Status.OPEN:
        return dispute
    was_withdrawn = dispute.is_withdrawn
    if not was_withdrawn:
        dispute.amount_minor, dispute.fee_minor = answer.amount_minor, answer.fee_minor
        dispute.is_withdrawn = answer.is_withdrawn
    dispute.reason, dispute.respond_by = answer.reason, answer.respond_by
    dispute.status = Status(answer.status)
    if dispute.status != Status.OPEN:
        dispute.ended_at = timezone.now()
    dispute.save()
    if is_new:
        publish_dispute(DISPUTE_OPENED, dispute, actor_id=actor.pk)
    if dispute.status != Status.OPEN:
        publish_dispute(DISPUTE_ENDED, dispute, actor_id=actor.pk)
    entries = _withheld(dispute) if dispute.is_withdrawn and not was_withdrawn else []
    if dispute.is_withdrawn and dispute.status != Status.OPEN:
        entries.append(_ended(dispute))
    post(entries, actor_id=actor.pk)
    return dispute


def _withheld(dispute: Dispute) -> list[Entry]:
    entries = [
        _entry(dispute, Kind.DISPUTE, Purpose.DISPUTED, dispute.payment.account_id, dispute.amount_minor)
    ]
    if dispute.fee_minor:
        entries.append(
            _entry(dispute, Kind.DISPUTE_FEE, Purpose.FEES, dispute.payment.account_id, dispute.fee_minor)
        )
    return entries


def _ended(dispute: Dispute) -> Entry:
    if dispute.status == Status.WON:
        to: int | Purpose = dispute.payment.account_id
        return _entry(dispute, Kind.DISPUTE_WON, to, Purpose.DISPUTED, dispute.amount_minor)
    return _entry(dispute, Kind.DISPUTE_LOST, Purpose.BAD_DEBT, Purpose.DISPUTED, dispute.amount_minor)


def _entry(
    dispute: Dispute, kind: Kind, debit: int | Purpose, credit: int | Purpose, amount_minor: int
) -> Entry:
    payment = dispute.payment
    legs = [
        Leg(debit, amount_minor, payment.currency, payment_id=payment.pk),
        Leg(credit, -amount_minor, payment.currency, payment_id=payment.pk),
    ]
    return Entry(kind, SOURCE, dispute.pk, timezone.localdate(), legs, dispute.reason)
