"""What pages and faces read of an import."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.utils.functional import Promise

from apps.crm.imports.fields import ImportField
from apps.crm.imports.kinds import kind_of
from apps.crm.imports.messages import render, render_notice
from apps.crm.models import ImportBatch, ImportRow

# A message has no place for more lines than this; the error file has them all.
EXAMPLE_LINES = 5


@dataclass(frozen=True)
class IssueGroup:
    """
    Rows of an import that have the same thing wrong with them.

    :param field: the field key; "" for what concerns the row as a whole
    :param column: the file's column that is mapped to the field
    :param suggestion: the nearest existing value, "" for none
    :param lines: the first few of the file's lines
    """

    field: str
    label: str | Promise
    column: str
    code: str
    message: str
    value: str
    suggestion: str
    count: int
    lines: list[int]


_GROUPS = """
select e->>'field', e->>'code', e->>'value', coalesce(e->>'suggestion', ''), (array_agg(e->'params'))[1],
       count(*), (array_agg(line order by line))[1:%(lines)s]
from crm_importrow, jsonb_array_elements(errors) e
where batch_id = %(batch)s and verdict in ('E', 'X')
group by 1, 2, 3, 4 order by 6 desc, min(line) limit %(limit)s
"""


def issue_groups(batch: ImportBatch, limit: int | None = 200) -> list[IssueGroup]:
    """
    List what is wrong with an import's rows, the same things together, the most frequent first.

    Messages are in the reader's language.
    """
    kind = kind_of(batch.kind)
    columns = {field: column for column, field in batch.mapping.items()}
    with connection.cursor() as cursor:
        cursor.execute(_GROUPS.replace("%(lines)s", str(EXAMPLE_LINES)), {"batch": batch.pk, "limit": limit})
        rows = cursor.fetchall()
    return [
        IssueGroup(
            field=field,
            label=kind.by_key[field].label if field in kind.by_key else "",
            column=columns.get(field, ""),
            code=code,
            message=render(code, value=value or "", suggestion=suggestion, params=_json(params)),
            value=value or "",
            suggestion=suggestion,
            count=count,
            lines=list(lines),
        )
        for field, code, value, suggestion, params, count, lines in rows
    ]


def sample_rows(batch: ImportBatch, verdict: str | None = None, limit: int = 50) -> list[ImportRow]:
    """List the first rows of an import in file order, all or those of one verdict ("C", "U", "S", "E", "X")."""
    rows = ImportRow.objects.filter(batch=batch)
    if verdict:
        rows = rows.filter(verdict=verdict)
    return list(rows.order_by("line")[:limit])


def row_errors(row: ImportRow) -> list[dict[str, Any]]:
    """Return a row's errors as {"field", "code", "message", "value", "suggestion"}, in the reader's language."""
    return [
        {
            "field": error["field"],
            "code": error["code"],
            "message": render(
                error["code"],
                value=error.get("value", ""),
                suggestion=error.get("suggestion", ""),
                params=error.get("params"),
            ),
            "value": error.get("value", ""),
            "suggestion": error.get("suggestion", ""),
        }
        for error in row.errors or []
    ]


def notices(batch: ImportBatch) -> list[str]:
    """List what was noticed while reading the file (a guessed encoding, ambiguous dates), in the reader's language."""
    return [render_notice(notice["code"], notice.get("params", {})) for notice in batch.notices]


def fields_of(kind: str) -> tuple[ImportField, ...]:
    """List what columns of a kind can be mapped to: key, label, type, required, matches."""
    return kind_of(kind).fields


def required_unmapped(batch: ImportBatch) -> list[ImportField]:
    """List the required fields that no column is mapped to yet."""
    return kind_of(batch.kind).required_missing(set(batch.mapping.values()))


def refused_lines(batch: ImportBatch) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Yield line and errors of each refused row in file order."""
    rows = ImportRow.objects.filter(batch=batch, verdict__in=["E", "X"]).order_by("line")
    for row in rows.iterator(chunk_size=2000):
        yield row.line, row_errors(row)


def _json(value: Any) -> dict[str, Any]:
    """Read what PostgreSQL gives for jsonb in a cursor of Django: text."""
    return (json.loads(value) if isinstance(value, str) else value) or {}
