"""Streaming a file's rows, parsed and checked, into the staging table: one COPY, a block of rows in memory at a time."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import orjson
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connection

from apps.crm.imports.kinds import kind_of
from apps.crm.imports.parsing import RowParser
from apps.crm.imports.reading import Dialect, read_rows
from apps.crm.imports.sql import fetch, run
from apps.crm.models import ImportBatch

# Rows per block: some hundred kilobytes of text, and a progress figure a few times a second.
_BLOCK = 2_000


def stage(batch: ImportBatch, progress: Callable[[int, int], None]) -> int:
    """
    Replace the batch's staged rows by what the file holds now.

    :param progress: told after each block how many rows were read, and how many bytes of the file
    :return: how many rows there are
    :raises ReadError: the file is broken at some line
    """
    forget(batch)
    kind = kind_of(batch.kind)
    dialect = Dialect.from_json(batch.dialect)
    parser = RowParser(kind, batch.header, batch.mapping, batch.values, dialect, settings.PHONE_REGION)
    ids = _new_ids(kind.model._meta.db_table)
    count = 0
    with default_storage.open(batch.storage_name, "rb") as file:
        rows = read_rows(file, dialect)
        next(rows, None)
        with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            while block := list(islice(rows, _BLOCK)):
                copy.write(_lines(batch.pk, parser, block, ids))
                count += len(block)
                progress(count, file.tell())
    # Statistics of the cells would take longer than all the rest, and no statement compares them as a whole.
    run("analyze crm_importrow (batch_id, line, verdict, target_id)")
    return count


def forget(batch: ImportBatch) -> None:
    """Remove what was staged of a batch."""
    run(f"delete from crm_importreference where batch_id = {batch.pk}")
    run(f"delete from crm_importrow where batch_id = {batch.pk}")


_COPY = "copy crm_importrow (batch_id, line, data, verdict, errors, target_id) from stdin"


def _lines(batch_id: int, parser: RowParser, block: list[tuple[int, list[str]]], ids: Iterator[int]) -> bytes:
    """Return a block of rows in COPY's text format."""
    parse, dumps = parser.parse, orjson.dumps
    lines: list[bytes] = []
    for line, cells in block:
        data, errors = parse(cells)
        text = dumps(data)
        # JSON escapes tabs and line ends itself; what COPY would take for an escape is only the backslash.
        if b"\\" in text:
            text = text.replace(b"\\", b"\\\\")
        if errors is None:
            lines.append(b"%d\t%d\t%b\tC\t\\N\t%d\n" % (batch_id, line, text, next(ids)))
        else:
            said = dumps(errors).replace(b"\\", b"\\\\")
            lines.append(b"%d\t%d\t%b\tE\t%b\t\\N\n" % (batch_id, line, text, said))
    return b"".join(lines)


def _new_ids(table: str) -> Iterator[int]:
    """Draw ids for new rows from the table's sequence on a second connection, for the first is busy with COPY."""
    drawing: Any = connection.copy()
    count = 100
    try:
        while True:
            with drawing.cursor() as cursor:
                cursor.execute(_DRAW, [table, count])
                islands = cursor.fetchall()
            for first, last in islands:
                yield from range(first, last + 1)
            # Small files leave small gaps, large ones ask seldom.
            count = min(count * 4, 20_000)
    finally:
        drawing.close()


# The sequence is looked up once, not for each id. Told as ranges: one, unless others draw at the same time.
_DRAW = """
with sequence as materialized (select pg_get_serial_sequence(%s, 'id')::regclass as name),
drawn as materialized (select nextval(sequence.name) as id from sequence, generate_series(1, %s))
select min(id), max(id)
from (select id, id - row_number() over (order by id) as island from drawn) drawn group by island order by 1
"""


def count_rows(batch: ImportBatch) -> dict[str, int]:
    """Return how many rows of the batch have each verdict."""
    names = {"C": "create", "U": "update", "S": "unchanged", "E": "error", "X": "conflict"}
    counts = dict.fromkeys(["rows", *names.values()], 0)
    for verdict, count in fetch(
        f"select verdict, count(*) from crm_importrow where batch_id = {batch.pk} group by 1"
    ):
        counts[names[verdict]] = count
        counts["rows"] += count
    return counts
