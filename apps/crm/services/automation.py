"""Rules of automation: who may write one, and when it runs."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import Team, User
from apps.crm import events
from apps.crm.automation.words import TRIGGERS, aggregate_of, cleaned_actions, cleaned_condition, named_in
from apps.crm.models import AutomationRule
from apps.crm.services import rows


class AutomationFields(TypedDict, total=False):
    """What people write of a rule; `condition` and `actions` as :mod:`apps.crm.automation.words` cleans them."""

    name: str
    trigger: str
    condition: Mapping[str, Any]
    actions: Sequence[Mapping[str, Any]]


@transaction.atomic
def create_automation(*, actor: User, **fields: Unpack[AutomationFields]) -> AutomationRule:
    """
    Write a rule, which acts in the actor's name and rights once it is started.

    :raises PermissionDenied: the actor may not write rules, or does not act in person
    :raises ValidationError: a value is refused ("unknown_trigger", "invalid_condition", "invalid_action", …)
    """
    access.require(actor, "add", AutomationRule)
    _require_in_person(actor)
    given: dict[str, Any] = dict(fields)
    values = _checked({"condition": {}, "actions": []} | given, actor=actor)
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
    present = {"trigger": rule.trigger, "condition": rule.condition, "actions": rule.actions}
    checked = _checked({**present, **given}, actor=actor)
    changes = rows.differing(rule, {name: checked[name] for name in {*given, *present}})
    if changes.keys() - {"name"}:
        _require_in_person(actor)
        changes |= _taken_over(rule, actor)
        if rule.is_active and not changes.get("actions", rule.actions):
            raise _nothing_to_do()
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
    :raises ValidationError: it does nothing ("no_action"), "archived", "stale"
    """
    rule = _locked(rule_id, actor=actor, expected_version=expected_version)
    rows.require_active(rule)
    if rule.is_active:
        return rule
    _require_in_person(actor)
    if not rule.actions:
        raise _nothing_to_do()
    changes = {"is_active": True, "stopped_at": None, "stop_reason": "", **_taken_over(rule, actor)}
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
    if values.get("trigger") not in TRIGGERS:
        raise rows.refusal("trigger", _("Say when the rule acts."), code="unknown_trigger")
    aggregate = aggregate_of(values["trigger"])
    if "name" in values:
        values["name"] = values["name"].strip()
    values["condition"] = cleaned_condition(values["condition"], aggregate=aggregate)
    values["actions"] = cleaned_actions(values["actions"], aggregate=aggregate)
    for pk in named_in(values["actions"], "user"):
        rows.named(User, pk, actor=actor, field="actions")
    for pk in named_in(values["actions"], "team"):
        rows.named(Team, pk, actor=actor, field="actions")
    return values


def _nothing_to_do() -> ValidationError:
    return rows.refusal("actions", _("Say what is to be done first."), code="no_action")


def _tell(rule: AutomationRule, actor: User) -> None:
    events.publish_rule(events.AUTOMATION_RULE_CHANGED, rule, actor_id=actor.pk)
