"""What becomes of tasks: who may, once and only once, and what follows."""

from datetime import UTC, timedelta
from functools import partial

import pytest
import time_machine
from django.core.exceptions import PermissionDenied, ValidationError
from django.utils import timezone

from apps.accounts.models import User
from apps.crm.models import Deal
from apps.events.models import Event
from apps.notifications.models import Reminder, Task
from apps.notifications.selectors.tasks import my_day
from apps.notifications.services import tasks
from tests.accounts.factories import make_team
from tests.crm.test_deal_races import at_once
from tests.history.factories import recorded, set_of, undo
from tests.notifications.todos import at, in_days, make_doer, make_task

pytestmark = pytest.mark.django_db
NINE = "2026-03-28T09:00+01:00"


def code_of(error: ValidationError) -> str:
    return str(next(iter(error.error_dict.values()))[0].code if hasattr(error, "error_dict") else error.code)


def facts() -> list[str]:
    told = Event.objects.filter(subject__startswith="task/").order_by("pk").values_list("type", flat=True)
    return [kind.split(".")[2] for kind in told]


def test_a_task_is_ones_own_unless_somebody_else_is_named() -> None:
    team = make_team("North")
    seller, lead = make_doer("seller", team=team), make_doer("lead", team=team, role="sales_lead")
    own = make_task(seller)
    assert (own.assignee_id, own.team_id, own.state) == (seller.pk, team.pk, "OPEN")
    given = make_task(lead, assignee_id=seller.pk)
    assert set(Task.objects.visible_to(seller)) == {own, given}
    # Who sells sees nobody to give anything to.
    with pytest.raises(ValidationError) as refused:
        make_task(seller, assignee_id=lead.pk)
    assert code_of(refused.value) == "not_found"


def test_who_sees_whose_tasks() -> None:
    team = make_team("North")
    seller, other = make_doer("seller", team=team), make_doer("other")
    lead, auditor = make_doer("lead", team=team, role="sales_lead"), make_doer("auditor", role="auditor")
    task = make_task(seller)
    assert list(Task.objects.visible_to(lead)) == [task]
    assert list(Task.objects.visible_to(auditor)) == [task]
    assert not Task.objects.visible_to(other).exists()
    with pytest.raises(Task.DoesNotExist):
        tasks.complete_task(task.pk, actor=other)
    with pytest.raises(PermissionDenied):
        tasks.complete_task(task.pk, actor=auditor)


def test_a_task_lives() -> None:
    doer = make_doer()
    task = make_task(doer, due_at=in_days(1), checklist=[{"text": "Find the papers"}])
    key = task.checklist[0]["key"]
    assert tasks.tick_item(task.pk, key=key, is_done=True, actor=doer).checklist[0]["is_done"]
    task = tasks.snooze_task(task.pk, until=in_days(2), actor=doer)
    task = tasks.complete_task(task.pk, actor=doer, result=" Called ")
    assert (task.state, task.result, task.snoozed_until) == ("DONE", "Called", None)
    with pytest.raises(ValidationError) as refused:
        tasks.complete_task(task.pk, actor=doer)
    assert code_of(refused.value) == "task_not_open"
    task = tasks.reopen_task(task.pk, actor=doer)
    task = tasks.cancel_task(task.pk, actor=doer, reason="No bank any more")
    assert (task.state, task.closed_at is not None) == ("CANCELLED", True)
    assert facts() == ["created", "changed", "snoozed", "completed", "reopened", "cancelled"]


def test_a_stale_change_is_refused_and_one_that_changes_nothing_tells_nothing() -> None:
    doer = make_doer()
    task = make_task(doer)
    tasks.change_task(task.pk, actor=doer, title="Call the other bank", expected_version=1)
    with pytest.raises(ValidationError) as refused:
        tasks.change_task(task.pk, actor=doer, title="Write to the bank", expected_version=1)
    assert code_of(refused.value) == "stale"
    tasks.change_task(task.pk, actor=doer, title="Call the other bank")
    assert facts() == ["created", "changed"]


