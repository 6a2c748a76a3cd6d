"""Rules of automation through the pages of the admin and REST, and the undo of what they did."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from apps.accounts.models import Team, User
from apps.crm import events
from apps.crm.models import AutomationRule, AutomationRun, Deal
from apps.crm.services import automation, automation_rounds, deals
from apps.history.models import ChangeSet
from apps.jobs.models import Job
from tests.crm import factories
from tests.crm.test_admin_pages import command, form_of, login, page, text_of
from tests.crm.test_api import ROOT, client_of
from tests.crm.test_automation import ON_RULES, a_rule, change, hear, outcomes, setting
from tests.crm.test_custom_fields import Kind, make_field
from tests.history.factories import undo

pytestmark = pytest.mark.django_db
RULES = f"{ROOT}/automation-rules/"
BY_CLOSE = "schedule.deal.expected_close_date"


@pytest.fixture
def lena(team: Team) -> User:
    """Leads the team North, and writes rules for it."""
    grants = factories.salesperson_grants("SUBTREE") | {"crm.assign_deal": "SUBTREE"}
    grants |= ON_RULES | {
        "accounts.view_user": "ALL",
        "jobs.view_job": "OWN",
        "history.view_changeset": "OWN",
    }
    return factories.join(factories.make_user("Lena Lead"), team, factories.make_role(grants))


def do(client: Client, rule: AutomationRule, name: str, **data: Any) -> str:
    """Press a button of a rule's page, and return what the page says then."""
    rule.refresh_from_db()
    response = client.post(command(rule, name), {"version": rule.version, **data}, follow=True)
    rule.refresh_from_db()
    return text_of(response)


# The pages


def test_a_rule_is_written_on_its_page(lena: User, deal: Deal, anna: User) -> None:
    client = login(lena)
    data = form_of(
        client, page("automationrule", what="add"), name="Big ones", trigger=events.DEAL_CHANGED.type
    )
    client.post(page("automationrule", what="add"), data)
    rule = AutomationRule.objects.get()
    assert (rule.name, rule.owner, rule.schedule, rule.is_active) == ("Big ones", lena, {}, False)

    assert "amount is at least 500" in do(
        client, rule, "ask", field="amount.amount", op="at_least", value="500"
    )
    do(client, rule, "ask-for", criterion="field|deal.next_step")
    assert [len(rule.condition[part]) for part in ("where", "criteria")] == [1, 1]
    do(client, rule, "do", kind="set", field="description", value="seen")
    said = do(client, rule, "do", kind="move", stage=factories.stage("Engaging").pk)
    assert "Move it to a stage: " in said
    assert "Does not run." in said
    assert "in your name" in do(client, rule, "start")
    assert "Runs in the name and with the rights of Lena Lead" in text_of(
        client.get(page("automationrule", rule))
    )

    deals.change_deal(deal.pk, actor=anna, next_step="Call")
    hear(change(deal, anna))
    deal.refresh_from_db()
    assert (deal.description, deal.stage.name) == ("seen", "Engaging")
    log = text_of(client.get(page("automationrule", rule)))
    assert escape(str(deal)) in log
    assert page("deal", deal) in log
    do(client, rule, "do-no-more", key=rule.actions[0]["key"])
    assert [action["kind"] for action in rule.actions] == ["move"]
    do(client, rule, "stop")
    assert not rule.is_active
    do(client, rule, "archive")
    assert rule.archived_at is not None


def test_what_is_asked_no_more_is_taken_away_at_once(lena: User) -> None:
    where = [{"field": "title", "op": "is", "value": each} for each in ("a", "b")]
    wanted = [{"kind": "field", "params": {"field": "deal.next_step"}}]
    rule = a_rule(lena, setting("seen"), condition={"where": where, "criteria": wanted})
    before = rule.version
    client = login(lena)
    do(client, rule, "ask-no-more", key=rule.condition["where"][0]["key"])
    assert ([one["value"] for one in rule.condition["where"]], rule.version) == (["b"], before + 1)
    do(client, rule, "ask-no-more", key=rule.condition["criteria"][0]["key"])
    assert (rule.condition["criteria"], rule.version) == ([], before + 2)
    # Who was faster is told, and not overwritten.
    stale = client.post(
        command(rule, "ask-no-more"),
        {"version": before, "key": rule.condition["where"][0]["key"]},
        follow=True,
    )
    assert "Somebody else has changed this" in text_of(stale)
    rule.refresh_from_db()
    assert len(rule.condition["where"]) == 1


