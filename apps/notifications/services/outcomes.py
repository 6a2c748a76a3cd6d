"""What became of messages: written down for each attempt, tried again, given up; and of addresses that are no more."""

import logging
import random
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.notifications.channels import TELLS_TWINS, Outcome
from apps.notifications.models import ChannelAddress, Delivery
from apps.notifications.services.addresses import CHECK
from apps.notifications.services.delivering import end
from apps.notifications.services.inbox import Cause, tell
from apps.notifications.telling.kinds import kind_of
from apps.notifications.telling.rules import ADDRESS_OFF

logger = logging.getLogger(__name__)

State, Error = Delivery.State, Delivery.Error
_FIRST_SECONDS, _LONGEST_SECONDS = 5.0, 3600.0


@transaction.atomic
def record_outcome(delivery_id: int, attempt: int, outcome: Outcome) -> None:
    """
    Write down how an attempt ended, and when it is tried again; what somebody else has taken over is theirs to say.

    An address that takes nothing any more is turned off, and its owner told by what is left to tell them by.
    """
    row = (
        Delivery.objects.select_for_update(of=("self",))
        .select_related("address")
        .filter(pk=delivery_id, attempts=attempt, state=State.WAITING, leased_until__isnull=False)
        .first()
    )
    if row is None:
        logger.info("what became of delivery %s is told by somebody else", delivery_id)
        return
    now = timezone.now()
    row.code = outcome.code
    if not outcome.error:
        _sent(row, outcome, now)
    elif outcome.moved_to:
        _moved(row, outcome.moved_to, now)
    elif outcome.retry_after is not None:
        # No fault of this message: it does not count as an attempt.
        _again(row, Error.LIMITED, now, outcome.retry_after)
        Delivery.objects.filter(pk=row.pk).update(attempts=F("attempts") - 1)
    else:
        _failed(row, outcome, now)


def _sent(row: Delivery, outcome: Outcome, now: datetime) -> None:
    row.state, row.sent_at, row.error, row.provider_id = State.SENT, now, "", outcome.provider_id[:200]
    row.next_attempt_at = row.leased_until = None
    row.save(
        update_fields=[
            *("state", "sent_at", "error", "provider_id", "code", "next_attempt_at", "leased_until"),
        ]
    )
    row.members.update(state=State.SENT, sent_at=now, error="")
    values = {"used_at": now} | ({"verified_at": now} if row.kind == CHECK else {})
    ChannelAddress.objects.filter(pk=row.address_id).update(**values)


def _failed(row: Delivery, outcome: Outcome, now: datetime) -> None:
    if outcome.is_uncertain and row.channel not in TELLS_TWINS:
        if row.is_uncertain:
            row.save(update_fields=["code"])
            end(row, State.FAILED, Error.UNCERTAIN)
            return
        row.is_uncertain = True
    delay = delay_after(row.attempts)
    patience = timedelta(hours=settings.DELIVERY_PATIENCE_HOURS)
    is_over = outcome.is_final or now + timedelta(seconds=delay) > (row.began_at or now) + patience
    if is_over:
        row.save(update_fields=["code", "is_uncertain"])
        end(row, State.FAILED, outcome.error)
    else:
        _again(row, outcome.error, now, delay)
    if outcome.disables:
        _turn_off(row.address, outcome.disables, now)


def _again(row: Delivery, error: str, now: datetime, delay: float) -> None:
    row.error, row.leased_until = error, None
    row.next_attempt_at = now + timedelta(seconds=delay)
    row.save(update_fields=["error", "code", "leased_until", "next_attempt_at", "is_uncertain"])


def delay_after(attempts: int) -> float:
    """Return how many seconds to wait: twice as long each time, up to an hour, spread so that crowds part."""
    delay: float = min(_FIRST_SECONDS * 2 ** min(attempts - 1, 20), _LONGEST_SECONDS)
    return delay * random.uniform(0.75, 1.25)  # noqa: S311 - guards nothing


def _moved(row: Delivery, address: str, now: datetime) -> None:
    """Send on to the address that has taken the place of one."""
    known = ChannelAddress.objects.filter(owner=row.owner_id, channel=row.channel, address=address).first()
    if known is None:
        ChannelAddress.objects.filter(pk=row.address_id).update(address=address)
    elif known.pk != row.address_id:
        _turn_off(row.address, ChannelAddress.Reason.REPLACED, now)
        if not Delivery.objects.filter(notification=row.notification_id, address=known).exists():
            row.address = known
            row.save(update_fields=["address"])
    _again(row, Error.REFUSED, now, 0.0)


def _turn_off(address: ChannelAddress, reason: str, now: datetime) -> None:
    """Turn an address off, give up what waits for it, and tell its owner by what is left."""
    changed = ChannelAddress.objects.filter(pk=address.pk, disabled_at=None)
    if not changed.update(disabled_at=now, disabled_reason=reason):
        return
    kind = kind_of(ADDRESS_OFF)
    if kind is not None:
        details = {"channel": address.channel, "reason": reason}
        cause = Cause(f"address:{address.pk}:{now.timestamp():.0f}", details=details)
        tell(kind, [(address.owner_id, "owner")], cause)
