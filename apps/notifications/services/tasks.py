"""What becomes of tasks: given, changed, put off, handed on, done and begun again."""

import secrets
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict, Unpack
from zoneinfo import ZoneInfo

from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import Team, User
from apps.accounts.owned_rows import archive, first_team_id, insert, locked, named, require_active, restore
from apps.accounts.rows import differing, refusal, write
from apps.common import recurrence
from apps.notifications import events
from apps.notifications.models import Task
from apps.notifications.services.reminders import sync_reminders
from apps.notifications.targets import named_target

State = Task.State
# As many as somebody keeps in view.
MOST_ITEMS = 50
LONGEST_ITEM = 300
MOST_WATCHERS = 50


class TaskFields(TypedDict, total=False):
    """
    What people say of a task; relations by id.

    A checklist is [{"text": "…", "is_done": false}], a recurrence a rule of RFC 5545.
    """

    title: str
    description: str
    assignee_id: int
    team_id: int | None
    priority: int
    due_at: datetime | None
    is_all_day: bool
    remind_at: datetime | None
    checklist: Sequence[Mapping[str, Any]]
    recurrence: str
    watcher_ids: Sequence[int]


@transaction.atomic
def create_task(
    *, actor: User, about: tuple[str, int] | None = None, cause: str = "", **fields: Unpack[TaskFields]
) -> Task:
    """
    Give somebody something to do: the actor themselves, unless somebody else is named.

    :param about: what it is about, as ("crm.deal", 42)
    :param cause: what makes it by itself; the same cause makes it once, and is answered with what it has made
    :raises PermissionDenied: the actor may not give such a task
    :raises ValidationError: a value is refused, "not_found", "inactive", "invalid_recurrence", "no_due_time"
    """
    access.require(actor, "add", Task)
    if cause and (made := Task.objects.filter(cause=cause).first()) is not None:
        return made
    values: dict[str, Any] = {"assignee_id": actor.pk, **fields}
    watchers = _named_watchers(values.pop("watcher_ids", ()), actor=actor)
    assignee = assignee_and_team(values, actor=actor)
    values["time_zone"] = zone_name(assignee)
    values["checklist"] = cleaned_checklist(values.get("checklist", ()))
    values |= _timed(Task(time_zone=values["time_zone"]), values)
    if about is not None:
        row = named_target(*about, actor=actor)
        _require_sees(assignee, row)
        values |= {"target_type": ContentType.objects.get_for_model(row), "target_id": row.pk}
    try:
        task = insert(Task(**values, cause=cause), actor=actor)
    except ValidationError as error:
        # Somebody else has made it at the same moment, and has committed by now.
        made = Task.objects.filter(cause=cause).first() if cause else None
        if made is None or getattr(error, "code", "") != "task_cause_unique":
            raise
        return made
    if watchers:
        task.watchers.set(watchers)
    sync_reminders([task])
    events.publish_tasks(events.TASK_CREATED, [task.pk], actor_id=actor.pk)
    return task


@transaction.atomic
def change_task(
    task_id: int, *, actor: User, expected_version: int | None = None, **fields: Unpack[TaskFields]
) -> Task:
    """
    Change what is said of a task; what is not named stays. Another assignee is one that it is handed on to.

    :raises DoesNotExist: the task is out of sight
    :raises PermissionDenied: the actor may not change it, or not hand it on
    :raises ValidationError: a value is refused, "archived", "stale", "invalid_recurrence", "no_due_time"
    """
    task = locked(Task, task_id, actor=actor, action="change", expected_version=expected_version)
    require_active(task)
    values: dict[str, Any] = dict(fields)
    watcher_ids = values.pop("watcher_ids", None)
    if "checklist" in values:
        values["checklist"] = cleaned_checklist(values["checklist"])
    changes = differing(task, values)
    previous = named_person(task.assignee)
    is_given = "assignee_id" in changes
    if changes.keys() & {"assignee_id", "team_id"}:
        changes |= _given_to(task, changes, actor=actor)
    changes |= _timed(task, changes)
    is_told = watcher_ids is not None and _set_watchers(task, _named_watchers(watcher_ids, actor=actor))
    if changes or is_told:
        write(task, changes, actor=actor)
        sync_reminders([task])
        if is_given:
            events.publish_tasks(
                events.TASK_ASSIGNED, [task.pk], actor_id=actor.pk, previous_assignee=previous
            )
        else:
            events.publish_tasks(events.TASK_CHANGED, [task.pk], actor_id=actor.pk)
    return task


