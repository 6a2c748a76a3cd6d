"""Rows that are put in by the million without a record of each: demo data, benchmarks, a move from another database."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import connection, models, transaction

from apps.history.models import ChangeSet

REASON = "Put in as a whole; the single rows are not recorded."


@contextmanager
def unrecorded_inserts(tables: Sequence[type[models.Model]], *, label: str) -> Iterator[None]:
    """
    Let inserts into these tables pass history by, in one transaction, and leave one change set that says so.

    Nothing that the application does by itself comes here: only the owner of the tables may, and other writers
    of them wait until it is over. An update or a deletion is recorded as ever. Such rows cannot be undone as a
    set.
    """
    names = [connection.ops.quote_name(model._meta.db_table) for model in tables]
    with transaction.atomic():
        ChangeSet.objects.create(face=ChangeSet.Face.COMMAND, label=label, reason=REASON)
        _switch("disable", names)
        yield
        _switch("enable", names)


def _switch(how: str, names: list[str]) -> None:
    with connection.cursor() as cursor:
        # A table with checks of foreign keys still to come cannot be altered.
        cursor.execute("set constraints all immediate")
        for name in names:
            cursor.execute(f"alter table {name} {how} trigger history_insert")
        cursor.execute("set constraints all deferred")
