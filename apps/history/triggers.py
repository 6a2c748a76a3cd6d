"""Keeping the triggers in the database what the declarations say."""

from typing import Any

from django.apps import AppConfig
from django.db import connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from apps.history.models import Change
from apps.history.tracking import Tracked, tracked_models

_REFERENCING = {
    "insert": "new table as new_rows",
    "update": "old table as old_rows new table as new_rows",
    "delete": "old table as old_rows",
}
_PREFIX = "history_"
# Arguments of a trigger are kept as a row of null-terminated texts.
_IN_PLACE = """
    select c.relname, t.tgname, string_to_array(encode(t.tgargs, 'escape'), '\\000')
    from pg_trigger t
    join pg_class c on c.oid = t.tgrelid
    join pg_proc p on p.oid = t.tgfoid
    where p.proname = 'history_record' and c.relnamespace = current_schema()::regnamespace
"""
_TABLES = "select relname from pg_class where relkind in ('r', 'p') and relnamespace = current_schema()::regnamespace"


def arguments(tracked: Tracked) -> list[str]:
    """Return what the recording function is told about a model; see the migration that makes it."""
    about = [text for model, column in tracked.wholes() for text in (model._meta.label_lower, column)]
    unrecorded, following = ",".join(tracked.unrecorded()), ",".join(tracked.following())
    return [tracked.label, tracked.key, unrecorded, following, *about]


def expected() -> dict[tuple[str, str], list[str]]:
    """Return the arguments of each trigger that should be there, by table and name."""
    return {
        (tracked.table, f"{_PREFIX}{event}"): arguments(tracked)
        for tracked in tracked_models()
        for event in _REFERENCING
    }


def in_place(connection: BaseDatabaseWrapper) -> dict[tuple[str, str], list[str]]:
    """Return the arguments of each trigger that is there."""
    with connection.cursor() as cursor:
        cursor.execute(_IN_PLACE)
        # The text ends with a null as well.
        return {(table, name): arguments[:-1] for table, name, arguments in cursor.fetchall()}


def sync(app_config: AppConfig, using: str, **kwargs: Any) -> None:
    """
    Make, change and drop triggers as declared; after migrations, and cheap where nothing differs.

    A receiver of `post_migrate` rather than migrations of the tables' apps: a declaration and its trigger
    cannot part, and a new column is recorded from the first row.
    """
    if not router.allow_migrate_model(using, Change):
        return
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute("select 1 from pg_proc where proname = 'history_record'")
        if cursor.fetchone() is None:
            # The app was migrated back to nothing.
            return
    wanted, there = expected(), in_place(connection)
    if wanted == there:
        return
    with transaction.atomic(using=using), connection.cursor() as cursor:
        cursor.execute(_TABLES)
        tables = {name for (name,) in cursor.fetchall()}
        for table, name in there.keys() - wanted.keys():
            cursor.execute(f"drop trigger {name} on {connection.ops.quote_name(table)}")
        for (table, name), texts in wanted.items():
            if table in tables and there.get((table, name)) != texts:
                cursor.execute(_create(connection, table, name, texts))


def _create(connection: BaseDatabaseWrapper, table: str, name: str, texts: list[str]) -> str:
    event = name.removeprefix(_PREFIX)
    # Names of models and columns: nobody's input.
    quoted = ", ".join("'" + text.replace("'", "''") + "'" for text in texts)
    return (
        f"create or replace trigger {name} after {event} on {connection.ops.quote_name(table)} "
        f"referencing {_REFERENCING[event]} for each statement execute function history_record({quoted})"
    )
