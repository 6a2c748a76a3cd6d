"""The test database: migrated once per run into a template, cloned for every worker."""

import fcntl
import hashlib
import os
import subprocess
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from config.local.postgresql import programs

TEMPLATE = "artel_template"
_ROOT = Path(__file__).resolve().parents[2]
_KEPT = _ROOT / ".pytest_cache" / "artel"
# Tables with ready-made rows are copied; a generated column cannot be written to, and writes itself.
_PRISTINE = """
create schema pristine;
create function pristine.digest(part text, name text) returns text language plpgsql as $$
declare
    found text;
begin
    execute format('select md5(string_agg(row::text, chr(10) order by row::text)) from %I.%I row', part, name) into found;
    return found;
end $$;
create function pristine.restore() returns void language plpgsql as $$
declare
    name text;
    fields text;
    guarded text[];
    has_rows boolean;
begin
    perform set_config('session_replication_role', 'replica', true), set_config('lock_timeout', '30s', true);
    -- Some records keep themselves from being deleted even so; the guards against truncating them are off here.
    select array_agg(distinct relname order by relname) into guarded
        from pg_trigger join pg_class c on c.oid = tgrelid where tgenabled = 'A';
    foreach name in array guarded loop
        execute format('select exists (select from public.%I)', name) into has_rows;
        if has_rows then
            select string_agg(format('public.%I', one), ', ') into fields from unnest(guarded) one;
            execute 'truncate ' || fields;
            exit;
        end if;
    end loop;
    for name in select tablename from pg_tables where schemaname = 'public' and tablename <> 'django_migrations'
            and tablename <> all (guarded) loop
        if to_regclass(format('pristine.%I', name)) is null then
            execute format('delete from public.%I', name);
        elsif pristine.digest('public', name) is distinct from pristine.digest('pristine', name) then
            select string_agg(quote_ident(attname), ', ') into fields from pg_attribute
                where attrelid = format('public.%I', name)::regclass and attnum > 0 and not attisdropped
                    and attgenerated = '';
            execute format('delete from public.%I', name);
            execute format('insert into public.%1$I (%2$s) overriding system value select %2$s from pristine.%1$I',
                name, fields);
        end if;
    end loop;
end $$;
do $$
declare
    name text;
begin
    for name in select tablename from pg_tables where schemaname = 'public' loop
        if pristine.digest('public', name) is not null then
            execute format('create table pristine.%1$I as table public.%1$I', name);
        end if;
    end loop;
end $$;
"""


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
    return name


def restore() -> None:
    """
    Put the database back to what it was after the migrations, whatever a test has committed.

    Django empties every table and makes the ready-made rows anew, which takes a second; here, only what was written to
    is touched, past all triggers and foreign keys.
    """
    with connection.cursor() as cursor:
        cursor.execute("select pristine.restore()")
    connection.close()


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
    _migrate()
    _let_tables_be_emptied()
    _remember_rows()
    connection.close()
    # The mark also says that the migrations went through.
    _execute(f'ALTER DATABASE "{TEMPLATE}" WITH is_template true')


def _migrate() -> None:
    """Migrate, from where the last run with the same migrations came to; what follows migrations is done each time."""
    kept = _KEPT / f"migrated-{_migrations()}.sql"
    is_known = kept.exists()
    if is_known:
        with connection.cursor() as cursor:
            cursor.execute(kept.read_text(encoding="utf-8"))
        # The dump has turned off the search path.
        connection.close()
    call_command("migrate", interactive=False, verbosity=0)
    if not is_known:
        _KEPT.mkdir(parents=True, exist_ok=True)
        draft = kept.with_suffix(f".{os.getpid()}")
        draft.write_text(_dumped(), encoding="utf-8")
        draft.replace(kept)


def _migrations() -> str:
    """Return a digest of all that decides what the migrations make."""
    digest = hashlib.sha256()
    for file in sorted([*_ROOT.glob("apps/*/migrations/*.py"), *_ROOT.glob("requirements/*.txt")]):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _dumped() -> str:
    command = [str(programs() / "pg_dump"), "--inserts", "--no-owner", "--dbname", database_url()]
    dump = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # What begins with a backslash speaks to psql.
    return "".join(line for line in dump.splitlines(keepends=True) if not line.startswith("\\"))


def _let_tables_be_emptied() -> None:
    """Turn off what keeps records from being truncated, as Django does after a transactional test."""
    with connection.cursor() as cursor:
        cursor.execute("alter table accounts_authevent disable trigger auth_event_guard_all")
        cursor.execute("alter table accounts_autheventhead disable trigger auth_event_head_guard_all")
        cursor.execute("alter table documents_signatureevent disable trigger signature_event_guard_all")
        cursor.execute("alter table documents_signaturehead disable trigger signature_head_guard_all")


def _remember_rows() -> None:
    """Keep what there is after the migrations, and say how to come back to it."""
    with connection.cursor() as cursor:
        cursor.execute(_PRISTINE)


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
