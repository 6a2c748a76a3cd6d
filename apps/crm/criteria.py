"""
What may have to be there before a deal leaves a stage: kinds of criteria, and which deals meet them.

A stage keeps its criteria as data (`Stage.exit_criteria`). Apps above add kinds of their own from their ready():
`register_criterion(Kind("invoice_paid", …))`. A kind answers for many deals at once, so that a board asks each kind
once, however many cards it shows.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise
Params = Mapping[str, Any]
# As many as a stage asks for: each is a question that somebody has to answer.
MOST = 20


@dataclass(frozen=True)
class Step:
    """What somebody does about a criterion that is not met. :ivar url: where, "" where there is no such place"""

    action: str
    url: str = ""


@dataclass(frozen=True)
class Criterion:
    """
    One thing that a stage asks for.

    :ivar key: its name within the stage, which approvals point at
    """

    key: str
    kind: str
    params: Params


@dataclass(frozen=True)
class Asked:
    """One question: does this deal meet that criterion of that stage?"""

    deal_id: int
    stage_id: int
    criterion: Criterion


@dataclass(frozen=True)
class Missing:
    """A criterion that a deal does not meet, in words, with the step to take."""

    criterion: str
    kind: str
    stage: int
    label: str
    action: str
    url: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Kind:
    """
    A kind of criteria.

    :ivar choices: what its one parameter may be, as pairs of a value and a word for it; empty for none
    :ivar param: what that parameter is called in `params`
    :ivar met: tells for each question whether it is met, in a number of queries that does not depend on how many
    :ivar says: names what is missing ("a signed contract") for each of some parameters
    :ivar step: returns what to do about it
    """

    code: str
    label: Text
    met: Callable[[Sequence[Asked]], Sequence[bool]]
    says: Callable[[Sequence[Params]], Sequence[str]]
    step: Callable[[Asked], Step]
    param: str = ""
    choices: Callable[[], list[tuple[str, Text]]] = field(default=list)
    second_param: str = ""
    second_choices: Callable[[], list[tuple[str, Text]]] = field(default=list)

    def cleaned(self, params: Any) -> dict[str, str]:
        """Return the parameters as they are kept. :raises ValidationError: one is none of the choices ("invalid")"""
        given = params if isinstance(params, Mapping) else {}
        found = {}
        for name, choices in ((self.param, self.choices), (self.second_param, self.second_choices)):
            if not name:
                continue
            value = str(given.get(name, ""))
            if value not in {key for key, _label in choices()}:
                raise ValidationError(
                    _("Say what exactly is asked for: %(kind)s."), code="invalid", params={"kind": self.label}
                )
            found[name] = value
        return found


_kinds: dict[str, Kind] = {}


def register_criterion(kind: Kind) -> None:
    """Let stages ask for something of this kind."""
    _kinds[kind.code] = kind


def kinds() -> list[Kind]:
    """List the kinds of criteria, in the order in which apps have said so."""
    return list(_kinds.values())


def kind_of(code: str) -> Kind | None:
    """Return a kind by its code; None where the app that knew it is gone."""
    return _kinds.get(code)


def stored(raw: Iterable[Mapping[str, Any]]) -> list[Criterion]:
    """Return the criteria of a stage; those of kinds that nobody knows any more hold nobody back."""
    return [Criterion(one["key"], one["kind"], one["params"]) for one in raw if one["kind"] in _kinds]


def cleaned(raw: Any) -> list[dict[str, Any]]:
    """
    Return criteria as a stage keeps them: each with a key, one of its own where it came without.

    :raises ValidationError: there are too many ("too_many_criteria"), or one is not right ("unknown_kind", "invalid")
    """
    if not isinstance(raw, Sequence) or isinstance(raw, str) or len(raw) > MOST:
        raise ValidationError(
            _("A stage asks for at most %(count)s things."), code="too_many_criteria", params={"count": MOST}
        )
    found: list[dict[str, Any]] = []
    for one in raw:
        given = one if isinstance(one, Mapping) else {}
        kind = _kinds.get(str(given.get("kind", "")))
        if kind is None:
            raise ValidationError(_("A stage cannot ask for this."), code="unknown_kind")
        key = str(given.get("key") or "")[:32] or secrets.token_hex(4)
        row = {"key": key, "kind": kind.code, "params": kind.cleaned(given.get("params"))}
        is_known = any(row["key"] == other["key"] for other in found)
        if is_known or any(
            (row["kind"], row["params"]) == (other["kind"], other["params"]) for other in found
        ):
            raise ValidationError(_("The stage asks for the same twice."), code="criterion_twice")
        found.append(row)
    return found


def verdicts(questions: Sequence[Asked]) -> list[bool]:
    """Tell for each question whether it is met; each kind is asked once."""
    by_kind: dict[str, list[int]] = {}
    for at, question in enumerate(questions):
        by_kind.setdefault(question.criterion.kind, []).append(at)
    found = [False] * len(questions)
    for code, places in by_kind.items():
        for at, is_met in zip(places, _kinds[code].met([questions[at] for at in places]), strict=True):
            found[at] = is_met
    return found


def labels(wanted: Sequence[Criterion]) -> list[str]:
    """Name what each criterion asks for; each kind is asked once."""
    by_kind: dict[str, list[int]] = {}
    for at, one in enumerate(wanted):
        by_kind.setdefault(one.kind, []).append(at)
    found = [""] * len(wanted)
    for code, places in by_kind.items():
        said = _kinds[code].says([wanted[at].params for at in places])
        for at, label in zip(places, said, strict=True):
            found[at] = label
    return found


def missing_of(questions: Sequence[Asked], *, has_steps: bool = True) -> dict[int, list[Missing]]:
    """
    Return what each deal lacks, by its id; deals that lack nothing are not in it.

    :param has_steps: whether to say what to do about it, which may cost a question for each
    """
    lacked = [question for question, is_met in zip(questions, verdicts(questions), strict=True) if not is_met]
    found: dict[int, list[Missing]] = {}
    for question, label in zip(lacked, labels([one.criterion for one in lacked]), strict=True):
        step = _kinds[question.criterion.kind].step(question) if has_steps else Step("")
        found.setdefault(question.deal_id, []).append(
            Missing(
                criterion=question.criterion.key,
                kind=question.criterion.kind,
                stage=question.stage_id,
                label=label,
                action=step.action,
                url=step.url,
            )
        )
    return found


def told(question: Asked) -> Missing:
    """Say what a criterion asks a deal for, and what to do about it."""
    kind = _kinds[question.criterion.kind]
    (label,) = kind.says([question.criterion.params])
    step = kind.step(question)
    return Missing(
        question.criterion.key, kind.code, question.stage_id, label, action=step.action, url=step.url
    )
