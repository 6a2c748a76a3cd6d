"""What workers do for money by the clock."""

import logging
from collections.abc import Callable
from datetime import timedelta

from celery import shared_task
from django.conf import settings

from apps.payments.rates.files import RatesError
from apps.payments.services import (
    charging,
    idempotency,
    inbox,
    rates,
    receipts,
    recurring,
    refunding,
    reminding,
    verifying,
)

logger = logging.getLogger(__name__)


@shared_task
def expire_idempotency_keys() -> int:
    """Forget what was answered to requests of more than a week ago."""
    return idempotency.expire_idempotency_keys()


@shared_task
def fetch_rates() -> int:
    """Ask every central bank for its newest rates; return how many are new."""
    count = 0
    for provider in rates.addresses():
        try:
            count += rates.fetch_rates(provider)
        except RatesError as error:
            # It is written down on the source, which the page of rates shows; the next hour asks again.
            logger.warning("No rates from %s: %s", provider, error.code)
    return count


@shared_task
def verify_ledger_nightly() -> int:
    """Prove the books, and log each figure that is not what it is made of; return how many."""
    findings = verifying.verify_ledger()
    for finding in findings:
        logger.error("the ledger does not agree: %s: %s", finding.check, finding.text)
    return len(findings)


@shared_task
def read_provider_message(*, message_id: int) -> None:
    """Do what a message of a provider is about."""
    inbox.read_message(message_id)


@shared_task
def send_refund(*, refund_id: int) -> None:
    """Ask a provider to give money back."""
    refunding.send_refund(refund_id)


@shared_task
def send_receipt(*, receipt_id: int) -> None:
    """Have a fiscal receipt registered."""
    receipts.send_receipt(receipt_id)


@shared_task
def ask_providers() -> int:
    """Do all that is due with providers: read, ask, send; return how much there was."""
    work: list[tuple[Callable[[], list[int]], Callable[[int], object]]] = [
        (inbox.due_messages, inbox.read_message),
        (charging.due_attempts, charging.ask_attempt),
        (refunding.due_refunds, refunding.send_refund),
        (receipts.due_receipts, receipts.send_receipt),
    ]
    count = 0
    for due, do in work:
        for pk in due():
            try:
                do(pk)
            except Exception:
                # One of them must not keep the others waiting; it is due again.
                logger.exception("%s %s failed", do.__name__, pk)
            count += 1
    return count


@shared_task
def expire_provider_messages() -> int:
    """Forget what providers told us long ago; return how many messages."""
    return inbox.expire_messages(timedelta(days=settings.PROVIDER_MESSAGES_KEPT_DAYS))


@shared_task
def draw_recurring_invoices() -> int:
    """Draw up the invoices of series that are due; return how many."""
    return recurring.draw_due()


@shared_task
def remind_of_invoices() -> int:
    """Tell people of invoices that are due soon or overdue; return how many reminders there were."""
    return reminding.remind_due()
