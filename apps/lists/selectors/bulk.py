"""What is shown of a bulk change: what was chosen, what would become of the rows or did, each in a reader's words."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django import forms
from django.db import models
from django.db.models import Count
from django.utils import formats
from django.utils.dateparse import parse_date

from apps.accounts import access
from apps.accounts.models import User
from apps.history.selectors.words import NOTHING, Words
from apps.history.tracking import tracked
from apps.lists.bulk import Bulk, How, bulk_of
from apps.lists.models import BulkEdit, BulkRow

# Reasons for refusals that are told with their numbers; more than that are as many as there are rows.
REASONS_SHOWN = 20


@dataclass
class Line:
    """One thing that differs, or was chosen: what it is called, what it was, and what it becomes."""

    label: str
    old: str = ""
    new: str = ""


@dataclass
class ShownRow:
    """One row of a bulk change; its name only where the reader sees the row."""

    position: int
    key: int
    name: str
    is_visible: bool
    reason: str = ""
    lines: list[Line] = field(default_factory=list)


def declared(edit: BulkEdit) -> Bulk | None:
    """Return what can be changed of rows of this kind; None where nobody declares it any more."""
    try:
        return bulk_of(edit.model_label)
    except KeyError:
        return None


def counted(edit: BulkEdit, count: int) -> str:
    """Say so many of the rows in words: "3 deals"."""
    bulk = declared(edit)
    return bulk.counted(count) if bulk else str(count)


def chosen_lines(edit: BulkEdit, *, actor: User) -> list[Line]:
    """Say what is to be changed, each with the way and the value."""
    bulk = declared(edit)
    if bulk is None:
        return []
    words = Words(actor)
    found = []
    known = bulk.named(edit.changes)
    for key, chosen in edit.changes.items():
        change = known.get(key)
        if change is not None:
            way = change.way(chosen["how"])
            offered = way.field(actor) if way.field else None
            label = "" if way.how == How.DO else str(way.label)
            found.append((Line(str(change.label), label), offered, chosen.get("value")))
    for _line, offered, value in found:
        if isinstance(offered, forms.ModelChoiceField) and offered.queryset is not None:
            _expect(words, offered.queryset.model, value)
    for line, offered, value in found:
        line.new = _said(words, offered, value)
    return [line for line, _offered, _value in found]


def _expect(words: Words, model: Any, value: Any) -> None:
    for key in value if isinstance(value, list) else [value]:
        words.expect_key(model, key)


def _said(words: Words, offered: forms.Field | None, value: Any) -> str:
    if offered is None or value is None:
        return ""
    if isinstance(offered, forms.ModelChoiceField) and offered.queryset is not None:
        model = offered.queryset.model
        keys = value if isinstance(value, list) else [value]
        return ", ".join(words.name(model, key) for key in keys)
    if isinstance(offered, forms.ChoiceField):
        options: Any = offered.choices
        return next((str(label) for key, label in options if str(key) == str(value)), str(value))
    if isinstance(offered, forms.DateField):
        day = parse_date(str(value))
        return formats.date_format(day, "SHORT_DATE_FORMAT") if day else str(value)
    if isinstance(offered, forms.DecimalField):
        return formats.number_format(Decimal(value), force_grouping=True)
    return str(value)


def rows_of(edit: BulkEdit, verdict: str, *, actor: User, after: int = 0, limit: int = 50) -> list[ShownRow]:
    """Return rows that have a verdict, in the order of the list, from behind a position."""
    bulk = declared(edit)
    if bulk is None:
        return []
    found = BulkRow.objects.filter(edit=edit, verdict=verdict, position__gt=after)
    rows = list(found.order_by("position")[:limit])
    model = bulk.model
    seen = model._base_manager.filter(access.scope(actor, "view", model), pk__in=[row.row_id for row in rows])
    names = {row.pk: str(row) for row in seen}
    words = Words(actor)
    # What rows out of sight hold is nobody's to read here, not even from the plan.
    shown = [row for row in rows if row.row_id in names]
    columns = _columns(model, {name for row in shown for name in row.values or {}})
    for row in shown:
        for name, values in (row.values or {}).items():
            if name in columns:
                _announce(words, columns[name], values)
    return [
        ShownRow(
            row.position,
            row.row_id,
            names.get(row.row_id, ""),
            row.row_id in names,
            row.reason,
            _lines(words, columns, row) if row.row_id in names else [],
        )
        for row in rows
    ]


def _columns(model: type[models.Model], names: Iterable[str]) -> dict[str, Any]:
    """Return the columns with these names; of objects in them, what stands behind their keys ("custom.region")."""
    known = tracked(model._meta.label_lower)
    found: dict[str, Any] = {}
    keys: dict[str, list[str]] = {}
    for name in names:
        column, _dot, key = name.partition(".")
        if key:
            keys.setdefault(column, []).append(key)
        else:
            found[name] = model._meta.get_field(name)
    for column, some in keys.items():
        behind = known.maps[column](some) if known and column in known.maps else {}
        found |= {f"{column}.{key}": field for key, field in behind.items()}
    return found


def _announce(words: Words, column: Any, values: Iterable[Any]) -> None:
    if column.is_relation:
        for value in values:
            _expect(words, column.related_model, value)


def _lines(words: Words, columns: dict[str, Any], row: BulkRow) -> list[Line]:
    lines = []
    for name, (old, new) in (row.values or {}).items():
        column = columns.get(name)
        if column is None:
            continue
        if getattr(column, "_verbose_name", None) is not None or column.is_relation:
            label = str(column.verbose_name)
            lines.append(Line(label, _text(words, column, old), _text(words, column, new)))
    return lines


def _text(words: Words, column: Any, value: Any) -> str:
    if column.many_to_many:
        return ", ".join(words.name(column.related_model, key) for key in value or []) or NOTHING
    is_as_it_is = column.is_relation or value is None
    return words.text(column, value if is_as_it_is else column.to_python(value))


def refusals_of(edit: BulkEdit) -> list[tuple[str, int]]:
    """Return why rows were refused, the most frequent reason first, and how many for each."""
    refused = BulkRow.objects.filter(edit=edit, verdict=BulkRow.Verdict.REFUSED)
    counts = refused.values_list("reason").annotate(count=Count("position")).order_by("-count", "reason")
    return [(reason, count) for reason, count in counts[:REASONS_SHOWN]]
