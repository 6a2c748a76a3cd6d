"""The facts that set rules off, what conditions may ask of them, and what may be done: checked and put into words."""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from apps.common.templatetags.artel import number
from apps.crm import criteria, events
from apps.crm.criteria import Asked, Criterion, Text
from apps.crm.models import Company, Deal, Lead, Person

Target = Deal | Lead | Company | Person
MODELS: dict[str, type[Target]] = {"deal": Deal, "lead": Lead, "company": Company, "person": Person}
# As many as somebody keeps apart who reads the rule.
MOST = 10
# Within a year: what is due later is a plan, and no next step.
_MOST_DAYS = 365
_LONGEST = 500

TRIGGERS: dict[str, Text] = {
    events.DEAL_CREATED.type: _("a deal is made"),
    events.DEAL_CHANGED.type: _("a deal is changed"),
    events.DEAL_MOVED.type: _("a deal enters another stage"),
    events.DEAL_WON.type: _("a deal is won"),
    events.DEAL_LOST.type: _("a deal is lost"),
    events.DEAL_REOPENED.type: _("a deal is opened again"),
    events.DEAL_ASSIGNED.type: _("a deal is given to somebody else"),
    events.LEAD_CREATED.type: _("a lead comes in"),
    events.LEAD_CHANGED.type: _("a lead is changed"),
    events.LEAD_ARRIVED.type: _("an open lead writes again"),
    events.LEAD_ASSIGNED.type: _("a lead is given to somebody"),
    events.LEAD_DISQUALIFIED.type: _("a lead is disqualified"),
    events.LEAD_RECYCLED.type: _("a lead is taken into work again"),
    events.COMPANY_CREATED.type: _("a company is made"),
    events.COMPANY_CHANGED.type: _("a company is changed"),
    events.PERSON_CREATED.type: _("a person is made"),
    events.PERSON_CHANGED.type: _("a person is changed"),
}


def aggregate_of(trigger: str) -> str:
    """Return what a fact or a schedule is about: "deal"; "" where it is neither."""
    return trigger.partition(".")[2].partition(".")[0]


# If

# Of each kind of row, what facts tell that may be compared; a dot leads into an object.
FIELDS: dict[str, dict[str, Text]] = {
    "deal": {
        "title": _("title"),
        "pipeline.name": _("pipeline"),
        "stage.name": _("stage"),
        "amount.amount": _("amount"),
        "currency": _("currency"),
        "probability": _("probability"),
        "company.name": _("company"),
        "owner.name": _("owner"),
        "team.name": _("team"),
        "lost_reason.name": _("lost reason"),
        "next_step": _("next step"),
        "tags": _("tags"),
    },
    "lead": {
        "source.name": pgettext_lazy("lead", "source"),
        "form.name": _("form"),
        "country": _("country"),
        "language": _("language"),
        "message": _("message"),
        "company_name": _("company"),
        "owner.name": _("owner"),
        "team.name": _("team"),
        "next_step": _("next step"),
        "tags": _("tags"),
    },
    "company": {
        "name": _("name"),
        "industry": _("industry"),
        "country": _("country"),
        "city": _("city"),
        "owner.name": _("owner"),
        "team.name": _("team"),
        "tags": _("tags"),
    },
    "person": {
        "full_name": _("name"),
        "job_title": _("job title"),
        "owner.name": _("owner"),
        "team.name": _("team"),
        "tags": _("tags"),
    },
}


def _number(text: str) -> Decimal | None:
    try:
        found = Decimal(text.replace(" ", "").replace(",", "."))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [str(each).casefold() for each in values if each not in (None, "")]


def _is(value: Any, wanted: str) -> bool:
    number = _number(wanted)
    texts = _texts(value)
    if number is not None:
        return any(_number(text) == number for text in texts)
    return wanted.casefold() in texts


def _compared(value: Any, wanted: str) -> Decimal | None:
    """Return how much more a value is than what is wanted; None where either is no number."""
    ours, theirs = _number(str(value)), _number(wanted)
    return None if ours is None or theirs is None else ours - theirs


def _is_at_least(value: Any, wanted: str) -> bool:
    more = _compared(value, wanted)
    return more is not None and more >= 0


def _is_at_most(value: Any, wanted: str) -> bool:
    more = _compared(value, wanted)
    return more is not None and more <= 0


@dataclass(frozen=True)
class Op:
    """A way to compare. :ivar takes: whether it needs a value, and whether that has to be a number"""

    label: Text
    holds: Callable[[Any, str], bool]
    takes_value: bool = True
    takes_number: bool = False


