"""People with things to do, for tests."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from apps.accounts.models import Team, User
from apps.notifications.models import Task
from apps.notifications.services import tasks
from tests.accounts.factories import make_member, make_team


def at(text: str) -> datetime:
    """Return a moment as it is written: "2026-03-01T09:00+03:00"."""
    return datetime.fromisoformat(text)


def make_doer(
    name: str = "doer", *, team: Team | None = None, role: str = "salesperson", zone: str = ""
) -> User:
    user = make_member(team or make_team(), role, name)
    if zone:
        User.objects.filter(pk=user.pk).update(time_zone=zone)
        user = User.objects.get(pk=user.pk)
    return user


def make_task(actor: User, title: str = "Call the bank", **fields: Any) -> Task:
    return tasks.create_task(actor=actor, title=title, **fields)


def in_days(days: float) -> datetime:
    return timezone.now() + timedelta(days=days)
