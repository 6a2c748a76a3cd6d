"""What history records of what people have to do, and what an undo has to add by itself."""

from collections.abc import Mapping, Sequence
from typing import Any

from apps.accounts.models import User
from apps.history.tracking import Reverted, exempt, track
from apps.notifications import events
from apps.notifications.models import (
    CalendarFeed,
    ChannelAddress,
    Delivery,
    MessageTemplate,
    Reminder,
    Task,
    Verdict,
    WebhookDelivery,
    WebhookEndpoint,
)
from apps.notifications.services.reminders import sync_reminders


def declare() -> None:
    """Declare every model of this app."""
    track(Task, rights=_rights, hidden={"cause": ""}, reverted=_reverted)
    track(MessageTemplate)
    exempt(ChannelAddress, "Each step stands in the row, and an undo must not reach an address again.")
    exempt(Delivery, "It is the record of what was sent.")
    exempt(Reminder, "It follows from its task.")
    exempt(Verdict, "It is the record of what was decided.")
    exempt(CalendarFeed, "Each step stands in the row, and an undo must not open an address again.")
    exempt(
        WebhookEndpoint,
        "Each step is a fact of its own, and an undo must not bring back an earlier secret or address.",
    )
    exempt(WebhookDelivery, "It is the record of what was sent.")


def _rights(back: Mapping[str, Any]) -> set[str]:
    """Ask what the services ask of who would do by hand what the undo does."""
    needed = {"archive"} if "archived_at" in back else set()
    return needed | ({"assign"} if {"assignee_id", "team_id"} & back.keys() else set())


def _reverted(rows: Sequence[Reverted], actor: User) -> None:
    """What people are reminded of follows what their tasks have become again."""
    there = [row.pk for row in rows if row.now]
    sync_reminders(list(Task.objects.filter(pk__in=there)))
    events.publish_tasks(events.TASK_CHANGED, there, actor_id=actor.pk)
