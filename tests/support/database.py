"""The test database: migrated once per run into a template, cloned for every worker."""

import fcntl
import os
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connection

TEMPLATE = "artel_template"


def clone_template(worker: int) -> str:
    """Point the default connection at a fresh clone of the migrated template and return its name."""
    name = f"artel_test_{worker}"
    # Whoever comes first migrates; the others wait here.
    with (Path(settings.ARTEL_HOME) / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _make_template()
        _execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        _execute(f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}"')
    _connect_to(name)
    # What `serialized_rollback` puts back after a transactional test.
    if connection.connection is None:
        connection._test_serialized_contents = connection.creation.serialize_db_to_string()  # type: ignore[attr-defined]
    connection.close()
    return name


def forget_events() -> None:
    """Remove the access events that were written past the transaction of a test."""
    with connection.cursor() as cursor:
        cursor.execute("select exists (select from accounts_authevent)")
        if cursor.fetchone()[0]:
            cursor.execute("truncate accounts_authevent, accounts_autheventhead, accounts_autheventqueue")
    connection.close()


def drop(name: str) -> None:
    _execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _make_template() -> None:
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT datistemplate FROM pg_database WHERE datname = %s", [TEMPLATE])
        row = cursor.fetchone()
    if row and row[0]:
        return
    _execute(f'DROP DATABASE IF EXISTS "{TEMPLATE}" WITH (FORCE)')
    _execute(f'CREATE DATABASE "{TEMPLATE}"')
    _connect_to(TEMPLATE)
    call_command("migrate", interactive=False, verbosity=0)
    _let_tables_be_emptied()
    connection.close()
    # The mark also says that the migrations went through.
    _execute(f'ALTER DATABASE "{TEMPLATE}" WITH is_template true')


def _let_tables_be_emptied() -> None:
    """Turn off what keeps the access events from being truncated, as Django does after a transactional test."""
    with connection.cursor() as cursor:
        cursor.execute("alter table accounts_authevent disable trigger auth_event_guard_all")
        cursor.execute("alter table accounts_autheventhead disable trigger auth_event_head_guard_all")


def _connect_to(name: str) -> None:
    connection.close()
    settings.DATABASES["default"]["NAME"] = name
    connection.settings_dict["NAME"] = name


def _execute(statement: str) -> None:
    with connection._nodb_cursor() as cursor:
        cursor.execute(statement)


def database_url() -> str:
    """Return the address of the database that this worker's tests use, for processes started by them."""
    url, _, query = os.environ["DATABASE_URL"].partition("?")
    server, _, _ = url.rpartition("/")
    return f"{server}/{connection.settings_dict['NAME']}?{query}"
