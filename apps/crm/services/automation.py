"""Rules of automation: who may write one, and when it runs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict, Unpack

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import Team, User
from apps.crm import events
from apps.crm.automation.schedules import (
    SCHEDULES,
    cleaned_schedule,
    custom_field_of,
    is_scheduled,
    next_due,
)
from apps.crm.automation.words import (
    MODELS,
    TRIGGERS,
    aggregate_of,
    cleaned_actions,
    cleaned_condition,
    named_in,
)
from apps.crm.models import AutomationRule, Stage
from apps.crm.services import rows


class AutomationFields(TypedDict, total=False):
    """
    What people write of a rule.

    `condition` and `actions` as :mod:`apps.crm.automation.words` cleans them, `schedule` as
    :mod:`apps.crm.automation.schedules` does.
    """

    name: str
    trigger: str
    schedule: Mapping[str, Any]
    condition: Mapping[str, Any]
    actions: Sequence[Mapping[str, Any]]


@transaction.atomic
def create_automation(*, actor: User, **fields: Unpack[AutomationFields]) -> AutomationRule:
    """
    Write a rule, which acts in the actor's name and rights once it is started.

    :raises PermissionDenied: the actor may not write rules, or does not act in person
    :raises ValidationError: a value is refused ("unknown_trigger", "invalid_schedule", "invalid_condition",
        "invalid_action", …)
    """
    access.require(actor, "add", AutomationRule)
    _require_in_person(actor)
    given: dict[str, Any] = dict(fields)
    values = _checked({"schedule": {}, "condition": {}, "actions": []} | given, actor=actor)
    values["owner_id"] = actor.pk
    rows.owner_and_team(values, actor=actor)
    rule = rows.insert(AutomationRule(**values), actor=actor)
    _tell(rule, actor)
    return rule


@transaction.atomic
def change_automation(
    rule_id: int, *, actor: User, expected_version: int | None = None, **fields: Unpack[AutomationFields]
) -> AutomationRule:
    """
    Change a rule. Whoever changes what it does becomes its owner: nobody has others' rights used for their own ends.

    :raises DoesNotExist: the rule is out of sight
    :raises PermissionDenied: the actor may not change it, or does not act in person
    :raises ValidationError: a value is refused, "archived", "stale"
    """
    rule = _locked(rule_id, actor=actor, expected_version=expected_version)
    rows.require_active(rule)
    given: dict[str, Any] = dict(fields)
    present = {
        "trigger": rule.trigger,
        "schedule": rule.schedule,
        "condition": rule.condition,
        "actions": rule.actions,
    }
    checked = _checked({**present, **given}, actor=actor)
    changes = rows.differing(rule, {name: checked[name] for name in {*given, *present}})
    if changes.keys() - {"name"}:
        _require_in_person(actor)
        changes |= _taken_over(rule, actor)
        if rule.is_active and not changes.get("actions", rule.actions):
            raise _nothing_to_do()
    if rule.is_active and changes.keys() & {"trigger", "schedule"}:
        changes["next_due_at"] = _next_due(checked["trigger"], checked["schedule"])
    if changes:
        rows.write(rule, changes, actor=actor)
        _tell(rule, actor)
    return rule


@transaction.atomic
def start_automation(rule_id: int, *, actor: User, expected_version: int | None = None) -> AutomationRule:
    """
    Let a rule run from now on, in the name of whoever starts it; starting twice is once.

    :raises DoesNotExist: the rule is out of sight
    :raises PermissionDenied: the actor may not change it, or does not act in person
    :raises ValidationError: it does nothing ("no_action"), what it counts from is gone ("unknown_trigger"), "archived",
        "stale"
    """
    rule = _locked(rule_id, actor=actor, expected_version=expected_version)
    rows.require_active(rule)
    if rule.is_active:
        return rule
    _require_in_person(actor)
    if not rule.actions:
        raise _nothing_to_do()
    _require_known(rule.trigger)
    changes = {
        "is_active": True,
        "started_at": timezone.now(),
        "stopped_at": None,
        "stop_reason": "",
        # What came while it did not run is left alone.
        "next_due_at": _next_due(rule.trigger, rule.schedule),
        **_taken_over(rule, actor),
    }
    rows.write(rule, changes, actor=actor)
    _tell(rule, actor)
    return rule


@transaction.atomic
def stop_automation(rule_id: int, *, actor: User, expected_version: int | None = None) -> AutomationRule:
    """
    Let a rule run no more until it is started again; stopping twice is once.

    :raises DoesNotExist: the rule is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: "stale"
    """
    rule = _locked(rule_id, actor=actor, expected_version=expected_version)
    if rule.is_active:
        rows.write(rule, {"is_active": False}, actor=actor)
        _tell(rule, actor)
    return rule


@transaction.atomic
def archive_automation(rule_id: int, *, actor: User, expected_version: int | None = None) -> AutomationRule:
    """
    Put a rule into the trash, where it does not run.

    :raises DoesNotExist: the rule is out of sight
    :raises PermissionDenied: the actor may not delete it
    :raises ValidationError: "archived", "stale"
    """
    rule = _locked(rule_id, actor=actor, action="delete", expected_version=expected_version)
    rows.require_active(rule)
    rows.write(rule, {"archived_at": timezone.now(), "is_active": False}, actor=actor)
    _tell(rule, actor)
    return rule


@transaction.atomic
def restore_automation(rule_id: int, *, actor: User, expected_version: int | None = None) -> AutomationRule:
    """
    Take a rule out of the trash; it does not run until it is started.

    :raises DoesNotExist: the rule is out of sight
    :raises PermissionDenied: the actor may not delete it
    :raises ValidationError: "not_archived", "stale"
    """
    rule = _locked(rule_id, actor=actor, action="delete", expected_version=expected_version)
    rows.restore(rule, actor=actor)
    _tell(rule, actor)
    return rule


def stop_by_fuse(rule: AutomationRule, reason: str) -> None:
    """Stop a rule that does more than anybody can have meant, and say why to whoever looks after it."""
    # Again once locked: whoever was faster has said why.
    rule = AutomationRule._base_manager.select_for_update(of=("self",), no_key=True).get(pk=rule.pk)
    if not rule.is_active:
        return
    system = User.objects.system()
    rows.write(
        rule,
        {"is_active": False, "stopped_at": timezone.now(), "stop_reason": reason[:300]},
        actor=system,
    )
    events.publish_rule(events.AUTOMATION_RULE_STOPPED, rule, actor_id=system.pk)


def _locked(
    rule_id: int, *, actor: User, action: str = "change", expected_version: int | None
) -> AutomationRule:
    return rows.locked(AutomationRule, rule_id, actor=actor, action=action, expected_version=expected_version)


def _taken_over(rule: AutomationRule, actor: User) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if rule.owner_id != actor.pk:
        values["owner_id"] = actor.pk
        rows.owner_and_team(values, actor=actor)
    return values


def _require_in_person(actor: User) -> None:
    """Insist that whoever arms a rule may do with all of their rights what it does with them, for as long as it runs."""
    if actor.key_scopes is not None:
        raise PermissionDenied(
            _(
                "A rule acts with all rights of its owner: it takes a person, or a key that may do whatever they may."
            )
        )
    if actor.impersonation is not None:
        raise PermissionDenied(
            _("A rule outlasts the time in which you act as somebody else: it is not written so.")
        )


def _checked(values: dict[str, Any], *, actor: User) -> dict[str, Any]:
    trigger = str(values.get("trigger") or "")
    _require_known(trigger)
    aggregate = aggregate_of(trigger)
    if "name" in values:
        values["name"] = values["name"].strip()
    values["schedule"] = cleaned_schedule(values["schedule"], trigger=trigger)
    values["condition"] = cleaned_condition(values["condition"], aggregate=aggregate)
    values["actions"] = cleaned_actions(values["actions"], aggregate=aggregate)
    for pk in named_in(values["actions"], "user"):
        rows.named(User, pk, actor=actor, field="actions")
    for pk in named_in(values["actions"], "team"):
        rows.named(Team, pk, actor=actor, field="actions")
    _require_open_stages(named_in(values["actions"], "stage"), actor=actor)
    return values


def _require_known(trigger: str) -> None:
    if trigger in TRIGGERS or trigger in SCHEDULES:
        return
    parts = trigger.split(".", 2)
    is_of_rows = is_scheduled(trigger) and len(parts) == 3 and parts[1] in MODELS
    if not is_of_rows or custom_field_of(trigger) is None:
        raise rows.refusal("trigger", _("Say when the rule acts."), code="unknown_trigger")


def _next_due(trigger: str, schedule: Mapping[str, Any]) -> datetime | None:
    return next_due(schedule, timezone.now()) if is_scheduled(trigger) else None


def _require_open_stages(stage_ids: set[int], *, actor: User) -> None:
    stages = Stage.objects.visible_to(actor).filter(
        pk__in=stage_ids, kind=Stage.Kind.OPEN, pipeline__archived_at=None
    )
    if stages.count() != len(stage_ids):
        raise rows.refusal(
            "actions", _("A rule moves deals to open stages alone, of pipelines in use."), code="not_found"
        )


def _nothing_to_do() -> ValidationError:
    return rows.refusal("actions", _("Say what is to be done first."), code="no_action")


def _tell(rule: AutomationRule, actor: User) -> None:
    events.publish_rule(events.AUTOMATION_RULE_CHANGED, rule, actor_id=actor.pk)
