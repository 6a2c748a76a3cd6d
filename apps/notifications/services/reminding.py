"""Reminding people of their tasks when it is time: each moment once, whoever looks, however late."""

from collections import defaultdict
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from apps.notifications.models import Reminder
from apps.notifications.services.inbox import Cause, tell
from apps.notifications.telling.kinds import kind_of
from apps.notifications.telling.rules import DUE, LATE, REMINDER

# Whoever looks once a minute is this late now and then.
_IN_TIME = timedelta(minutes=10)
# More than these that come late to somebody are told as one.
MOST_LATE = 3
_BATCH = 500


def fire_due_reminders() -> int:
    """
    Tell of all that is due by now, in small transactions; return how many moments.

    Two who do this at once share the moments between them; one who was killed leaves what they had not told.
    """
    total = 0
    while count := _fire_batch():
        total += count
    return total


@transaction.atomic
def _fire_batch() -> int:
    now = timezone.now()
    due = Reminder.objects.filter(fired_at=None, remind_at__lte=now).select_related("task")
    # Those of one person together, that what came late becomes one.
    rows = list(due.select_for_update(of=("self",), skip_locked=True).order_by("remind_at", "id")[:_BATCH])
    if not rows:
        return 0
    late: defaultdict[int, list[Reminder]] = defaultdict(list)
    for row in rows:
        if not row.task.is_open:
            continue
        if row.remind_at < now - _IN_TIME:
            late[row.task.assignee_id].append(row)
        else:
            _tell(row)
    for user_id, some in late.items():
        if len(some) > MOST_LATE:
            _tell_late(user_id, some)
        else:
            for row in some:
                _tell(row)
    Reminder.objects.filter(pk__in=[row.pk for row in rows]).update(fired_at=now)
    return len(rows)


def _tell(row: Reminder) -> None:
    kind = kind_of(DUE if row.remind_at == row.task.due_at else REMINDER)
    if kind is not None:
        tell(
            kind,
            [(row.task.assignee_id, "assignee")],
            Cause(f"reminder:{row.pk}:{row.remind_at:%s}", target=row.task),
        )


def _tell_late(user_id: int, rows: list[Reminder]) -> None:
    kind = kind_of(LATE)
    if kind is not None:
        last = max(row.pk for row in rows)
        details = {"count": len(rows), "tasks": sorted(row.task_id for row in rows)}
        tell(kind, [(user_id, "assignee")], Cause(f"reminders:{last}", details=details))
