"""What workers do for money by the clock."""

import logging

from celery import shared_task

from apps.payments.rates.files import RatesError
from apps.payments.services import idempotency, rates, verifying

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
