"""Rules of the sales side give tasks: once for each fact, in their owners' rights, tried before, and cut by the fuse."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from apps.accounts.models import User
from apps.crm.models import AutomationRun, Deal
from apps.crm.services import automation_runs, automation_trials
from apps.events.models import Delivery
from apps.notifications.models import Task
from tests.accounts.factories import make_member
from tests.crm import factories
from tests.crm.test_automation import RECEIVER, a_rule, change, hear

pytestmark = pytest.mark.django_db
TASK = {"kind": "task", "text": "Call them", "days": 2}


@pytest.fixture
def chief(team: Any) -> User:
    """Leads the team North, and writes rules for it."""
    return make_member(team, "sales_lead", "Carla Chief")


@pytest.fixture
def seller(team: Any) -> User:
    return make_member(team, "salesperson", "Sam Seller")


@pytest.fixture
def sold(seller: User, team: Any) -> Deal:
    return factories.make_deal("Forty desks", owner=seller, team=team)


def test_a_rule_gives_the_owner_a_task_once(sold: Deal, seller: User, chief: User) -> None:
    rule = a_rule(chief, TASK)
    event = change(sold, seller)
    hear(event)
    # The same fact comes again, and the record of it is lost.
    Delivery.objects.filter(receiver=RECEIVER).delete()
    AutomationRun.objects.all().delete()
    hear(event)
    task = Task.objects.get()
    assert (task.title, task.assignee, task.target, task.is_all_day) == ("Call them", seller, sold, True)
    assert (task.created_by, rule.runs.get().outcome) == (chief, "DONE")


def test_a_rule_whose_owner_may_not_is_refused_and_makes_nothing(
    sold: Deal, seller: User, chief: User
) -> None:
    rule = a_rule(chief, TASK)
    chief.memberships.get().role.grants.filter(permission="notifications.add_task").delete()
    hear(change(sold, seller))
    assert rule.runs.get().outcome == "REFUSED"
    assert not Task.objects.exists()


def test_a_dry_run_tells_and_makes_nothing(sold: Deal, seller: User, chief: User) -> None:
    rule = a_rule(chief, TASK, is_started=False)
    event = change(sold, seller)
    case = automation_runs.case_of(rule, automation_runs.Occasion.of_fact(event))
    assert case is not None
    assert automation_runs.refusal_of(case) == ""
    job = automation_trials.try_automation(rule.pk, actor=chief)
    step = automation_trials.trial_step(job, SimpleNamespace())
    assert step.result is not None
    assert (step.result["fired"], step.result["refused"]) == (1, 0)
    assert "Call them" in step.result["actions"][0]
    assert not Task.objects.exists()


def test_the_fuse_cuts_it(sold: Deal, seller: User, chief: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automation_runs, "MOST_AN_HOUR", 3)
    rule = a_rule(chief, TASK)
    for number in range(5):
        hear(change(sold, seller, f"Desks {number}"))
    rule.refresh_from_db()
    assert not rule.is_active
    assert Task.objects.count() == 3
    assert AutomationRun.objects.filter(rule=rule, outcome="FUSED").exists()


def test_a_task_without_words_is_no_action(chief: User) -> None:
    with pytest.raises(ValidationError) as refused:
        a_rule(chief, {"kind": "task", "text": " ", "days": 1})
    assert refused.value.error_dict["actions"][0].code == "invalid_action"
