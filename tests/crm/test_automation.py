"""Rules act once for each fact, in their owners' rights, and never in circles."""

from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import OperationalError, transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.crm import events
from apps.crm.models import Activity, AutomationRule, AutomationRun, Deal
from apps.crm.receivers import follow_rules
from apps.crm.services import automation, automation_runs, automation_trials, deals
from apps.events.models import Delivery, Event
from apps.events.services import deliver
from apps.jobs.models import Job
from tests.crm import factories

pytestmark = pytest.mark.django_db
RECEIVER = f"{follow_rules.__module__}.{follow_rules.__qualname__}"
ON_RULES = {f"crm.{action}_automationrule": "SUBTREE" for action in ["view", "add", "change", "delete"]}


@pytest.fixture
def lena(team: Any) -> User:
    """Leads the team North, and writes rules for it."""
    grants = factories.salesperson_grants("SUBTREE") | {"crm.assign_deal": "SUBTREE"}
    role = factories.make_role(grants | ON_RULES | {"accounts.view_user": "ALL"})
    return factories.join(factories.make_user("Lena Lead"), team, role)


def a_rule(owner: User, *actions: dict[str, Any], is_started: bool = True, **fields: Any) -> AutomationRule:
    fields.setdefault("name", "Rule")
    fields.setdefault("trigger", events.DEAL_CHANGED.type)
    rule = automation.create_automation(actor=owner, actions=actions, **fields)
    return automation.start_automation(rule.pk, actor=owner) if is_started else rule


def setting(value: str, field: str = "description") -> dict[str, Any]:
    return {"kind": "set", "field": field, "value": value}


def change(deal: Deal, actor: User, title: str = "Fifty desks") -> Event:
    """Change a deal, and return the fact that tells of it."""
    deals.change_deal(deal.pk, actor=actor, title=title)
    return Event.objects.filter(subject=f"deal/{deal.pk}", type=events.DEAL_CHANGED.type).latest("pk")


def hear(event: Event) -> None:
    """Have a fact delivered to the rules as the relay has it."""
    Delivery.objects.get_or_create(event=event, receiver=RECEIVER)
    deliver(event.pk, RECEIVER)


def hear_all() -> int:
    """Have all facts delivered until no new ones come; return how many there were."""
    heard = 0
    while True:
        done = Delivery.objects.filter(receiver=RECEIVER, done_at__isnull=False).values("event")
        waiting = Event.objects.filter(type=events.DEAL_CHANGED.type).exclude(pk__in=done)
        event = waiting.order_by("pk").first()
        if event is None:
            return heard
        hear(event)
        heard += 1
        assert heard < 500, "the rules never end"


def outcomes(rule: AutomationRule) -> list[str]:
    return list(rule.runs.order_by("pk").values_list("outcome", flat=True))


def test_a_rule_acts_in_the_name_of_its_owner(deal: Deal, anna: User, lena: User) -> None:
    rule = a_rule(lena, setting("seen"), {"kind": "next_step", "text": "Call", "days": 2})
    hear(change(deal, anna))
    deal.refresh_from_db()
    assert (deal.description, deal.next_step, deal.updated_by) == ("seen", "Call", lena)
    run = rule.runs.get()
    assert (run.outcome, run.why, run.depth, len(run.results)) == ("DONE", "", 0, 2)


def test_what_is_delivered_again_is_done_once(deal: Deal, anna: User, lena: User) -> None:
    rule = a_rule(lena, {"kind": "note", "text": "Look"})
    event = change(deal, anna)
    hear(event)
    hear(event)
    # Nor where the record of the delivery is gone.
    Delivery.objects.all().delete()
    hear(event)
    assert outcomes(rule) == ["DONE"]
    assert Activity.objects.filter(kind="NOTE").count() == 1


def test_a_loop_is_cut_by_the_fuse(deal: Deal, anna: User, lena: User) -> None:
    there = a_rule(
        lena,
        setting("there"),
        name="There",
        condition={"where": [{"field": "title", "op": "contains", "value": "desks"}]},
    )
    back = a_rule(lena, setting("back"), name="Back")
    change(deal, anna)
    heard = hear_all()
    assert heard < 100
    last = AutomationRun.objects.filter(outcome="FUSED")
    assert last.exists()
    assert set(last.values_list("depth", flat=True)) == {automation_runs.MAX_DEPTH}
    assert all("in a row" in why for why in last.values_list("why", flat=True))
    # Each act knows what it came of, and nobody else's facts are cut.
    assert {rule.runs.filter(depth=0, outcome="DONE").count() for rule in (there, back)} == {1}
    assert Event.objects.filter(depth=automation_runs.MAX_DEPTH).exists()
    assert not Event.objects.filter(depth__gt=automation_runs.MAX_DEPTH).exists()
    assert not Event.objects.filter(depth__gt=0, caused_by=None).exists()


