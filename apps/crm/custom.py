"""Further fields: which a kind of rows has, and how their values are read and said."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal, InvalidOperation
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models import Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual
from django.utils import formats
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _

from apps.accounts import access
from apps.accounts.models import User
from apps.crm.models import Company, CustomField, Deal, Lead, Person

Kind = CustomField.Kind
# As they are called in the catalog.
CUSTOMISED: dict[str, type[Company] | type[Person] | type[Deal] | type[Lead]] = {
    CustomField.Of.COMPANY: Company,
    CustomField.Of.PERSON: Person,
    CustomField.Of.DEAL: Deal,
    CustomField.Of.LEAD: Lead,
}
# A decimal of more would not fit a column of a spreadsheet either.
DIGITS, PLACES = 18, 6
LONGEST = 2000
_EXACT = Context(prec=1000)
PREFIX = "custom."


def fields_of(model: type[models.Model]) -> list[CustomField]:
    """Return the fields that are offered for a kind of rows, in their order; one query."""
    return list(CustomField.objects.of(model).active())


def target_of(field: CustomField) -> type[models.Model]:
    """Return what rows a reference refers to."""
    return apps.get_model(field.target)


def value_of(field: CustomField, stored: Any) -> Any:
    """
    Return a stored value as Python has it: a Decimal, a date, or what is stored.

    None where there is none, or it is none of the field's kind.
    """
    if field.kind == Kind.NUMBER and isinstance(stored, str):
        return Decimal(stored)
    if field.kind == Kind.DATE and isinstance(stored, str):
        return parse_date(stored)
    return stored


def names_of(field_values: Iterable[tuple[CustomField, Any]], *, actor: User) -> dict[tuple[str, Any], str]:
    """
    Name the rows that references refer to, as far as `actor` may see them; one query for each kind of rows.

    :return: names by the field's target and the key
    """
    wanted: dict[str, set[Any]] = {}
    for field, stored in field_values:
        if field.kind == Kind.REFERENCE and stored is not None:
            wanted.setdefault(field.target, set()).add(stored)
    return {
        (target, row.pk): str(row)
        for target, keys in wanted.items()
        for row in _visible(apps.get_model(target), actor).filter(pk__in=keys)
    }


def _visible(model: type[models.Model], actor: User) -> Any:
    condition = access.scope(actor, "view", model)
    if model is User:
        # People know their own name, whatever their roles.
        condition = condition if condition == access.EVERYTHING else condition | models.Q(pk=actor.pk)
    return model._base_manager.filter(condition)


class SeenReferences:
    """
    Takes out of the values of rows what refers to rows that somebody may not see: a key, too, tells that there is one.

    What is taken out is still there: who writes a row and names nothing for the field leaves it as it is.
    """

    def __init__(self, model: type[models.Model], *, actor: User) -> None:
        self._actor = actor
        fields = CustomField.objects.of(model).filter(kind=Kind.REFERENCE)
        self._targets = dict(fields.values_list("key", "target"))
        self._known: dict[tuple[str, Any], bool] = {}

    def has_any(self) -> bool:
        """Tell whether rows of this kind refer to anything in further fields."""
        return bool(self._targets)

    def look_at(self, several: Iterable[Mapping[str, Any]]) -> None:
        """Find out about all that some rows refer to; a query for each kind of rows among it."""
        wanted: dict[str, set[Any]] = {}
        for values in several:
            for key in values.keys() & self._targets.keys():
                target = self._targets[key]
                if (target, values[key]) not in self._known:
                    wanted.setdefault(target, set()).add(values[key])
        for target, keys in wanted.items():
            rows = _visible(apps.get_model(target), self._actor).filter(pk__in=keys)
            seen = set(rows.values_list("pk", flat=True))
            self._known |= {(target, key): key in seen for key in keys}

    def of(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of a row as far as they are the reader's."""
        self.look_at([values])
        return {
            key: value
            for key, value in values.items()
            if key not in self._targets or self._known[self._targets[key], value]
        }


def in_words(field: CustomField, stored: Any, names: Mapping[tuple[str, Any], str]) -> str:
    """Say a stored value to whoever the names were read for; "" where there is none."""
    if stored is None:
        return ""
    if field.kind == Kind.REFERENCE:
        return names.get((field.target, stored)) or _("not visible")
    if field.kind == Kind.CHOICE:
        return field.labels().get(stored, str(stored))
    if isinstance(stored, bool):
        return _("yes") if stored else _("no")
    value = value_of(field, stored)
    if isinstance(value, Decimal):
        return formats.number_format(value, force_grouping=True)
    if isinstance(value, date):
        return formats.date_format(value, "SHORT_DATE_FORMAT")
    return str(stored)