def test_a_rule_by_the_clock_is_written_on_its_page(lena: User) -> None:
    client = login(lena)
    add = page("automationrule", what="add")
    shown = text_of(client.get(add))
    assert "the expected close of an open deal" in shown
    data = form_of(client, add, name="Soon", trigger=BY_CLOSE, side="before", days="3", at="08:15")
    client.post(add, data)
    rule = AutomationRule.objects.get()
    assert rule.schedule == {"at": "08:15", "side": "before", "days": 3}
    url = page("automationrule", rule)
    client.post(url, form_of(client, url, days="5"))
    rule.refresh_from_db()
    assert rule.schedule == {"at": "08:15", "side": "before", "days": 5}
    client.post(url, form_of(client, url, trigger="schedule.deal.daily", on="workdays"))
    rule.refresh_from_db()
    assert rule.schedule == {"at": "08:15", "on": "workdays"}
    automation.change_automation(rule.pk, actor=lena, actions=[setting("seen")])
    automation.start_automation(rule.pk, actor=lena)
    assert "Acts next on" in text_of(client.get(url))
    assert "Monday to Friday at 08:15" in text_of(client.get(page("automationrule", what="changelist")))
    version = AutomationRule.objects.get().version
    client.post(url, form_of(client, url))
    assert AutomationRule.objects.get().version == version


def test_times_that_are_none_are_refused_where_they_stand(lena: User) -> None:
    client = login(lena)
    add = page("automationrule", what="add")
    data = form_of(client, add, name="Soon", trigger=BY_CLOSE, days="400", at="25:00")
    response = client.post(add, data)
    errors = response.context["adminform"].form.errors
    assert set(errors) == {"days", "at"}
    assert not AutomationRule.objects.exists()


def test_further_fields_that_hold_a_day_are_offered(lena: User) -> None:
    make_field("Renewal", Kind.DATE, model="deal")
    make_field("Region", model="deal")
    shown = text_of(login(lena).get(page("automationrule", what="add")))
    assert "schedule.deal.custom.renewal" in shown
    assert "custom.region" not in shown


def test_who_only_looks_reads_when_it_acts(lena: User, deal: Deal, team: Team) -> None:
    rule = a_rule(lena, setting("seen"), trigger=BY_CLOSE, schedule={"days": 2, "side": "before"})
    looking = {"crm.view_automationrule": "ALL", "crm.view_deal": "OWN"}
    auditor = factories.join(factories.make_user("Otto"), team, factories.make_role(looking))
    AutomationRun.objects.create(
        rule=rule, event_id=1, event_type=rule.trigger, subject=f"deal/{deal.pk}", outcome="DONE"
    )
    shown = text_of(login(auditor).get(page("automationrule", rule)))
    assert "2 days before, at 09:00: the expected close of an open deal" in shown
    assert "Stop rule" not in shown
    # What it acted on is named to who may see it.
    assert escape(str(deal)) not in shown
    assert "not visible" in shown


def test_the_page_shows_rounds_and_what_a_dry_run_found(lena: User, deal: Deal) -> None:
    today = timezone.localdate()
    Deal.objects.filter(pk=deal.pk).update(expected_close_date=today)
    schedule = {"days": 0, "side": "after", "at": "00:00"}
    rule = a_rule(lena, setting("seen"), trigger=BY_CLOSE, schedule=schedule)
    AutomationRule.objects.update(next_due_at=timezone.now() - timedelta(minutes=1))
    assert automation_rounds.run_due_rules() == 1
    client = login(lena)
    do(client, rule, "try")
    job = Job.objects.get(kind="crm.try_automation")
    from tests.lists.bulk import finish

    finish(job)
    shown = text_of(client.get(page("automationrule", rule)))
    assert "Looked at: 1. Acted on: 1. Refused: 0." in shown
    assert "Looked at: 1. Would have acted: 1." in shown