def test_a_rule_that_acts_too_often_is_stopped_and_says_why(deal: Deal, anna: User, lena: User) -> None:
    rule = a_rule(lena, {"kind": "tell", "text": "again"})
    with patch.object(automation_runs, "MOST_AN_HOUR", 3):
        for number in range(5):
            hear(change(deal, anna, f"{number} desks"))
    rule.refresh_from_db()
    assert outcomes(rule) == ["DONE", "DONE", "DONE", "FUSED"]
    assert not rule.is_active
    assert rule.stopped_at is not None
    assert "3 times within an hour" in rule.stop_reason
    assert Event.objects.filter(type=events.AUTOMATION_RULE_STOPPED.type).count() == 1
    started = automation.start_automation(rule.pk, actor=lena)
    assert (started.is_active, started.stopped_at, started.stop_reason) == (True, None, "")


def test_another_row_is_not_counted(deal: Deal, anna: User, lena: User) -> None:
    rule = a_rule(lena, {"kind": "tell", "text": "again"})
    other = factories.make_deal("Chairs", owner=anna, team=deal.team)
    with patch.object(automation_runs, "MOST_AN_HOUR", 1):
        hear(change(deal, anna))
        hear(change(other, anna))
    assert outcomes(rule) == ["DONE", "DONE"]


def test_an_owner_who_may_not_is_refused_and_nothing_is_left(deal: Deal, anna: User, lena: User) -> None:
    boss = factories.make_admin()
    rule = a_rule(lena, setting("seen"), {"kind": "assign", "user": boss.pk})
    role = lena.memberships.get().role
    role.grants.filter(permission="crm.assign_deal").delete()
    hear(change(deal, anna))
    run = rule.runs.get()
    deal.refresh_from_db()
    assert (run.outcome, run.results, deal.description, deal.owner) == ("REFUSED", [], "", anna)
    assert run.why


def test_out_of_sight_is_out_of_reach(lena: User, admin: User) -> None:
    rule = a_rule(lena, setting("seen"))
    hear(change(factories.make_deal(owner=factories.make_salesperson()), admin))
    assert outcomes(rule) == []


@pytest.mark.parametrize(
    ("where", "is_done"),
    [
        ({"field": "amount.amount", "op": "at_least", "value": "1000"}, True),
        ({"field": "amount.amount", "op": "at_least", "value": "1000.01"}, False),
        ({"field": "amount.amount", "op": "at_most", "value": "999"}, False),
        ({"field": "amount.amount", "op": "is", "value": "1 000"}, True),
        ({"field": "stage.name", "op": "is", "value": "prospecting"}, True),
        ({"field": "stage.name", "op": "is_not", "value": "Prospecting"}, False),
        ({"field": "title", "op": "contains", "value": "DESK"}, True),
        ({"field": "company.name", "op": "filled"}, False),
        ({"field": "company.name", "op": "empty"}, True),
        ({"field": "tags", "op": "is", "value": "vip"}, False),
    ],
)
def test_a_condition_decides(
    deal: Deal, anna: User, lena: User, where: dict[str, str], *, is_done: bool
) -> None:
    rule = a_rule(lena, setting("seen"), condition={"where": [where]})
    hear(change(deal, anna))
    assert bool(outcomes(rule)) is is_done


def test_what_a_stage_may_ask_for_a_rule_may_too(deal: Deal, anna: User, lena: User) -> None:
    wanted = {"criteria": [{"kind": "field", "params": {"field": "deal.next_step"}}]}
    rule = a_rule(lena, setting("seen"), condition=wanted)
    hear(change(deal, anna))
    assert outcomes(rule) == []
    deals.change_deal(deal.pk, actor=anna, next_step="Call")
    hear(change(deal, anna, "Sixty desks"))
    assert outcomes(rule) == ["DONE"]


