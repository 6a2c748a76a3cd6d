"""
Where the platform keeps what is personal about people outside, column by column.

Each app declares its own from its ready(): how rows are reached from a person, and what becomes of them when the person
is erased. A test walks all columns of all models and fails on one of which nobody has said whether it is personal.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import IO, Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.functional import Promise

Key = Any


class Turn(IntEnum):
    """When a place is looked at: what follows from rows is found by them, and history records what the others did."""

    OWN = 0
    FOLLOWING = 1
    LAST = 2


@dataclass
class Subject:
    """
    A person, and what leads to the rest of what is kept about them.

    :ivar keys: rows that are theirs, by the label of their model; places add to it in their turn
    :ivar contacts: kind and value of how they are reached, in the form that compares
    :ivar words: what they are called, and how they are reached, as it may stand in a filter that somebody keeps
    :ivar named_in: rows that are not theirs and name them, by the label of their model
    """

    keys: dict[str, list[Key]]
    contacts: frozenset[tuple[str, str]] = frozenset()
    words: frozenset[str] = frozenset()
    named_in: dict[str, list[Key]] = field(default_factory=dict)

    def of(self, label: str) -> list[Key]:
        return self.keys.get(label, [])

    def values(self, kind: str) -> list[str]:
        return sorted(value for of, value in self.contacts if of == kind)

    @property
    def people(self) -> list[int]:
        """The person, and those who were merged into them."""
        return self.of("crm.person")

    def abouts(self) -> list[str]:
        """Return the rows as history calls them: "crm.person:42"."""
        return [f"{label}:{key}" for label, keys in self.keys.items() for key in keys]


@dataclass(frozen=True)
class Kept:
    """
    Rows that are kept when their person is erased.

    :param code: stable, for programs
    :param why: which duty or right keeps them, in words
    """

    code: str
    condition: Callable[[Subject], Q]
    why: str | Promise


@dataclass(frozen=True)
class Place:
    """
    Rows of one model that hold something personal.

    :param columns: what stands there once the person is erased, by column; rows that go altogether name them too
    :param rows: finds the rows of a person
    :param also: what else becomes of the rows, by column, that is not personal
    :param goes: why the rows go altogether, or with what; "" where they stay without what is personal
    :param kept: which of the rows stay as they are
    :param erase: does it otherwise than by an update of the columns; given keys of rows
    :param keys: finds by what `erase` goes, where that is not the rows' own keys: it looks again when its turn comes
    :param is_told: whether the person is told of it, who asks what is kept about them: copies of what stands elsewhere
        are not
    :param hidden: columns that are nobody's to know, and are not told either
    :param is_searched: whether its rows are found only by going through all there are, which is left to the job
    :param files: finds what belongs to the rows besides: names and how to open them
    """

    model: type[models.Model]
    columns: Mapping[str, Any]
    rows: Callable[[Subject], QuerySet[Any]]
    goes: str = ""
    also: Mapping[str, Any] = field(default_factory=dict)
    kept: tuple[Kept, ...] = ()
    turn: Turn = Turn.OWN
    erase: Callable[[Sequence[Key], Mapping[str, Any]], None] | None = None
    keys: Callable[[Subject], list[Key]] | None = None
    is_told: bool = True
    hidden: tuple[str, ...] = ()
    is_searched: bool = False
    files: Callable[[QuerySet[Any]], Iterator[tuple[str, Callable[[], IO[bytes]]]]] | None = None

    @property
    def label(self) -> str:
        return self.model._meta.label_lower

    def to_erase(self, subject: Subject) -> QuerySet[Any]:
        """Return the rows that nothing keeps."""
        rows = self.rows(subject)
        for kept in self.kept:
            rows = rows.exclude(kept.condition(subject))
        return rows

    def found(self, subject: Subject) -> list[Key]:
        """Return by what to erase, fit for JSON."""
        if self.keys is not None:
            return self.keys(subject)
        found = set(self.to_erase(subject).order_by().values_list("pk", flat=True))
        return [list(key) if isinstance(key, tuple) else key for key in sorted(found)]

    def blank(self, keys: Sequence[Key], context: Mapping[str, Any]) -> None:
        """Erase rows; done twice, it changes nothing more."""
        if self.erase is not None:
            self.erase(keys, context)
            return
        at = [tuple(key) if isinstance(key, list) else key for key in keys]
        rows = self.model._base_manager.filter(pk__in=at)
        rows.update(**self.columns, **self.also, **following(self.model))


def following(model: type[models.Model]) -> dict[str, Any]:
    """Return what moves on with each change of a row, so that no form that was opened before writes over it."""
    names = {f.name for f in model._meta.concrete_fields}
    moved: dict[str, Any] = {"version": F("version") + 1, "updated_at": timezone.now()}
    return {name: value for name, value in moved.items() if name in names}


@dataclass
class _Declared:
    places: list[Place] = field(default_factory=list)
    # (label, column) and (label, "") for a whole model: why it is not personal.
    others: dict[tuple[str, str], str] = field(default_factory=dict)


_declared = _Declared()


def declare_place(place: Place) -> None:
    """Say where something personal is kept, and what becomes of it."""
    _declared.places = [one for one in _declared.places if one.label != place.label] + [place]


def not_personal(model: type[models.Model], why: str, *columns: str) -> None:
    """Say why columns of a model hold nothing about a person outside; without columns, none of them does."""
    for column in columns or ("",):
        _declared.others[model._meta.label_lower, column] = why


def places() -> list[Place]:
    """Return the places in the order in which they are looked at."""
    return sorted(_declared.places, key=lambda place: place.turn)


def place_of(label: str) -> Place:
    """Return the place of a model. :raises KeyError: nothing personal is kept there"""
    return {place.label: place for place in _declared.places}[label]


def personal_columns() -> dict[str, list[str]]:
    """Return the database's names of the personal columns, by the label of their model."""
    return {
        place.label: [str(f.column) for f in place.model._meta.concrete_fields if f.name in place.columns]
        for place in _declared.places
    }


