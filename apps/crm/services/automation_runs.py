"""What rules do: once for each fact or day, in their owners' rights, and never in circles."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import OperationalError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts import access
from apps.accounts.models import Team, User
from apps.crm import events
from apps.crm.automation.words import (
    ACTIONS,
    MODELS,
    SETTABLE,
    ActionKind,
    Target,
    action_label,
    aggregate_of,
    holds,
    named_in,
)
from apps.crm.models import (
    AutomationRound,
    AutomationRule,
    AutomationRun,
    Company,
    Deal,
    Lead,
    Person,
    Stage,
    StageTransition,
)
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
class Occasion:
    """
    What a rule acts on: a fact, or the day of a row.

    :ivar kind: the type of the fact, or the trigger of the rule
    :ivar data: what the fact tells, or would tell now
    :ivar round_id: the round of which it is; None for a fact, and for what is only tried
    """

    kind: str
    subject: str
    data: Mapping[str, Any]
    event: Event | None = None
    due_date: date | None = None
    round_id: int | None = None

    @property
    def depth(self) -> int:
        return 0 if self.event is None else self.event.depth

    @classmethod
    def of_fact(cls, event: Event) -> "Occasion":
        return cls(event.type, event.subject, event.data, event=event)

    def done_by(self, rule: AutomationRule) -> bool:
        """Tell whether a rule has acted on it."""
        runs = AutomationRun.objects.filter(rule=rule)
        if self.event is not None:
            return runs.filter(event_id=self.event.pk).exists()
        return runs.filter(subject=self.subject, due_date=self.due_date).exists()


@dataclass(frozen=True)
class Case:
    """A rule that fits an occasion, about a row that its owner sees."""

    rule: AutomationRule
    occasion: Occasion
    owner: User
    row: Target


def change_set_uid(rule: AutomationRule, *, event_id: int | None = None, round_id: int | None = None) -> UUID:
    """Return the change set of what a rule does about a fact, or in a whole round: one to be undone."""
    return uuid5(NAMESPACE_OID, f"artel-automation-{rule.pk}-{rule.owner_id}-{event_id}-{round_id}")


def run_rules(event: Event) -> None:
    """Let each rule that waits for such a fact do its share, whatever becomes of the others' shares."""
    occasion = Occasion.of_fact(event)
    waiting = AutomationRule.objects.filter(trigger=event.type, is_active=True, archived_at=None)
    waiting = waiting.filter(Q(started_at=None) | Q(started_at__lte=event.at))
    for rule in waiting.select_related("owner").order_by("pk"):
        if not occasion.done_by(rule) and (case := case_of(rule, occasion)) is not None:
            run(case)


def case_of(rule: AutomationRule, occasion: Occasion) -> Case | None:
    """Return what a rule would act on; None where it asks for another kind, or the row is out of its owner's sight."""
    row = MODELS[aggregate_of(occasion.kind)]._base_manager.filter(pk=occasion.data["id"]).first()
    owner = rule.owner
    if row is None or owner is None or not access.can(owner, "view", row):
        return None
    return Case(rule, occasion, owner, row) if holds(rule.condition, occasion.data, row) else None


def run(case: Case, *, cut: str | None = None) -> str:
    """
    Do what a rule says, all of it or nothing, and record it; return the outcome.

    :param cut: why the fuse does not let it, as the caller knows
    :raises OperationalError: of the database and not of the rule: it is to be tried again
    """
    cut = cut or _fuse(case)
    if cut is not None:
        return _record(case, Outcome.FUSED, cut)
    try:
        work = Work(
            Face.SYSTEM,
            actor_id=case.owner.pk,
            label=case.rule.name,
            known_uid=change_set_uid(
                case.rule,
                event_id=None if case.occasion.event is None else case.occasion.event.pk,
                round_id=case.occasion.round_id,
            ),
        )
        with (
            transaction.atomic(),
            change_set(work),
            caused_by(case.occasion.event, is_by_itself=True),
        ):
            labels = labels_of(case.rule)
            for action in case.rule.actions:
                _ACTIONS[action["kind"]](case, action)
    except OperationalError:
        raise
    except (PermissionDenied, ValidationError, ObjectDoesNotExist) as error:
        return _record(case, Outcome.REFUSED, _words_of(error))
    except Exception as error:
        logger.exception("automation rule %s failed at %s", case.rule.pk, case.occasion.subject)
        return _record(case, Outcome.FAILED, type(error).__name__)
    return _record(case, Outcome.DONE, "", labels)


def _fuse(case: Case) -> str | None:
    """Return why a rule may not act once more; None where it may."""
    if case.occasion.depth >= MAX_DEPTH:
        return _("Rules have set each other off %(count)s times in a row.") % {"count": MAX_DEPTH}
    hour = AutomationRun.objects.filter(
        rule=case.rule, subject=case.occasion.subject, at__gt=timezone.now() - timedelta(hours=1)
    )
    if hour.exclude(outcome=Outcome.FUSED).count() < MOST_AN_HOUR:
        return None
    reason = _("It has acted %(count)s times within an hour on the same row (%(subject)s).") % {
        "count": MOST_AN_HOUR,
        "subject": case.row,
    }
    automation.stop_by_fuse(case.rule, reason)
    return reason


def give_up(case: Case, error: Exception) -> str:
    """Record that the database has failed at a row again and again; return the outcome."""
    return _record(case, Outcome.FAILED, type(error).__name__)


