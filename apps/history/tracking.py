"""
Which models history records, declared by each app from its AppConfig's ready().

The declaration is all there is: the triggers are made of it after every migrate (see `triggers`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import models

from apps.accounts.models import User
from apps.accounts.scoping import Rule

# Columns that follow every change. They are no change by themselves, and an undo moves them on, never back: a
# version that came back would let a form through that was opened before.
FOLLOWING = ("version", "updated_at", "updated_by_id")
# Whoever signed a row was there before it; in the order of models they would only make circles.
_SIGNATURES = ("created_by", "updated_by")


@dataclass(frozen=True)
class Reverted:
    """A row that an undo has changed: its columns as they were found, and as they are now."""

    pk: Any
    was: dict[str, Any]
    now: dict[str, Any]


@dataclass(frozen=True)
class Tracked:
    """
    A model whose rows' changes are recorded.

    :param part_of: foreign keys to the whole in whose story the changes are told; the first that is set counts
    :param hidden: columns that are never recorded, with what a row gets in them that an undo restores
    :param is_append_only: rows are never changed, and go only together with their whole
    :param is_guarded: only administrators of everything undo changes of it
    :param maps: columns that hold a JSON object, each with who knows the fields behind some of its keys; they are told,
        compared and put back key by key
    :param rights: tells what else than `change` it takes to give a row these columns back, as its services ask
    :param reverted: called in the transaction in which an undo has changed or restored rows
    """

    model: type[models.Model]
    part_of: tuple[str, ...] = ()
    hidden: Mapping[str, Any] = field(default_factory=dict)
    is_append_only: bool = False
    is_guarded: bool = False
    rights: Callable[[Mapping[str, Any]], set[str]] | None = None
    maps: Mapping[str, Callable[[Collection[str]], "Mapping[str, models.Field[Any, Any]]"]] = field(
        default_factory=dict
    )
    reverted: Callable[[Sequence[Reverted], User], None] | None = None

    @property
    def label(self) -> str:
        return self.model._meta.label_lower

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    @property
    def key(self) -> str:
        """The primary key's column."""
        return str(self.model._meta.pk.column)

    @property
    def is_link(self) -> bool:
        """Tell whether this is the table between two models that Django made by itself."""
        return bool(self.model._meta.auto_created)

    def fields(self) -> "dict[str, models.Field[Any, Any]]":
        """Return the model's fields by column, without what is never recorded."""
        return {
            str(f.column): f
            for f in self.model._meta.concrete_fields
            if f.column not in self.hidden and not f.generated
        }

    def unrecorded(self) -> list[str]:
        """Return the columns that are never recorded."""
        return [*self.hidden, *(str(f.column) for f in self.model._meta.concrete_fields if f.generated)]

    def following(self) -> list[str]:
        columns = {f.column for f in self.model._meta.concrete_fields}
        return [column for column in FOLLOWING if column in columns]

    def wholes(self) -> list[tuple[type[models.Model], str]]:
        """Return the models that a change is told about, each with the column that points at its row."""
        if not self.part_of:
            return [(self.model, self.key)]
        fields = [self.model._meta.get_field(name) for name in self.part_of]
        return [(f.related_model, f.column) for f in fields]  # type: ignore[union-attr, misc]

    @property
    def has_own_rule(self) -> bool:
        """Tell whether rows have rights of their own, rather than those of the row they are part of."""
        rule = getattr(self.model, "access", None)
        return isinstance(rule, Rule) and not rule.via


_tracked: dict[str, Tracked] = {}
_exempt: dict[str, str] = {}


def track(model: type[models.Model], **options: Any) -> None:
    """Record what happens to a model's rows, and to the links of its many-to-many fields."""
    _add(Tracked(model, **options))
    for relation in model._meta.local_many_to_many:
        through = relation.remote_field.through
        if through is not None and through._meta.auto_created:
            _add(Tracked(through, part_of=(relation.m2m_field_name(),)))


def _add(tracked: Tracked) -> None:
    _tracked[tracked.label] = tracked


def exempt(model: type[models.Model], reason: str) -> None:
    """Say why a model's rows are not recorded."""
    _exempt[model._meta.label_lower] = reason


def tracked_models() -> list[Tracked]:
    return list(_tracked.values())


def tracked(label: str) -> Tracked | None:
    """Return what was declared for "crm.deal"; None where it is no longer recorded."""
    return _tracked.get(label)


def exempt_models() -> dict[str, str]:
    return dict(_exempt)


def undeclared() -> list[str]:
    """List the models that people's rights apply to, and whose app has not said whether they are recorded."""
    return sorted(
        model._meta.label_lower
        for model in apps.get_models()
        if isinstance(getattr(model, "access", None), Rule)
        and model._meta.label_lower not in _tracked | _exempt
    )


def parents_first() -> list[Tracked]:
    """
    Order the models so that what a row points at comes before it.

    A whole goes together with its parts, and so comes after everything that its parts point at.
    """
    ordered: list[str] = []
    pending: set[str] = set()

    def visit(label: str) -> None:
        if label in ordered or label in pending:
            return
        pending.add(label)
        for needed in sorted(_needed_by(label)):
            visit(needed)
        pending.discard(label)
        ordered.append(label)

    for label in sorted(_tracked):
        visit(label)
    return [_tracked[label] for label in ordered]


def _needed_by(label: str) -> set[str]:
    """Return the models that rows of one, or parts of them, point at; for a part also its wholes."""
    one = _tracked[label]
    needed: set[str] = set()
    for member in [one, *parts_of(one)]:
        targets = {
            f.related_model._meta.label_lower
            for f in member.model._meta.concrete_fields
            if f.is_relation and isinstance(f.related_model, type) and f.name not in _SIGNATURES
        }
        # A part of either of two wholes makes neither wait for the other.
        needed |= targets if member is one else targets - set(_whole_labels(member))
    # A whole may name one of its parts, as a document its current version; the part comes after it all the same.
    return (needed & _tracked.keys()) - {label, *(part.label for part in parts_of(one))}


def _whole_labels(part: Tracked) -> list[str]:
    return [model._meta.label_lower for model, _column in part.wholes()]


def parts_of(whole: Tracked) -> list[Tracked]:
    """Return the models whose rows are parts of a model's rows."""
    return [
        part
        for part in _tracked.values()
        if part.part_of and any(model is whole.model for model, _column in part.wholes())
    ]
