"""The moments at which people want to be told of their tasks: kept beside the tasks, each once."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from apps.notifications.models import Reminder, Task


def sync_reminders(tasks: Sequence[Task]) -> None:
    """
    Let the reminders of locked tasks be those that follow from them.

    What has been told stays; what is over already when a task is written is not told any more.
    """
    now = timezone.now()
    wanted = {(task.pk, at) for task in tasks for at in moments_of(task) if at > now}
    stale = Q(pk__in=[])
    there: set[tuple[int, datetime]] = set()
    for pk, task_id, at in Reminder.objects.filter(task__in=tasks, fired_at=None).values_list(
        "pk", "task_id", "remind_at"
    ):
        if (task_id, at) in wanted:
            there.add((task_id, at))
        else:
            stale |= Q(pk=pk)
    Reminder.objects.filter(stale).delete()
    _add(sorted(wanted - there))


def moments_of(task: Task) -> set[datetime]:
    """Return when somebody is to be told of a task: nothing of what is over, and what is put off only then."""
    if not task.is_open:
        return set()
    due = {task.due_at} if task.due_at is not None and not task.is_all_day else set[datetime]()
    found = {at for at in (task.remind_at, *due) if at is not None}
    if task.snoozed_until is not None:
        return {at for at in found if at > task.snoozed_until} | {task.snoozed_until}
    return found


def _add(wanted: Iterable[tuple[int, datetime]]) -> None:
    # What was told at the very same moment before is told again: somebody has set it anew.
    Reminder.objects.bulk_create(
        [Reminder(task_id=task_id, remind_at=at) for task_id, at in wanted],
        update_conflicts=True,
        unique_fields=["task", "remind_at"],
        update_fields=["fired_at"],
    )
