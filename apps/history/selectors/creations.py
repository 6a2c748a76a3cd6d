"""
Rows that were created many at a time, told row by row like any other change.

They are recorded by their keys alone: as long as no change is written under the id that is kept for a row, the row
is what it was created as. What is asked for here is read before the written changes: a row that is changed in
between is then met twice, under one id, and never not at all.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from django.db import connection

from apps.history import exact
from apps.history.tracking import Tracked, tracked, tracked_models


class Created(NamedTuple):
    """The change that a row's creation was."""

    id: int
    change_set_id: int
    model: str
    row_id: str
    about: str
    at: Any
    new: dict[str, Any]


# The way over `offset 0` looks each row's range up by its index; the planner would compare all ranges with all rows.
_CREATED = """
    select c.first_change + t.{key} - lower(c.rows) as id, c.change_set_id, c.model, t.{key}::text as row_id,
        {about} as about, c.at, to_jsonb(t) - %s::text[] as new
    from {table} t
    cross join lateral (select * from history_creation c where c.rows @> t.{key}::bigint offset 0) c
    where {condition} and c.model = %s
    and not exists (select from history_change h where h.id = c.first_change + t.{key} - lower(c.rows))
"""
# What of a set has been changed or deleted since is among the written changes.
_COUNT = """
    select c.model, sum(upper(c.rows) - lower(c.rows) - (
        select count(*) from history_change h
        where h.id >= c.first_change and h.id < c.first_change + upper(c.rows) - lower(c.rows)
    ))::bigint
    from history_creation c where c.change_set_id = %s group by c.model
"""
_RANGES = """
    select lower(rows), upper(rows) from history_creation
    where change_set_id = %s and model = %s and upper(rows) > %s order by lower(rows) limit %s
"""
_OF_SET = """
    select key::text from unnest(%s::bigint[]) as key
    where exists (select from history_creation c where c.rows @> key and c.change_set_id = %s and c.model = %s)
"""


def of_rows(change_set_id: int, model: Tracked, ids: Sequence[str]) -> list[Created]:
    """Return those of some rows that a set created, and that are as it created them."""
    keys = _numbers(ids)
    if not keys:
        return []
    condition = f"t.{_key(model)} = any(%s) and c.change_set_id = %s"
    return _fetch([_query(model, condition, [keys, change_set_id])])


def of_parts(change_set_id: int, part: Tracked, wholes: Sequence[str]) -> list[Created]:
    """Return the parts of some rows ("crm.deal:42") that a set created, and that are as it created them."""
    queries = []
    for condition, keys in _about(part, wholes):
        queries.append(_query(part, f"{condition} and c.change_set_id = %s", [keys, change_set_id]))
    return _fetch(queries)


def about(label: str, row_id: str, *, before: int | None, limit: int) -> list[Created]:
    """Return the creations that are told about a row, its own and those of its parts, the latest first."""
    queries = []
    for model in tracked_models():
        for condition, keys in _about(model, [f"{label}:{row_id}"]):
            queries.append(_query(model, condition, [keys]))
    bounded = "where id < %s" if before is not None else ""
    return _fetch(queries, f"{bounded} order by id desc limit %s", [*([before] if before else []), limit])


def counts(change_set_id: int) -> dict[str, int]:
    """Count the rows that a set created and that are as it created them, by model."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [change_set_id])
        return dict(cursor.fetchall())


def row_ids(change_set_id: int, label: str, after: int, limit: int) -> list[str]:
    """Return the next rows that a set created many at a time, by their numbers; also those changed since."""
    with connection.cursor() as cursor:
        # Each range has at least one row beyond `after`.
        cursor.execute(_RANGES, [change_set_id, label, after + 1, limit])
        ranges = cursor.fetchall()
    found: list[str] = []
    for first, end in ranges:
        start = max(first, after + 1)
        found += map(str, range(start, min(end, start + limit - len(found))))
        after = max(after, end - 1)
        if len(found) == limit:
            break
    return found


def among(change_set_id: int, label: str, ids: Sequence[str]) -> set[str]:
    """Return those of some rows that a set created many at a time; also those changed since."""
    with connection.cursor() as cursor:
        cursor.execute(_OF_SET, [_numbers(ids), change_set_id, label])
        return {row_id for (row_id,) in cursor.fetchall()}


def sets_of(change_set_ids: Sequence[int]) -> list[tuple[int, Tracked]]:
    """Return the models of which some sets created rows many at a time, by set."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select distinct change_set_id, model from history_creation where change_set_id = any(%s) order by 1, 2",
            [list(change_set_ids)],
        )
        found = [(pk, tracked(label)) for pk, label in cursor.fetchall()]
    return [(pk, model) for pk, model in found if model is not None]


# Composed of names of tables and columns, which are nobody's input


class _Query(NamedTuple):
    text: str
    parameters: list[Any]


def _query(model: Tracked, condition: str, parameters: list[Any]) -> _Query:
    label_of = [f"'{whole._meta.label_lower}:' || t.{_quoted(column)}" for whole, column in model.wholes()]
    text = _CREATED.format(
        key=_key(model),
        table=_quoted(model.table),
        about=f"coalesce({', '.join(label_of)})",
        condition=condition,
    )
    return _Query(text, [model.unrecorded(), *parameters, model.label])


def _about(model: Tracked, abouts: Sequence[str]) -> Iterator[tuple[str, list[int]]]:
    """Yield the conditions under which a row is told about one of some, each with the keys it is asked for."""
    before: list[str] = []
    for whole, column in model.wholes():
        label, quoted = whole._meta.label_lower, f"t.{_quoted(column)}"
        keys = _numbers([row_id for of, _colon, row_id in (a.partition(":") for a in abouts) if of == label])
        if keys:
            yield " and ".join([f"{quoted} = any(%s)", *before]), keys
        # The first that is set counts.
        before.append(f"{quoted} is null")


def _fetch(queries: Sequence[_Query], rest: str = "", parameters: Sequence[Any] = ()) -> list[Created]:
    if not queries:
        return []
    text = " union all ".join(query.text for query in queries)
    given = [value for query in queries for value in query.parameters]
    with connection.cursor() as cursor:
        cursor.execute(f"select * from ({text}) as created {rest}", [*given, *parameters])  # noqa: S608
        return [Created._make((*row[:-1], exact.loads(row[-1]))) for row in cursor.fetchall()]


def _numbers(ids: Sequence[str]) -> list[int]:
    """Return the keys that are numbers; rows with others are never recorded by ranges."""
    return [int(row_id) for row_id in ids if row_id.isdecimal()]


def _key(model: Tracked) -> str:
    return _quoted(model.key)


_quoted: Callable[[str], str] = connection.ops.quote_name