def test_the_page_costs_the_same_however_much_was_done(
    lena: User, anna: User, team: Team, django_assert_max_num_queries: Any
) -> None:
    rule = a_rule(lena, setting("seen"))
    for _number in range(30):
        deal = factories.make_deal(owner=anna, team=team)
        AutomationRun.objects.create(
            rule=rule, event_id=deal.pk, event_type=rule.trigger, subject=f"deal/{deal.pk}", outcome="DONE"
        )
    client = login(lena)
    with django_assert_max_num_queries(40):
        client.get(page("automationrule", rule))


# Undo


def test_what_a_rule_did_can_be_undone(lena: User, deal: Deal, anna: User) -> None:
    rule = a_rule(lena, setting("seen"), {"kind": "next_step", "text": "Call", "days": 1}, name="Look at it")
    hear(change(deal, anna))
    deal.refresh_from_db()
    assert (deal.description, deal.next_step) == ("seen", "Call")
    done = ChangeSet.objects.get(label="Look at it")
    assert (done.face, done.actor) == (ChangeSet.Face.SYSTEM, lena)
    address = reverse("admin:history_changeset_change", args=[done.pk])
    assert address in text_of(login(lena).get(page("automationrule", rule)))
    undo(done, lena)
    deal.refresh_from_db()
    assert (deal.description, deal.next_step, deal.next_step_date) == ("", "", None)
    # The title, which somebody changed by hand, stays; so does the record of the run.
    assert deal.title == "Fifty desks"
    assert outcomes(rule) == ["DONE"]


def test_a_round_is_undone_as_a_whole(lena: User, anna: User, team: Team) -> None:
    made = [factories.make_deal(owner=anna, team=team) for _number in range(3)]
    rule = a_rule(lena, setting("seen"), trigger="schedule.deal.daily", name="Each day")
    AutomationRule.objects.update(next_due_at=timezone.now() - timedelta(minutes=1))
    assert automation_rounds.run_due_rules() == 3
    done = ChangeSet.objects.get(label="Each day")
    assert reverse("admin:history_changeset_change", args=[done.pk]) in text_of(
        login(lena).get(page("automationrule", rule))
    )
    deals.change_deal(made[1].pk, actor=anna, description="mine")
    undo(done, lena)
    # What somebody has changed since is set aside.
    assert [Deal.objects.get(pk=deal.pk).description for deal in made] == ["", "mine", ""]


def test_an_undone_change_of_a_rule_does_not_start_it(lena: User) -> None:
    rule = a_rule(lena, setting("seen"), trigger="schedule.deal.daily")
    from tests.history.factories import recorded, set_of

    with recorded(lena) as work:
        automation.change_automation(rule.pk, actor=lena, schedule={"at": "10:00"})
    undo(set_of(work), lena)
    rule.refresh_from_db()
    assert (rule.schedule["at"], rule.is_active) == ("09:00", False)
    assert automation_rounds.run_due_rules() == 0


# REST


