"""
Charges through providers, in three steps: written down, asked for outside of any transaction, and what came of it.

A provider that does not answer leaves a charge unknown, never failed: it is asked again under the same key, by which it
does once what it is asked for often. Until it is known, no other charge of the invoice is begun.
"""

import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.core import signing
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override, pgettext

from apps.accounts import access
from apps.accounts.models import User
from apps.accounts.owned_rows import locked
from apps.accounts.rows import refusal
from apps.payments.models import Invoice, Payment, PaymentAttempt, PaymentLink
from apps.payments.providers.interface import Answer, Charge, NoAnswer, Refused
from apps.payments.providers.interface import State as Ends
from apps.payments.services import payments
from apps.payments.services.asking import next_ask
from apps.payments.services.payments import Outcome, Received
from apps.payments.services.provider_accounts import offered_for, provider_of
from apps.payments.services.receipts import begin_receipt

logger = logging.getLogger(__name__)

State = PaymentAttempt.State
ENDED = (State.SUCCEEDED, State.FAILED, State.CANCELED)
# So long a payer may take; the shortest that Stripe takes is half an hour.
PAYS_WITHIN = timedelta(hours=1)
# Providers remember a key for a day. After that the same request would be another charge.
_KEY_LIVES = timedelta(hours=23)
# A worker or a page that died between the intent and the call.
_LOST_AFTER = timedelta(minutes=1)
_SIGNER = signing.Signer(salt="payments.back")


@dataclass(frozen=True)
class Asked:
    """
    What a payer asks for.

    :ivar account_id: through which account of ours
    :ivar amount_minor: None for all that is owed
    :ivar origin: of our own pages, as in "https://artel.example"
    :ivar contact: where the receipt goes
    """

    account_id: int
    amount_minor: int | None = None
    origin: str = ""
    locale: str = ""
    contact: str = ""
    link: PaymentLink | None = None


@transaction.atomic
def start_attempt(invoice_id: int, asked: Asked, *, actor: User) -> PaymentAttempt:
    """
    Write down that a provider is about to be asked for a charge.

    :raises DoesNotExist: the invoice is out of sight
    :raises PermissionDenied: the actor may not record payments
    :raises ValidationError: the invoice cannot be paid through this account ("not_offered"), a receipt has to go
        somewhere ("no_contact"), or what `begin_charge` refuses
    """
    invoice = locked(Invoice, invoice_id, actor=actor, action="view")
    account = next((each for each in offered_for(invoice) if each.pk == asked.account_id), None)
    if account is None:
        raise refusal("account", _("This invoice cannot be paid that way."), code="not_offered")
    if account.has_receipts and invoice.currency == "RUB" and not asked.contact:
        raise refusal("contact", _("Say where the receipt goes: the law wants one."), code="no_contact")
    payment = payments.begin_charge(
        invoice_id,
        actor=actor,
        provider=account.provider,
        amount_minor=asked.amount_minor,
        account_id=account.account_id,
    )
    return PaymentAttempt.objects.create(
        payment=payment,
        account=account,
        link=asked.link,
        origin=asked.origin,
        locale=asked.locale or invoice.locale,
        contact=asked.contact,
        next_ask_at=timezone.now() + _LOST_AFTER,
    )


def send_attempt(attempt_id: int) -> PaymentAttempt:
    """Ask the provider for a charge that was written down, and record what it answers; outside of transactions."""
    attempt = _read(attempt_id)
    if attempt.has_ended or attempt.external_id:
        return attempt
    try:
        answer = provider_of(attempt.account).create(_charge(attempt))
    except NoAnswer as error:
        return note_no_answer(attempt.pk, error.reason)
    except Refused as error:
        return note_answer(attempt.pk, _refused(attempt, error))
    return note_answer(attempt.pk, answer)


def ask_attempt(attempt_id: int, *, at_most_every: timedelta | None = None) -> PaymentAttempt:
    """
    Ask the provider how a charge stands, and record it; outside of transactions.

    One that the provider may never have heard of is asked for again under its key.

    :param at_most_every: leave it where somebody has asked more recently
    """
    attempt = _read(attempt_id)
    if attempt.has_ended or not _claim(attempt, at_most_every):
        return attempt
    if not attempt.external_id:
        if timezone.now() - attempt.created_at > _KEY_LIVES:
            return note_no_answer(attempt.pk, "key_expired", is_last=True)
        return send_attempt(attempt.pk)
    try:
        answer = provider_of(attempt.account).ask(attempt.external_id)
    except NoAnswer as error:
        return note_no_answer(attempt.pk, error.reason)
    except Refused as error:
        # It knows the charge and will not say, or does not know it any more: that is no end that anybody has seen.
        return note_no_answer(attempt.pk, error.code)
    return note_answer(attempt.pk, answer)