_TELLING = (
    *(models.CharField, models.TextField, models.JSONField, models.BinaryField, models.FileField),
    *(models.GenericIPAddressField, models.GeneratedField, ArrayField, SearchVectorField),
)


def telling_columns(model: type[models.Model]) -> list[str]:
    """List the columns in which something could be said about somebody: texts, JSON, bytes, files, addresses."""
    return [
        f.name
        for f in model._meta.local_concrete_fields
        if isinstance(f, _TELLING) and not f.is_relation and not f.choices
    ]


def undeclared(every: Iterable[type[models.Model]]) -> list[str]:
    """List the columns of which nobody has said whether they are personal."""
    personal = {(place.label, name) for place in _declared.places for name in place.columns}
    missing = []
    for model in every:
        label = model._meta.label_lower
        if model._meta.proxy or (label, "") in _declared.others:
            continue
        known = {name for of, name in personal | _declared.others.keys() if of == label}
        missing += [f"{label}.{name}" for name in telling_columns(model) if name not in known]
    return sorted(missing)


def contradicted(every: Iterable[type[models.Model]]) -> list[str]:
    """List what is declared and is not there, or is declared both ways."""
    fields = {
        (model._meta.label_lower, f.name)
        for model in every
        for f in (*model._meta.concrete_fields, *model._meta.local_many_to_many)
    }
    labels = {label for label, _name in fields}
    personal = {(place.label, name) for place in _declared.places for name in place.columns}
    both = {(label, name) for label, name in _declared.others if (label, name) in personal}
    both |= {
        (label, "") for label, name in _declared.others if not name and label in {of for of, _ in personal}
    }
    gone = {key for key in personal | _declared.others.keys() if key[1] and key not in fields}
    gone |= {key for key in _declared.others if key[0] not in labels}
    return sorted(f"{label}.{name}" for label, name in both | gone)
