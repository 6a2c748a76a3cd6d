"""What becomes of tasks when what they are about is merged into another row."""

from typing import Any

from django.db.models import Model, QuerySet
from django.utils.translation import ngettext

from apps.accounts import access
from apps.accounts.models import User
from apps.accounts.rows import write_many
from apps.crm.models import Company, Person
from apps.crm.services.merge_rules import Merge, MergeRule, register_merge_rule
from apps.notifications import events
from apps.notifications.models import Task


def declare() -> None:
    """Declare it; called when the app is ready."""
    for model in (Company, Person):
        register_merge_rule(
            MergeRule(model, "notifications.Task.target_type", _move, rows=_seen, counted=_counted)
        )
        for relation in ("Notification", "Mute", "Verdict"):
            register_merge_rule(
                MergeRule(
                    model, f"notifications.{relation}.target_type", why="What was told stays as it was told."
                )
            )


def _about(row: Model) -> QuerySet[Task]:
    return Task.objects.about(row)


def _move(merge: Merge) -> None:
    found = list(_about(merge.loser).order_by("pk").select_for_update(of=("self",), no_key=True))
    for task in found:
        task.target_id = merge.winner.pk
    write_many([(task, ["target_id"]) for task in found], actor=merge.actor)
    ids = [task.pk for task in found]
    merge.told.append(lambda: events.publish_tasks(events.TASK_CHANGED, ids, actor_id=merge.actor.pk))


def _seen(loser: Model, actor: User) -> QuerySet[Any]:
    return _about(loser).filter(access.scope(actor, "view", Task))


def _counted(count: int) -> str:
    return ngettext("%(count)s task", "%(count)s tasks", count) % {"count": count}