def test_whoever_does_it_has_to_see_what_it_is_about(deal: Deal, anna: User, lena: User) -> None:
    stranger = make_doer("stranger", role="administrator")
    blind = make_doer("blind", role="accountant")
    boss = User.objects.get(pk=stranger.pk)
    task = make_task(boss, assignee_id=blind.pk, about=("crm.deal", deal.pk))
    assert task.target == deal
    nobody = make_doer("nobody")
    with pytest.raises(ValidationError) as refused:
        make_task(boss, assignee_id=nobody.pk, about=("crm.deal", deal.pk))
    assert code_of(refused.value) == "out_of_sight"
    with pytest.raises(ValidationError) as refused:
        tasks.delegate_task(task.pk, assignee_id=nobody.pk, actor=boss)
    assert code_of(refused.value) == "out_of_sight"
    with pytest.raises(ValidationError) as refused:
        make_task(nobody, about=("crm.deal", deal.pk))
    assert code_of(refused.value) == "not_found"


def test_handing_on_tells_from_whom_to_whom() -> None:
    team = make_team("North")
    seller, lead = make_doer("seller", team=team), make_doer("lead", team=team, role="sales_lead")
    task = make_task(lead)
    tasks.delegate_task(task.pk, assignee_id=seller.pk, actor=lead)
    told = Event.objects.get(type="notifications.task.assigned.v1")
    assert (told.data["previous_assignee"]["id"], told.data["assignee"]["id"]) == (lead.pk, seller.pk)
    with pytest.raises(PermissionDenied):
        tasks.delegate_task(task.pk, assignee_id=seller.pk, actor=seller)


@time_machine.travel(at("2026-03-01T09:00+01:00"), tick=False)
def test_done_makes_the_next_with_its_reminder_and_watchers() -> None:
    doer = make_doer(zone="Europe/Berlin")
    task = make_task(
        doer,
        due_at=at(NINE),
        remind_at=at("2026-03-28T08:30+01:00"),
        recurrence="freq=daily",
        watcher_ids=[doer.pk],
        checklist=[{"text": "Count", "is_done": True}],
    )
    tasks.complete_task(task.pk, actor=doer)
    following = Task.objects.get(follows=task)
    # The clocks went on in that night.
    assert following.due_at == at("2026-03-29T09:00+02:00")
    assert following.remind_at == at("2026-03-29T08:30+02:00")
    assert (following.series, following.state) == (task.series, "OPEN")
    assert not following.checklist[0]["is_done"]
    assert list(following.watchers.all()) == [doer]
    told = Event.objects.get(type="notifications.task.completed.v1")
    assert told.data["next_id"] == following.pk


@time_machine.travel(at("2026-03-01T09:00+01:00"), tick=False)
def test_opened_again_and_done_again_makes_no_second_next() -> None:
    doer = make_doer(zone="Europe/Berlin")
    task = make_task(doer, due_at=at(NINE), recurrence="FREQ=WEEKLY")
    tasks.complete_task(task.pk, actor=doer)
    tasks.reopen_task(task.pk, actor=doer)
    tasks.complete_task(task.pk, actor=doer)
    assert Task.objects.filter(series=task.series).count() == 2
    tasks.cancel_task(Task.objects.get(follows=task).pk, actor=doer)
    assert Task.objects.filter(series=task.series).count() == 2


def test_whoever_moved_meanwhile_does_the_next_by_the_new_clock() -> None:
    with time_machine.travel(at("2026-06-01T08:00+03:00"), tick=False):
        doer = make_doer(zone="Europe/Moscow")
        task = make_task(doer, due_at=at("2026-06-01T09:00+03:00"), recurrence="FREQ=DAILY")
        User.objects.filter(pk=doer.pk).update(time_zone="Europe/Berlin")
        tasks.complete_task(task.pk, actor=User.objects.get(pk=doer.pk))
    following = Task.objects.get(follows=task)
    assert following.due_at == at("2026-06-02T09:00+02:00")
    assert following.time_zone == "Europe/Berlin"


def test_what_repeats_needs_a_time() -> None:
    doer = make_doer()
    with pytest.raises(ValidationError) as refused:
        make_task(doer, recurrence="FREQ=DAILY")
    assert code_of(refused.value) == "no_due_time"
    task = make_task(doer, due_at=in_days(1), recurrence="FREQ=DAILY")
    with pytest.raises(ValidationError) as refused:
        tasks.change_task(task.pk, actor=doer, due_at=None)
    assert code_of(refused.value) == "no_due_time"
    task = tasks.change_task(task.pk, actor=doer, recurrence="")
    assert (task.recurrence, task.series) == ("", None)