OPS: dict[str, Op] = {
    "is": Op(_("is"), _is),
    "is_not": Op(_("is not"), lambda value, wanted: not _is(value, wanted)),
    "contains": Op(
        _("contains"), lambda value, wanted: any(wanted.casefold() in text for text in _texts(value))
    ),
    "at_least": Op(_("is at least"), _is_at_least, takes_number=True),
    "at_most": Op(_("is at most"), _is_at_most, takes_number=True),
    "filled": Op(_("is filled in"), lambda value, _wanted: bool(_texts(value)), takes_value=False),
    "empty": Op(_("is empty"), lambda value, _wanted: not _texts(value), takes_value=False),
}
# Asks for the word of somebody within a stage, which a rule has none of.
_NOT_ASKED = {"approval"}


def criterion_kinds() -> list[criteria.Kind]:
    """List the kinds of criteria that the condition of a rule about deals may ask for."""
    return [kind for kind in criteria.kinds() if kind.code not in _NOT_ASKED]


def cleaned_condition(raw: Any, *, aggregate: str) -> dict[str, list[dict[str, Any]]]:
    """
    Return a condition as a rule keeps it.

    :param raw: {"where": [{"field", "op", "value"}], "criteria": [{"kind", "params"}]}, either of them optional
    :raises ValidationError: something cannot be asked ("invalid_condition", "unknown_kind", …)
    """
    given = raw if isinstance(raw, Mapping) else {}
    where = given.get("where", [])
    wanted = given.get("criteria", [])
    if not isinstance(where, list) or not isinstance(wanted, list) or given.keys() - {"where", "criteria"}:
        raise _refused("condition", _("A condition says what is compared, and what has to be there."))
    if len(where) > MOST:
        raise _refused("condition", _("A rule asks for at most %(count)s things."), count=MOST)
    if wanted and aggregate != "deal":
        raise _refused("condition", _("Only of deals it can be asked what is there."))
    if any(isinstance(one, Mapping) and one.get("kind") in _NOT_ASKED for one in wanted):
        raise _refused("condition", _("A rule cannot ask for this."))
    rows = [_cleaned_comparison(one, aggregate) for one in where]
    return {"where": rows, "criteria": criteria.cleaned(wanted)}


def _cleaned_comparison(raw: Any, aggregate: str) -> dict[str, Any]:
    given = raw if isinstance(raw, Mapping) else {}
    name, op = str(given.get("field", "")), OPS.get(str(given.get("op", "")))
    value = str(given.get("value") or "").strip()
    if name not in FIELDS[aggregate] or op is None:
        raise _refused("condition", _("Say what is compared, and how."))
    if len(value) > _LONGEST or (op.takes_value and not value):
        raise _refused("condition", _("Say what it is compared with."))
    if op.takes_number and _number(value) is None:
        raise _refused("condition", _("“%(value)s” is no number."), value=value)
    return {
        "key": str(given.get("key") or "")[:32] or secrets.token_hex(4),
        "field": name,
        "op": str(given["op"]),
        "value": value if op.takes_value else "",
    }


def condition_labels(condition: Mapping[str, Any], *, aggregate: str) -> list[dict[str, str]]:
    """Say each part of a condition in words: [{"key", "label"}]."""
    rows = [
        {
            "key": one["key"],
            "label": f"{FIELDS[aggregate].get(one['field'], one['field'])} {OPS[one['op']].label} {_said(one)}".strip(),
        }
        for one in condition.get("where", [])
    ]
    wanted = criteria.stored(condition.get("criteria", []))
    said = criteria.labels(wanted)
    return rows + [
        {"key": one.key, "label": gettext("there is: %(what)s") % {"what": label}}
        for one, label in zip(wanted, said, strict=True)
    ]


def _said(one: Mapping[str, str]) -> str:
    return number(one["value"]) if OPS[one["op"]].takes_number else one["value"]


def value_at(data: Mapping[str, Any], path: str) -> Any:
    """Return what a fact tells at a path ("stage.name"); None where it tells nothing."""
    found: Any = data
    for step in path.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def holds(condition: Mapping[str, Any], data: Mapping[str, Any], row: Target) -> bool:
    """Tell whether a fact is of the kind that a rule asks for: as it was told, and with what is there by now."""
    for one in condition.get("where", []):
        if not OPS[one["op"]].holds(value_at(data, one["field"]), one["value"]):
            return False
    if not isinstance(row, Deal):
        return True
    wanted: list[Criterion] = criteria.stored(condition.get("criteria", []))
    return all(criteria.verdicts([Asked(row.pk, row.stage_id, one) for one in wanted]))


# Then

# Of each kind of row, the fields that a rule may write.
SETTABLE: dict[str, dict[str, Text]] = {
    "deal": {"description": _("description"), "probability": _("probability")},
    "lead": {"country": _("country"), "language": _("language")},
    "company": {"industry": _("industry"), "city": _("city")},
    "person": {"job_title": _("job title")},
}
_WORKED = {"deal", "lead"}
_WITH_TIMELINE = {"deal", "company", "person"}


