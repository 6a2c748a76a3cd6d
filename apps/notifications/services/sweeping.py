"""Looking after what waits: digests whose time has come, and what the broker does not have, or has lost."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from apps.events.enqueue import NotSent
from apps.notifications.delivering.queues import hand_over, lengths, queue_of
from apps.notifications.models import Channel, ChannelAddress, Delivery
from apps.notifications.services.delivering import due_of
from apps.notifications.telling.words import DIGEST

State = Delivery.State
# So many of a queue are with the broker; the others wait in the table, where what is urgent overtakes them.
_MOST = 500
# What was handed over is thought lost when its queue is empty and nobody has taken it for so long.
_LOST = timedelta(seconds=30)


def gather_digests() -> int:
    """
    Put together what is told once a day and whose time has come: one message for each address; return how many.

    Two who do this at once share the addresses between them.
    """
    waiting = Delivery.objects.filter(
        state=State.WAITING, is_digest=True, next_attempt_at__lte=timezone.now()
    )
    return sum(_gathered(pk) for pk in set(waiting.values_list("address", flat=True)))


@transaction.atomic
def _gathered(address_id: int) -> bool:
    address = (
        ChannelAddress.objects.select_for_update(skip_locked=True, no_key=True).filter(pk=address_id).first()
    )
    if address is None:
        return False
    now = timezone.now()
    members = Delivery.objects.filter(
        address=address, state=State.WAITING, is_digest=True, next_attempt_at__lte=now
    )
    ids = list(members.select_for_update().order_by("id").values_list("pk", flat=True))
    if not ids:
        return False
    bearer = Delivery.objects.create(
        owner_id=address.owner_id, channel=address.channel, address=address, kind=DIGEST, next_attempt_at=now
    )
    Delivery.objects.filter(pk__in=ids).update(state=State.JOINED, digest=bearer, next_attempt_at=None)
    return True


def sweep() -> int:
    """
    Hand over to the broker what is due and what it does not have; return how many keys.

    :raises NotSent: the broker is away
    """
    if not settings.RABBITMQ_URL:
        return 0
    found = lengths()
    return sum(
        _swept(channel, priority, found[queue_of(channel, priority)])
        for channel in Channel
        for priority in sorted(Delivery.Priority, reverse=True)
    )


def _swept(channel: str, priority: int, length: int) -> int:
    room = _MOST - length
    rows = _marked(channel, priority, room, is_empty=not length) if room > 0 else []
    if rows:
        try:
            # Not before the commit: whoever takes a key at once finds its row free.
            hand_over(rows)
        except NotSent:
            Delivery.objects.filter(pk__in=[row.pk for row in rows]).update(enqueued_at=None)
            raise
    return len(rows)


@transaction.atomic
def _marked(channel: str, priority: int, room: int, *, is_empty: bool) -> list[Delivery]:
    """Return what is to be handed over, marked so that nobody else does."""
    now = timezone.now()
    is_new = Q(enqueued_at=None) | Q(enqueued_at__lt=F("next_attempt_at"))
    # A lease that has run out: whoever had taken it from the broker has died.
    is_new |= Q(enqueued_at__lt=F("leased_until"), leased_until__lte=now)
    if is_empty:
        is_new |= Q(enqueued_at__lt=now - _LOST)
    due = due_of(Delivery.objects.filter(channel=channel, priority=priority), now).filter(is_new)
    rows = list(due.select_for_update(skip_locked=True).order_by("next_attempt_at", "id")[:room])
    Delivery.objects.filter(pk__in=[row.pk for row in rows]).update(enqueued_at=now)
    return rows


def sweep_or_wait() -> int:
    """Do the same; a broker that is away is left to the next time."""
    try:
        return sweep()
    except NotSent:
        return 0
