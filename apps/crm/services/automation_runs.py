"""What rules do about facts: once for each, in their owners' rights, and never in circles."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import OperationalError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts import access
from apps.accounts.models import Team, User
from apps.crm import events
from apps.crm.automation.words import (
    MODELS,
    SETTABLE,
    Target,
    action_label,
    aggregate_of,
    holds,
    named_in,
)
from apps.crm.models import AutomationRule, AutomationRun, Company, Deal, Lead, Person
from apps.crm.services import activities, assigning, automation, companies, deals, leads, people, rows
from apps.events.models import Event
from apps.events.services import caused_by
from apps.history.context import Face, Work, change_set

logger = logging.getLogger(__name__)

# A rule that sets off a rule that sets off a rule is meant now and then; five in a row go in a circle.
MAX_DEPTH = 5
# Of one rule about one row: one each 36 seconds, for an hour, is nobody's intention.
MOST_AN_HOUR = 100
_KEPT = timedelta(days=90)
_EXPIRY_BATCH = 5000
Outcome = AutomationRun.Outcome
_CHANGE: dict[type[Any], Callable[..., Any]] = {
    Company: companies.change_company,
    Person: people.change_person,
    Lead: leads.change_lead,
}


@dataclass(frozen=True)
class _Case:
    """A rule that fits a fact, about a row that its owner sees."""

    rule: AutomationRule
    event: Event
    owner: User
    row: Target


def run_rules(event: Event) -> None:
    """Let each rule that waits for such a fact do its share, whatever becomes of the others' shares."""
    waiting = AutomationRule.objects.filter(trigger=event.type, is_active=True, archived_at=None)
    for rule in waiting.select_related("owner").order_by("pk"):
        done_before = AutomationRun.objects.filter(rule=rule, event_id=event.pk)
        if not done_before.exists() and (case := case_of(rule, event)) is not None:
            _run(case)


def case_of(rule: AutomationRule, event: Event) -> _Case | None:
    """Return what a rule would act on; None where the fact is of another kind, or out of its owner's sight."""
    model = MODELS[aggregate_of(event.type)]
    row = model._base_manager.filter(pk=event.data["id"]).first()
    owner = rule.owner
    if row is None or owner is None or not access.can(owner, "view", row):
        return None
    return _Case(rule, event, owner, row) if holds(rule.condition, event.data, row) else None


def _run(case: _Case) -> None:
    if (cut := _fuse(case)) is not None:
        _record(case, Outcome.FUSED, cut)
        return
    try:
        work = Work(Face.SYSTEM, actor_id=case.owner.pk, label=case.rule.name)
        with transaction.atomic(), change_set(work), caused_by(case.event, is_by_itself=True):
            labels = labels_of(case.rule)
            for action in case.rule.actions:
                _ACTIONS[action["kind"]](case, action)
    except OperationalError:
        # Of the database and not of the rule: the fact is heard again.
        raise
    except (PermissionDenied, ValidationError, ObjectDoesNotExist) as error:
        _record(case, Outcome.REFUSED, _words_of(error))
    except Exception as error:
        logger.exception("automation rule %s failed at event %s", case.rule.pk, case.event.pk)
        _record(case, Outcome.FAILED, type(error).__name__)
    else:
        _record(case, Outcome.DONE, "", labels)


def _fuse(case: _Case) -> str | None:
    """Return why a rule may not act once more; None where it may."""
    if case.event.depth >= MAX_DEPTH:
        return _("Rules have set each other off %(count)s times in a row.") % {"count": MAX_DEPTH}
    hour = AutomationRun.objects.filter(
        rule=case.rule, subject=case.event.subject, at__gt=timezone.now() - timedelta(hours=1)
    )
    if hour.exclude(outcome=Outcome.FUSED).count() < MOST_AN_HOUR:
        return None
    reason = _("It has acted %(count)s times within an hour on the same row (%(subject)s).") % {
        "count": MOST_AN_HOUR,
        "subject": case.row,
    }
    automation.stop_by_fuse(case.rule, reason)
    return reason


def _record(case: _Case, outcome: Outcome, why: str, labels: list[dict[str, str]] | None = None) -> None:
    AutomationRun.objects.create(
        rule=case.rule,
        event_id=case.event.pk,
        event_type=case.event.type,
        subject=case.event.subject,
        outcome=outcome,
        why=why[:500],
        results=labels or [],
        depth=case.event.depth,
    )


