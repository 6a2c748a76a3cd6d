"""Rules by the clock act once for each row and day, in their owners' rights, and go on where they were stopped."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core.exceptions import ValidationError
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.crm import events
from apps.crm.automation import schedules
from apps.crm.models import Activity, AutomationRound, AutomationRule, Deal, Lead
from apps.crm.services import (
    automation,
    automation_rounds,
    automation_runs,
    automation_trials,
    custom_fields,
    deals,
)
from apps.events.models import Event
from apps.jobs.models import Job
from tests.crm import factories
from tests.crm.test_automation import ON_RULES, outcomes, setting
from tests.crm.test_custom_fields import Kind, make_field

pytestmark = pytest.mark.django_db
# A Monday.
NOW = datetime(2026, 3, 2, 8, 0, tzinfo=ZoneInfo("UTC"))
TODAY = NOW.date()
DAILY = "schedule.deal.daily"
BY_CLOSE = "schedule.deal.expected_close_date"
NOTE = {"kind": "note", "text": "Look"}
Go = Callable[..., int]


@pytest.fixture
def lena(team: Team) -> User:
    """Leads the team North, and writes rules for it."""
    grants = factories.salesperson_grants("SUBTREE") | {"crm.assign_deal": "SUBTREE"}
    grants |= {f"crm.{action}_lead": "SUBTREE" for action in ["view", "add", "change"]}
    role = factories.make_role(grants | ON_RULES | {"accounts.view_user": "ALL"})
    return factories.join(factories.make_user("Lena Lead"), team, role)


@pytest.fixture
def clock() -> Any:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def go(clock: Any) -> Go:
    """Let the beat call at a moment, and return on how many rows something was done."""

    def call(day: date = TODAY, hour: int = 9, minute: int = 0) -> int:
        clock.move_to(datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo("UTC")))
        return automation_rounds.run_due_rules()

    return call


def a_rule(
    owner: User, *actions: dict[str, Any], trigger: str = DAILY, is_started: bool = True, **fields: Any
) -> AutomationRule:
    schedule = {"at": "09:00", **fields.pop("schedule", {})}
    rule = automation.create_automation(
        actor=owner,
        **{"name": "Rule", "trigger": trigger, "schedule": schedule, "actions": actions or [NOTE], **fields},
    )
    return automation.start_automation(rule.pk, actor=owner) if is_started else rule


def notes() -> int:
    return Activity.objects.filter(kind="NOTE").count()


# When


def test_a_rule_acts_each_day_at_its_time_and_once(go: Go, deal: Deal, lena: User) -> None:
    rule = a_rule(lena)
    assert rule.next_due_at == NOW.replace(hour=9)
    assert go(hour=8, minute=59) == 0
    assert go() == 1
    assert go(minute=1) == go(hour=23) == 0
    assert go(TODAY + timedelta(days=1)) == 1
    assert outcomes(rule) == ["DONE", "DONE"]
    run = rule.runs.earliest("pk")
    assert (run.due_date, run.event_id, run.event_type, run.subject) == (
        TODAY,
        None,
        DAILY,
        f"deal/{deal.pk}",
    )
    assert notes() == 2
    rounds = rule.rounds.order_by("pk").values_list("looked", "acted", "refused")
    assert list(rounds) == [(1, 1, 0), (1, 1, 0)]
    assert not rule.rounds.filter(finished_at=None).exists()


def test_only_on_its_days(go: Go, deal: Deal, lena: User) -> None:
    rule = a_rule(lena, schedule={"on": "fri"})
    for day in range(8):
        go(TODAY + timedelta(days=day))
    assert list(rule.runs.values_list("due_date", flat=True)) == [date(2026, 3, 6)]


@pytest.mark.parametrize(
    ("after", "schedule", "moment"),
    [
        ("2026-03-02T08:59", {"at": "09:00", "on": "day"}, "2026-03-02T09:00"),
        ("2026-03-02T09:00", {"at": "09:00", "on": "day"}, "2026-03-03T09:00"),
        ("2026-03-06T10:00", {"at": "09:00", "on": "workdays"}, "2026-03-09T09:00"),
        ("2026-03-02T10:00", {"at": "09:00", "on": "mon"}, "2026-03-09T09:00"),
        # The clocks leave out an hour, and have one twice.
        ("2026-03-29T00:00", {"at": "02:30", "on": "day"}, "2026-03-29T03:30"),
        ("2026-10-25T00:00", {"at": "02:30", "on": "day"}, "2026-10-25T02:30"),
        ("2026-10-25T02:30", {"at": "02:30", "on": "day"}, "2026-10-26T02:30"),
    ],
)
def test_the_clock_is_that_of_the_company(
    settings: Any, after: str, schedule: dict[str, str], moment: str
) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    zone = ZoneInfo("Europe/Berlin")
    timezone.get_default_timezone.cache_clear()  # type: ignore[attr-defined]
    try:
        since = datetime.fromisoformat(after).replace(tzinfo=zone)
        # Whatever zone a person looks from.
        with timezone.override("Asia/Tokyo"):
            found = schedules.next_due(schedule, since)
        assert found.timestamp() == datetime.fromisoformat(moment).replace(tzinfo=zone).timestamp()
        assert schedules.last_due(schedule, found) == found
    finally:
        timezone.get_default_timezone.cache_clear()  # type: ignore[attr-defined]


@pytest.mark.parametrize(("side", "days", "close"), [("before", 3, 3), ("after", 2, -2), ("after", 0, 0)])
def test_days_are_counted_from_the_rows_own(
    go: Go, anna: User, lena: User, side: str, days: int, close: int
) -> None:
    made = {
        shift: factories.make_deal(
            owner=anna, team=anna.memberships.get().team, expected_close_date=TODAY + timedelta(days=shift)
        )
        for shift in (close - 1, close, close + 1)
    }
    rule = a_rule(lena, trigger=BY_CLOSE, schedule={"side": side, "days": days})
    go()
    assert list(rule.runs.values_list("subject", "due_date")) == [(f"deal/{made[close].pk}", TODAY)]
    go(TODAY + timedelta(days=1))
    assert rule.runs.count() == 2
    assert rule.runs.latest("pk").subject == f"deal/{made[close + 1].pk}"


def test_a_deal_that_stands_still_is_noticed_once_for_each_stay(go: Go, deal: Deal, lena: User) -> None:
    rule = a_rule(lena, trigger="schedule.deal.stage_entered_at", schedule={"side": "after", "days": 3})
    # It entered its stage late in the evening: days are days of the calendar.
    Deal.objects.filter(pk=deal.pk).update(stage_entered_at=NOW - timedelta(days=2, hours=9))
    go()
    go(TODAY + timedelta(days=1))
    assert [run.due_date for run in rule.runs.all()] == [TODAY]
    deals.move_deal(
        deal.pk,
        stage_id=factories.stage("Engaging").pk,
        actor=lena,
        face="ADMIN",  # type: ignore[arg-type]
    )
    for day in range(2, 6):
        go(TODAY + timedelta(days=day))
    assert [run.due_date for run in rule.runs.order_by("pk")] == [TODAY, TODAY + timedelta(days=4)]


def test_a_further_field_that_holds_a_day(go: Go, deal: Deal, lena: User, admin: User) -> None:
    field = make_field("Renewal", Kind.DATE, model="deal")
    make_field("Daily", Kind.DATE, model="deal", key="daily")
    deals.change_deal(deal.pk, actor=lena, custom={"renewal": TODAY + timedelta(days=30), "daily": TODAY})
    trigger = "schedule.deal.custom.renewal"
    rule = a_rule(lena, trigger=trigger, schedule={"side": "before", "days": 30})
    by_name = a_rule(lena, trigger="schedule.deal.custom.daily", schedule={"side": "after", "days": 0})
    assert by_name.schedule == {"at": "09:00", "side": "after", "days": 0}
    go()
    assert (outcomes(rule), outcomes(by_name)) == (["DONE"], ["DONE"])
    with pytest.raises(ValidationError) as caught:
        custom_fields.archive_custom_field(field.pk, actor=admin)
    assert caught.value.code == "field_needed"
    automation.stop_automation(rule.pk, actor=lena)
    custom_fields.archive_custom_field(field.pk, actor=admin)
    with pytest.raises(ValidationError):
        automation.start_automation(rule.pk, actor=lena)


def test_what_is_decided_is_left_alone(go: Go, anna: User, team: Team, lena: User) -> None:
    for status in ("OPEN", "WON", "LOST"):
        factories.make_deal(status, owner=anna, team=team, status=status)
    gone = factories.make_deal("Gone", owner=anna, team=team)
    Deal.objects.filter(pk=gone.pk).update(archived_at=NOW)
    Deal.objects.filter(status="WON").update(closed_at=NOW - timedelta(days=30))
    open_ones = a_rule(lena)
    closed = a_rule(lena, trigger="schedule.deal.closed_at", schedule={"side": "after", "days": 30})
    Lead.objects.create(name="Open", owner=anna, team=team)
    Lead.objects.create(name="Taken", owner=anna, team=team, status="WORKING")
    leads = a_rule(lena, setting("Spain", "country"), trigger="schedule.lead.daily")
    go()
    names = {f"deal/{deal.pk}": deal.title for deal in Deal.objects.all()}
    assert [names[run.subject] for run in open_ones.runs.all()] == ["OPEN"]
    assert [names[run.subject] for run in closed.runs.all()] == ["WON"]
    assert leads.runs.count() == 2
    assert set(Lead.objects.values_list("country", flat=True)) == {"Spain"}


def test_the_condition_is_asked_of_the_row_as_it_is(go: Go, deal: Deal, lena: User) -> None:
    small = {"where": [{"field": "amount.amount", "op": "at_most", "value": "10"}]}
    rule = a_rule(lena, condition=small)
    go()
    assert outcomes(rule) == []
    assert rule.rounds.get().looked == 1
    deals.change_deal(deal.pk, actor=lena, amount=Decimal(10))
    go(TODAY + timedelta(days=1))
    assert outcomes(rule) == ["DONE"]


# Once


def test_another_time_on_the_same_day_is_no_second_day(go: Go, deal: Deal, lena: User) -> None:
    rule = a_rule(lena)
    go()
    rule = automation.change_automation(rule.pk, actor=lena, schedule={"at": "11:00"})
    assert rule.next_due_at == NOW.replace(hour=11)
    go(hour=11)
    assert rule.rounds.count() == 2
    assert outcomes(rule) == ["DONE"]


def test_what_came_while_it_did_not_run_is_left_alone(go: Go, deal: Deal, lena: User) -> None:
    Deal.objects.filter(pk=deal.pk).update(expected_close_date=TODAY)
    rule = a_rule(lena, trigger=BY_CLOSE, schedule={"side": "after", "days": 1}, is_started=False)
    go(TODAY + timedelta(days=2), hour=8)
    automation.start_automation(rule.pk, actor=lena)
    go(TODAY + timedelta(days=2))
    assert outcomes(rule) == []


def test_days_on_which_nothing_ran_are_caught_up_with(go: Go, anna: User, team: Team, lena: User) -> None:
    made = [
        factories.make_deal(owner=anna, team=team, expected_close_date=TODAY + timedelta(days=shift))
        for shift in range(1, 11)
    ]
    rule = a_rule(lena, trigger=BY_CLOSE, schedule={"side": "after", "days": 0})
    daily = a_rule(lena)
    # Nothing ran for ten days: the last seven count, and of what is daily the last time.
    go(TODAY + timedelta(days=10))
    due = list(rule.runs.order_by("due_date").values_list("due_date", flat=True))
    assert due == [TODAY + timedelta(days=shift) for shift in range(4, 11)]
    assert daily.runs.count() == len(made)
    assert set(daily.runs.values_list("due_date", flat=True)) == {TODAY + timedelta(days=10)}


def test_a_round_that_dies_goes_on_where_it_was(go: Go, anna: User, team: Team, lena: User) -> None:
    for _number in range(5):
        factories.make_deal(owner=anna, team=team)
    rule = a_rule(lena)
    real = automation_runs._ACTIONS["note"]
    acted: list[int] = []

    def killed_at_the_third(case: Any, action: Any) -> None:
        real(case, action)
        acted.append(case.row.pk)
        if len(acted) == 3:
            raise KeyboardInterrupt

    with patch.dict(automation_runs._ACTIONS, note=killed_at_the_third), pytest.raises(KeyboardInterrupt):
        go()
    this = rule.rounds.get()
    assert (this.finished_at, this.acted, this.after) == (None, 2, acted[1])
    assert (notes(), rule.runs.count()) == (2, 2)
    go(minute=1)
    assert (notes(), outcomes(rule)) == (5, ["DONE"] * 5)
    this.refresh_from_db()
    assert (this.looked, this.acted, this.refused) == (5, 5, 0)
    assert this.finished_at is not None


def test_rows_are_taken_in_batches(go: Go, anna: User, team: Team, lena: User) -> None:
    for number in range(7):
        factories.make_deal(f"{number % 2} desks", owner=anna, team=team)
    rule = a_rule(lena, condition={"where": [{"field": "title", "op": "contains", "value": "1 d"}]})
    with patch.object(automation_rounds, "CHUNK", 2):
        go()
    this = rule.rounds.get()
    assert (this.looked, this.acted, rule.runs.count()) == (7, 3, 3)
    assert this.finished_at is not None


def test_a_round_without_time_left_is_no_lost_round(go: Go, anna: User, team: Team, lena: User) -> None:
    factories.make_deal(owner=anna, team=team)
    rule = a_rule(lena)
    with patch.object(automation_rounds, "monotonic", side_effect=[0.0, 60.0, 60.0]):
        assert go() == 0
    assert rule.rounds.get().finished_at is None
    assert go(minute=1) == 1


def test_what_does_not_fit_costs_no_questions_of_its_own(go: Go, anna: User, team: Team, lena: User) -> None:
    a_rule(lena, condition={"where": [{"field": "title", "op": "is", "value": "none"}]})

    def queries(day: date) -> int:
        with CaptureQueriesContext(connection) as found:
            go(day)
        return len(found)

    factories.make_deal(owner=anna, team=team)
    few = queries(TODAY)
    for _number in range(20):
        factories.make_deal(owner=anna, team=team)
    assert queries(TODAY + timedelta(days=1)) == few
    assert AutomationRound.objects.latest("pk").looked == 21


# Whose rights


def test_only_what_the_owner_sees(go: Go, deal: Deal, lena: User) -> None:
    factories.make_deal("Elsewhere", owner=factories.make_salesperson())
    rule = a_rule(lena)
    go()
    assert [run.subject for run in rule.runs.all()] == [f"deal/{deal.pk}"]
    assert rule.rounds.get().looked == 1


def test_what_the_owner_may_not_do_is_refused_once_with_the_reason(go: Go, deal: Deal, lena: User) -> None:
    rule = a_rule(lena, setting("seen"), {"kind": "assign", "user": lena.pk})
    role = lena.memberships.get().role
    role.grants.filter(permission="crm.assign_deal").delete()
    assert go() == go(minute=1) == 0
    run = rule.runs.get()
    deal.refresh_from_db()
    assert (run.outcome, bool(run.why), deal.description) == ("REFUSED", True, "")
    assert rule.rounds.get().refused == 1


def test_an_owner_who_has_left_does_nothing(go: Go, deal: Deal, lena: User) -> None:
    rule = a_rule(lena)
    User.objects.filter(pk=lena.pk).update(is_active=False)
    go()
    assert outcomes(rule) == []


def test_rights_that_end_meanwhile_have_ended(go: Go, anna: User, team: Team, lena: User) -> None:
    for _number in range(3):
        factories.make_deal(owner=anna, team=team)
    rule = a_rule(lena, setting("seen"))
    real = automation_runs._ACTIONS["set"]

    def and_off(case: Any, action: Any) -> None:
        real(case, action)
        case.owner.memberships.get().role.grants.filter(permission="crm.change_deal").delete()

    with patch.dict(automation_runs._ACTIONS, set=and_off):
        go()
    assert outcomes(rule) == ["DONE", "REFUSED", "REFUSED"]


# The fuse


def test_what_follows_counts_as_following(go: Go, deal: Deal, lena: User) -> None:
    rule = a_rule(lena, setting("seen"))
    go()
    told = Event.objects.get(type=events.DEAL_CHANGED.type)
    assert (told.depth, told.caused_by) == (1, None)
    assert rule.runs.get().depth == 0


def test_the_hour_counts_for_what_goes_by_the_clock_too(go: Go, deal: Deal, lena: User) -> None:
    rule = a_rule(lena)
    go()
    automation.change_automation(rule.pk, actor=lena, schedule={"at": "09:30", "on": "day"})
    rule.runs.update(due_date=TODAY - timedelta(days=1))
    with patch.object(automation_runs, "MOST_AN_HOUR", 1):
        go(minute=30)
    rule.refresh_from_db()
    assert outcomes(rule) == ["DONE", "FUSED"]
    assert (rule.is_active, rule.stopped_at is not None) == (False, True)


def test_a_rule_that_takes_too_many_rows_is_stopped(go: Go, anna: User, team: Team, lena: User) -> None:
    for _number in range(4):
        factories.make_deal(owner=anna, team=team)
    rule = a_rule(lena)
    with patch.object(automation_rounds, "MOST_IN_A_ROUND", 2):
        go()
    rule.refresh_from_db()
    assert outcomes(rule) == ["DONE", "DONE", "FUSED"]
    assert (rule.is_active, notes()) == (False, 2)
    assert "2 rows in one round" in rule.stop_reason
    assert rule.rounds.get().finished_at is not None
    assert go(TODAY + timedelta(days=1)) == 0


def test_a_rule_that_is_stopped_within_a_round_stops(go: Go, anna: User, team: Team, lena: User) -> None:
    for _number in range(3):
        factories.make_deal(owner=anna, team=team)
    rule = a_rule(lena)
    real = automation_runs._ACTIONS["note"]

    def and_stop(case: Any, action: Any) -> None:
        real(case, action)
        automation.stop_automation(case.rule.pk, actor=lena)

    with patch.dict(automation_runs._ACTIONS, note=and_stop):
        go()
    assert outcomes(rule) == ["DONE"]
    assert rule.rounds.get().finished_at is not None


def test_trouble_of_the_database_is_tried_again_and_at_last_passed_by(
    go: Go, anna: User, team: Team, lena: User
) -> None:
    first = factories.make_deal(owner=anna, team=team)
    factories.make_deal(owner=anna, team=team)
    rule = a_rule(lena)
    real = automation_runs._ACTIONS["note"]

    def fail_at_the_first(case: Any, action: Any) -> None:
        if case.row.pk == first.pk:
            raise OperationalError
        real(case, action)

    with patch.dict(automation_runs._ACTIONS, note=fail_at_the_first):
        for minute in range(automation_rounds.MOST_ATTEMPTS - 1):
            assert go(minute=minute) == 0
        assert outcomes(rule) == []
        assert go(minute=30) == 1
    assert [(run.subject, run.outcome) for run in rule.runs.order_by("pk")] == [
        (f"deal/{first.pk}", "FAILED"),
        (f"deal/{first.pk + 1}", "DONE"),
    ]


# Moving


def move_to(name: str) -> dict[str, Any]:
    return {"kind": "move", "stage": factories.stage(name).pk}


def test_a_rule_moves_a_deal(go: Go, deal: Deal, lena: User) -> None:
    rule = a_rule(lena, move_to("Engaging"), name="On with it")
    go()
    deal.refresh_from_db()
    step = deal.transitions.latest("pk")
    assert deal.stage.name == "Engaging"
    assert (step.face, step.actor, step.reason) == ("SYSTEM", lena, "On with it")
    assert rule.runs.get().results[0]["label"].endswith(": Engaging")


def test_a_stage_contract_refuses_a_rule_too_and_the_log_says_why(go: Go, deal: Deal, lena: User) -> None:
    stage = factories.stage("Prospecting")
    stage.exit_criteria = [{"key": "k", "kind": "field", "params": {"field": "deal.next_step"}}]
    stage.save(update_fields=["exit_criteria"])
    rule = a_rule(lena, setting("seen"), move_to("Engaging"))
    job = automation_trials.try_automation(rule.pk, actor=lena)
    go()
    deal.refresh_from_db()
    run = rule.runs.get()
    assert (deal.stage.name, deal.description, run.outcome) == ("Prospecting", "", "REFUSED")
    assert "Before it goes on, the deal needs" in run.why
    # As the dry run has foreseen.
    assert result_of(job)["rows"][0]["refusal"] == run.why


@pytest.mark.parametrize("name", ["Won", "Lost"])
def test_a_rule_closes_no_deal(lena: User, name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        a_rule(lena, move_to(name))
    assert caught.value.error_dict["actions"][0].code == "not_found"


# The dry run


def result_of(job: Job) -> dict[str, Any]:
    with transaction.atomic():
        step = automation_trials.trial_step(Job.objects.get(pk=job.pk), None)  # type: ignore[arg-type]
    assert step.result is not None
    return step.result


def test_a_dry_run_of_what_is_daily_looks_at_what_is_there(clock: Any, deal: Deal, lena: User) -> None:
    rule = a_rule(lena, setting("seen"), is_started=False)
    factories.make_deal("Elsewhere", owner=factories.make_salesperson())
    before = Event.objects.count()
    result = result_of(automation_trials.try_automation(rule.pk, actor=lena))
    assert (result["of"], result["facts"], result["fired"]) == ("now", 1, 1)
    assert [row["name"] for row in result["rows"]] == [str(deal)]
    deal.refresh_from_db()
    assert (deal.description, Event.objects.count(), rule.runs.count()) == ("", before, 0)


def test_a_dry_run_by_days_looks_back_a_month(clock: Any, anna: User, team: Team, lena: User) -> None:
    for shift in (-40, -20, -1, 5):
        factories.make_deal(
            f"{shift}", owner=anna, team=team, expected_close_date=TODAY + timedelta(days=shift)
        )
    rule = a_rule(lena, trigger=BY_CLOSE, schedule={"side": "before", "days": 2}, is_started=False)
    result = result_of(automation_trials.try_automation(rule.pk, actor=lena))
    assert (result["of"], result["fired"]) == ("days", 2)
    assert [row["at"] for row in result["rows"]] == ["2026-02-08", "2026-02-27"]


# What may be said


@pytest.mark.parametrize(
    ("trigger", "schedule", "code"),
    [
        (DAILY, {"at": "25:00"}, "invalid_schedule"),
        (DAILY, {"at": "soon"}, "invalid_schedule"),
        (DAILY, {"on": "someday"}, "invalid_schedule"),
        (BY_CLOSE, {"days": -1}, "invalid_schedule"),
        (BY_CLOSE, {"days": 366}, "invalid_schedule"),
        (BY_CLOSE, {"side": "beside"}, "invalid_schedule"),
        ("schedule.deal.custom.nothing", {}, "unknown_trigger"),
        ("schedule.deal.password", {}, "unknown_trigger"),
        ("schedule.user.daily", {}, "unknown_trigger"),
        ("schedule.", {}, "unknown_trigger"),
    ],
)
def test_what_is_no_time_is_refused(lena: User, trigger: str, schedule: dict[str, Any], code: str) -> None:
    with pytest.raises(ValidationError) as caught:
        a_rule(lena, trigger=trigger, schedule=schedule)
    assert [error.code for errors in caught.value.error_dict.values() for error in errors] == [code]


def test_a_rule_for_facts_has_no_schedule_and_is_never_due(lena: User, clock: Any) -> None:
    rule = a_rule(lena)
    assert rule.next_due_at is not None
    rule = automation.change_automation(rule.pk, actor=lena, trigger=events.DEAL_CHANGED.type)
    assert (rule.schedule, rule.next_due_at, rule.is_active) == ({}, None, True)


def test_it_is_said_in_words() -> None:
    assert schedules.when_label(DAILY, {"at": "09:00", "on": "workdays"}).startswith(
        "Monday to Friday at 09:00"
    )
    said = schedules.when_label(BY_CLOSE, {"at": "09:00", "side": "before", "days": 1})
    assert said == "1 day before, at 09:00: the expected close of an open deal"


def test_old_rounds_are_forgotten(go: Go, deal: Deal, lena: User) -> None:
    a_rule(lena)
    go()
    automation_runs.expire_runs()
    assert AutomationRound.objects.exists()
    AutomationRound.objects.update(due_at=NOW - automation_runs._KEPT * 2)
    automation_runs.expire_runs()
    assert not AutomationRound.objects.exists()