def _record(case: Case, outcome: Outcome, why: str, labels: list[dict[str, str]] | None = None) -> str:
    occasion = case.occasion
    AutomationRun.objects.create(
        rule=case.rule,
        event_id=None if occasion.event is None else occasion.event.pk,
        due_date=occasion.due_date,
        event_type=occasion.kind,
        subject=occasion.subject,
        outcome=outcome,
        why=why[:500],
        results=labels or [],
        depth=occasion.depth,
    )
    return str(outcome)


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
    for stage in Stage.objects.filter(pk__in=named_in(rule.actions, "stage")).select_related("pipeline"):
        names["stage", stage.pk] = f"{stage.pipeline}: {stage.name}"
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


def _change(case: Case, **values: Any) -> None:
    if isinstance(case.row, Deal):
        deals.change_deal(case.row.pk, actor=case.owner, **values)
    else:
        _CHANGE[type(case.row)](case.row.pk, actor=case.owner, **values)


def _set(case: Case, action: Mapping[str, Any]) -> None:
    name, value = action["field"], action["value"]
    if name in SETTABLE[aggregate_of(case.rule.trigger)]:
        _change(case, **{name: int(value) if name == "probability" else value})


def _plan(case: Case, action: Mapping[str, Any]) -> None:
    on = timezone.localdate() + timedelta(days=action["days"])
    _change(case, next_step=action["text"], next_step_date=on)


def _give(case: Case, user_id: int) -> None:
    assign: Callable[..., Any] = deals.assign_deal if isinstance(case.row, Deal) else leads.assign_lead
    assign(case.row.pk, owner_id=user_id, actor=case.owner)


def _assign(case: Case, action: Mapping[str, Any]) -> None:
    _give(case, action["user"])


def _turn(case: Case, action: Mapping[str, Any]) -> None:
    model: type[Deal | Lead] = Deal if isinstance(case.row, Deal) else Lead
    user = assigning.next_in_turn(case.rule, team_id=action["team"], model=model)
    if user is None:
        raise rows.refusal("actions", _("Nobody in the team is there to get it."), code="nobody")
    _give(case, user.pk)


def _move(case: Case, action: Mapping[str, Any]) -> None:
    deals.move_deal(
        case.row.pk,
        stage_id=action["stage"],
        actor=case.owner,
        face=StageTransition.Face.SYSTEM,
        reason=case.rule.name,
    )


def _write_note(case: Case, text: str) -> None:
    about = (aggregate_of(case.rule.trigger), case.row.pk)
    activities.log_activity(about=[about], kind="NOTE", actor=case.owner, body=text)


def _note(case: Case, action: Mapping[str, Any]) -> None:
    _write_note(case, action["text"])


def _notify(case: Case, action: Mapping[str, Any]) -> None:
    named = User.objects.get(pk=action["user"])
    _write_note(case, f"@{named.name}, {action['text']}")


def _tell(case: Case, action: Mapping[str, Any]) -> None:
    told = {
        "subject": case.occasion.subject,
        "event_type": case.occasion.kind,
        "text": action["text"],
    }
    events.publish_rule(events.AUTOMATION_RULE_FIRED, case.rule, actor_id=case.owner.pk, **told)


_ACTIONS: dict[str, Callable[[Case, Mapping[str, Any]], None]] = {
    "set": _set,
    "next_step": _plan,
    "assign": _assign,
    "turn": _turn,
    "move": _move,
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
    "move": "move",
    "notify": "change",
    "note": "change",
    "tell": "view",
}
# Why what an app above does would be refused; "" where nothing is known that speaks against it.
_REFUSALS: dict[str, Callable[[Case, Mapping[str, Any]], str]] = {}


def register_action(
    code: str,
    kind: ActionKind,
    run: Callable[[Case, Mapping[str, Any]], None],
    *,
    refusal: Callable[[Case, Mapping[str, Any]], str],
) -> None:
    """
    Let rules do something that an app above knows of; called from its ready().

    :param run: does it as the rule's owner, within the rule's transaction; its refusals are the rule's
    :param refusal: says why that would be refused, without doing anything: a dry run asks it
    """
    ACTIONS[code] = kind
    _ACTIONS[code] = run
    _NEEDS[code] = "view"
    _REFUSALS[code] = refusal


def refusal_of(case: Case) -> str:
    """Say why a rule would be refused, without doing anything; "" where nothing is known that speaks against it."""
    if case.row.archived_at is not None and any(one["kind"] != "tell" for one in case.rule.actions):
        return _("It is in the trash.")
    needed = {_NEEDS[action["kind"]] for action in case.rule.actions}
    if not all(access.can(case.owner, action, case.row) for action in needed):
        return _("The owner of the rule may not do this.")
    try:
        for action in case.rule.actions:
            if action["kind"] == "move" and isinstance(case.row, Deal):
                deals.stage_to_enter(case.row, action["stage"], actor=case.owner)
            if action["kind"] in _REFUSALS and (why := _REFUSALS[action["kind"]](case, action)):
                return why
    except ValidationError as error:
        return _words_of(error)
    return ""


def expire_runs() -> int:
    """Forget what rules did long ago, in small transactions; return how many runs."""
    total = 0
    while deleted := _expire_batch():
        total += deleted
    old = timezone.now() - _KEPT
    AutomationRound.objects.filter(due_at__lt=old, finished_at__isnull=False).delete()
    return total


def _expire_batch() -> int:
    old = AutomationRun.objects.filter(at__lt=timezone.now() - _KEPT).order_by("at")
    batch = list(old.values_list("pk", flat=True)[:_EXPIRY_BATCH])
    AutomationRun.objects.filter(pk__in=batch).delete()
    return len(batch)
