"""What a template asks people for: names with a meaning, checked when they are declared and when they are filled in."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from babel.dates import format_date
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.documents.amounts import Money, amount_in_words, money_text, quantity_text

_NAME = re.compile(r"^[a-z][a-z0-9_]{0,49}$")
# What stands in every paper's data under a name of its own.
RESERVED = frozenset(
    ["language", "is_draft", "logo", "qr", "document", "our", "inputs", "lines", "totals", "currency", "loop"]
)
_MOST = 60
_LONGEST_TEXT = 20_000
_RELATIVE = re.compile(r"^\+\d{1,4}$")


class Type(StrEnum):
    """What kind of value a variable holds."""

    TEXT = "text"
    LONG_TEXT = "long_text"
    DATE = "date"
    NUMBER = "number"
    MONEY = "money"
    CHOICE = "choice"
    YES_NO = "yes_no"
    # A text that the paper shows as a QR code.
    QR = "qr"


TYPE_WORDS = {
    Type.TEXT: _("text"),
    Type.LONG_TEXT: _("text of several lines"),
    Type.DATE: _("date"),
    Type.NUMBER: _("number"),
    Type.MONEY: _("amount of money"),
    Type.CHOICE: _("one of several"),
    Type.YES_NO: _("yes or no"),
    Type.QR: _("QR code"),
}


@dataclass(frozen=True)
class Variable:
    """
    Something that people are asked for when a paper is made.

    :ivar default: what stands there at first; "+14" for a date two weeks on
    :ivar source: the fact that it is filled with instead, as in "deal.expected_close_date"
    """

    name: str
    label: str
    type: Type = Type.TEXT
    is_required: bool = False
    default: str = ""
    help: str = ""
    choices: list[str] = field(default_factory=list)
    source: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"type": str(self.type)}


def parsed(given: object, *, facts: Iterable[str] = ()) -> list[Variable]:
    """
    Return declarations that somebody wrote.

    :param given: a list of objects as :meth:`Variable.as_json` writes them
    :param facts: names that the template's source knows, which `source` may name
    :raises ValidationError: one of them is wrong ("variables_wrong")
    """
    if not isinstance(given, list) or len(given) > _MOST:
        raise _wrong(_("At most %(count)d things are asked."), count=_MOST)
    known, found = set(facts), list[Variable]()
    for one in given:
        variable = _parsed_one(one, known)
        if any(variable.name == other.name for other in found):
            raise _wrong(_("“%(name)s” is asked twice."), name=variable.name)
        found.append(variable)
    return found


def _parsed_one(one: object, known: set[str]) -> Variable:
    if not isinstance(one, Mapping) or not all(isinstance(key, str) for key in one):
        raise _wrong(_("Each thing that is asked has a name and a type."))
    unknown = set(one) - set(Variable.__dataclass_fields__)
    if unknown:
        raise _wrong(_("Nothing is known of “%(name)s”."), name=sorted(unknown)[0][:50])
    values = dict(one)
    name = str(values.get("name", ""))
    if not _NAME.match(name) or name in RESERVED or name in {fact.partition(".")[0] for fact in known}:
        raise _wrong(
            _(
                "“%(name)s” is no name: small Latin letters, digits and underscores, and none of the platform's own."
            ),
            name=name[:50],
        )
    try:
        kind = Type(str(values.get("type", "text")))
    except ValueError:
        raise _wrong(_("There is no such type: %(name)s."), name=str(values.get("type"))[:50]) from None
    choices = values.get("choices", [])
    if not isinstance(choices, list) or (kind == Type.CHOICE) != bool(choices):
        raise _wrong(_("“%(name)s” has choices where it is one of several, and only there."), name=name)
    source = str(values.get("source", ""))
    if source and source not in known:
        raise _wrong(
            _("“%(name)s” is filled from “%(source)s”, which nobody tells."), name=name, source=source[:100]
        )
    variable = Variable(
        name=name,
        label=str(values.get("label") or name)[:150],
        type=kind,
        is_required=values.get("is_required", False) is True,
        default=str(values.get("default", ""))[:_LONGEST_TEXT],
        help=str(values.get("help", ""))[:300],
        choices=[str(choice)[:200] for choice in choices[:100]],
        source=source,
    )
    if variable.default and not _is_relative(variable):
        _value_of(variable, variable.default)
    return variable


def _is_relative(variable: Variable) -> bool:
    return variable.type == Type.DATE and bool(_RELATIVE.match(variable.default))


def _wrong(message: Any, **params: Any) -> ValidationError:
    return ValidationError({"variables": ValidationError(message, code="variables_wrong", params=params)})


def stored(variables: Sequence[Mapping[str, Any]]) -> list[Variable]:
    """Return declarations as a version keeps them."""
    return [Variable(**{**one, "type": Type(one["type"])}) for one in variables]


def first_values(variables: Sequence[Variable], facts: Mapping[str, Any]) -> dict[str, str]:
    """Return what a form begins with: a fact where one is named and known, or else the default."""
    return {variable.name: _first_value(variable, facts) for variable in variables}


def _first_value(variable: Variable, facts: Mapping[str, Any]) -> str:
    value = looked_up(facts, variable.source) if variable.source else None
    if value not in (None, ""):
        return str(value.amount if isinstance(value, Money) else value)
    if _is_relative(variable):
        return (timezone.localdate() + timedelta(days=int(variable.default))).isoformat()
    return variable.default


def looked_up(facts: Mapping[str, Any], path: str) -> Any:
    """Return the fact at a dotted name; None where there is none."""
    value: Any = facts
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def cleaned(
    variables: Sequence[Variable], given: Mapping[str, Any], *, is_draft: bool = False
) -> dict[str, Any]:
    """
    Check what somebody filled in, and return it as JSON keeps it: dates and numbers as text.

    :param is_draft: what is required may still be missing
    :raises ValidationError: by name, what is missing or wrong ("required", "invalid"), or not asked ("unknown")
    """
    refused: dict[str, Any] = {
        name[:50]: ValidationError(_("The template does not ask this."), code="unknown")
        for name in given.keys() - {variable.name for variable in variables}
    }
    values: dict[str, Any] = {}
    for variable in variables:
        try:
            values[variable.name] = _value_of(variable, given.get(variable.name))
            if variable.is_required and not is_draft and values[variable.name] in ("", None):
                raise ValidationError(
                    _("Fill this in: %(label)s."), code="required", params={"label": variable.label}
                )
        except ValidationError as error:
            refused[variable.name] = error
    if refused:
        raise ValidationError(refused)
    return values


def _value_of(variable: Variable, given: Any) -> Any:
    """Return one value as it is kept. :raises ValidationError: it is none of the variable's type"""
    if variable.type == Type.YES_NO:
        return given in (True, "true", "True", "on", "1", "yes")
    text = "" if given is None else str(given).strip()
    if not text:
        return ""
    invalid = ValidationError(
        _("“%(value)s” does not fit here: %(label)s."),
        code="invalid",
        params={"value": text[:50], "label": variable.label},
    )
    if len(text) > _LONGEST_TEXT or "\x00" in text:
        raise invalid
    if variable.type == Type.CHOICE and text not in variable.choices:
        raise invalid
    if variable.type == Type.QR and len(text.encode()) > 1200:
        raise invalid
    if variable.type == Type.DATE:
        try:
            return date.fromisoformat(text).isoformat()
        except ValueError:
            raise invalid from None
    if variable.type in (Type.NUMBER, Type.MONEY):
        number = _number_of(text)
        if number is None:
            raise invalid
        return f"{number:f}"
    # Lines end in one way, so that equal texts are equal.
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _number_of(text: str) -> Decimal | None:
    try:
        number = Decimal(re.sub(r"[\s\u00a0\u202f]", "", text).replace(",", "."))
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < Decimal(10) ** 16 else None


def input_texts(
    variables: Sequence[Variable], values: Mapping[str, Any], *, language: str, currency: str
) -> dict[str, Any]:
    """Return what a paper says for what was filled in; amounts of money also in words, under "<name>_in_words"."""
    texts: dict[str, Any] = {}
    for variable in variables:
        value = values.get(variable.name, "")
        if variable.type == Type.YES_NO:
            texts[variable.name] = bool(value)
        elif value == "" or value is None:
            texts[variable.name] = ""
        elif variable.type == Type.DATE:
            texts[variable.name] = date_text(date.fromisoformat(value), language)
        elif variable.type == Type.NUMBER:
            texts[variable.name] = quantity_text(Decimal(value), language)
        elif variable.type == Type.MONEY:
            texts[variable.name] = money_text(Decimal(value), currency, language)
        else:
            texts[variable.name] = str(value)
        if variable.type == Type.MONEY:
            texts[f"{variable.name}_in_words"] = (
                amount_in_words(Decimal(value), currency, language) if value else ""
            )
    return texts


def date_text(day: date, language: str) -> str:
    """Write a date as papers do: "28 ноября 2026 г.", "November 28, 2026"."""
    return str(format_date(day, "long", locale=language))