def test_all_day_is_due_at_the_end_of_the_day_where_one_lives() -> None:
    doer = make_doer(zone="Asia/Vladivostok")
    task = make_task(doer, due_at=at("2026-03-28T20:00+00:00"), is_all_day=True)
    assert task.due_at == at("2026-03-29T23:59:59+10:00")
    assert not Reminder.objects.filter(task=task).exists()


def test_reminders_follow_their_task() -> None:
    doer = make_doer()
    due, early = in_days(2), in_days(1)
    task = make_task(doer, due_at=due, remind_at=early)

    def moments() -> list[object]:
        rows = Reminder.objects.filter(task=task, fired_at=None).order_by("remind_at")
        return list(rows.values_list("remind_at", flat=True))

    assert moments() == [early, due]
    until = in_days(1.5)
    tasks.snooze_task(task.pk, until=until, actor=doer)
    assert moments() == [until, due]
    tasks.change_task(task.pk, actor=doer, due_at=in_days(1.2))
    assert moments() == [until]
    tasks.complete_task(task.pk, actor=doer)
    assert moments() == []
    tasks.reopen_task(task.pk, actor=doer)
    assert len(moments()) == 2
    tasks.archive_task(task.pk, actor=doer)
    assert moments() == []


def test_an_undo_brings_the_reminders_back(admin: User) -> None:
    task = make_task(admin, due_at=in_days(2))
    with recorded(admin) as work:
        tasks.complete_task(task.pk, actor=admin)
    assert not Reminder.objects.filter(task=task).exists()
    undo(set_of(work), admin)
    assert Task.objects.get(pk=task.pk).state == "OPEN"
    assert Reminder.objects.filter(task=task, fired_at=None).count() == 1


def test_the_same_cause_makes_it_once() -> None:
    doer = make_doer()
    first = make_task(doer, cause="automation:1:2")
    assert make_task(doer, cause="automation:1:2") == first
    assert facts() == ["created"]


@pytest.mark.django_db(transaction=True)
def test_two_who_are_done_at_once_make_one_next() -> None:
    doer = make_doer()
    for _round in range(5):
        task = make_task(doer, due_at=in_days(1), recurrence="FREQ=DAILY")

        def done(pk: int) -> str:
            try:
                tasks.complete_task(pk, actor=User.objects.get(pk=doer.pk))
            except ValidationError as error:
                return code_of(error)
            return "done"

        outcome = at_once(*[partial(done, task.pk) for _each in range(4)])
        assert sorted(outcome) == ["done", *["task_not_open"] * 3]
        assert Task.objects.filter(series=task.series).count() == 2


@pytest.mark.django_db(transaction=True)
def test_the_same_cause_at_once_makes_it_once() -> None:
    doer = make_doer()
    outcome = at_once(*[partial(lambda: make_task(doer, cause="key:1").pk) for _each in range(6)])
    assert len(set(outcome)) == 1
    assert Task.objects.count() == 1


def test_my_day_is_by_my_own_clock() -> None:
    with time_machine.travel(at("2026-03-28T12:00+00:00"), tick=False):
        doer = make_doer(zone="Asia/Vladivostok")
        # There it is ten in the evening.
        late = make_task(doer, "late", due_at=timezone.now() + timedelta(hours=1))
        make_task(doer, "tomorrow", due_at=timezone.now() + timedelta(hours=3))
        make_task(doer, "some day")
        with time_machine.travel(at("2026-03-28T11:00+00:00"), tick=False):
            gone = make_task(doer, "gone", due_at=at("2026-03-28T11:30+00:00"))
        asleep = make_task(doer, "asleep")
        tasks.snooze_task(asleep.pk, until=in_days(1), actor=doer)
        day = my_day(doer)
    assert [shown.task for hour in day.hours for shown in hour.tasks] == [late]
    assert day.hours[0].label == "23:00"
    assert [shown.task for shown in day.overdue] == [gone]
    assert (day.undated_count, day.snoozed_count, day.done_count) == (1, 1, 0)
    assert late.due_at is not None
    assert late.due_at.tzinfo is UTC or late.due_at.utcoffset() == timedelta(0)
