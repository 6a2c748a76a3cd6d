"""What payments are for: allocated to invoices, by hand or in the order in which they fell due, and taken back."""

from datetime import date

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import User
from apps.accounts.owned_rows import locked
from apps.accounts.rows import refusal, write
from apps.payments import amounts, events
from apps.payments.models import Allocation, Invoice, Payment
from apps.payments.services.exchange import rate_on
from apps.payments.services.invoices import require_open, settle
from apps.payments.services.ledger import Entry, Kind, Leg, Purpose, moves_money, post, posted, reversal_of

SOURCE = "payments.allocation"


@moves_money
def allocate_payment(
    payment_id: int,
    *,
    actor: User,
    invoice_id: int,
    amount_minor: int | None = None,
    invoice_amount_minor: int | None = None,
    on: date | None = None,
    expected_version: int | None = None,
) -> Allocation:
    """
    Say that a payment, or some of it, is for an invoice.

    :param amount_minor: in the payment's currency; as much as is owed and left unless said
    :param invoice_amount_minor: what it settles, where the invoice is in another currency; at the day's rates unless said
    :param on: the accounting date; today, or the day of the payment if that is later
    :raises DoesNotExist: the payment is out of sight
    :raises PermissionDenied: the actor may not allocate it
    :raises ValidationError: the invoice is out of sight ("not_found") or not open ("invoice_not_open"), that is more than
        is left ("payment_not_overspent") or owed ("invoice_not_overpaid"), the currencies differ and nobody knows the
        rate ("no_rate"), the period is closed ("ledger_period_open"), "stale"
    """
    payment = locked(Payment, payment_id, actor=actor, action="allocate", expected_version=expected_version)
    if payment.status != Payment.Status.SUCCEEDED:
        raise ValidationError(
            _("This payment was not received, or was taken back."), code="payment_not_received"
        )
    invoice = _invoice(invoice_id, actor=actor)
    allocation = _allocate(
        payment,
        invoice,
        amount_minor,
        invoice_amount_minor,
        on=max(on or timezone.localdate(), payment.received_date or date.min),
        actor=actor,
    )
    events.publish_payment(events.PAYMENT_ALLOCATED, payment.pk, actor_id=actor.pk)
    return allocation


@moves_money
def allocate_by_due_date(
    payment_id: int, *, actor: User, expected_version: int | None = None
) -> list[Allocation]:
    """
    Allocate what is left of a payment to the open invoices of its customer, in its currency, the oldest due first.

    :return: what was allocated; nothing where nothing is owed, and the rest stays the customer's
    :raises DoesNotExist: the payment is out of sight
    :raises PermissionDenied: the actor may not allocate it
    :raises ValidationError: nobody has said whose it is ("no_customer"), it was not received ("payment_not_received"),
        the period is closed ("ledger_period_open"), "stale"
    """
    payment = locked(Payment, payment_id, actor=actor, action="allocate", expected_version=expected_version)
    if payment.status != Payment.Status.SUCCEEDED:
        raise ValidationError(
            _("This payment was not received, or was taken back."), code="payment_not_received"
        )
    if payment.company_id is None and payment.person_id is None:
        raise ValidationError(_("Say first whose this payment is."), code="no_customer")
    on = max(timezone.localdate(), payment.received_date or date.min)
    made = []
    for invoice in _owed_by(payment, actor=actor):
        if payment.left_minor <= 0:
            break
        made.append(_allocate(payment, invoice, None, None, on=on, actor=actor))
    if made:
        events.publish_payment(events.PAYMENT_ALLOCATED, payment.pk, actor_id=actor.pk)
    return made


def _owed_by(payment: Payment, *, actor: User) -> list[Invoice]:
    """Lock what the customer owes in the order of ids, as everybody does; return it in the order of days."""
    customer = Q(company=payment.company_id) if payment.company_id else Q(person=payment.person_id)
    rows = Invoice.objects.visible_to(actor).owed().filter(customer, currency=payment.currency)
    found = rows.order_by("pk").select_for_update(of=("self",), no_key=True)
    return sorted(found, key=lambda invoice: (invoice.due_date, invoice.pk))