def test_a_rule_that_fails_lets_the_others_act(deal: Deal, anna: User, lena: User) -> None:
    broken, fine = a_rule(lena, {"kind": "note", "text": "Look"}), a_rule(lena, setting("seen"))
    with patch.dict(automation_runs._ACTIONS, note=lambda case, action: 1 / 0):
        hear(change(deal, anna))
    assert (outcomes(broken), outcomes(fine)) == (["FAILED"], ["DONE"])
    assert broken.runs.get().why == "ZeroDivisionError"
    assert Delivery.objects.get().done_at is not None


def test_trouble_of_the_database_is_tried_again(deal: Deal, anna: User, lena: User) -> None:
    rule = a_rule(lena, {"kind": "note", "text": "Look"})
    event = change(deal, anna)

    def fail(case: object, action: object) -> None:
        raise OperationalError

    with patch.dict(automation_runs._ACTIONS, note=fail):
        hear(event)
    assert outcomes(rule) == []
    assert Delivery.objects.get().done_at is None
    hear(event)
    assert outcomes(rule) == ["DONE"]


def test_a_team_takes_turns(deal: Deal, anna: User, boris: User, lena: User, team: Any) -> None:
    a_rule(lena, {"kind": "turn", "team": team.pk})
    owners = []
    for number in range(3):
        hear(change(deal, lena, f"{number} desks"))
        deal.refresh_from_db()
        owners.append(deal.owner)
    assert owners == [anna, boris, lena]


def test_somebody_is_named_in_a_note(deal: Deal, anna: User, lena: User) -> None:
    a_rule(lena, {"kind": "notify", "user": anna.pk, "text": "call them"})
    hear(change(deal, anna))
    told = Event.objects.get(type=events.ACTIVITY_MENTIONED.type)
    assert told.data["mentioned"] == [{"id": anna.pk, "name": anna.name}]
    assert told.depth == 1


def test_webhooks_are_told(deal: Deal, anna: User, lena: User) -> None:
    rule = a_rule(lena, {"kind": "tell", "text": "big one"})
    hear(change(deal, anna))
    told = Event.objects.get(type=events.AUTOMATION_RULE_FIRED.type)
    assert (told.subject, told.data["subject"], told.data["text"]) == (
        f"automation_rule/{rule.pk}",
        f"deal/{deal.pk}",
        "big one",
    )


def test_what_does_not_run_does_nothing(deal: Deal, anna: User, lena: User) -> None:
    new = a_rule(lena, setting("new"), is_started=False)
    stopped, gone = a_rule(lena, setting("stopped")), a_rule(lena, setting("gone"))
    automation.stop_automation(stopped.pk, actor=lena)
    automation.archive_automation(gone.pk, actor=lena)
    hear(change(deal, anna))
    assert [outcomes(rule) for rule in (new, stopped, gone)] == [[], [], []]
    restored = automation.restore_automation(gone.pk, actor=lena)
    assert not restored.is_active


def test_what_was_told_before_a_rule_was_started_is_not_for_it(deal: Deal, anna: User, lena: User) -> None:
    early = change(deal, anna)
    rule = a_rule(lena, setting("seen"))
    hear(early)
    assert outcomes(rule) == []
    hear(change(deal, anna, "Sixty desks"))
    assert outcomes(rule) == ["DONE"]


# Whose rights


def test_whoever_changes_what_a_rule_does_answers_for_it(lena: User, admin: User) -> None:
    rule = a_rule(admin, setting("seen"))
    AutomationRule.objects.filter(pk=rule.pk).update(team=lena.memberships.get().team)
    assert automation.change_automation(rule.pk, actor=lena, name="Mine?").owner == admin
    assert automation.change_automation(rule.pk, actor=lena, actions=[setting("mine")]).owner == lena
    assert automation.stop_automation(rule.pk, actor=admin).owner == lena
    assert automation.start_automation(rule.pk, actor=admin).owner == admin


def test_a_limited_key_arms_no_rule(lena: User) -> None:
    rule = a_rule(lena, setting("seen"), is_started=False)
    lena.key_scopes = frozenset({"read", "crm.change_automationrule", "crm.add_automationrule"})
    with pytest.raises(PermissionDenied):
        a_rule(lena, setting("seen"))
    with pytest.raises(PermissionDenied):
        automation.start_automation(rule.pk, actor=lena)


