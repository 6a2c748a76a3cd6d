"""What happens to payments: recorded, begun through a provider, received, taken back."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import User
from apps.accounts.owned_rows import insert, locked, named
from apps.accounts.rows import differing, refusal, write
from apps.crm.models import Company, Person
from apps.payments import events
from apps.payments.amounts import LARGEST
from apps.payments.models import Invoice, LedgerAccount, Payment
from apps.payments.services.allocations import settle_from
from apps.payments.services.exchange import frozen_values
from apps.payments.services.invoices import require_open
from apps.payments.services.ledger import Entry, Kind, Leg, Purpose, moves_money, post, posted, reversal_of

Status = Payment.Status
SOURCE = "payments.payment"


@dataclass(frozen=True)
class Received:
    """
    Money that came.

    :ivar amount_minor: what the customer paid
    :ivar fee_minor: what the bank or provider kept of it
    :ivar account_id: the ledger account that it came to; that of our bank unless said
    :ivar invoice_id: what it is for: as much as is owed is allocated at once
    """

    amount_minor: int
    currency: str
    received_date: date | None = None
    company_id: int | None = None
    person_id: int | None = None
    invoice_id: int | None = None
    provider: str = Payment.Provider.MANUAL
    method: str = Payment.Method.TRANSFER
    external_id: str = ""
    payer_name: str = ""
    reference: str = ""
    fee_minor: int = 0
    account_id: int | None = None


@moves_money
def record_payment(received: Received, *, actor: User) -> Payment:
    """
    Record money that has come, and allocate it where it is said what for.

    :raises PermissionDenied: the actor may not record payments
    :raises ValidationError: an amount or a value is refused, the day is in the future ("future") or in a closed period
        ("ledger_period_open"), what is named is out of sight ("not_found"), the invoice is not open
        ("invoice_not_open") or in another currency ("other_currency"), or the provider's number is known
        ("payment_recorded_once")
    """
    access.require(actor, "add", Payment)
    _require_amounts(received)
    day = received.received_date or timezone.localdate()
    if day > timezone.localdate():
        raise refusal("received_date", _("This day has not come yet."), code="future")
    invoice = named(Invoice, received.invoice_id, actor=actor, field="invoice")
    payment = insert(
        Payment(
            status=Status.SUCCEEDED,
            received_date=day,
            authorized_minor=received.amount_minor,
            captured_minor=received.amount_minor,
            **_values(received, invoice, actor=actor),
            **frozen_values(received.currency, day),
        ),
        actor=actor,
    )
    _post_receipt(payment, actor=actor)
    if invoice is not None:
        settle_from(payment, invoice.pk, actor=actor, on=day)
    events.publish_payment(events.PAYMENT_RECEIVED, payment.pk, actor_id=actor.pk)
    return payment


def _require_amounts(received: Received) -> None:
    if not 0 < received.amount_minor <= LARGEST:
        raise refusal("amount_minor", _("An amount is more than zero."), code="amount")
    if not 0 <= received.fee_minor <= received.amount_minor:
        raise refusal("fee_minor", _("A fee is no more than the amount."), code="fee")


def _values(received: Received, invoice: Invoice | None, *, actor: User) -> dict[str, Any]:
    """Return the columns of a payment that follow from what was said, and from whom it is."""
    company = named(Company, received.company_id, actor=actor, field="company")
    person = named(Person, received.person_id, actor=actor, field="person")
    if invoice is not None and company is None and person is None:
        company, person = invoice.company, invoice.person
    # Whose customer it is sees the money; what is nobody's is for those who see all.
    whose: Any = invoice or company or person
    return {
        "amount_minor": received.amount_minor,
        "currency": received.currency,
        "company": company,
        "person": person,
        "provider": received.provider,
        "method": received.method,
        "external_id": received.external_id,
        "payer_name": received.payer_name,
        "reference": received.reference,
        "fee_minor": received.fee_minor,
        "owner_id": whose.owner_id if whose else None,
        "team_id": whose.team_id if whose else None,
        "account_id": _account_id(received.account_id, actor=actor),
    }


def _account_id(account_id: int | None, *, actor: User) -> int:
    if account_id is None:
        return LedgerAccount.objects.get(purpose=Purpose.CASH).pk
    account = named(LedgerAccount, account_id, actor=actor, field="account")
    return require_cash(account).pk


def require_cash(account: LedgerAccount | None) -> LedgerAccount:
    """Insist that money may stand on an account. :raises ValidationError: it may not ("not_cash")"""
    if (
        account is None
        or account.type != LedgerAccount.Type.ASSET
        or account.purpose not in ("", Purpose.CASH)
    ):
        raise refusal("account", _("Money comes to an account of money."), code="not_cash")
    return account


def _post_receipt(payment: Payment, *, actor: User) -> None:
    """Post what came: it is the customer's, until it is allocated."""
    if payment.received_date is None:
        raise ValueError("a payment that was received has its day")
    came, fee, currency = payment.captured_minor, payment.fee_minor, payment.currency
    memo = " · ".join(part for part in (payment.payer_name, payment.reference) if part)
    entries = [
        Entry(
            Kind.PAYMENT,
            SOURCE,
            payment.pk,
            payment.received_date,
            [
                Leg(payment.account_id, came, currency, payment_id=payment.pk),
                Leg(Purpose.ADVANCES, -came, currency, payment_id=payment.pk),
            ],
            memo,
        )
    ]
    if fee:
        legs = [
            Leg(Purpose.FEES, fee, currency, payment_id=payment.pk),
            Leg(payment.account_id, -fee, currency, payment_id=payment.pk),
        ]
        entries.append(Entry(Kind.FEE, SOURCE, payment.pk, payment.received_date, legs, memo))
    post(entries, actor_id=actor.pk)


