"""What the people of the demo have to do: late, today, this week, again and again."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.crm.models import Deal
from apps.notifications.models import Task
from apps.notifications.services.tasks import complete_task, create_task

_Priority = Task.Priority
# What, in how many days from today, at which hour (None: any time that day), how urgent.
_ERRANDS = [
    ("Позвонить и уточнить сроки", -2, 11, _Priority.HIGH),
    ("Send the samples of the fabric", 0, 15, _Priority.NORMAL),
    ("Подготовить договор", 0, None, _Priority.HIGH),
    ("Ask for the floor plan", 1, None, _Priority.NORMAL),
    ("Согласовать монтаж со складом", 3, 10, _Priority.NORMAL),
    ("Check the measurements on site", 6, 9, _Priority.LOW),
]


@transaction.atomic
def make_errands(deals: Sequence[Deal], *, lead: User) -> int:
    """Give the owners of open deals something to do about them. :return: how many tasks"""
    still = [deal for deal in deals if deal.status == Deal.Status.OPEN]
    made = [_errand(place, deal) for place, deal in enumerate(still[: 3 * len(_ERRANDS)])]
    complete_task(made[3].pk, actor=made[3].assignee, result="План пришёл, лежит в документах сделки.")
    weekly = create_task(
        actor=lead,
        title="Просмотреть сделки команды",
        due_at=_at(7 - timezone.localdate().weekday(), 10),
        recurrence="FREQ=WEEKLY;BYDAY=MO",
        checklist=[{"text": "Без следующего шага"}, {"text": "Просроченные"}, {"text": "Крупные"}],
    )
    return len([*made, weekly])


def _errand(place: int, deal: Deal) -> Task:
    title, days, hour, priority = _ERRANDS[place % len(_ERRANDS)]
    due: dict[str, Any] = {"due_at": _at(days, hour or 23), "is_all_day": hour is None}
    return create_task(actor=deal.owner, about=("crm.deal", deal.pk), title=title, priority=priority, **due)


def _at(days: int, hour: int) -> datetime:
    day = timezone.localdate() + timedelta(days=days)
    return timezone.make_aware(datetime.combine(day, time(hour)))