def give_up_attempt(attempt_id: int) -> PaymentAttempt:
    """
    Have a charge given up that nobody has paid yet; outside of transactions.

    :raises ValidationError: the provider does not let go of it ("cannot_cancel")
    """
    attempt = _read(attempt_id)
    if attempt.has_ended:
        return attempt
    try:
        if not attempt.external_id:
            raise Refused("cannot_cancel")
        answer = provider_of(attempt.account).cancel(attempt.external_id)
    except (NoAnswer, Refused) as error:
        asked = ask_attempt(attempt.pk)
        if asked.has_ended:
            return asked
        raise ValidationError(
            _("The provider does not let go of this payment yet. It ends by itself within the hour."),
            code="cannot_cancel",
        ) from error
    return note_answer(attempt.pk, answer)


def look_again(attempt: PaymentAttempt) -> None:
    """Ask after a charge of which the provider has told something, be it over or not; outside of transactions."""
    if not attempt.has_ended:
        ask_attempt(attempt.pk)
        return
    if attempt.external_id and not attempt.payment.fee_minor:
        note_answer(attempt.pk, provider_of(attempt.account).ask(attempt.external_id))


def due_attempts() -> list[int]:
    """Return the charges whose provider is to be asked now."""
    due = PaymentAttempt.objects.filter(next_ask_at__lte=timezone.now(), ended_at=None)
    return list(due.order_by("next_ask_at").values_list("pk", flat=True)[:100])


def _read(attempt_id: int) -> PaymentAttempt:
    rows = PaymentAttempt.objects.select_related("payment__invoice", "account")
    return rows.get(pk=attempt_id)


def _claim(attempt: PaymentAttempt, at_most_every: timedelta | None) -> bool:
    """Say that one asks now, unless somebody has just asked."""
    now = timezone.now()
    rows = PaymentAttempt.objects.filter(pk=attempt.pk, ended_at=None)
    if at_most_every is not None:
        rows = rows.filter(Q(asked_at=None) | Q(asked_at__lte=now - at_most_every))
    return bool(rows.update(asked_at=now))


def _charge(attempt: PaymentAttempt) -> Charge:
    payment = attempt.payment
    with override(attempt.locale or "en"):
        said = pgettext("charge", "Invoice %(number)s") % {"number": payment.invoice}
    return Charge(
        key=str(attempt.request_key),
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        description=said,
        back_url=attempt.origin + back_path(attempt),
        locale=attempt.locale.split("-")[0],
        expires_at=attempt.created_at + PAYS_WITHIN,
        contact=attempt.contact,
    )


def back_path(attempt: PaymentAttempt) -> str:
    """Return where a payer comes back to: signed, so that it leads to this charge alone."""
    return reverse("payments:back", args=[_SIGNER.sign(str(attempt.pk))])


def attempt_of(signed: str) -> PaymentAttempt:
    """Return the charge that an address leads to. :raises DoesNotExist: it was not signed by us"""
    try:
        pk = int(_SIGNER.unsign(signed))
    except (signing.BadSignature, ValueError):
        raise PaymentAttempt.DoesNotExist from None
    rows = PaymentAttempt.objects.select_related("payment__invoice__legal_entity", "account", "link")
    return rows.get(pk=pk)


def _refused(attempt: PaymentAttempt, error: Refused) -> Answer:
    logger.warning("charge %s was refused by %s: %s", attempt.pk, attempt.account.provider, error.code)
    return Answer(Ends.FAILED, attempt.external_id, error=str(error))


# What came of it


@transaction.atomic
def note_no_answer(attempt_id: int, reason: str, *, is_last: bool = False) -> PaymentAttempt:
    """
    Record that a provider has not said how a charge ended, and when it is asked again.

    :param is_last: it will never say: a person has to look
    """
    payment, attempt = _locked(attempt_id)
    if attempt.has_ended:
        return attempt
    # What the provider has acknowledged stays with it, however often it is silent afterwards.
    if attempt.state != State.PENDING:
        attempt.state = State.UNKNOWN
        payments.note_outcome(payment.pk, Outcome(Payment.Status.UNKNOWN), actor=User.objects.system())
    attempt.error = reason[:300]
    _put_off(attempt, is_last=is_last)
    attempt.save(update_fields=["state", "error", "asks", "next_ask_at"])
    return attempt


@transaction.atomic
def note_answer(attempt_id: int, answer: Answer) -> PaymentAttempt:
    """
    Record what a provider says of a charge; to hear the same again changes nothing, and what has ended stays so.

    Money that came after the end all the same is recorded as a payment by itself.
    """
    payment, attempt = _locked(attempt_id)
    system = User.objects.system()
    if attempt.has_ended:
        _note_after_end(payment, attempt, answer, actor=system)
        return attempt
    if answer.external_id and not attempt.external_id:
        attempt.external_id = answer.external_id
    attempt.url = answer.url or attempt.url
    attempt.error = answer.error[:300]
    if answer.state == Ends.SUCCEEDED and not _fits(payment, answer):
        logger.error("charge %s: the provider took another amount than was asked for", attempt.pk)
        attempt.state, attempt.error, attempt.next_ask_at = State.UNKNOWN, "other_amount", None
        payments.note_outcome(payment.pk, Outcome(Payment.Status.UNKNOWN), actor=system)
        attempt.save()
        return attempt
    attempt.state = State(answer.state.value)
    if attempt.state in ENDED:
        attempt.ended_at, attempt.next_ask_at = timezone.now(), None
    else:
        _put_off(attempt)
    attempt.save()
    _note_outcome(payment, _outcome(answer), actor=system)
    if attempt.state == State.SUCCEEDED:
        begin_receipt(attempt, actor=system)
    return attempt


