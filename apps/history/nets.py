"""What a change set did to a row in the end, however many statements it took. Arithmetic, without a query."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from typing import Any, Protocol


class Recorded(Protocol):
    """One change of one row, as it was recorded."""

    @property
    def row_id(self) -> str: ...
    @property
    def about(self) -> str: ...
    @property
    def op(self) -> str: ...
    @property
    def old(self) -> dict[str, Any] | None: ...
    @property
    def new(self) -> dict[str, Any] | None: ...


class Kind(StrEnum):
    """What became of a row."""

    CREATED = "created"
    CHANGED = "changed"
    DELETED = "deleted"
    # Created and deleted again, or changed back.
    NOTHING = "nothing"


@dataclass(frozen=True)
class Net:
    """
    What became of one row.

    :param before: all columns of a deleted row; those of a changed one that differ in the end
    :param after: all columns of a created row; those of a changed one that differ in the end
    """

    row_id: str
    about: str
    kind: Kind
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)


def fold(changes: Iterable[Recorded], following: Iterable[str] = ()) -> list[Net]:
    """
    Sum up the changes of rows of one model.

    :param changes: by row, and for each row in the order in which they happened
    :param following: columns that are no change by themselves
    """
    return [_net(list(of_row), set(following)) for _row, of_row in groupby(changes, lambda c: c.row_id)]


def _net(changes: list[Recorded], following: set[str]) -> Net:
    first, last = changes[0], changes[-1]
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for change in changes:
        for column, value in (change.old or {}).items():
            before.setdefault(column, value)
        after.update(change.new or {})
    was_there, is_there = first.op != "I", last.op != "D"
    if was_there and is_there:
        columns = [
            c
            for c in after
            if c not in following and c in before and _written(before[c]) != _written(after[c])
        ]
        kind = Kind.CHANGED if columns else Kind.NOTHING
        return Net(first.row_id, last.about, kind, _pick(before, columns), _pick(after, columns))
    if was_there:
        return Net(first.row_id, last.about, Kind.DELETED, before=before)
    if is_there:
        return Net(first.row_id, last.about, Kind.CREATED, after=after)
    return Net(first.row_id, last.about, Kind.NOTHING)


def _written(value: Any) -> Any:
    """Tell 1 from true, which Python takes for equal."""
    return (type(value) is bool, value)


def _pick(values: dict[str, Any], columns: Iterable[str]) -> dict[str, Any]:
    return {column: values[column] for column in columns}
