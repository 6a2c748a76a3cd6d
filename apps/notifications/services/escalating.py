"""When nobody looks at what they were asked: whoever waits for it is told, once."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.notifications.models import Notification
from apps.notifications.services.inbox import Cause, tell
from apps.notifications.targets import row_of
from apps.notifications.telling.kinds import Kind, kind_of, kinds
from apps.notifications.telling.rules import IGNORED

_BATCH = 200
# What was left for longer, as by a platform that stood still, is told by nobody any more.
_LONGEST = timedelta(days=7)


def escalate_ignored() -> int:
    """Tell whoever waits of what nobody has looked at, in small transactions; return how many notifications."""
    total = 0
    for kind in kinds():
        while kind.escalates is not None and (count := _batch(kind)):
            total += count
    return total


@transaction.atomic
def _batch(kind: Kind) -> int:
    now = timezone.now()
    since = now - timedelta(hours=settings.ESCALATE_AFTER_HOURS)
    ignored = Notification.objects.filter(
        kind=kind.code, read_at=None, escalated_at=None, created_at__lt=since, created_at__gt=since - _LONGEST
    )
    ignored = ignored.select_related("target_type").order_by("created_at", "id")
    rows = list(ignored.select_for_update(skip_locked=True, of=("self",), no_key=True)[:_BATCH])
    for row in rows:
        _escalate(kind, row)
    Notification.objects.filter(pk__in=[row.pk for row in rows]).update(escalated_at=now)
    return len(rows)


def _escalate(kind: Kind, row: Notification) -> None:
    told = kind_of(IGNORED)
    target = None
    if row.target_type is not None and row.target_id is not None:
        target = row_of(f"{row.target_type.app_label}.{row.target_type.model}", row.target_id)
    if told is None or target is None or kind.escalates is None:
        return
    # Who has not looked is who it is about; nobody is told of themselves.
    cause = Cause(f"ignored:{row.pk}", row.recipient_id, target)
    tell(told, kind.escalates(target, row.details), cause)
