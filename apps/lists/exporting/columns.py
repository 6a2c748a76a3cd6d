"""
Which columns the rows of a model have for a file.

The fields that people know, that is those that were given a name in words, and what apps add for their models by
:func:`add_column`. Neither passwords nor whatever else history does not record is among them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from django.db import models
from django.utils.functional import Promise
from django.utils.text import capfirst

from apps.accounts import access
from apps.accounts.models import User
from apps.accounts.scoping import Rule
from apps.common.models import Archivable, Imported, Stamped, Versioned
from apps.history.tracking import tracked

Model = type[models.Model]
# Given the keys of some rows and the reader: the value by key. Rows without one may be missing.
Values = Callable[[Sequence[int], User], Mapping[int, Any]]


class Kind(Enum):
    """What stands in a column."""

    TEXT = "text"
    # An integer, a Decimal or a float.
    NUMBER = "number"
    DATE = "date"
    MOMENT = "moment"
    FLAG = "flag"


@dataclass(frozen=True)
class Column:
    """
    A column of a file.

    :param key: the field's name, or what an app has called it
    :param field: the model's own field, be it plain, a foreign key or many to many; None for what an app adds
    :param values: reads the values of many rows at once, for what an app adds
    :param decimal_places: of the numbers that an app adds
    """

    key: str
    label: str | Promise
    kind: Kind
    field: Any = None
    values: Values | None = None
    decimal_places: int = 0

    @property
    def heading(self) -> str:
        return str(capfirst(str(self.label)))

    @property
    def related(self) -> Model | None:
        """The model of the rows that the column names, if it names any."""
        return self.field.related_model if self.field is not None and self.field.is_relation else None

    @property
    def is_many(self) -> bool:
        return bool(self.field is not None and self.field.many_to_many)

    @property
    def places(self) -> int:
        """How many decimal places its numbers have."""
        field = getattr(self.field, "output_field", self.field)
        return int(getattr(field, "decimal_places", 0) or self.decimal_places)

    def words(self) -> dict[Any, str]:
        """Return how the field's choices are said, in the language that is active."""
        choices = getattr(self.field, "flatchoices", None) or ()
        return {value: str(label) for value, label in choices}


_added: defaultdict[str, list[Column]] = defaultdict(list)
_asked: dict[str, Callable[[], Iterable[Column]]] = {}


def add_column(model: Model, key: str, label: str | Promise, kind: Kind, values: Values) -> None:
    """Offer one more column of a model; called from an AppConfig's ready(). Added twice, the later counts."""
    known = _added[model._meta.label_lower]
    known[:] = [*(column for column in known if column.key != key), Column(key, label, kind, values=values)]


def ask_for_columns(model: Model, ask: Callable[[], Iterable[Column]]) -> None:
    """Offer the columns of a model that `ask` names, each time anew; called from an AppConfig's ready()."""
    _asked[model._meta.label_lower] = ask


def is_exportable(model: Model) -> bool:
    """Tell whether the rows of a model can be taken away: those that are shown in lists, not parts of others."""
    rule = getattr(model, "access", None)
    return isinstance(rule, Rule) and not rule.via and "view" in model._meta.default_permissions


def columns_of(model: Model) -> dict[str, Column]:
    """Return every column of a model by its key, in the order of its fields, those that all models share at the end."""
    record = tracked(model._meta.label_lower)
    hidden = {*(record.hidden if record is not None else ()), "password"}
    fields = sorted([*model._meta.concrete_fields, *model._meta.local_many_to_many], key=_is_machinery)
    found = [
        _of_field(field)
        for field in fields
        if field.name not in hidden and getattr(field, "column", "") not in hidden
    ]
    ask = _asked.get(model._meta.label_lower)
    added = [*_added.get(model._meta.label_lower, ()), *(ask() if ask is not None else ())]
    return {column.key: column for column in [*filter(None, found), *added]}


def columns_for(actor: User, model: Model) -> dict[str, Column]:
    """Return the columns of a model whose values the policy may let `actor` see."""
    return {
        key: column
        for key, column in columns_of(model).items()
        if column.related is None or access.can_any(actor, "view", column.related)
    }


def _of_field(field: Any) -> Column | None:
    # Only what was given a name in words is meant to be read by people.
    if field._verbose_name is None:
        return None
    if field.is_relation:
        is_readable = isinstance(getattr(field.related_model, "access", None), Rule)
        return Column(field.name, field.verbose_name, Kind.TEXT, field) if is_readable else None
    kind = _kind(getattr(field, "output_field", field))
    return None if kind is None else Column(field.name, field.verbose_name, kind, field)


_SHARED = {
    field.name for shared in (Stamped, Versioned, Archivable, Imported) for field in shared._meta.local_fields
}


def _is_machinery(field: Any) -> bool:
    return field.primary_key or field.name in _SHARED


# The first that fits counts: a DateTimeField is a DateField.
_KINDS: tuple[tuple[Any, Kind], ...] = (
    (models.BooleanField, Kind.FLAG),
    (models.DateTimeField, Kind.MOMENT),
    (models.DateField, Kind.DATE),
    ((models.IntegerField, models.DecimalField, models.FloatField), Kind.NUMBER),
    ((models.CharField, models.TextField, models.UUIDField), Kind.TEXT),
)


def _kind(field: Any) -> Kind | None:
    return next((kind for known, kind in _KINDS if isinstance(field, known)), None)
