"""What people are told: written down once for each cause, with why, and what they do with it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import connection, models, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.accounts import access
from apps.accounts.models import User
from apps.events.wakeup import poke_stream
from apps.notifications.models import InboxEvent, Mute, Notification, Verdict
from apps.notifications.services.planning import plan
from apps.notifications.targets import named_target
from apps.notifications.telling.kinds import Candidate, Kind

Outcome = Verdict.Outcome
# What happened in an inbox can be caught up with for so long; what was told is kept for a year.
_EVENTS_KEPT, _KEPT = timedelta(days=30), timedelta(days=365)
_EXPIRY_BATCH = 5000
_BUMP = """
insert into notifications_inbox as i (user_id, seq) values (%s, 1)
on conflict (user_id) do update set seq = i.seq + 1 returning seq
"""


@dataclass(frozen=True)
class Cause:
    """
    What somebody is told because of.

    :ivar code: "event:3f2c…" or "reminder:42"; the same is told once, however often it comes
    :ivar target: the row that it is about, which whoever is told has to see
    """

    code: str
    actor_id: int | None = None
    target: models.Model | None = None
    details: Mapping[str, Any] | None = None


@transaction.atomic
def tell(kind: Kind, candidates: Iterable[Candidate], cause: Cause) -> list[Notification]:
    """
    Tell those of some people who are to be told, and write down of each why they were or were not.

    Whoever is thought of for several reasons is told once, for the first.
    """
    by_user: dict[int, str] = {}
    for user_id, because in candidates:
        by_user.setdefault(user_id, because)
    known = set(Verdict.objects.filter(cause=cause.code, user__in=by_user).values_list("user", flat=True))
    people = User.objects.filter(pk__in=by_user.keys() - known).order_by("pk")
    target = None if cause.target is None else ContentType.objects.get_for_model(cause.target)
    place: dict[str, Any] = {
        "target_type": target,
        "target_id": None if cause.target is None else cause.target.pk,
    }
    verdicts = [
        Verdict(
            user=user,
            kind=kind.code,
            cause=cause.code,
            because=by_user[user.pk],
            outcome=_outcome(kind, user, cause, target),
            **place,
        )
        for user in people
    ]
    Verdict.objects.bulk_create(verdicts, ignore_conflicts=True)
    told = [
        Notification(
            recipient=verdict.user,
            kind=kind.code,
            cause=cause.code,
            actor_id=cause.actor_id,
            details=dict(cause.details or {}),
            **place,
        )
        for verdict in verdicts
        if verdict.outcome == Outcome.TOLD
    ]
    new = [row for row in told if _insert(row)]
    plan(kind, new)
    return new


def _outcome(kind: Kind, user: User, cause: Cause, target: ContentType | None) -> str:
    """Decide about one person, by what they may do at this moment."""
    if not user.is_active or user.kind != User.Kind.HUMAN:
        return Outcome.GONE
    if user.pk == cause.actor_id and not kind.tells_self:
        return Outcome.OWN
    if cause.target is None or target is None:
        return Outcome.TOLD
    if not access.can(user, "view", cause.target):
        return Outcome.OUT_OF_SIGHT
    muted = Mute.objects.filter(user=user, target_type=target, target_id=cause.target.pk)
    return Outcome.MUTED if muted.exists() else Outcome.TOLD


def _insert(row: Notification) -> bool:
    """Insert a notification with its step in the inbox; tell whether it was not there yet."""
    with transaction.atomic():
        made = Notification.objects.bulk_create([row], ignore_conflicts=True)
        found = Notification.objects.filter(recipient=row.recipient_id, cause=row.cause).first()
        if found is None or InboxEvent.objects.filter(notification=found, is_new=True).exists():
            return False
        row.pk = made[0].pk = found.pk
        _step(row.recipient_id, found, is_new=True)
    return True


def _step(user_id: int, notification: Notification | None, *, is_new: bool = False) -> None:
    """Number one step of an inbox under its lock, and say that it has moved."""
    with connection.cursor() as cursor:
        cursor.execute(_BUMP, [user_id])
        (seq,) = cursor.fetchone()
    InboxEvent.objects.create(user_id=user_id, seq=seq, notification=notification, is_new=is_new)
    poke_stream(f"inbox:{user_id}")


# What people do with their own


@transaction.atomic
def mark(ids: Sequence[int], *, actor: User, as_what: str) -> list[Notification]:
    """
    Mark notifications of one's own; those that are so already stay as they are.

    :param as_what: "read", "unread", "archived" (which is read too) or "inbox" (out of the archive)
    :raises KeyError: there is no such way
    """
    own = Notification.objects.filter(recipient=actor, pk__in=ids).order_by("pk")
    rows = list(own.select_for_update(of=("self",), no_key=True))
    changed = [row for row in rows if _marked(row, as_what)]
    if changed:
        Notification.objects.bulk_update(changed, ["read_at", "archived_at"])
        _step(actor.pk, changed[0] if len(changed) == 1 else None)
    return rows


def _marked(row: Notification, as_what: str) -> bool:
    """Set what marking makes of a row; tell whether that differs."""
    before = (row.read_at, row.archived_at)
    now = timezone.now()
    read_at = row.read_at or now
    row.read_at, row.archived_at = {
        "read": (read_at, row.archived_at),
        "unread": (None, None),
        "archived": (read_at, row.archived_at or now),
        "inbox": (row.read_at, None),
    }[as_what]
    return (row.read_at, row.archived_at) != before


@transaction.atomic
def mark_all(*, actor: User, as_what: str, until_id: int | None = None) -> int:
    """
    Mark all that is in one's inbox, as far as somebody has seen it; return how many have changed.

    :param until_id: the latest notification that was on the page: what came after it stays as it is
    """
    rows = Notification.objects.filter(recipient=actor, archived_at=None)
    if as_what == "read":
        rows = rows.filter(read_at=None)
    if until_id is not None:
        rows = rows.filter(pk__lte=until_id)
    ids = list(rows.order_by("pk").values_list("pk", flat=True))
    mark(ids, actor=actor, as_what=as_what)
    return len(ids)


@transaction.atomic
def mute(label: str, pk: int, *, actor: User) -> Mute:
    """
    Hear nothing more about a thing; muting twice is once.

    :param label: "crm.deal"
    :raises ValidationError: there is no such thing for the actor ("not_found")
    """
    row = named_target(label, pk, actor=actor)
    kind = ContentType.objects.get_for_model(row)
    muted, _made = Mute.objects.get_or_create(user=actor, target_type=kind, target_id=row.pk)
    return muted


@transaction.atomic
def unmute(mute_id: int, *, actor: User) -> None:
    """
    Hear of a thing again.

    :raises DoesNotExist: it is not muted by the actor
    """
    Mute.objects.get(pk=mute_id, user=actor).delete()


def inbox_of(actor: User) -> QuerySet[Notification]:
    """Return somebody's own notifications, the newest first."""
    return Notification.objects.filter(recipient=actor).select_related("actor").order_by("-pk")


def in_box(actor: User, box: str) -> QuerySet[Notification]:
    """Return what is in somebody's inbox, "unread" there, or "archived"."""
    rows = inbox_of(actor)
    if box == "archived":
        return rows.exclude(archived_at=None)
    return rows.filter(archived_at=None, **({"read_at": None} if box == "unread" else {}))


def unread_count(actor: User) -> int:
    """Count what somebody has not read."""
    return Notification.objects.filter(recipient=actor, read_at=None).count()


def expire() -> int:
    """Forget what happened long ago, in small transactions; return how many rows."""
    now = timezone.now()
    total = 0
    for model, old in (
        (InboxEvent, Q(at__lt=now - _EVENTS_KEPT)),
        (Verdict, Q(at__lt=now - _EVENTS_KEPT * 3)),
        (Notification, Q(created_at__lt=now - _KEPT)),
    ):
        rows: QuerySet[Any] = model._base_manager.filter(old)
        while ids := list(rows.order_by("pk").values_list("pk", flat=True)[:_EXPIRY_BATCH]):
            total += model._base_manager.filter(pk__in=ids).delete()[0]
    return total