@transaction.atomic
def delegate_task(
    task_id: int,
    *,
    assignee_id: int,
    actor: User,
    team_id: int | None = None,
    expected_version: int | None = None,
) -> Task:
    """
    Hand a task on to somebody, and with it to their first team unless another is named.

    :raises DoesNotExist: the task is out of sight
    :raises PermissionDenied: the actor may not hand it on
    :raises ValidationError: "task_not_open", "archived", "stale", they are unknown ("not_found"), left ("inactive"), or
        may not see what it is about ("out_of_sight")
    """
    task = locked(Task, task_id, actor=actor, action="assign", expected_version=expected_version)
    require_open(task)
    values: dict[str, Any] = {"assignee_id": assignee_id}
    if team_id is not None:
        values["team_id"] = team_id
    previous = named_person(task.assignee)
    changes = differing(task, values)
    if changes:
        write(task, changes | _given_to(task, changes, actor=actor), actor=actor)
        events.publish_tasks(events.TASK_ASSIGNED, [task.pk], actor_id=actor.pk, previous_assignee=previous)
    return task


@transaction.atomic
def snooze_task(task_id: int, *, until: datetime, actor: User, expected_version: int | None = None) -> Task:
    """
    Put a task off: until then nobody is reminded of it, and then once. When it is due stays as it is.

    :raises DoesNotExist: the task is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: that time is over ("in_the_past"), "task_not_open", "archived", "stale"
    """
    task = locked(Task, task_id, actor=actor, action="change", expected_version=expected_version)
    require_open(task)
    if until <= timezone.now():
        raise refusal("until", _("This time is over. Choose one that is still to come."), code="in_the_past")
    if task.snoozed_until != until:
        write(task, {"snoozed_until": until}, actor=actor)
        sync_reminders([task])
        events.publish_tasks(events.TASK_SNOOZED, [task.pk], actor_id=actor.pk)
    return task


@transaction.atomic
def complete_task(
    task_id: int, *, actor: User, result: str = "", expected_version: int | None = None
) -> Task:
    """
    Say that a task is done, and what came of it. One that repeats makes the next of its series, once.

    What has been missed meanwhile is not made up for: the next is due after now.

    :raises DoesNotExist: the task is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: it is done or cancelled already ("task_not_open"), "archived", "stale"
    """
    task = locked(Task, task_id, actor=actor, action="change", expected_version=expected_version)
    require_open(task)
    now = timezone.now()
    values = {"state": State.DONE, "closed_at": now, "result": result.strip(), "snoozed_until": None}
    write(task, values, actor=actor)
    sync_reminders([task])
    following = _next_of(task, now, actor=actor)
    events.publish_tasks(
        events.TASK_COMPLETED,
        [task.pk],
        actor_id=actor.pk,
        next_id=None if following is None else following.pk,
    )
    if following is not None:
        events.publish_tasks(events.TASK_CREATED, [following.pk], actor_id=actor.pk)
    return task


@transaction.atomic
def cancel_task(task_id: int, *, actor: User, reason: str = "", expected_version: int | None = None) -> Task:
    """
    Say that a task is not to be done any more; one that repeats ends with it.

    :raises DoesNotExist: the task is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: "task_not_open", "archived", "stale"
    """
    task = locked(Task, task_id, actor=actor, action="change", expected_version=expected_version)
    require_open(task)
    values = {
        "state": State.CANCELLED,
        "closed_at": timezone.now(),
        "result": reason.strip(),
        "snoozed_until": None,
    }
    write(task, values, actor=actor)
    sync_reminders([task])
    events.publish_tasks(events.TASK_CANCELLED, [task.pk], actor_id=actor.pk)
    return task


@transaction.atomic
def reopen_task(task_id: int, *, actor: User, expected_version: int | None = None) -> Task:
    """
    Say that a task is to be done after all; the next of its series stays, and is not made again.

    :raises DoesNotExist: the task is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: it is open ("task_open"), "archived", "stale"
    """
    task = locked(Task, task_id, actor=actor, action="change", expected_version=expected_version)
    require_active(task)
    if task.state == State.OPEN:
        raise ValidationError(_("This is still to be done."), code="task_open")
    write(task, {"state": State.OPEN, "closed_at": None, "result": ""}, actor=actor)
    sync_reminders([task])
    events.publish_tasks(events.TASK_REOPENED, [task.pk], actor_id=actor.pk)
    return task