def _note_outcome(payment: Payment, outcome: Outcome, *, actor: User) -> None:
    """Record an outcome; money that came on a day that was closed since stands on today."""
    try:
        payments.note_outcome(payment.pk, outcome, actor=actor)
    except ValidationError as refused:
        if getattr(refused, "code", "") != "ledger_period_open":
            raise
        payments.note_outcome(payment.pk, replace(outcome, received_date=timezone.localdate()), actor=actor)


def _fits(payment: Payment, answer: Answer) -> bool:
    return 0 < answer.amount_minor <= payment.amount_minor and answer.currency == payment.currency


def _outcome(answer: Answer) -> Outcome:
    if answer.state == Ends.PENDING:
        return Outcome(Payment.Status.REQUIRES_ACTION)
    if answer.state != Ends.SUCCEEDED:
        return Outcome(Payment.Status.CANCELED)
    today = timezone.localdate()
    return Outcome(
        Payment.Status.SUCCEEDED,
        captured_minor=answer.amount_minor,
        fee_minor=min(max(answer.fee_minor or 0, 0), answer.amount_minor),
        external_id=answer.money_id,
        received_date=min(answer.paid_on or today, today),
    )


def _note_after_end(payment: Payment, attempt: PaymentAttempt, answer: Answer, *, actor: User) -> None:
    if answer.state != Ends.SUCCEEDED:
        return
    if attempt.state == State.SUCCEEDED:
        if answer.fee_minor:
            payments.note_fee(payment.pk, answer.fee_minor, actor=actor)
        return
    # Nobody waits for it any more, and it came: it is the customer's, and for the invoice as far as that is still owed.
    if Payment.objects.filter(provider=payment.provider, external_id=answer.money_id).exists():
        return
    logger.error("charge %s had ended without money, and the provider took it all the same", attempt.pk)
    is_open = payment.invoice is not None and payment.invoice.status == Invoice.Status.OPEN
    received = Received(
        answer.amount_minor,
        answer.currency,
        company_id=payment.company_id,
        person_id=payment.person_id,
        invoice_id=payment.invoice_id if is_open else None,
        provider=payment.provider,
        method=Payment.Method.CARD,
        external_id=answer.money_id,
        fee_minor=answer.fee_minor or 0,
        account_id=payment.account_id,
    )
    payments.record_payment(received, actor=actor)


def _locked(attempt_id: int) -> tuple[Payment, PaymentAttempt]:
    """Lock a charge and its payment, the payment first as everybody does."""
    known = PaymentAttempt.objects.values_list("payment_id", flat=True).get(pk=attempt_id)
    payment = Payment.objects.select_for_update(of=("self",), no_key=True).get(pk=known)
    rows = PaymentAttempt.objects.select_for_update(of=("self",), no_key=True).select_related("account")
    return payment, rows.get(pk=attempt_id)


def _put_off(attempt: PaymentAttempt, *, is_last: bool = False) -> None:
    attempt.asks += 1
    attempt.next_ask_at = None if is_last else next_ask(attempt.created_at)


@transaction.atomic
def settle_attempt(attempt_id: int, *, actor: User, has_come: bool, external_id: str = "") -> PaymentAttempt:
    """
    Say how a charge ended that its provider does not tell of, as somebody has seen there.

    :param external_id: what the provider calls the payment, where money came
    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not change the payment
    :raises ValidationError: it has ended ("attempt_ended"), or nobody has said what the provider calls it ("required")
    """
    known = PaymentAttempt.objects.visible_to(actor).get(pk=attempt_id)
    access.require(actor, "change", known)
    payment, attempt = _locked(known.pk)
    if attempt.has_ended:
        raise ValidationError(_("It is known by now how this ended."), code="attempt_ended")
    if has_come and not external_id.strip():
        raise refusal("external_id", _("Say what the provider calls this payment."), code="required")
    values: dict[str, Any] = {"state": State.CANCELED, "error": "by_hand"}
    outcome = Outcome(Payment.Status.CANCELED)
    if has_come:
        values["state"] = State.SUCCEEDED
        outcome = Outcome(
            Payment.Status.SUCCEEDED, captured_minor=payment.amount_minor, external_id=external_id.strip()
        )
    for name, value in {**values, "ended_at": timezone.now(), "next_ask_at": None}.items():
        setattr(attempt, name, value)
    attempt.save()
    payments.note_outcome(payment.pk, outcome, actor=actor)
    if has_come:
        begin_receipt(attempt, actor=actor)
    return attempt


def pending_of(invoice: Invoice) -> PaymentAttempt | None:
    """Return the charge of an invoice that is under way; there is one at most."""
    rows = PaymentAttempt.objects.filter(payment__invoice=invoice, ended_at=None)
    return rows.select_related("payment", "account").order_by("-pk").first()