def settle_from(payment: Payment, invoice_id: int, *, actor: User, on: date) -> Allocation | None:
    """
    Allocate of a payment that has just come as much as its invoice still owes; None where it owes nothing any more.

    The money is not refused because of that: it stays the customer's.
    """
    invoice = _invoice(invoice_id, actor=actor)
    if invoice.status != Invoice.Status.OPEN or invoice.currency != payment.currency:
        return None
    return _allocate(payment, invoice, None, None, on=max(on, invoice.issue_date or on), actor=actor)


def _invoice(invoice_id: int, *, actor: User) -> Invoice:
    try:
        return locked(Invoice, invoice_id, actor=actor, action="view")
    except Invoice.DoesNotExist:
        raise refusal(
            "invoice", _("There is no such row, or you may not see it."), code="not_found"
        ) from None


def _allocate(
    payment: Payment,
    invoice: Invoice,
    amount: int | None,
    settles: int | None,
    *,
    on: date,
    actor: User,
) -> Allocation:
    require_open(invoice)
    amount, settles = _amounts(payment, invoice, amount, settles, on=on)
    if amount > payment.left_minor:
        raise ValidationError(_("That is more than is left of this payment."), code="payment_not_overspent")
    if settles > invoice.left_minor:
        raise ValidationError(_("That is more than is still to be paid."), code="invoice_not_overpaid")
    gained = _gained(payment, invoice, amount, settles)
    allocation = Allocation.objects.create(
        payment=payment,
        invoice=invoice,
        amount_minor=amount,
        invoice_amount_minor=settles,
        allocated_date=on,
        exchange_minor=gained,
        created_by=actor,
    )
    write(payment, {"allocated_minor": payment.allocated_minor + amount}, actor=actor)
    settle(invoice, actor=actor, paid=settles)
    post(_entries(allocation, gained), actor_id=actor.pk)
    return allocation


def _amounts(
    payment: Payment, invoice: Invoice, amount: int | None, settles: int | None, *, on: date
) -> tuple[int, int]:
    """Return how much of the payment settles how much of the invoice."""
    if (amount is not None and amount <= 0) or (settles is not None and settles <= 0):
        raise refusal("amount_minor", _("An amount is more than zero."), code="amount")
    if payment.currency == invoice.currency:
        if amount is None:
            amount = min(payment.left_minor, invoice.left_minor) if settles is None else settles
        if settles not in (None, amount):
            raise refusal(
                "invoice_amount_minor", _("In one currency both amounts are the same."), code="amount"
            )
        if amount <= 0:
            raise ValidationError(_("Nothing is left of this payment."), code="payment_not_overspent")
        return amount, amount
    if amount is not None and settles is not None:
        return amount, settles
    ours, theirs = rate_on(payment.currency, on), rate_on(invoice.currency, on)
    if ours is None or theirs is None:
        raise ValidationError(
            _("Nobody has said what %(source)s is worth in %(target)s. Enter both amounts."),
            code="no_rate",
            params={"source": payment.currency, "target": invoice.currency},
        )
    there = amounts.cross_rate(ours.rate, theirs.rate)
    back = amounts.cross_rate(theirs.rate, ours.rate)
    if settles is not None:
        return amounts.converted(settles, invoice.currency, payment.currency, back), settles
    if amount is not None:
        return amount, amounts.converted(amount, payment.currency, invoice.currency, there)
    whole = amounts.converted(invoice.left_minor, invoice.currency, payment.currency, back)
    if whole <= payment.left_minor:
        return max(whole, 1), invoice.left_minor
    worth = amounts.converted(payment.left_minor, payment.currency, invoice.currency, there)
    return payment.left_minor, min(worth, invoice.left_minor)


