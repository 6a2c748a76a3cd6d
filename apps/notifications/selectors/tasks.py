"""What somebody has to do on one day or in one month, and what is to be done about one thing."""

from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import models
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.accounts.models import User
from apps.common.recurrence import zone_named
from apps.notifications.models import Task
from apps.notifications.targets import Target, seen_targets, target_of

# As many as somebody does in a day; the rest is a list.
SHOWN = 60
_IN_A_DAY = 8


@dataclass(frozen=True)
class Shown:
    """A task with what it is about, as far as the reader sees that."""

    task: Task
    about: Target | None

    @property
    def local_due(self) -> datetime | None:
        return None if self.task.due_at is None else timezone.localtime(self.task.due_at)


@dataclass(frozen=True)
class Hour:
    """The tasks of one hour, as "14:00"; at any time where there is none."""

    hour: int | None
    tasks: list[Shown]

    @property
    def label(self) -> str:
        return "" if self.hour is None else f"{self.hour:02}:00"


@dataclass(frozen=True)
class Day:
    """What somebody has to do today: what is late, by the hour, and what has no day."""

    day: date
    overdue: list[Shown]
    hours: list[Hour]
    undated: list[Shown]
    overdue_count: int
    today_count: int
    undated_count: int
    done_count: int
    snoozed_count: int


@dataclass(frozen=True)
class MonthDay:
    """One day of a month. :ivar left_out: so many more tasks"""

    day: date
    is_in_month: bool
    tasks: list[Shown]
    left_out: int


def zone_of(actor: User) -> ZoneInfo:
    """Return the zone of somebody's own clock."""
    return zone_named(actor.time_zone)


def my_day(actor: User, *, shown: int = SHOWN) -> Day:
    """Return what somebody has to do today, by their own clock."""
    zone = zone_of(actor)
    now = timezone.now()
    begins, ends = _bounds(now.astimezone(zone).date(), zone)
    mine = Task.objects.visible_to(actor).filter(assignee=actor)
    todo = mine.open().awake()
    on_today = todo.filter(due_at__gte=now, due_at__lt=ends)
    return Day(
        day=begins.date(),
        overdue=_shown(todo.filter(due_at__lt=now).order_by("due_at", "pk")[:shown], actor),
        hours=_by_hour(_shown(on_today.order_by("due_at", "pk")[:shown], actor), zone),
        undated=_shown(todo.filter(due_at=None).order_by("-priority", "pk")[:shown], actor),
        **my_figures(actor),
    )


def my_figures(actor: User) -> dict[str, int]:
    """Count what somebody has to do today, what is late and what has no date: one question for all."""
    zone = zone_of(actor)
    now = timezone.now()
    begins, ends = _bounds(now.astimezone(zone).date(), zone)
    is_open = Q(state=Task.State.OPEN, archived_at=None)
    is_awake = is_open & (Q(snoozed_until=None) | Q(snoozed_until__lte=now))
    counted = {
        "overdue_count": is_awake & Q(due_at__lt=now),
        "today_count": is_awake & Q(due_at__gte=now, due_at__lt=ends),
        "undated_count": is_awake & Q(due_at=None),
        "done_count": Q(state=Task.State.DONE, closed_at__gte=begins),
        "snoozed_count": is_open & Q(snoozed_until__gt=now),
    }
    mine = Task.objects.visible_to(actor).filter(is_open | counted["done_count"], assignee=actor)
    return mine.aggregate(
        **{name: models.Count("pk", filter=condition) for name, condition in counted.items()}
    )


def first_of_my_day(actor: User, count: int) -> list[Shown]:
    """Return the first of what is late or due today."""
    zone = zone_of(actor)
    _begins, ends = _bounds(timezone.now().astimezone(zone).date(), zone)
    todo = Task.objects.visible_to(actor).filter(assignee=actor).open().awake()
    return _shown(todo.filter(due_at__lt=ends).order_by("due_at", "pk")[:count], actor)


def month_of(rows: QuerySet[Task], first: date, *, actor: User) -> list[list[MonthDay]]:
    """Return the weeks around a month with their tasks, by the reader's clock."""
    zone = zone_of(actor)
    days = monthrange(first.year, first.month)[1]
    begin = first - timedelta(days=first.weekday())
    end = first + timedelta(days=days)
    end += timedelta(days=(-end.weekday()) % 7)
    within = rows.filter(due_at__gte=_bounds(begin, zone)[0], due_at__lt=_bounds(end, zone)[0])
    by_day: dict[date, list[Task]] = {}
    for task in within.order_by("due_at", "pk")[: SHOWN * days]:
        if task.due_at is not None:
            by_day.setdefault(task.due_at.astimezone(zone).date(), []).append(task)
    found: list[MonthDay] = []
    day = begin
    while day < end:
        some = by_day.get(day, [])
        tasks = [Shown(task, None) for task in some[:_IN_A_DAY]]
        found.append(MonthDay(day, day.month == first.month, tasks, max(len(some) - _IN_A_DAY, 0)))
        day += timedelta(days=1)
    return [found[at : at + 7] for at in range(0, len(found), 7)]


def tasks_about(row: models.Model, *, actor: User) -> QuerySet[Task]:
    """Return what is still to be done about a row, as far as somebody sees it: what is due first, first."""
    rows = Task.objects.about(row).visible_to(actor).open().select_related("assignee")
    return rows.order_by(models.F("due_at").asc(nulls_last=True), "pk")


def narrowed(rows: QuerySet[Task], when: str, *, actor: User) -> QuerySet[Task]:
    """Keep the tasks that are due at some time: "overdue", "today", "week", "none" or "snoozed"."""
    now = timezone.now()
    zone = zone_of(actor)
    _begins, ends = _bounds(now.astimezone(zone).date(), zone)
    conditions: dict[str, Q] = {
        "overdue": Q(due_at__lt=now),
        "today": Q(due_at__gte=now, due_at__lt=ends),
        "week": Q(due_at__gte=now, due_at__lt=ends + timedelta(days=7)),
        "none": Q(due_at=None),
        "snoozed": Q(snoozed_until__gt=now),
    }
    if when not in conditions:
        return rows
    found = rows.filter(conditions[when])
    # What is put off is not late, and not for today.
    return found if when == "snoozed" else found.filter(Q(snoozed_until=None) | Q(snoozed_until__lte=now))


def _bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    begins = datetime.combine(day, time(), zone)
    return begins, datetime.combine(day + timedelta(days=1), time(), zone)


def _shown(rows: Iterable[Any], actor: User) -> list[Shown]:
    found: Any = rows
    return [
        Shown(task, None if task.target is None else target_of(task.target))
        for task in found.prefetch_related(seen_targets(actor))
    ]


def _by_hour(tasks: list[Shown], zone: ZoneInfo) -> list[Hour]:
    hours: dict[int | None, list[Shown]] = {}
    for shown in tasks:
        due_at = shown.task.due_at
        hour = None if shown.task.is_all_day or due_at is None else due_at.astimezone(zone).hour
        hours.setdefault(hour, []).append(shown)
    return [Hour(hour, hours[hour]) for hour in sorted(hours, key=lambda hour: 24 if hour is None else hour)]
