"""What the demo has of money: accounts with providers that the platform plays itself."""

from django.conf import settings

from apps.accounts.models import User
from apps.payments.models import ProviderAccount
from apps.payments.services.provider_accounts import create_provider_account


def make_providers(*, system: User) -> None:
    """Let invoices be paid in a demonstration, where that is allowed."""
    if not settings.PAYMENT_DEMO:
        return
    for provider in ProviderAccount.Provider:
        create_provider_account(
            actor=system,
            provider=provider,
            mode=ProviderAccount.Mode.DEMO,
            has_receipts=provider == ProviderAccount.Provider.YOOKASSA,
        )