def _gained(payment: Payment, invoice: Invoice, amount: int, settles: int) -> int:
    """Return what rates that changed between invoice and payment have brought, in the currency of the books."""
    base = settings.BASE_CURRENCY
    if payment.currency == invoice.currency == base:
        return 0
    if payment.base_rate is None or invoice.base_rate is None:
        return 0
    return amounts.difference_in_base(
        received=amount,
        received_rate=payment.base_rate,
        settled=settles,
        settled_rate=invoice.base_rate,
        currencies=(payment.currency, invoice.currency, base),
    )


def _entries(allocation: Allocation, gained: int) -> list[Entry]:
    payment, invoice = allocation.payment, allocation.invoice
    of_payment = Leg(Purpose.ADVANCES, allocation.amount_minor, payment.currency, invoice.pk, payment.pk)
    of_invoice = Leg(
        Purpose.RECEIVABLE, -allocation.invoice_amount_minor, invoice.currency, invoice.pk, payment.pk
    )
    legs = [of_payment, of_invoice]
    if payment.currency != invoice.currency:
        # Each currency balances by itself: what leaves one and comes to the other stands on the account of exchange.
        legs += [
            Leg(Purpose.EXCHANGE, -of_payment.amount, payment.currency, invoice.pk, payment.pk),
            Leg(Purpose.EXCHANGE, -of_invoice.amount, invoice.currency, invoice.pk, payment.pk),
        ]
    on, memo = allocation.allocated_date, f"{invoice} ← {payment}"
    entries = [Entry(Kind.ALLOCATION, SOURCE, allocation.pk, on, legs, memo)]
    if gained:
        base = str(settings.BASE_CURRENCY)
        side = Purpose.EXCHANGE_GAIN if gained > 0 else Purpose.EXCHANGE_LOSS
        difference = [
            Leg(Purpose.EXCHANGE, gained, base, invoice.pk, payment.pk),
            Leg(side, -gained, base, invoice.pk, payment.pk),
        ]
        entries.append(Entry(Kind.EXCHANGE, SOURCE, allocation.pk, on, difference, memo))
    return entries


@moves_money
def release_allocation(allocation_id: int, *, actor: User) -> Allocation:
    """
    Take an allocation back: the money is the customer's again, and the invoice owed.

    :raises DoesNotExist: the allocation is out of sight
    :raises PermissionDenied: the actor may not allocate the payment
    :raises ValidationError: it was taken back already ("released"), or today is in a closed period
        ("ledger_period_open")
    """
    known = Allocation.objects.visible_to(actor).get(pk=allocation_id)
    payment = locked(Payment, known.payment_id, actor=actor, action="allocate")
    invoice = Invoice.objects.select_for_update(of=("self",), no_key=True).get(pk=known.invoice_id)
    allocation = Allocation.objects.select_for_update(of=("self",), no_key=True).get(pk=known.pk)
    access.require(actor, "allocate", allocation)
    if allocation.released_at is not None:
        raise ValidationError(_("This allocation was taken back already."), code="released")
    allocation.released_at, allocation.released_by = timezone.now(), actor
    allocation.save(update_fields=["released_at", "released_by"])
    write(payment, {"allocated_minor": payment.allocated_minor - allocation.amount_minor}, actor=actor)
    settle(invoice, actor=actor, paid=-allocation.invoice_amount_minor)
    events.publish_payment(events.PAYMENT_RELEASED, payment.pk, actor_id=actor.pk)
    back = [
        reversal_of(
            entry,
            kind=Kind.RELEASE if entry.kind == Kind.ALLOCATION else Kind.EXCHANGE_BACK,
            on=timezone.localdate(),
            memo=entry.memo,
        )
        for entry in posted(SOURCE, allocation.pk, Kind.ALLOCATION, Kind.EXCHANGE)
    ]
    post(back, actor_id=actor.pk)
    return allocation