@transaction.atomic
def archive_task(task_id: int, *, actor: User, expected_version: int | None = None) -> Task:
    """
    Put a task into the trash, from where it can be restored.

    :raises DoesNotExist: the task is out of sight
    :raises PermissionDenied: the actor may not archive it
    :raises ValidationError: "archived", "stale"
    """
    task = locked(Task, task_id, actor=actor, action="archive", expected_version=expected_version)
    archive(task, actor=actor)
    sync_reminders([task])
    events.publish_tasks(events.TASK_CHANGED, [task.pk], actor_id=actor.pk)
    return task


@transaction.atomic
def restore_task(task_id: int, *, actor: User, expected_version: int | None = None) -> Task:
    """
    Take a task out of the trash.

    :raises DoesNotExist: the task is out of sight
    :raises PermissionDenied: the actor may not restore it
    :raises ValidationError: "not_archived", "stale"
    """
    task = locked(Task, task_id, actor=actor, action="archive", expected_version=expected_version)
    restore(task, actor=actor)
    sync_reminders([task])
    events.publish_tasks(events.TASK_CHANGED, [task.pk], actor_id=actor.pk)
    return task


@transaction.atomic
def tick_item(
    task_id: int, *, key: str, is_done: bool, actor: User, expected_version: int | None = None
) -> Task:
    """
    Tick one item of a task's checklist, or take the tick back.

    :raises DoesNotExist: the task is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: there is no such item ("not_found"), "archived", "stale"
    """
    task = locked(Task, task_id, actor=actor, action="change", expected_version=expected_version)
    if all(item["key"] != key for item in task.checklist):
        raise refusal("checklist", _("There is no such item any more."), code="not_found")
    items = [
        {**item, "is_done": is_done if item["key"] == key else item["is_done"]} for item in task.checklist
    ]
    return change_task(task.pk, actor=actor, checklist=items)


def require_open(task: Task) -> None:
    """Insist that something is still to be done. :raises ValidationError: "task_not_open", "archived" """
    require_active(task)
    if task.state != State.OPEN:
        raise ValidationError(
            _("This is done or cancelled already. Open it again first."),
            code="task_not_open",
            params={"state": task.state},
        )


def named_person(user: User) -> dict[str, Any]:
    """Return somebody as facts tell them."""
    return {"id": user.pk, "name": user.name}


def zone_name(user: User) -> str:
    """Return the zone in which somebody lives, as far as it is known."""
    return recurrence.zone_named(user.time_zone).key


def assignee_and_team(values: dict[str, Any], *, actor: User) -> User:
    """
    Look up `assignee_id` and `team_id` among `values`, and give a new assignee's tasks their team.

    :raises ValidationError: they are not the actor's to name ("not_found"), or have left ("inactive")
    """
    assignee = named(User, values["assignee_id"], actor=actor, field="assignee")
    if assignee is None:
        raise refusal("assignee", _("Somebody has to do it."), code="required")
    if not assignee.is_active:
        raise refusal("assignee", _("This person has left."), code="inactive")
    if "team_id" not in values:
        values["team_id"] = first_team_id(assignee)
    elif values["team_id"] is not None and not actor.memberships.filter(team_id=values["team_id"]).exists():
        named(Team, values["team_id"], actor=actor, field="team")
    return assignee