def test_whoever_sells_writes_no_rule(anna: User) -> None:
    with pytest.raises(PermissionDenied):
        a_rule(anna, setting("seen"))


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"trigger": "crm.deal.sung.v1"}, "unknown_trigger"),
        (
            {"condition": {"where": [{"field": "owner.password", "op": "is", "value": "x"}]}},
            "invalid_condition",
        ),
        (
            {"condition": {"where": [{"field": "amount.amount", "op": "at_least", "value": "x"}]}},
            "invalid_condition",
        ),
        ({"condition": {"where": [{"field": "title", "op": "is", "value": ""}]}}, "invalid_condition"),
        ({"condition": {"criteria": [{"kind": "approval"}]}}, "invalid_condition"),
        ({"actions": [{"kind": "set", "field": "owner_id", "value": "1"}]}, "invalid_action"),
        ({"actions": [{"kind": "set", "field": "probability", "value": "101"}]}, "invalid_action"),
        ({"actions": [{"kind": "burn"}]}, "invalid_action"),
        ({"actions": [{"kind": "next_step", "text": "Call", "days": "x"}]}, "invalid_action"),
        ({"actions": [{"kind": "note", "text": "x"}] * 11}, "invalid_action"),
        ({"actions": [{"kind": "assign", "user": 0}]}, "not_found"),
        ({"trigger": events.LEAD_CREATED.type, "actions": [{"kind": "note", "text": "x"}]}, "invalid_action"),
    ],
)
def test_what_makes_no_sense_is_refused(lena: User, fields: dict[str, Any], code: str) -> None:
    values = {"name": "Rule", "trigger": events.DEAL_CHANGED.type, "actions": [], **fields}
    with pytest.raises(ValidationError) as caught:
        automation.create_automation(actor=lena, **values)
    found = [error.code for errors in caught.value.error_dict.values() for error in errors]
    assert found == [code]


def test_a_rule_that_does_nothing_is_not_started(lena: User) -> None:
    rule = a_rule(lena, is_started=False)
    with pytest.raises(ValidationError) as caught:
        automation.start_automation(rule.pk, actor=lena)
    assert caught.value.error_dict["actions"][0].code == "no_action"


# Dry run


def test_a_dry_run_tells_and_changes_nothing(deal: Deal, anna: User, lena: User, admin: User) -> None:
    rule = a_rule(
        lena,
        setting("seen"),
        is_started=False,
        condition={"where": [{"field": "title", "op": "contains", "value": "desks"}]},
    )
    change(deal, anna, "Fifty desks")
    change(deal, anna, "Chairs")
    change(factories.make_deal(owner=factories.make_salesperson()), admin, "desks out of sight")
    lost = factories.make_deal("Lost", owner=anna, team=deal.team)
    change(lost, anna, "lost desks")
    Deal.objects.filter(pk=lost.pk).update(archived_at=timezone.now())
    job = automation_trials.try_automation(rule.pk, actor=lena)
    before = (Event.objects.count(), AutomationRun.objects.count(), Deal.objects.get(pk=deal.pk).version)
    with transaction.atomic():
        step = automation_trials.trial_step(Job.objects.get(pk=job.pk), None)  # type: ignore[arg-type]
    assert step.result is not None
    assert (step.result["facts"], step.result["fired"], step.result["refused"]) == (4, 1, 1)
    assert [(row["subject"], bool(row["refusal"])) for row in step.result["rows"]] == [
        (f"deal/{deal.pk}", False),
        (f"deal/{lost.pk}", True),
    ]
    after = (Event.objects.count(), AutomationRun.objects.count(), Deal.objects.get(pk=deal.pk).version)
    assert before == after


def test_who_does_not_act_in_person_tries_no_rule(lena: User) -> None:
    """The rule would be tried with all rights of whoever asks."""
    rule = a_rule(lena, setting("seen"), is_started=False)
    by_key, by_another = User.objects.get(pk=lena.pk), User.objects.get(pk=lena.pk)
    by_key.key_scopes = frozenset({"read", "crm.change_automationrule"})
    by_another.impersonation = SimpleNamespace()  # type: ignore[assignment]
    for actor, words in ((by_key, "Long work takes a person"), (by_another, "Long work outlasts")):
        with pytest.raises(PermissionDenied, match=words):
            automation_trials.try_automation(rule.pk, actor=actor)
    assert not Job.objects.exists()


def test_old_runs_are_forgotten(deal: Deal, anna: User, lena: User) -> None:
    rule = a_rule(lena, setting("seen"))
    hear(change(deal, anna))
    assert automation_runs.expire_runs() == 0
    AutomationRun.objects.update(at=timezone.now() - automation_runs._KEPT * 2)
    assert automation_runs.expire_runs() == 1
    assert outcomes(rule) == []
