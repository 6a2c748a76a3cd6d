"""Doing what was decided: in chunks, and where the database refuses a row, everything but that row."""

from collections.abc import Callable

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import DataError, IntegrityError, connection, transaction
from django.utils.translation import gettext as _

from apps.crm.imports.loading import Loader
from apps.crm.imports.sql import fetch, literal, run

_REFUSALS = (IntegrityError, DataError, ValidationError, PermissionDenied, ObjectDoesNotExist)
# Rows of one statement when nothing is committed in between.
BIG_CHUNK = 10_000
# Rows of one commit while applying: about a second, so that a kill costs no more and the bar moves.
APPLY_CHUNK = 1_000


def next_chunk(loader: Loader, after: int, size: int) -> tuple[int, int] | None:
    """Return the lines between which the next rows lie, and None when there are none."""
    (found,) = fetch(
        f"select min(line), max(line) from (select line from crm_importrow where batch_id = {loader.batch.pk}"
        f" and line > {after} order by line limit {size}) chunk"
    )
    return (int(found[0]), int(found[1])) if found[0] is not None else None


def write_chunk(loader: Loader, first: int, last: int) -> None:
    """Write the rows between two lines; rows that the database refuses become errors, the others are written."""
    _isolating(loader, first, last, _write)


def finish_chunk(loader: Loader, first: int, last: int) -> None:
    """Write what the rows between two lines say of each other."""
    _isolating(loader, first, last, lambda *lines: loader.finish(*lines[1:]))


def write_all(loader: Loader, progress: Callable[[int], None]) -> None:
    """Write every row of the batch in the caller's transaction."""
    for write in [write_chunk, *([finish_chunk] if loader.has_finish else [])]:
        last, done = 0, 0
        while chunk := next_chunk(loader, last, BIG_CHUNK):
            write(loader, *chunk)
            last = chunk[1]
            done += BIG_CHUNK
            progress(done)


def _write(loader: Loader, first: int, last: int) -> None:
    loader.insert(first, last)
    loader.update(first, last)


def _isolating(loader: Loader, first: int, last: int, write: Callable[[Loader, int, int], None]) -> None:
    """Halve the lines around what the database refuses until the refused rows stand alone."""
    try:
        with transaction.atomic():
            write(loader, first, last)
            # Foreign keys are checked at commit unless told otherwise; a rehearsal never commits.
            with connection.cursor() as cursor:
                cursor.execute("set constraints all immediate")
                cursor.execute("set constraints all deferred")
    except _REFUSALS as error:
        if first == last:
            _refuse_row(loader, first, error)
            return
        middle = _middle(loader, first, last)
        _isolating(loader, first, middle, write)
        _isolating(loader, middle + 1, last, write)


def _middle(loader: Loader, first: int, last: int) -> int:
    """Return the line after which half of the rows to be written remain."""
    lines = fetch(
        f"select percentile_disc(0.5) within group (order by line) from crm_importrow r"
        f" where {loader.rows(first, last, 'CU')}"
    )[0][0]
    middle = first if lines is None else int(lines)
    return min(middle, last - 1)


def _refuse_row(loader: Loader, line: int, error: Exception) -> None:
    """Turn the database's refusal of one row into the row's error, in the words of the constraint."""
    reason = literal(_reason(loader, error))
    run(
        "update crm_importrow set verdict = 'E', errors = coalesce(errors, '[]') || jsonb_build_array("
        "jsonb_build_object('field', '', 'code', 'refused', 'value', '', 'params',"
        f" jsonb_build_object('reason', {reason}::text))) where batch_id = {loader.batch.pk} and line = {line}"
    )


def _reason(loader: Loader, error: Exception) -> str:
    """Return what the broken constraint says; never the database's own text, which may quote others' rows."""
    if isinstance(error, ValidationError):
        return " ".join(error.messages)
    if isinstance(error, PermissionDenied | ObjectDoesNotExist):
        return _("you may not do this")
    name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) or ""
    for model in loader.refusing():
        for constraint in model._meta.constraints:
            if constraint.name == name and constraint.violation_error_message:
                return str(constraint.violation_error_message)
    return name or _("a value does not fit its column")
