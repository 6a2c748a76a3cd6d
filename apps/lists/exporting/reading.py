"""Reading the rows of a file: only what the policy shows its owner now, in a fixed number of statements a chunk."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.models.expressions import RawSQL

from apps.accounts import access
from apps.accounts.models import User
from apps.lists.exporting.columns import Column, Model

# Between the names of a column that has several.
_AND = ", "


@dataclass(frozen=True)
class Read:
    """
    The rows of a chunk as values, in order of their keys.

    :param left_out: rows that are gone, or that the person may no longer take away
    :param hidden: names that were left out, because they are of rows that the person does not see
    """

    rows: list[tuple[Any, ...]]
    left_out: int
    hidden: int


def read(model: Model, keys: Sequence[int], columns: Sequence[Column], *, actor: User) -> Read:
    """Read the rows of `keys` that `actor` may see and export."""
    own = [column for column in columns if column.field is not None and not column.is_many]
    found = _rows(model, keys, own, actor)
    names = _Names(actor)
    values = [_values_of(column, place, found, names) for place, column in _placed(columns, own)]
    reached = [key for key in keys if key in found]
    rows = (
        list(zip(*([value.get(key) for key in reached] for value in values), strict=True)) if reached else []
    )
    return Read(rows, left_out=len(keys) - len(reached), hidden=names.hidden)


def among(keys: Iterable[int]) -> RawSQL:
    """Return keys for the right side of `__in`, as one parameter: five thousand would take longer than their rows."""
    return RawSQL("select unnest(%s::bigint[])", [list(keys)])


def _placed(columns: Sequence[Column], own: list[Column]) -> list[tuple[int, Column]]:
    """Pair each column with its place among the columns of the row itself, the key being at 0."""
    places = {column.key: place for place, column in enumerate(own, start=1)}
    return [(places.get(column.key, 0), column) for column in columns]


def _rows(model: Model, keys: Sequence[int], own: list[Column], actor: User) -> dict[int, tuple[Any, ...]]:
    reach = access.scope(actor, "view", model) & access.scope(actor, "export", model)
    rows = model._base_manager.filter(reach, pk__in=among(keys))
    return {row[0]: row for row in rows.values_list("pk", *(column.field.attname for column in own))}


def _values_of(
    column: Column, place: int, found: dict[int, tuple[Any, ...]], names: "_Names"
) -> dict[int, Any]:
    keys = list(found)
    if column.values is not None:
        return dict(column.values(keys, names.actor)) if keys else {}
    related = column.related
    if related is None:
        return {key: row[place] for key, row in found.items()}
    if column.is_many:
        return names.of_many(related, _links(column.field, keys))
    return names.of_one(related, {key: row[place] for key, row in found.items()})


def _links(field: Any, keys: list[int]) -> list[tuple[int, int]]:
    """Return the pairs (row, related row) of a many-to-many field."""
    source, target = field.m2m_field_name(), field.m2m_reverse_field_name()
    through: Model = field.remote_field.through
    rows = through._base_manager.filter(**{f"{source}__in": among(keys)})
    return list(rows.order_by("pk").values_list(f"{source}_id", f"{target}_id"))


class _Names:
    """Names of related rows, as far as the reader sees them; nothing is remembered beyond a chunk."""

    def __init__(self, actor: User) -> None:
        self.actor = actor
        self.hidden = 0
        self._known: defaultdict[Model, dict[Any, str]] = defaultdict(dict)
        self._asked: defaultdict[Model, set[Any]] = defaultdict(set)

    def of_one(self, model: Model, ids: dict[int, Any]) -> dict[int, Any]:
        self._fetch(model, ids.values())
        names = self._known[model]
        self.hidden += sum(1 for value in ids.values() if value is not None and value not in names)
        return {key: names.get(value) for key, value in ids.items()}

    def of_many(self, model: Model, links: list[tuple[int, int]]) -> dict[int, Any]:
        self._fetch(model, (target for _source, target in links))
        names = self._known[model]
        found: defaultdict[int, list[str]] = defaultdict(list)
        for source, target in links:
            if target in names:
                found[source].append(names[target])
            else:
                self.hidden += 1
        return {key: _AND.join(sorted(several)) for key, several in found.items()}

    def _fetch(self, model: Model, ids: Iterable[Any]) -> None:
        wanted = {value for value in ids if value is not None} - self._asked[model]
        if not wanted:
            return
        self._asked[model] |= wanted
        visible: models.QuerySet[Any] = model._base_manager.filter(
            access.scope(self.actor, "view", model), pk__in=among(wanted)
        )
        self._known[model].update((row.pk, str(row)) for row in visible)
