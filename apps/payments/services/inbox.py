"""What providers tell us: kept as it came, once, and read afterwards, in whatever order it comes."""

import logging
from collections.abc import Mapping
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import User
from apps.payments import sending
from apps.payments.models import Payment, PaymentAttempt, ProviderAccount, WebhookMessage
from apps.payments.providers.interface import About, NoAnswer, Notice, Refused
from apps.payments.providers.stripe import notice_of
from apps.payments.services import charging, disputes, refunding
from apps.payments.services.provider_accounts import provider_of

logger = logging.getLogger(__name__)

State = WebhookMessage.State
MOST_BYTES = 256 * 1024
# Whoever reads is given up after so long.
_LEASE = timedelta(minutes=2)
_DELAYS = [
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *[timedelta(hours=3)] * 8,
]


class _NotYet(Exception):
    """It is about something that we have not heard of yet."""


def receive(webhook_key: str, body: bytes, headers: Mapping[str, str]) -> bool:
    """
    Keep a message of a provider, and have it read; tell whether it was new.

    :raises DoesNotExist: this is no address of ours
    :raises NotGenuine: the provider has not written it
    """
    account = ProviderAccount.objects.get(webhook_key=webhook_key)
    # The body as it came: a signature is of its bytes.
    notice = provider_of(account).read(body, headers)
    return keep(account, notice, body)


@transaction.atomic
def keep(account: ProviderAccount, notice: Notice, body: bytes) -> bool:
    """Keep a message that was read once; tell whether it was new."""
    message, is_new = WebhookMessage.objects.get_or_create(
        account=account,
        event_id=notice.event_id[:200],
        defaults={"type": notice.type[:100], "body": body, "next_attempt_at": timezone.now()},
    )
    if is_new:
        sending.send_message(message.pk)
    return is_new


def due_messages() -> list[int]:
    """Return the messages that are to be read now."""
    due = WebhookMessage.objects.filter(state=State.NEW, next_attempt_at__lte=timezone.now())
    return list(due.order_by("next_attempt_at").values_list("pk", flat=True)[:100])


def read_message(message_id: int) -> bool:
    """
    Do what a message is about, outside of transactions; tell whether it is done.

    What it says is only the occasion: how things stand, the provider is asked. So neither the order of messages matters,
    nor how often they come.
    """
    message = _taken_up(message_id)
    if message is None:
        return False
    try:
        notice = _notice(message)
        is_ours = _heed(message.account, notice)
    except (NoAnswer, _NotYet) as error:
        return _put_off(message.pk, str(error) or type(error).__name__)
    except Refused as error:
        return _settle(message.pk, State.FAILED, str(error))
    except ValidationError as error:
        return _put_off(message.pk, " ".join(error.messages))
    return _settle(message.pk, State.DONE if is_ours else State.IGNORED)


def _notice(message: WebhookMessage) -> Notice:
    """Read a message again whose signature was good when it came, and may be too old by now."""
    account = message.account
    if account.is_demo or account.provider != ProviderAccount.Provider.STRIPE:
        return provider_of(account).read(bytes(message.body), {})
    return notice_of(bytes(message.body))


def _heed(account: ProviderAccount, notice: Notice) -> bool:
    """Do what a message is about; tell whether it is about something of ours."""
    if notice.about == About.CHARGE:
        attempt = _attempt_of(account, notice)
        if attempt is not None:
            charging.look_again(attempt)
        return attempt is not None
    if notice.about == About.REFUND:
        return _heed_refund(account, notice)
    if notice.about == About.DISPUTE:
        dispute = provider_of(account).ask_dispute(notice.external_id)
        payment = _payment_of(account, dispute.money_id)
        disputes.note_dispute(payment.pk, dispute, actor=User.objects.system())
        return True
    return False


def _heed_refund(account: ProviderAccount, notice: Notice) -> bool:
    answer = provider_of(account).ask_refund(notice.external_id)
    payment = _payment_of(account, answer.money_id or notice.money_id)
    known = refunding.refund_told_of(payment, notice, answer)
    if known is None:
        refunding.note_foreign_refund(payment.pk, answer)
    else:
        refunding.note_refund(known.pk, answer)
    return True


def _attempt_of(account: ProviderAccount, notice: Notice) -> PaymentAttempt | None:
    rows = PaymentAttempt.objects.filter(account=account).select_related("payment", "account")
    if notice.external_id:
        found = rows.filter(external_id=notice.external_id).first()
        if found is not None:
            return found
    if notice.key:
        try:
            return rows.filter(request_key=notice.key).first()
        except ValidationError:
            return None
    return rows.filter(payment__external_id=notice.money_id).first() if notice.money_id else None


def _payment_of(account: ProviderAccount, money_id: str) -> Payment:
    """Return the payment that a provider names. :raises _NotYet: nobody has told us of it so far"""
    rows = Payment.objects.filter(provider=account.provider, external_id=money_id)
    found = rows.first() if money_id else None
    if found is None:
        raise _NotYet("no_payment")
    return found


@transaction.atomic
def _taken_up(message_id: int) -> WebhookMessage | None:
    rows = WebhookMessage.objects.select_for_update(skip_locked=True, of=("self",))
    due = rows.filter(pk=message_id, state=State.NEW, next_attempt_at__lte=timezone.now())
    message = due.select_related("account").first()
    if message is not None:
        message.attempts, message.next_attempt_at = message.attempts + 1, timezone.now() + _LEASE
        message.save(update_fields=["attempts", "next_attempt_at"])
    return message


@transaction.atomic
def _put_off(message_id: int, reason: str) -> bool:
    message = WebhookMessage.objects.select_for_update(of=("self",)).get(pk=message_id)
    if message.state != State.NEW:
        return False
    if message.attempts > len(_DELAYS):
        logger.error("message %s of a provider was given up: %s", message_id, reason)
        return _settle(message_id, State.FAILED, reason)
    message.error = reason[:300]
    message.next_attempt_at = timezone.now() + _DELAYS[message.attempts - 1]
    message.save(update_fields=["error", "next_attempt_at"])
    return False


@transaction.atomic
def _settle(message_id: int, state: str, reason: str = "") -> bool:
    rows = WebhookMessage.objects.filter(pk=message_id, state=State.NEW)
    rows.update(state=state, error=reason[:300], next_attempt_at=None, done_at=timezone.now())
    return state != State.FAILED


@transaction.atomic
def reread_message(message_id: int, *, actor: User) -> WebhookMessage:
    """
    Have a message read again that was given up.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not change accounts with providers
    :raises ValidationError: it was not given up ("message_not_failed")
    """
    known = WebhookMessage.objects.visible_to(actor).get(pk=message_id)
    access.require(actor, "change", known)
    message = WebhookMessage.objects.select_for_update(of=("self",)).get(pk=known.pk)
    if message.state != State.FAILED:
        raise ValidationError(_("This message was not given up."), code="message_not_failed")
    message.state, message.attempts = State.NEW, 0
    message.next_attempt_at, message.done_at = timezone.now(), None
    message.save(update_fields=["state", "attempts", "next_attempt_at", "done_at"])
    sending.send_message(message.pk)
    return message


def expire_messages(kept: timedelta) -> int:
    """Delete the messages that have been read and are older; return how many."""
    rows = WebhookMessage.objects.filter(received_at__lt=timezone.now() - kept).exclude(state=State.NEW)
    return rows.delete()[0]
