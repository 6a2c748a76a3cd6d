"""
The loop of `manage.py webhooks`: takes what is due, makes the calls side by side, and writes down what came of them.

One thread speaks with the database; the others only call. Several such processes share the work.
"""

import logging
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from apps.events.failpoints import failpoint
from apps.notifications.models import WebhookDelivery
from apps.notifications.services.webhook_sending import Call, claim_due, record_outcome
from apps.notifications.webhooks.calling import Outcome, call

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 5.0


@dataclass
class Sender:
    """Sends facts to other systems until asked to stop."""

    is_stopping: bool = False
    pause: float = 0.0
    under_way: dict[Future[Outcome], Call] = field(default_factory=dict)

    def stop(self) -> None:
        """Take nothing more, and end when what is under way is done; may be called from a signal handler."""
        self.is_stopping = True

    def run(self) -> None:
        """Send what there is, and start over whenever PostgreSQL was away, until asked to stop."""
        logger.info("webhooks are being sent")
        with ThreadPoolExecutor(settings.WEBHOOK_CONCURRENCY, "webhook") as pool:
            while not self.is_stopping or self.under_way:
                try:
                    self.turn(pool)
                    self.pause = 0.0
                except (OperationalError, InterfaceError) as error:
                    connection.close()
                    self.pause = min(self.pause * 2 or 0.1, LONGEST_PAUSE_SECONDS)
                    logger.warning("webhooks go on in %.1f s: %s", self.pause, str(error).strip())
                    time.sleep(self.pause)
        connection.close()

    def turn(self, pool: ThreadPoolExecutor) -> None:
        """Take what there is room for, and write down what has ended; return soon after either."""
        room = 0 if self.is_stopping else settings.WEBHOOK_CONCURRENCY - len(self.under_way)
        calls = claim_due(room) if room else []
        if calls:
            failpoint("webhooks.after_claim")
        for each in calls:
            self.under_way[pool.submit(call, each.url, each.headers, each.body)] = each
        if not self.under_way:
            time.sleep(POLL_SECONDS)
            return
        done, _others = wait(self.under_way, POLL_SECONDS, FIRST_COMPLETED)
        for future in done:
            failpoint("webhooks.after_call")
            sent = self.under_way[future]
            record_outcome(sent.delivery_id, sent.attempt, _outcome_of(future))
            # Only now: what could not be written down is written down by the next turn.
            del self.under_way[future]
            failpoint("webhooks.after_record")


def _outcome_of(future: Future[Outcome]) -> Outcome:
    """Return how a call ended; what nobody has foreseen is a failure like others, and must not end the process."""
    error = future.exception()
    if error is None:
        return future.result()
    logger.error("a webhook was not sent", exc_info=error)
    return Outcome(WebhookDelivery.Error.BROKEN)