@moves_money
def cancel_payment(
    payment_id: int, *, actor: User, reason: str, expected_version: int | None = None
) -> Payment:
    """
    Take a payment back that was entered by mistake; money that really goes back is a refund.

    :raises DoesNotExist: the payment is out of sight
    :raises PermissionDenied: the actor may not
    :raises ValidationError: it came through a provider ("not_by_hand"), was not received or is cancelled already
        ("payment_not_received"), some of it is allocated or given back ("payment_touched"), there is no reason
        ("required"), today is in a closed period ("ledger_period_open"), "stale"
    """
    payment = locked(Payment, payment_id, actor=actor, action="cancel", expected_version=expected_version)
    if payment.provider not in (Payment.Provider.MANUAL, Payment.Provider.BANK):
        raise ValidationError(
            _("This payment came through a provider. Refund it instead."), code="not_by_hand"
        )
    require_received(payment)
    if payment.left_minor != payment.captured_minor:
        raise ValidationError(
            _("Some of this payment is allocated or was given back. Take that back first."),
            code="payment_touched",
        )
    if not reason.strip():
        raise refusal("reason", _("Say why, in a few words."), code="required")
    write(payment, {"status": Status.CANCELED, "captured_minor": 0, "reason": reason.strip()}, actor=actor)
    events.publish_payment(events.PAYMENT_CANCELED, payment.pk, actor_id=actor.pk)
    today = timezone.localdate()
    back = [
        reversal_of(
            entry,
            kind=Kind.PAYMENT_REVERSED if entry.kind == Kind.PAYMENT else Kind.REVERSAL,
            on=today,
            memo=reason.strip(),
        )
        for entry in posted(SOURCE, payment.pk, Kind.PAYMENT, Kind.FEE)
    ]
    post(back, actor_id=actor.pk)
    return payment


def require_received(payment: Payment) -> None:
    """Insist that money came. :raises ValidationError: it did not, or was taken back ("payment_not_received")"""
    if payment.status != Status.SUCCEEDED:
        raise ValidationError(
            _("This payment was not received, or was taken back."), code="payment_not_received"
        )


@transaction.atomic
def change_payment(
    payment_id: int, *, actor: User, expected_version: int | None = None, **fields: Any
) -> Payment:
    """
    Say whose a payment is, or what it is for in words; what was paid stays.

    :param fields: company_id, person_id, payer_name, reference, method
    :raises DoesNotExist: the payment is out of sight
    :raises PermissionDenied: the actor may not
    :raises ValidationError: what is named is out of sight ("not_found"), a value is refused, "stale"
    """
    payment = locked(Payment, payment_id, actor=actor, action="change", expected_version=expected_version)
    changes: dict[str, Any] = differing(payment, fields)
    company = named(Company, changes.get("company_id"), actor=actor, field="company")
    person = named(Person, changes.get("person_id"), actor=actor, field="person")
    whose: Any = company or person
    if whose is not None:
        changes |= {"owner_id": whose.owner_id, "team_id": whose.team_id}
    if changes:
        write(payment, changes, actor=actor)
        events.publish_payment(events.PAYMENT_CHANGED, payment.pk, actor_id=actor.pk)
    return payment


# Through a provider, in three steps: what we mean to do, the call outside of any transaction, and what came of it


