"""The facts of what people have to do, and of telling others: what other systems are told, and when that ended."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Q

from apps.events.services import Fact, publish_many
from apps.notifications.models import Task, WebhookEndpoint

WEBHOOK_CREATED = Fact("notifications.webhook.created.v1")
WEBHOOK_CHANGED = Fact("notifications.webhook.changed.v1")
WEBHOOK_ROTATED = Fact("notifications.webhook.rotated.v1")
WEBHOOK_DISABLED = Fact("notifications.webhook.disabled.v1")
TASK_CREATED = Fact("notifications.task.created.v1")
TASK_CHANGED = Fact("notifications.task.changed.v1")
TASK_ASSIGNED = Fact("notifications.task.assigned.v1")
TASK_SNOOZED = Fact("notifications.task.snoozed.v1")
TASK_COMPLETED = Fact("notifications.task.completed.v1")
TASK_REOPENED = Fact("notifications.task.reopened.v1")
TASK_CANCELLED = Fact("notifications.task.cancelled.v1")

Snapshots = list[tuple[int, dict[str, Any]]]
_PLAIN = [
    *[
        "id",
        "title",
        "description",
        "priority",
        "state",
        "due_at",
        "is_all_day",
        "remind_at",
        "snoozed_until",
    ],
    *["time_zone", "recurrence", "series", "follows_id", "closed_at", "result", "archived_at", "version"],
]
_WATCHERS = ArrayAgg("watchers", filter=Q(watchers__isnull=False), default=[], order_by="watchers")


def task_snapshots(task_ids: Iterable[int]) -> Snapshots:
    """Return (id, snapshot) of each task: one query, whatever their number."""
    related = ["assignee_id", "assignee__name", "team_id", "team__name"]
    about = ["target_type__app_label", "target_type__model", "target_id"]
    rows = Task.objects.filter(pk__in=list(task_ids)).values(
        *_PLAIN, *related, *about, "checklist", told=_WATCHERS
    )
    return [(row["id"], _snapshot(row)) for row in rows]


def _snapshot(row: Mapping[str, Any]) -> dict[str, Any]:
    about = None
    if row["target_id"] is not None:
        about = {
            "type": f"{row['target_type__app_label']}.{row['target_type__model']}",
            "id": row["target_id"],
        }
    return {
        **{name: row[name] for name in _PLAIN},
        "assignee": {"id": row["assignee_id"], "name": row["assignee__name"]},
        "team": None if row["team_id"] is None else {"id": row["team_id"], "name": row["team__name"]},
        "about": about,
        "watchers": row["told"],
        "checklist": [{"text": item["text"], "is_done": item["is_done"]} for item in row["checklist"]],
    }


def publish_tasks(fact: Fact, task_ids: Iterable[int], *, actor_id: int, **more: Any) -> None:
    """Tell a fact of tasks; `more` stands beside each snapshot."""
    told = [(pk, {**snapshot, **more}) for pk, snapshot in task_snapshots(task_ids)]
    publish_many(fact, told, actor_id=actor_id)


def webhook_data(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """Return what facts tell of a webhook; nothing that opens anything."""
    return {
        "id": endpoint.pk,
        "owner": {"id": endpoint.owner_id, "name": str(endpoint.owner)},
        "url": endpoint.url,
        "description": endpoint.description,
        "event_types": endpoint.event_types,
        "state": endpoint.state,
        "reason": endpoint.reason,
        "per_minute": endpoint.per_minute,
        "version": endpoint.version,
    }
