"""Rows of any tracked model as history writes them: read, put back, removed, with the database's own types."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.db import connection
from django.utils import timezone

from apps.history import exact
from apps.history.tracking import Tracked

Row = dict[str, Any]


def key_of(tracked: Tracked, row_id: str) -> Any:
    """Return a primary key from its text."""
    return tracked.model._meta.pk.to_python(row_id)


def read(tracked: Tracked, row_ids: Iterable[str], *, is_locked: bool = False) -> dict[str, Row]:
    """Return rows as they are now, by the text of their primary keys; those that are gone are left out."""
    keys = [key_of(tracked, row_id) for row_id in row_ids]
    if not keys:
        return {}
    table, key = _quoted(tracked.table), _quoted(tracked.key)
    # Always in one order, so that two who lock many rows wait for each other rather than for ever.
    statement = f"select {key}::text, to_jsonb(t) from {table} t where {key} = any(%s) order by {key}"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(statement + (" for update" if is_locked else ""), [keys])
        return {row_id: _loaded(row) for row_id, row in cursor.fetchall()}


def _loaded(row: Any) -> Row:
    loaded: Row = exact.loads(row) if isinstance(row, str) else row
    return loaded


def write(tracked: Tracked, values: dict[str, Row], actor_id: int) -> None:
    """
    Set columns of rows, which are counted on and signed like any other change.

    :param values: by row, the columns to set
    """
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row_id, columns in values.items():
        groups.setdefault(tuple(sorted(columns)), []).append({tracked.key: key_of(tracked, row_id)} | columns)
    for names, group in groups.items():
        _update(tracked, names, group, actor_id)


def _update(tracked: Tracked, columns: Sequence[str], group: list[Row], actor_id: int) -> None:
    table, key = _quoted(tracked.table), _quoted(tracked.key)
    settings = [f"{_quoted(c)} = r.{_quoted(c)}" for c in columns]
    following, parameters = _followed(tracked, actor_id)
    statement = (
        f"update {table} t set {', '.join(settings + following)} "  # noqa: S608
        f"from jsonb_populate_recordset(null::{table}, %s::jsonb) r where t.{key} = r.{key}"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [*parameters, exact.dumps(group)])


def _followed(tracked: Tracked, actor_id: int) -> tuple[list[str], list[Any]]:
    """Return what is set on every changed row, and its parameters."""
    values: dict[str, tuple[str, list[Any]]] = {
        "version": ("version = t.version + 1", []),
        "updated_at": ("updated_at = %s", [timezone.now()]),
        "updated_by_id": ("updated_by_id = %s", [actor_id]),
    }
    chosen = [values[column] for column in tracked.following()]
    return [text for text, _p in chosen], [value for _t, parameters in chosen for value in parameters]


def insert(tracked: Tracked, found: Collection[Row]) -> None:
    """Insert rows with all their columns and their primary keys, as they were."""
    names = [column for column in tracked.fields() if all(column in row for row in found)]
    columns = ", ".join(map(_quoted, [*names, *tracked.hidden]))
    payload = [row | dict(tracked.hidden) for row in found]
    table = _quoted(tracked.table)
    statement = (
        f"insert into {table} ({columns}) "  # noqa: S608
        f"select {columns} from jsonb_populate_recordset(null::{table}, %s::jsonb)"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [exact.dumps(payload)])


def delete(tracked: Tracked, row_ids: Iterable[str]) -> None:
    keys = [key_of(tracked, row_id) for row_id in row_ids]
    statement = f"delete from {_quoted(tracked.table)} where {_quoted(tracked.key)} = any(%s)"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(statement, [keys])


def settle() -> None:
    """Let the database judge now what it would judge at commit, when nobody could tell whose fault it is."""
    with connection.cursor() as cursor:
        cursor.execute("set constraints all immediate")
        cursor.execute("set constraints all deferred")


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)