def _words_of(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return " ".join(error.messages)
    if isinstance(error, ObjectDoesNotExist):
        return _("The owner of the rule does not see it any more.")
    return str(error) or _("The owner of the rule may not do this.")


def labels_of(rule: AutomationRule) -> list[dict[str, str]]:
    """Say what a rule does, in words: [{"key", "kind", "label"}]."""
    names: dict[tuple[str, int], str] = {}
    models: list[tuple[str, type[Any]]] = [("user", User), ("team", Team)]
    for kind, model in models:
        for pk, name in model._base_manager.filter(pk__in=named_in(rule.actions, kind)).values_list(
            "pk", "name"
        ):
            names[kind, pk] = name
    aggregate = aggregate_of(rule.trigger)
    return [
        {
            "key": action["key"],
            "kind": action["kind"],
            "label": action_label(action, aggregate=aggregate, names=names),
        }
        for action in rule.actions
    ]


# What is done


def _change(case: _Case, **values: Any) -> None:
    if isinstance(case.row, Deal):
        deals.change_deal(case.row.pk, actor=case.owner, **values)
    else:
        _CHANGE[type(case.row)](case.row.pk, actor=case.owner, **values)


def _set(case: _Case, action: Mapping[str, Any]) -> None:
    name, value = action["field"], action["value"]
    if name in SETTABLE[aggregate_of(case.rule.trigger)]:
        _change(case, **{name: int(value) if name == "probability" else value})


def _plan(case: _Case, action: Mapping[str, Any]) -> None:
    on = timezone.localdate() + timedelta(days=action["days"])
    _change(case, next_step=action["text"], next_step_date=on)


def _give(case: _Case, user_id: int) -> None:
    assign: Callable[..., Any] = deals.assign_deal if isinstance(case.row, Deal) else leads.assign_lead
    assign(case.row.pk, owner_id=user_id, actor=case.owner)


def _assign(case: _Case, action: Mapping[str, Any]) -> None:
    _give(case, action["user"])


def _turn(case: _Case, action: Mapping[str, Any]) -> None:
    model: type[Deal | Lead] = Deal if isinstance(case.row, Deal) else Lead
    user = assigning.next_in_turn(case.rule, team_id=action["team"], model=model)
    if user is None:
        raise rows.refusal("actions", _("Nobody in the team is there to get it."), code="nobody")
    _give(case, user.pk)


def _write_note(case: _Case, text: str) -> None:
    about = (aggregate_of(case.rule.trigger), case.row.pk)
    activities.log_activity(about=[about], kind="NOTE", actor=case.owner, body=text)


def _note(case: _Case, action: Mapping[str, Any]) -> None:
    _write_note(case, action["text"])


def _notify(case: _Case, action: Mapping[str, Any]) -> None:
    named = User.objects.get(pk=action["user"])
    _write_note(case, f"@{named.name}, {action['text']}")


def _tell(case: _Case, action: Mapping[str, Any]) -> None:
    told = {"subject": case.event.subject, "event_type": case.event.type, "text": action["text"]}
    events.publish_rule(events.AUTOMATION_RULE_FIRED, case.rule, actor_id=case.owner.pk, **told)


_ACTIONS = {
    "set": _set,
    "next_step": _plan,
    "assign": _assign,
    "turn": _turn,
    "notify": _notify,
    "note": _note,
    "tell": _tell,
}
# What the policy is asked for each; whoever only tells others needs no more than to see the row.
_NEEDS = {
    "set": "change",
    "next_step": "change",
    "assign": "assign",
    "turn": "assign",
    "notify": "change",
    "note": "change",
    "tell": "view",
}


def refusal_of(case: _Case) -> str:
    """Say why a rule would be refused, without doing anything; "" where nothing is known that speaks against it."""
    if case.row.archived_at is not None and any(one["kind"] != "tell" for one in case.rule.actions):
        return _("It is in the trash.")
    needed = {_NEEDS[action["kind"]] for action in case.rule.actions}
    if not all(access.can(case.owner, action, case.row) for action in needed):
        return _("The owner of the rule may not do this.")
    return ""


def expire_runs() -> int:
    """Forget what rules did long ago, in small transactions; return how many runs."""
    total = 0
    while deleted := _expire_batch():
        total += deleted
    return total


def _expire_batch() -> int:
    old = AutomationRun.objects.filter(at__lt=timezone.now() - _KEPT).order_by("at")
    batch = list(old.values_list("pk", flat=True)[:_EXPIRY_BATCH])
    AutomationRun.objects.filter(pk__in=batch).delete()
    return len(batch)
