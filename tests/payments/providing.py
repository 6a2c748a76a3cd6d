"""Accounts with fake providers, charges on their way, and messages that come in whatever order."""

from collections.abc import Iterable
from typing import Any

from django.conf import LazySettings
from django.utils import timezone

from apps.accounts.models import User
from apps.payments.models import Invoice, PaymentAttempt, ProviderAccount, WebhookMessage
from apps.payments.services import charging, inbox
from apps.payments.services.charging import Asked
from apps.payments.services.provider_accounts import create_provider_account
from tests.fakes import stripe as fake_stripe
from tests.fakes import yookassa as fake_yookassa
from tests.fakes.provider import FakeProvider, Message

ORIGIN = "https://artel.example"


def account_with(fake: FakeProvider, settings: LazySettings, actor: User, **fields: Any) -> ProviderAccount:
    """Make an account whose provider is a fake."""
    settings.PROVIDER_TIMEOUT = 2.0
    if isinstance(fake, fake_stripe.FakeStripe):
        settings.STRIPE_URL = fake.url
        keys = {"secret": fake_stripe.SECRET, "webhook_secret": fake_stripe.WEBHOOK_SECRET}
        said = {"provider": "STRIPE", "mode": "TEST", **keys, **fields}
    else:
        settings.YOOKASSA_URL = fake.url
        said = {
            "provider": "YOOKASSA",
            "mode": "TEST",
            "shop_id": fake_yookassa.SHOP,
            "secret": fake_yookassa.SECRET,
            **fields,
        }
    return create_provider_account(actor=actor, **said)


def begun(invoice: Invoice, account: ProviderAccount, **fields: Any) -> PaymentAttempt:
    """Write a charge down, and ask the provider for it."""
    asked = Asked(account.pk, origin=ORIGIN, locale="en", **fields)
    attempt = charging.start_attempt(invoice.pk, asked, actor=User.objects.system())
    return charging.send_attempt(attempt.pk)


def told(account: ProviderAccount, message: Message) -> bool:
    """Let a webhook come, and be read; tell whether it was new."""
    is_new = inbox.receive(account.webhook_key, message.body, message.headers)
    for pk in inbox.due_messages():
        inbox.read_message(pk)
    return is_new


def told_all(account: ProviderAccount, messages: Iterable[Message]) -> None:
    """Let webhooks come, and be read until none has anything more to say."""
    for message in messages:
        told(account, message)
    drained()


def drained() -> None:
    """Read whatever is put off, as hours later."""
    for _round in range(4):
        WebhookMessage.objects.filter(state="NEW").update(next_attempt_at=timezone.now())
        for pk in inbox.due_messages():
            inbox.read_message(pk)


def later(attempt: PaymentAttempt) -> None:
    """Ask after a charge as the beat does when its time has come."""
    PaymentAttempt.objects.filter(pk=attempt.pk, ended_at=None).update(next_ask_at=timezone.now())
    for pk in charging.due_attempts():
        charging.ask_attempt(pk)
    attempt.refresh_from_db()
