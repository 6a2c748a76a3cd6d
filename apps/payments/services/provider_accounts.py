"""Our accounts with providers: written down, their keys sealed, and opened when a provider is asked."""

import logging
import secrets
from typing import Any, TypedDict, Unpack

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from apps.accounts import access, owned_rows
from apps.accounts.keyring import resealed, seal, unseal
from apps.accounts.models import User
from apps.accounts.rows import differing, refusal, write
from apps.documents.models import LegalEntity
from apps.payments.models import Invoice, LedgerAccount, ProviderAccount, WebhookMessage
from apps.payments.provider_events import publish_provider_account
from apps.payments.providers.demo import Demo
from apps.payments.providers.interface import Keys, Provider
from apps.payments.providers.stripe import Stripe
from apps.payments.providers.yookassa import YooKassa
from apps.payments.services.payments import require_cash

logger = logging.getLogger(__name__)

Mode = ProviderAccount.Mode
_SEALED = ("secret", "webhook_secret")


class ProviderAccountFields(TypedDict, total=False):
    """What people write on an account; secrets are given, and never shown again."""

    provider: str
    mode: str
    name: str
    legal_entity_id: int | None
    shop_id: str
    secret: str
    webhook_secret: str
    account_id: int | None
    has_receipts: bool
    tax_system: int | None


@transaction.atomic
def create_provider_account(*, actor: User, **fields: Unpack[ProviderAccountFields]) -> ProviderAccount:
    """
    Write an account with a provider down.

    :raises PermissionDenied: the actor may not add one
    :raises ValidationError: a value is refused, a key is missing ("required"), demonstrations are turned off ("no_demo")
    """
    access.require(actor, "add", ProviderAccount)
    account = ProviderAccount(webhook_key=secrets.token_urlsafe(24), **_checked(dict(fields), actor=actor))
    _require_keys(account)
    made = owned_rows.insert(account, actor=actor)
    publish_provider_account(made, actor_id=actor.pk)
    return made


@transaction.atomic
def change_provider_account(
    provider_account_id: int,
    *,
    actor: User,
    expected_version: int | None = None,
    **fields: Unpack[ProviderAccountFields],
) -> ProviderAccount:
    """
    Change what is written on an account; what is not named stays, and so does a key that is left empty.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: a value is refused, "archived", "stale", or it has charges and would be another provider's
        ("provider_kept")
    """
    account = owned_rows.locked(
        ProviderAccount, provider_account_id, actor=actor, action="change", expected_version=expected_version
    )
    owned_rows.require_active(account)
    said: dict[str, Any] = {
        name: value for name, value in fields.items() if value != "" or name not in _SEALED
    }
    changes = differing(account, _checked(said, actor=actor))
    if {"provider", "mode"} & changes.keys() and account.attempts.exists():
        raise refusal(
            "provider",
            _("Something was paid through this account. Make another one, and archive this."),
            code="provider_kept",
        )
    for name, value in changes.items():
        setattr(account, name, value)
    _require_keys(account)
    if changes:
        write(account, changes, actor=actor)
        publish_provider_account(account, actor_id=actor.pk)
    return account


@transaction.atomic
def archive_provider_account(
    provider_account_id: int, *, actor: User, expected_version: int | None = None
) -> ProviderAccount:
    """
    Let nobody pay through an account any more; what is under way ends as it does.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not archive it
    :raises ValidationError: "archived", "stale"
    """
    account = owned_rows.locked(
        ProviderAccount, provider_account_id, actor=actor, action="archive", expected_version=expected_version
    )
    owned_rows.archive(account, actor=actor)
    publish_provider_account(account, actor_id=actor.pk)
    return account


@transaction.atomic
def restore_provider_account(
    provider_account_id: int, *, actor: User, expected_version: int | None = None
) -> ProviderAccount:
    """
    Let customers pay through an account again.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not restore it
    :raises ValidationError: "not_archived", "stale"
    """
    account = owned_rows.locked(
        ProviderAccount, provider_account_id, actor=actor, action="archive", expected_version=expected_version
    )
    owned_rows.restore(account, actor=actor)
    publish_provider_account(account, actor_id=actor.pk)
    return account