@dataclass(frozen=True)
class ActionKind:
    """
    Something that can be done.

    :ivar about: of which rows
    :ivar takes: what has to be said of it, by name
    """

    label: Text
    about: frozenset[str]
    takes: tuple[str, ...]


ACTIONS: dict[str, ActionKind] = {
    "set": ActionKind(_("Fill in a field"), frozenset(MODELS), ("field", "value")),
    "next_step": ActionKind(_("Plan the next step"), frozenset(_WORKED), ("text", "days")),
    "assign": ActionKind(_("Give it to a person"), frozenset(_WORKED), ("user",)),
    "turn": ActionKind(_("Give it to a team in turn"), frozenset(_WORKED), ("team",)),
    "move": ActionKind(_("Move it to a stage"), frozenset({"deal"}), ("stage",)),
    "notify": ActionKind(_("Name somebody in a note"), frozenset(_WITH_TIMELINE), ("user", "text")),
    "note": ActionKind(_("Write a note"), frozenset(_WITH_TIMELINE), ("text",)),
    "tell": ActionKind(_("Tell webhooks"), frozenset(MODELS), ("text",)),
}


def cleaned_actions(raw: Any, *, aggregate: str) -> list[dict[str, Any]]:
    """
    Return actions as a rule keeps them; that the people and teams are there is for the service to say.

    :raises ValidationError: one cannot be done about such rows, or not all is said of it ("invalid_action")
    """
    if not isinstance(raw, Sequence) or isinstance(raw, str) or len(raw) > MOST:
        raise _refused("actions", _("A rule does at most %(count)s things."), count=MOST)
    return [_cleaned_action(one, aggregate) for one in raw]


def _cleaned_action(raw: Any, aggregate: str) -> dict[str, Any]:
    given = raw if isinstance(raw, Mapping) else {}
    kind = ACTIONS.get(str(given.get("kind", "")))
    if kind is None or aggregate not in kind.about:
        raise _refused("actions", _("This cannot be done here."))
    key = str(given.get("key") or "")[:32] or secrets.token_hex(4)
    found: dict[str, Any] = {"key": key, "kind": given["kind"]}
    for name in kind.takes:
        found[name] = _CLEANERS[name](given.get(name))
    if kind.takes[0] == "field" and found["field"] not in SETTABLE[aggregate]:
        raise _refused("actions", _("Say which field is filled in."))
    if found.get("field") == "probability" and not (
        found["value"].isdecimal() and int(found["value"]) <= 100
    ):
        raise _refused("actions", _("A probability is a whole number from 0 to 100."))
    return found


def _text(value: Any) -> str:
    text = str(value or "").strip()
    if not text or len(text) > _LONGEST:
        raise _refused("actions", _("Say what is written, in at most %(count)s characters."), count=_LONGEST)
    return text


def _days(value: Any) -> int:
    text = str(value if value is not None else "")
    if not text.isdecimal() or len(text) > 3 or int(text) > _MOST_DAYS:
        raise _refused("actions", _("Say in how many days, from 0 to %(count)s."), count=_MOST_DAYS)
    return int(text)


def _key(value: Any) -> int:
    text = str(value if value is not None else "")
    if not text.isdecimal() or len(text) > 18:
        raise _refused("actions", _("Say to whom, or where."))
    return int(text)


_CLEANERS: dict[str, Callable[[Any], Any]] = {
    "field": lambda value: str(value or ""),
    "value": _text,
    "text": _text,
    "days": _days,
    "user": _key,
    "team": _key,
    "stage": _key,
}


def action_label(action: Mapping[str, Any], *, aggregate: str, names: Mapping[tuple[str, int], str]) -> str:
    """
    Say an action in words.

    :param names: of people, teams and stages, by ("user", 42)
    """
    kind = ACTIONS[action["kind"]]
    told = []
    for name in kind.takes:
        value = action[name]
        if name == "field":
            told.append(str(SETTABLE[aggregate].get(value, value)))
        elif name in {"user", "team", "stage"}:
            told.append(names.get((name, value), f"#{value}"))
        elif name == "days":
            told.append(gettext("in %(count)s days") % {"count": value})
        else:
            told.append(f"“{value}”")
    return f"{kind.label}: {', '.join(told)}"


def named_in(actions: Iterable[Mapping[str, Any]], name: str) -> set[int]:
    """Return the keys of the people ("user"), teams ("team") or stages ("stage") that actions name."""
    return {action[name] for action in actions if name in action}


def _refused(field: str, message: Any, **params: Any) -> ValidationError:
    code = "invalid_condition" if field == "condition" else "invalid_action"
    return ValidationError({field: ValidationError(message, code=code, params=params)})