@transaction.atomic
def begin_charge(
    invoice_id: int,
    *,
    actor: User,
    provider: str,
    amount_minor: int | None = None,
    account_id: int | None = None,
) -> Payment:
    """
    Write down that an invoice is about to be paid through a provider; at most one such payment is under way.

    :param amount_minor: as much as is owed unless said
    :param account_id: the ledger account that the money will come to; that of our bank unless said
    :raises DoesNotExist: the invoice is out of sight
    :raises PermissionDenied: the actor may not record payments
    :raises ValidationError: it is not open ("invoice_not_open"), the amount is more than is owed ("amount"), or a
        payment is under way, or its outcome unknown ("payment_one_charge_under_way")
    """
    access.require(actor, "add", Payment)
    invoice = locked(Invoice, invoice_id, actor=actor, action="view")
    require_open(invoice)
    amount = invoice.left_minor if amount_minor is None else amount_minor
    if not 0 < amount <= invoice.left_minor:
        raise refusal("amount_minor", _("That is more than is still to be paid."), code="amount")
    said = Received(
        amount, invoice.currency, provider=provider, method=Payment.Method.CARD, account_id=account_id
    )
    values = _values(said, invoice, actor=actor)
    return insert(Payment(status=Status.PROCESSING, invoice=invoice, **values), actor=actor)


@dataclass(frozen=True)
class Outcome:
    """
    What a provider says became of a payment.

    :ivar status: UNKNOWN where it did not answer
    :ivar captured_minor: what was taken, once it succeeded
    """

    status: str
    captured_minor: int = 0
    authorized_minor: int = 0
    fee_minor: int = 0
    external_id: str = ""
    received_date: date | None = None


@moves_money
def note_outcome(payment_id: int, outcome: Outcome, *, actor: User) -> Payment:
    """
    Record what became of a payment; to hear the same again changes nothing, and what has ended stays so.

    :raises DoesNotExist: the payment is out of sight
    :raises PermissionDenied: the actor may not
    :raises ValidationError: the amounts do not fit ("amount"), a step is not possible ("payment_state_order"), or the
        provider's number is another payment's ("payment_recorded_once")
    """
    payment = locked(Payment, payment_id, actor=actor, action="change")
    if payment.status in (Status.SUCCEEDED, Status.CANCELED) or payment.status == outcome.status:
        return payment
    has_come = outcome.status == Status.SUCCEEDED
    if has_come and not 0 < outcome.captured_minor <= payment.amount_minor:
        raise refusal("captured_minor", _("No more is taken than was agreed to."), code="amount")
    day = outcome.received_date or timezone.localdate()
    values: dict[str, Any] = {"status": outcome.status}
    if outcome.external_id:
        values["external_id"] = outcome.external_id
    if outcome.status == Status.REQUIRES_CAPTURE:
        values["authorized_minor"] = outcome.authorized_minor
    if has_come:
        values |= {
            "received_date": day,
            "authorized_minor": max(outcome.authorized_minor, outcome.captured_minor),
            "captured_minor": outcome.captured_minor,
            "fee_minor": outcome.fee_minor,
            **frozen_values(payment.currency, day),
        }
    write(payment, values, actor=actor)
    if has_come:
        _post_receipt(payment, actor=actor)
        if payment.invoice_id is not None:
            settle_from(payment, payment.invoice_id, actor=actor, on=day)
    fact = _FACTS.get(outcome.status, events.PAYMENT_CHANGED)
    events.publish_payment(fact, payment.pk, actor_id=actor.pk)
    return payment


@moves_money
def note_fee(payment_id: int, fee_minor: int, *, actor: User) -> Payment:
    """
    Record what a provider kept of a payment, where it says so only after the money; once is enough.

    :raises DoesNotExist: the payment is out of sight
    :raises PermissionDenied: the actor may not
    """
    payment = locked(Payment, payment_id, actor=actor, action="change")
    if payment.status != Status.SUCCEEDED or payment.fee_minor or not 0 < fee_minor <= payment.captured_minor:
        return payment
    write(payment, {"fee_minor": fee_minor}, actor=actor)
    legs = [
        Leg(Purpose.FEES, fee_minor, payment.currency, payment_id=payment.pk),
        Leg(payment.account_id, -fee_minor, payment.currency, payment_id=payment.pk),
    ]
    post([Entry(Kind.FEE, SOURCE, payment.pk, timezone.localdate(), legs)], actor_id=actor.pk)
    return payment


_FACTS = {
    Status.SUCCEEDED.value: events.PAYMENT_RECEIVED,
    Status.UNKNOWN.value: events.PAYMENT_UNKNOWN,
    Status.CANCELED.value: events.PAYMENT_CANCELED,
}