def _checked(values: dict[str, Any], *, actor: User) -> dict[str, Any]:
    """Return values as columns hold them. :raises ValidationError: one is refused"""
    if values.get("mode") == Mode.DEMO and not settings.PAYMENT_DEMO:
        text = _("Demonstrations are turned off here: PAYMENT_DEMO turns them on.")
        raise refusal("mode", text, code="no_demo")
    if "legal_entity_id" in values:
        owned_rows.named(LegalEntity, values["legal_entity_id"], actor=actor, field="legal_entity")
    if values.get("account_id") is not None:
        require_cash(owned_rows.named(LedgerAccount, values["account_id"], actor=actor, field="account"))
    if "shop_id" in values:
        values["shop_id"] = values["shop_id"].strip()
    for name in _SEALED:
        if name in values:
            plain = values[name].strip()
            values[name] = seal(plain) if plain else ""
    return values


def _require_keys(account: ProviderAccount) -> None:
    if account.mode == Mode.DEMO:
        return
    needed = {"secret": account.secret}
    if account.provider == ProviderAccount.Provider.YOOKASSA:
        needed["shop_id"] = account.shop_id
    else:
        needed["webhook_secret"] = account.webhook_secret
    for name, value in needed.items():
        if not value:
            raise refusal(name, _("Without this key, the provider cannot be asked."), code="required")


def provider_of(account: ProviderAccount) -> Provider:
    """Return who is asked for an account. :raises ImproperlyConfigured: its keys were sealed under another secret"""
    if account.is_demo:
        return Demo(page=demo_page, decided=lambda name: _decided(account, name))
    is_stripe = account.provider == ProviderAccount.Provider.STRIPE
    keys = Keys(
        shop_id=account.shop_id,
        secret=unseal(account.secret),
        webhook_secret=unseal(account.webhook_secret) if account.webhook_secret else "",
        url=str(settings.STRIPE_URL if is_stripe else settings.YOOKASSA_URL).rstrip("/"),
        timeout=settings.PROVIDER_TIMEOUT,
    )
    return Stripe(keys) if is_stripe else YooKassa(keys)


def demo_page(name: str) -> str:
    """Return where a payer plays, without its host."""
    return reverse("payments:demo", args=[name])


def _decided(account: ProviderAccount, name: str) -> str | None:
    """Return what was decided first of a charge of a demonstration."""
    ids = {f"{decision}:{name}": decision for decision in ("pay", "refuse", "cancel")}
    first = WebhookMessage.objects.filter(account=account, event_id__in=ids).order_by("pk").first()
    return ids[first.event_id] if first else None


def offered_for(invoice: Invoice) -> list[ProviderAccount]:
    """Return through what an invoice may be paid: an account of its company of ours, else one of everybody's, of each."""
    rows = ProviderAccount.objects.active().filter(
        Q(legal_entity=None) | Q(legal_entity=invoice.legal_entity_id)
    )
    if not settings.PAYMENT_DEMO:
        rows = rows.exclude(mode=Mode.DEMO)
    found: dict[str, ProviderAccount] = {}
    for account in rows.order_by("pk"):
        known = found.get(account.provider)
        if known is None or (known.legal_entity_id is None and account.legal_entity_id is not None):
            found[account.provider] = account
    # YooKassa moves roubles alone.
    if invoice.currency != "RUB":
        found.pop(ProviderAccount.Provider.YOOKASSA, None)
    return list(found.values())


def seal_anew() -> int:
    """Seal the keys of all accounts under the first of our secrets; return how many were sealed under another."""
    done = 0
    for account in ProviderAccount.objects.select_for_update(of=("self",)).order_by("pk"):
        try:
            values = {name: resealed(old) for name in _SEALED if (old := getattr(account, name))}
        except ImproperlyConfigured:
            # It keeps nobody else's secrets from being sealed.
            logger.warning("the keys of the provider account %s cannot be opened", account.pk)
            continue
        changed = {name: value for name, value in values.items() if value != getattr(account, name)}
        # The keys are the same, so that nothing about the account has changed.
        if changed:
            done += ProviderAccount.objects.filter(pk=account.pk).update(**changed)
    return done
