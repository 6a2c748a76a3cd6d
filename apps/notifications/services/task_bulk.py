"""What the services do to one task, done to many: rehearsed, applied and undone as all bulk changes are."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db.models import Model
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import User
from apps.accounts.rows import refusal
from apps.common import recurrence
from apps.lists.bulk import Choice, Chosen, How, Refusals, each_by, new_values, one_by_one
from apps.notifications.models import Task
from apps.notifications.services import tasks

Keys = Sequence[int]
_LINKS = "watchers"


def change_tasks(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Change what is said of tasks: when they are due, how urgent they are, who is told too."""
    rows = Task.objects.filter(access.scope(actor, "view", Task)).in_bulk(keys)
    names = [name for name, chosen in choice.items() if name != _LINKS and chosen.how != How.SHIFT]

    def change(key: int) -> None:
        task = rows.get(key)
        if task is None:
            raise Task.DoesNotExist
        tasks.require_open(task)
        values: dict[str, Any] = new_values(task, choice, names) | _shifted(task, choice)
        if _LINKS in choice:
            values["watcher_ids"] = _linked(task, choice[_LINKS])
        tasks.change_task(key, actor=actor, **values)

    return each_by(change, keys)


def _linked(task: Task, chosen: Chosen) -> list[int]:
    there = set(task.watchers.values_list("pk", flat=True))
    named = {row.pk for row in chosen.value}
    return sorted(there | named if chosen.how == How.ADD else there - named)


def _shifted(task: Task, choice: Choice) -> dict[str, Any]:
    """Return the times that are moved by days, by the clock on the wall; a reminder goes along with its task."""
    zone, found = recurrence.zone_named(task.time_zone), dict[str, Any]()
    days = {name: chosen.value for name, chosen in choice.items() if chosen.how == How.SHIFT}
    if "due_at" in days and "remind_at" not in choice:
        days["remind_at"] = days["due_at"]
    for name, count in days.items():
        at = getattr(task, name)
        if at is not None:
            try:
                found[name] = recurrence.moment_of(recurrence.wall_of(at, zone) + timedelta(days=count), zone)
            except OverflowError as error:
                raise refusal(name, _("There is no such date."), code="bad_date") from error
    return found


def delegate_tasks(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Hand tasks on to somebody."""
    chosen: Model = choice["assignee"].value
    return one_by_one(tasks.delegate_task, keys, assignee_id=chosen.pk, actor=actor)


def complete_tasks(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Say that tasks are done."""
    return one_by_one(tasks.complete_task, keys, actor=actor)


def cancel_tasks(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Say that tasks are not to be done any more."""
    return one_by_one(tasks.cancel_task, keys, actor=actor)


def reopen_tasks(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Say that tasks are to be done after all."""
    return one_by_one(tasks.reopen_task, keys, actor=actor)


def archive_tasks(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Put tasks into the trash."""
    return one_by_one(tasks.archive_task, keys, actor=actor)


def restore_tasks(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Take tasks out of the trash."""
    return one_by_one(tasks.restore_task, keys, actor=actor)