def cleaned_checklist(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """
    Return a checklist as it is kept; items keep their keys.

    :raises ValidationError: it is too long, or an item says nothing ("invalid_checklist")
    """
    if len(items) > MOST_ITEMS:
        raise refusal(
            "checklist",
            _("A checklist has at most %(count)s items."),
            code="invalid_checklist",
            count=MOST_ITEMS,
        )
    found = []
    for item in items:
        text = str(item.get("text") or "").strip()
        if not text or len(text) > LONGEST_ITEM:
            raise refusal(
                "checklist",
                _("Say what is to be done, in at most %(count)s characters."),
                code="invalid_checklist",
                count=LONGEST_ITEM,
            )
        key = str(item.get("key") or "")[:16] or secrets.token_hex(4)
        found.append({"key": key, "text": text, "is_done": item.get("is_done") is True})
    return found


def end_of_day(at: datetime, zone: ZoneInfo) -> datetime:
    """Return the last second of the day on which a moment is, by the wall clock of a zone."""
    return recurrence.moment_of(
        recurrence.wall_of(at, zone).replace(hour=23, minute=59, second=59, microsecond=0), zone
    )


def _require_sees(assignee: User, row: models.Model) -> None:
    """Insist that whoever is to do something sees what it is about. :raises ValidationError: "out_of_sight" """
    if not access.can(assignee, "view", row):
        raise refusal(
            "assignee",
            _("%(name)s may not see what this is about. Share it with them first."),
            code="out_of_sight",
            name=assignee.name,
        )


def _given_to(task: Task, changes: Mapping[str, Any], *, actor: User) -> dict[str, Any]:
    """Return what else changes with another assignee or team."""
    access.require(actor, "assign", task)
    values: dict[str, Any] = {"assignee_id": changes.get("assignee_id", task.assignee_id)}
    if "team_id" in changes:
        values["team_id"] = changes["team_id"]
    elif "assignee_id" not in changes:
        values["team_id"] = task.team_id
    assignee = assignee_and_team(values, actor=actor)
    model = None if task.target_type is None else task.target_type.model_class()
    if model is not None and (row := model._base_manager.filter(pk=task.target_id).first()) is not None:
        _require_sees(assignee, row)
    return values


def _timed(task: Task, changes: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return what follows from the times among `changes`: ends of days, and where a series begins.

    :raises ValidationError: it repeats and is never due ("no_due_time"), "invalid_recurrence"
    """
    if not changes.keys() & {"due_at", "is_all_day", "recurrence"}:
        return {}
    zone = recurrence.zone_named(task.time_zone)
    due_at = changes.get("due_at", task.due_at)
    found: dict[str, Any] = {}
    if due_at is not None and changes.get("is_all_day", task.is_all_day):
        due_at = end_of_day(due_at, zone)
        found["due_at"] = due_at
    if "recurrence" not in changes:
        rule = task.recurrence
        if rule and due_at is None:
            raise _no_due_time()
        return found
    rule = recurrence.cleaned(changes["recurrence"], zone=zone) if changes["recurrence"] else ""
    if not rule:
        return found | {"recurrence": "", "recurrence_start": "", "series": None}
    if due_at is None:
        raise _no_due_time()
    return found | {
        "recurrence": rule,
        "recurrence_start": recurrence.kept_wall(due_at, zone),
        "series": task.series or uuid.uuid4(),
    }


def _no_due_time() -> ValidationError:
    return refusal("due_at", _("What repeats needs the time at which it is due first."), code="no_due_time")


def _next_of(task: Task, now: datetime, *, actor: User) -> Task | None:
    """Make the next task of a series, unless this one has its successor already."""
    if not task.recurrence or task.due_at is None or Task.objects.filter(follows=task).exists():
        return None
    assignee = task.assignee
    was_in, zone = recurrence.zone_named(task.time_zone), recurrence.zone_named(zone_name(assignee))
    due_at = recurrence.next_due(
        task.recurrence,
        task.recurrence_start,
        due_at=task.due_at,
        not_before=now,
        was_in=was_in,
        zone=zone,
    )
    if due_at is None or Task.objects.filter(series=task.series, due_at=due_at).exists():
        return None
    remind_at = None
    if task.remind_at is not None:
        remind_at = recurrence.moved_along(
            task.remind_at, due_at=task.due_at, due_next=due_at, was_in=was_in, zone=zone
        )
    following = Task(
        **{name: getattr(task, name) for name in _CARRIED},
        due_at=due_at,
        remind_at=remind_at,
        time_zone=zone.key,
        checklist=[{**item, "is_done": False} for item in task.checklist],
        follows=task,
    )
    # Whoever did this one gives themselves, or whoever does it, the next: that is no more than they were given.
    following.created_by = following.updated_by = actor
    following.save(force_insert=True)
    following.watchers.set(task.watchers.all())
    sync_reminders([following])
    return following


_CARRIED = (
    *("title", "description", "assignee_id", "team_id", "priority", "is_all_day", "recurrence"),
    *("recurrence_start", "series", "target_type_id", "target_id"),
)


def _named_watchers(ids: Sequence[int], *, actor: User) -> list[User]:
    """Return the people who are told too. :raises ValidationError: one of them is not the actor's to name"""
    wanted = set(ids)
    people = User.objects.filter(access.scope(actor, "view", User), pk__in=wanted, is_active=True)
    found = list(people) + ([actor] if actor.pk in wanted and not people.filter(pk=actor.pk).exists() else [])
    if len(found) != len(wanted) or len(wanted) > MOST_WATCHERS:
        raise refusal("watchers", _("There is no such colleague, or you may not see them."), code="not_found")
    return found


def _set_watchers(task: Task, people: Sequence[User]) -> bool:
    if {user.pk for user in people} == set(task.watchers.values_list("pk", flat=True)):
        return False
    task.watchers.set(people)
    return True
