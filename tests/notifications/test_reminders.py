"""Reminders are told once, however many beats there are, and what was missed comes without a flood."""

from datetime import timedelta
from functools import partial

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.notifications.models import Notification, Reminder, Task
from apps.notifications.selectors.inbox import items_of
from apps.notifications.services import inbox, reminding, tasks
from tests.crm.test_deal_races import at_once
from tests.notifications.todos import at, make_doer, make_task

pytestmark = pytest.mark.django_db
NOW = at("2026-03-28T08:00+00:00")


def told(user: User) -> list[str]:
    return list(Notification.objects.filter(recipient=user).order_by("pk").values_list("kind", flat=True))


def make_due(doer: User, count: int, *, minutes: int = 5) -> list[Task]:
    with time_machine.travel(NOW, tick=False):
        due = NOW + timedelta(minutes=minutes)
        return [make_task(doer, f"Task {number}", due_at=due) for number in range(count)]


def test_nobody_is_told_before_it_is_time_and_everybody_once() -> None:
    doer = make_doer()
    make_due(doer, 1)
    with time_machine.travel(NOW + timedelta(minutes=4), tick=False):
        assert reminding.fire_due_reminders() == 0
    with time_machine.travel(NOW + timedelta(minutes=5), tick=False):
        assert reminding.fire_due_reminders() == 1
        assert reminding.fire_due_reminders() == 0
    assert told(doer) == ["task.due"]


def test_a_reminder_and_the_due_time_are_told_each_in_its_words() -> None:
    doer = make_doer()
    with time_machine.travel(NOW, tick=False):
        make_task(doer, remind_at=NOW + timedelta(minutes=1), due_at=NOW + timedelta(minutes=2))
    with time_machine.travel(NOW + timedelta(minutes=2), tick=False):
        reminding.fire_due_reminders()
    assert told(doer) == ["task.reminder", "task.due"]


def test_what_is_done_is_not_reminded_of() -> None:
    doer = make_doer()
    task, archived = make_due(doer, 2)
    with time_machine.travel(NOW + timedelta(minutes=1), tick=False):
        tasks.complete_task(task.pk, actor=doer)
    # Past its services, and with the reminder still there.
    Task.objects.filter(pk=archived.pk).update(archived_at=NOW)
    with time_machine.travel(NOW + timedelta(minutes=6), tick=False):
        reminding.fire_due_reminders()
    assert told(doer) == []


def test_three_hours_without_a_beat_come_as_one() -> None:
    doer, other = make_doer(), make_doer("other")
    make_due(doer, 8)
    make_due(other, 2)
    with time_machine.travel(NOW + timedelta(hours=3), tick=False):
        assert reminding.fire_due_reminders() == 10
        assert reminding.fire_due_reminders() == 0
    assert told(doer) == ["task.late"]
    # A few are no flood.
    assert told(other) == ["task.due", "task.due"]
    (item,) = items_of(inbox.inbox_of(doer), reader=doer)
    assert item.title == "8 reminders came late: see your day"


def test_a_snoozed_task_comes_back_once_and_may_be_put_off_again() -> None:
    doer = make_doer()
    with time_machine.travel(NOW, tick=False):
        task = make_task(doer)
        tasks.snooze_task(task.pk, until=NOW + timedelta(minutes=1), actor=doer)
    with time_machine.travel(NOW + timedelta(minutes=1), tick=False):
        reminding.fire_due_reminders()
        tasks.snooze_task(task.pk, until=NOW + timedelta(minutes=3), actor=doer)
    with time_machine.travel(NOW + timedelta(minutes=3), tick=False):
        reminding.fire_due_reminders()
    assert told(doer) == ["task.reminder", "task.reminder"]


def test_the_same_moment_set_anew_is_told_anew() -> None:
    doer = make_doer()
    (task,) = make_due(doer, 1)
    with time_machine.travel(NOW + timedelta(minutes=5), tick=False):
        reminding.fire_due_reminders()
    assert Reminder.objects.get(task=task).fired_at is not None
    with time_machine.travel(NOW + timedelta(minutes=6), tick=False):
        tasks.change_task(task.pk, actor=doer, due_at=NOW + timedelta(minutes=20))
        assert Reminder.objects.filter(task=task, fired_at=None).count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_beats_at_once_tell_each_once() -> None:
    doer = make_doer()
    for number in range(12):
        task = make_task(doer, f"Task {number}")
        Reminder.objects.create(task=task, remind_at=timezone.now() - timedelta(seconds=number))
    at_once(*[partial(reminding.fire_due_reminders) for _each in range(4)])
    assert Notification.objects.filter(recipient=doer).count() == 12
    assert not Reminder.objects.filter(fired_at=None).exists()


@pytest.mark.django_db(transaction=True)
def test_a_beat_that_is_killed_leaves_all_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    doer = make_doer()
    for number in range(3):
        task = make_task(doer, f"Task {number}")
        Reminder.objects.create(task=task, remind_at=timezone.now())
    real, calls = reminding._tell, list[int]()

    def killed_at_the_third(row: Reminder) -> None:
        calls.append(row.pk)
        if len(calls) == 3:
            raise KeyboardInterrupt
        real(row)

    monkeypatch.setattr(reminding, "_tell", killed_at_the_third)
    with pytest.raises(KeyboardInterrupt), transaction.atomic():
        reminding.fire_due_reminders()
    assert not Notification.objects.exists()
    monkeypatch.setattr(reminding, "_tell", real)
    assert reminding.fire_due_reminders() == 3
    assert Notification.objects.count() == 3