@dataclass(frozen=True)
class Told:
    """What a row says in one of its further fields. :ivar text: in words, "" for nothing"""

    field: CustomField
    stored: Any
    text: str
    is_visible: bool = True


def told(row: Any, *, actor: User, fields: Sequence[CustomField] | None = None) -> list[Told]:
    """Say what a row has in each field that is offered, also where that is nothing."""
    offered = fields_of(type(row)) if fields is None else fields
    pairs = [(field, row.custom.get(field.key)) for field in offered]
    names = names_of(pairs, actor=actor)
    return [
        Told(
            field,
            stored,
            in_words(field, stored, names),
            field.kind != Kind.REFERENCE or (field.target, stored) in names,
        )
        for field, stored in pairs
    ]


def columns_by_key(model: type[models.Model], keys: Iterable[str]) -> "dict[str, models.Field[Any, Any]]":
    """
    Return fields as columns of their kind, by their keys; also of those that are not offered any more.

    What stands in a column is said by whoever says other columns: history, for one.
    """
    known = CustomField.objects.of(model).filter(key__in=set(keys))
    return {field.key: as_column(field) for field in known}


def as_column(field: CustomField) -> "models.Field[Any, Any]":
    """Return a column of the field's kind, which belongs to no table."""
    column: models.Field[Any, Any]
    if field.kind == Kind.REFERENCE:
        column = models.ForeignKey(target_of(field), models.DO_NOTHING, verbose_name=field.label)
    elif field.kind == Kind.NUMBER:
        column = models.DecimalField(field.label, max_digits=DIGITS + PLACES, decimal_places=PLACES)
    elif field.kind == Kind.DATE:
        column = models.DateField(field.label)
    elif field.kind == Kind.FLAG:
        column = models.BooleanField(field.label)
    else:
        column = models.CharField(field.label, choices=list(field.labels().items()) or None)
    column.name = field.key
    return column


def number_text(value: Decimal) -> str | None:
    """Return the one way in which equal numbers are written; None where it is too long for us."""
    if not value.is_finite() or value.adjusted() >= DIGITS:
        return None
    if value.is_zero():
        return "0"
    # Without rounding: what is too long is told, not cut.
    shortest = value.normalize(_EXACT)
    exponent = shortest.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -PLACES:
        return None
    return format(shortest, "f")


def parsed(field: CustomField, text: str) -> Any:
    """
    Return what is stored of a value that came as text, as addresses of lists have it.

    :raises ValueError: it is none of the field's kind
    """
    if field.kind == Kind.NUMBER:
        number = _decimal(text)
        stored = None if number is None else number_text(number)
    elif field.kind == Kind.DATE:
        day = parse_date(text)
        stored = None if day is None else day.isoformat()
    elif field.kind == Kind.REFERENCE:
        is_key = text.isascii() and text.isdecimal() and len(text) < 19
        return _given(int(text) if is_key else None)
    elif field.kind == Kind.FLAG:
        return _given({"true": True, "false": False}.get(text.lower()))
    else:
        stored = text if field.kind == Kind.TEXT or text in field.labels() else None
    return _given(None if stored is None or "\0" in stored else stored)


def _given(stored: Any) -> Any:
    if stored is None:
        raise ValueError
    return stored


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text) if len(text) <= 2 * (DIGITS + PLACES) else None
    except InvalidOperation:
        return None


def filtered(rows: Any, field: CustomField, stored: Any) -> Any:
    """Keep the rows that have exactly this in a field, by its index; those with nothing in it for None."""
    if stored is None:
        return rows.exclude(custom__has_key=field.key)
    return rows.filter(custom__contains={field.key: stored})


def bounded(rows: Any, field: CustomField, *, low: Any = None, high: Any = None) -> Any:
    """Keep the rows whose number or day lies between two stored ones, both of them; None for no bound."""
    text = KeyTextTransform(field.key, "custom")
    is_number = field.kind == Kind.NUMBER
    # Days compare as they are written.
    column: Any = Cast(text, models.DecimalField(max_digits=DIGITS + PLACES, decimal_places=PLACES))
    column = column if is_number else Cast(text, models.TextField())
    for stored, comparison in ((low, GreaterThanOrEqual), (high, LessThanOrEqual)):
        if stored is not None:
            bound = Value(Decimal(stored)) if is_number else Value(stored, output_field=models.TextField())
            rows = rows.filter(comparison(column, bound))
    return rows
