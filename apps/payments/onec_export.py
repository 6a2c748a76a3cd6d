"""What came and went back, as a file that 1C takes in."""

from datetime import date
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts import access
from apps.accounts.models import User
from apps.common.amounts import to_decimal
from apps.documents.models import LegalEntity
from apps.documents.services.legal_entities import usual_entity
from apps.payments.models import Payment, Refund
from apps.payments.statements.onec_writing import Holder, Paid, write

CURRENCY = "RUB"
MOST_ROWS = 50_000


def onec_file(actor: User, *, first: date, last: date) -> bytes:
    """
    Return the payments that an actor sees and may export, and what went back, in roubles, of some days.

    :raises PermissionDenied: the actor may not export payments
    :raises ValidationError: the days are no period ("period"), there is no company of ours ("no_entity"), or these are
        too many ("too_many")
    """
    access.require(actor, "export", Payment)
    if first > last:
        raise ValidationError(_("The first day is not after the last."), code="period")
    entity = usual_entity(actor=actor)
    if entity is None:
        raise ValidationError(_("Write a company of ours down first."), code="no_entity")
    payments = Payment.objects.visible_to(actor).filter(
        status=Payment.Status.SUCCEEDED, currency=CURRENCY, received_date__range=(first, last)
    )
    refunds = Refund.objects.visible_to(actor).filter(
        status=Refund.Status.SUCCEEDED, payment__currency=CURRENCY, refunded_date__range=(first, last)
    )
    if payments.count() + refunds.count() > MOST_ROWS:
        raise ValidationError(_("These are too many at once: choose fewer days."), code="too_many")
    rows = [_came(each) for each in payments.select_related("company", "person").order_by("id")]
    rows += [
        _went(each) for each in refunds.select_related("payment__company", "payment__person").order_by("id")
    ]
    rows.sort(key=lambda row: row.day)
    return write(
        _holder(entity),
        rows,
        first=first,
        last=last,
        opening=_before(actor, first),
        made_at=timezone.localtime(),
    )


def _holder(entity: LegalEntity) -> Holder:
    return Holder(
        entity.full_name or entity.name, entity.tax_id, entity.account, entity.bank_name, entity.bank_code
    )


def _before(actor: User, first: date) -> Decimal:
    """Return what had come and not gone back before a day."""
    payments = Payment.objects.visible_to(actor).filter(
        status=Payment.Status.SUCCEEDED, currency=CURRENCY, received_date__lt=first
    )
    refunds = Refund.objects.visible_to(actor).filter(
        Q(refunded_date__lt=first), status=Refund.Status.SUCCEEDED, payment__currency=CURRENCY
    )
    came = sum(payments.values_list("captured_minor", flat=True))
    went = sum(refunds.values_list("amount_minor", flat=True))
    return to_decimal(came - went, CURRENCY)


def _came(payment: Payment) -> Paid:
    if payment.received_date is None:
        raise ValueError("a payment that was received has its day")
    return Paid(
        number=str(payment.pk),
        day=payment.received_date,
        amount=to_decimal(payment.captured_minor, CURRENCY),
        payer=payment.payer_name or str(payment.company or payment.person or ""),
        payer_tax_id=payment.company.tax_id if payment.company else "",
        purpose=payment.reference or str(payment),
    )


def _went(refund: Refund) -> Paid:
    payment = refund.payment
    return Paid(
        number=f"R{refund.pk}",
        day=refund.refunded_date,
        amount=-to_decimal(refund.amount_minor, CURRENCY),
        payer=payment.payer_name or str(payment.company or payment.person or ""),
        payer_tax_id=payment.company.tax_id if payment.company else "",
        purpose=refund.reason,
    )
