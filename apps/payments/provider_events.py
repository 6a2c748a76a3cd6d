"""The facts of providers: our accounts with them, and disputes."""

from apps.events.services import Fact, publish
from apps.payments.models import Dispute, ProviderAccount

PROVIDER_ACCOUNT_CHANGED = Fact("payments.provider_account.changed.v1")
DISPUTE_OPENED = Fact("payments.dispute.opened.v1")
DISPUTE_ENDED = Fact("payments.dispute.ended.v1")


def publish_provider_account(account: ProviderAccount, *, actor_id: int) -> None:
    """Tell how an account with a provider stands, without its keys."""
    data = {
        "id": account.pk,
        "provider": account.provider,
        "mode": account.mode,
        "name": account.name,
        "is_archived": account.archived_at is not None,
    }
    publish(PROVIDER_ACCOUNT_CHANGED, account.pk, data, actor_id=actor_id)


def publish_dispute(fact: Fact, dispute: Dispute, *, actor_id: int) -> None:
    """Tell a fact of one dispute."""
    data = {
        "id": dispute.pk,
        "payment_id": dispute.payment_id,
        "status": dispute.status,
        "amount_minor": dispute.amount_minor,
        "currency": dispute.payment.currency,
        "reason": dispute.reason,
        "respond_by": dispute.respond_by,
    }
    publish(fact, dispute.pk, data, actor_id=actor_id)