def test_rules_over_rest(lena: User, deal: Deal, anna: User) -> None:
    client = client_of(lena)
    body = {
        "name": "Soon",
        "trigger": BY_CLOSE,
        "schedule": {"at": "08:00", "days": 3, "side": "before"},
        "condition": {"where": [{"field": "amount.amount", "op": "at_least", "value": "500"}]},
        "actions": [{"kind": "move", "stage": factories.stage("Engaging").pk}],
    }
    made = client.post(RULES, body, format="json")
    assert made.status_code == 201, made.data
    told = made.json()
    assert (told["schedule"], told["is_active"], told["next_due_at"]) == (body["schedule"], False, None)
    url = f"{RULES}{told['id']}/"
    started = client.post(f"{url}start/").json()
    assert (started["is_active"], started["next_due_at"] is not None) == (True, True)
    changed = client.patch(url, {"schedule": {"at": "10:00", "days": 0}}, format="json")
    assert changed.json()["schedule"] == {"at": "10:00", "days": 0, "side": "after"}
    assert client.get(f"{RULES}?is_active=true").json()["results"][0]["id"] == told["id"]
    tried = client.post(f"{url}dry_run/")
    assert (tried.status_code, Job.objects.get(pk=tried.json()["job"]).owner) == (202, lena)
    assert client.post(f"{url}stop/").json()["is_active"] is False
    assert client.post(f"{url}archive/").status_code == 200
    assert client.post(f"{url}start/").status_code in {400, 409, 422}
    assert client.post(f"{url}restore/").status_code == 200
    assert client.delete(url).status_code == 405


def test_runs_over_rest(lena: User, deal: Deal) -> None:
    rule = a_rule(lena, setting("seen"), trigger="schedule.deal.daily")
    AutomationRule.objects.update(next_due_at=timezone.now() - timedelta(minutes=1))
    automation_rounds.run_due_rules()
    runs = client_of(lena).get(f"{ROOT}/automation-runs/?rule={rule.pk}").json()["results"]
    assert [(run["subject"], run["outcome"], run["event_id"]) for run in runs] == [
        (f"deal/{deal.pk}", "DONE", None)
    ]
    assert runs[0]["due_date"] == str(rule.runs.get().due_date)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"trigger": "schedule.deal.daily", "schedule": {"at": "9 o'clock"}}, {"schedule.at"}),
        ({"trigger": BY_CLOSE, "schedule": {"days": 400}}, {"schedule.days"}),
        ({"trigger": "schedule.deal.password"}, {"trigger"}),
        ({"trigger": BY_CLOSE, "actions": [{"kind": "move", "stage": 0}]}, {"actions"}),
    ],
)
def test_rest_says_what_is_wrong(lena: User, body: dict[str, Any], fields: set[str]) -> None:
    refused = client_of(lena).post(RULES, {"name": "Rule", **body}, format="json")
    assert refused.status_code in {400, 422}
    assert {one["field"] for one in refused.json()["errors"]} == fields


def test_out_of_sight_there_is_no_rule(lena: User, anna: User) -> None:
    elsewhere = factories.join(
        factories.make_user("Far"), factories.make_team("South"), factories.make_role(ON_RULES)
    )
    rule = a_rule(lena, setting("seen"))
    far = client_of(elsewhere)
    assert far.get(RULES).json()["results"] == []
    for name in ("start", "stop", "dry_run", "archive"):
        assert far.post(f"{RULES}{rule.pk}/{name}/").status_code == 404
    assert client_of(anna).get(RULES).status_code == 403


def test_a_dry_run_is_refused_to_who_may_not_change_the_rule(lena: User, team: Team) -> None:
    from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError

    from apps.crm.services import automation_trials

    rule = a_rule(lena, setting("seen"))
    looking = factories.make_role({"crm.view_automationrule": "ALL"})
    onlooker = factories.join(factories.make_user("Otto"), team, looking)
    with pytest.raises(PermissionDenied):
        automation_trials.try_automation(rule.pk, actor=onlooker)
    with pytest.raises(ObjectDoesNotExist):
        automation_trials.try_automation(rule.pk, actor=factories.make_salesperson())
    assert client_of(onlooker).post(f"{RULES}{rule.pk}/dry_run/").status_code == 403
    automation.archive_automation(rule.pk, actor=lena)
    with pytest.raises(ValidationError) as caught:
        automation_trials.try_automation(rule.pk, actor=lena)
    assert caught.value.code == "archived"
    assert not Job.objects.filter(kind="crm.try_automation").exists()
