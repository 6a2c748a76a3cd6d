"""
How messages get on their way: taken under a lease by whoever sends, and asked once more whether they are still to go.

The sending itself is done after :func:`claim` and before `outcomes.record_outcome`, outside of any transaction.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts import access
from apps.accounts.models import User
from apps.accounts.owned_rows import locked
from apps.notifications.channels import TELLS_TWINS
from apps.notifications.models import Delivery, Preference, QuietTime
from apps.notifications.services.addresses import CHECK
from apps.notifications.services.planning import quiet_moment
from apps.notifications.targets import row_of
from apps.notifications.telling.kinds import kind_of
from apps.notifications.telling.words import DIGEST

State, Error, Priority = Delivery.State, Delivery.Error, Delivery.Priority
_EXPIRY_BATCH = 2000


def claim(
    channel: str, room: int, *, ids: Sequence[int] | None = None, least: int = Priority.BULK
) -> list[Delivery]:
    """
    Take what is due by a channel, the most urgent first; nobody else takes it until the lease is over.

    :param ids: of these alone, as the broker has handed them over
    :param least: of this urgency at least
    """
    with transaction.atomic():
        now = timezone.now()
        due = due_of(Delivery.objects.filter(channel=channel, priority__gte=least), now)
        due = due.select_related("owner", "address", "notification__target_type")
        if ids is None:
            rows = due.select_for_update(skip_locked=True, of=("self",)).order_by(
                "-priority", "next_attempt_at", "id"
            )[:room]
        else:
            # A key comes once: whoever holds the row for a moment is waited for.
            rows = due.filter(pk__in=list(ids)[:room]).select_for_update(of=("self",)).order_by("id")
        return [row for row in rows if _is_leased(row, now)]


def due_of(rows: QuerySet[Delivery], now: datetime) -> QuerySet[Delivery]:
    """Keep what is to be sent now and nobody sends; what waits for a digest goes with that."""
    is_free = Q(leased_until=None) | Q(leased_until__lte=now)
    return rows.filter(is_free, state=State.WAITING, is_digest=False, next_attempt_at__lte=now)


def due_channels(channels: Sequence[str]) -> list[str]:
    """Return those of some channels by which something is to be sent now."""
    due = due_of(Delivery.objects.all(), timezone.now())
    return [channel for channel in channels if due.filter(channel=channel).exists()]


def _is_leased(row: Delivery, now: datetime) -> bool:
    """Lease a row; False where it is not to be sent by now, or not yet."""
    error = _objection(row, now)
    if error:
        end(row, State.WITHHELD, error)
        return False
    if row.priority < Priority.URGENT:
        quiet = QuietTime.objects.filter(user=row.owner_id).first()
        until = quiet_moment(row.owner, quiet, now)
        if until is not None:
            row.next_attempt_at, row.leased_until = until, None
            row.save(update_fields=["next_attempt_at", "leased_until"])
            return False
    # Whoever had it has died, and nobody knows whether it was sent by then.
    if row.leased_until is not None and row.channel not in TELLS_TWINS:
        if row.is_uncertain:
            end(row, State.FAILED, Error.UNCERTAIN)
            return False
        row.is_uncertain = True
    row.attempts += 1
    row.began_at = row.began_at or now
    row.leased_until = now + timedelta(seconds=settings.DELIVERY_LEASE_SECONDS)
    row.save(update_fields=["attempts", "began_at", "leased_until", "is_uncertain"])
    return True


def _objection(row: Delivery, now: datetime) -> str:
    """Say why something is not to be sent any more; empty where it is."""
    if not row.owner.is_active:
        return Error.LEFT
    if row.expires_at is not None and row.expires_at <= now:
        return Error.EXPIRED
    if not (row.address.is_on or (row.kind == CHECK and row.address.disabled_at is None)):
        return Error.NO_ADDRESS
    if row.priority < Priority.URGENT and _is_off(row):
        return Error.OFF
    return _objection_of_notification(row)


def _is_off(row: Delivery) -> bool:
    preferences = Preference.objects.filter(user=row.owner_id, kind=row.kind, channel=row.channel)
    return preferences.filter(mode=Preference.Mode.OFF).exists()


def _objection_of_notification(row: Delivery) -> str:
    told = row.notification
    if row.kind == DIGEST:
        is_news = row.members.filter(notification__read_at=None).exists()
        return "" if is_news else Error.READ
    if told is None:
        return ""
    if told.read_at is not None:
        return Error.READ
    if told.target_type is not None and told.target_id is not None and kind_of(told.kind) is not None:
        target = row_of(f"{told.target_type.app_label}.{told.target_type.model}", told.target_id)
        if target is None or not access.can(row.owner, "view", target):
            return Error.OUT_OF_SIGHT
    return ""


def release(row: Delivery, wait: float) -> None:
    """Give back what was taken and not sent, because there was no room for it; it is due again in some seconds."""
    Delivery.objects.filter(pk=row.pk, attempts=row.attempts, state=State.WAITING).update(
        attempts=F("attempts") - 1,
        began_at=row.began_at if row.attempts > 1 else None,
        leased_until=None,
        next_attempt_at=timezone.now() + timedelta(seconds=wait),
    )


def end(row: Delivery, state: str, error: str) -> None:
    """Write down that a locked row is not sent any more, and what was to go with it neither."""
    row.state, row.error = state, error
    row.next_attempt_at = row.leased_until = None
    row.save(update_fields=["state", "error", "next_attempt_at", "leased_until"])
    row.members.update(state=state, error=error)


# What people do


@transaction.atomic
def redeliver(delivery_id: int, *, actor: User) -> Delivery:
    """
    Send something once more, under the same key, whether it was sent, given up or withheld.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: it is on its way ("delivery_waits"), its address is turned off ("address_off"), or it is of
        no use any more ("delivery_expired")
    """
    row = locked(Delivery, delivery_id, actor=actor, action="change")
    now = timezone.now()
    if row.state in {State.WAITING, State.JOINED}:
        raise ValidationError(_("This is on its way."), code="delivery_waits")
    if row.address.disabled_at is not None:
        raise ValidationError(_("Its address is turned off."), code="address_off")
    if row.expires_at is not None and row.expires_at <= now:
        raise ValidationError(_("It is of no use any more."), code="delivery_expired")
    _again(Delivery.objects.filter(pk=row.pk), now)
    row.members.update(state=State.JOINED, error="")
    row.refresh_from_db()
    return row


@transaction.atomic
def redeliver_failed(*, actor: User, channel: str, since: datetime) -> int:
    """
    Send all that was given up by a channel since a moment once more; return how much there is of it.

    :raises PermissionDenied: the actor may not change deliveries
    """
    if not access.can_any(actor, "change", Delivery):
        raise PermissionDenied
    rows = Delivery.objects.filter(access.scope(actor, "change", Delivery), state=State.FAILED)
    rows = rows.filter(channel=channel, created_at__gte=since, address__disabled_at=None, digest=None)
    now = timezone.now()
    ids = list(rows.filter(Q(expires_at=None) | Q(expires_at__gt=now)).values_list("pk", flat=True))
    count = _again(Delivery.objects.filter(pk__in=ids), now)
    Delivery.objects.filter(digest__in=ids).update(state=State.JOINED, error="")
    return count


def _again(rows: QuerySet[Delivery], now: datetime) -> int:
    return rows.update(
        state=State.WAITING,
        next_attempt_at=now,
        leased_until=None,
        enqueued_at=None,
        began_at=None,
        sent_at=None,
        attempts=0,
        error="",
        code=None,
        is_digest=False,
        digest=None,
    )


def expire() -> int:
    """Forget what was sent long ago, in small transactions; return how many rows."""
    before = timezone.now() - timedelta(days=settings.DELIVERY_KEPT_DAYS)
    old = Delivery.objects.filter(created_at__lt=before).exclude(state__in=[State.WAITING, State.JOINED])
    total = 0
    while ids := list(old.order_by("pk").values_list("pk", flat=True)[:_EXPIRY_BATCH]):
        total += Delivery.objects.filter(pk__in=ids).delete()[0]
    return total
