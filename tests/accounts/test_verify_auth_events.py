"""Whoever tampers with the record of access events, with all that an owner of the table can do, is found out."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from apps.accounts.models import AuthEvent
from apps.accounts.services import record_auth_event
from apps.accounts.services.verifying import BrokenChain, Head, missing_guards, parse_head, verify_auth_events
from apps.accounts.tasks import verify_auth_events_nightly
from tests.accounts.factories import make_user
from tests.accounts.test_auth_events import chain

pytestmark = pytest.mark.django_db
_TABLES = ("accounts_authevent", "accounts_autheventhead", "accounts_autheventqueue")


def execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@contextmanager
def without_triggers() -> Iterator[None]:
    """Act as the owner of the tables can."""
    execute(*(f"alter table {table} disable trigger all" for table in _TABLES))
    yield
    for table, trigger in all_triggers():
        execute(f"alter table {table} enable always trigger {trigger}")


def all_triggers() -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select tgrelid::regclass::text, tgname from pg_trigger where tgname like 'auth_event%%' order by 2"
        )
        rows: list[tuple[str, str]] = cursor.fetchall()
    return rows


@pytest.fixture(autouse=True)
def events() -> None:
    """Five events of every shape, and all guards on: the tests' own database lets tables be emptied."""
    for table, trigger in all_triggers():
        execute(f"alter table {table} enable always trigger {trigger}")
    anna = make_user("Anna")
    record_auth_event("login", user=anna, actor=anna)
    record_auth_event("login_failed", user=None, data={"email": "é\u2028“x”@example.org", "n": [1, None]})
    record_auth_event("role_changed", user=None, actor=anna, data={"role": "🗝"})
    record_auth_event("logout", user=anna)
    record_auth_event("login", user=anna, actor=anna)
    chain()


def verify(*arguments: str) -> str:
    printed = StringIO()
    call_command("verify_auth_events", *arguments, stdout=printed, stderr=StringIO())
    return printed.getvalue().strip()


def test_what_was_recorded_is_verified_and_its_end_told() -> None:
    last = AuthEvent.objects.get(position=5)
    assert verify() == f"5:{last.hash}"
    assert verify_auth_events_nightly() == f"5:{last.hash}"
    assert parse_head(verify()) == Head(5, last.hash)


def test_nothing_recorded_is_verified_too() -> None:
    with without_triggers():
        execute(*(f"delete from {table}" for table in _TABLES))
    assert verify_auth_events() == Head(0, "")


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("update accounts_authevent set user_id = 7 where position = 3", r"no\. 3 .*not what was recorded"),
        ("update accounts_authevent set data = '{}' where position = 2", r"no\. 2 .*not what was recorded"),
        ("update accounts_authevent set at = at + '1 us' where position = 5", r"no\. 5 .*not what was"),
        ("update accounts_authevent set id = id + 99 where position = 1", r"no\. 1 .*not what was recorded"),
        ("delete from accounts_authevent where position = 1", r"no\. 1 is missing"),
        ("delete from accounts_authevent where position = 3", r"no\. 3 is missing"),
        ("delete from accounts_authevent where position = 5", r"5 events by count; those after no\. 4"),
        ("delete from accounts_authevent", r"5 events by count; those after no\. 0"),
        ("delete from accounts_autheventhead", r"should end at no\. 0"),
        ("update accounts_autheventhead set hash = repeat('0', 64)", r"should end at no\. 5"),
        ("update accounts_authevent set position = 6 where position = 5", r"no\. 5 is missing"),
    ],
)
def test_what_was_changed_or_removed_is_named(statement: str, found: str) -> None:
    with without_triggers():
        execute(statement)
    with pytest.raises(CommandError, match=found):
        verify()
    with pytest.raises(BrokenChain, match=found):
        verify_auth_events_nightly()


def test_two_that_changed_places_are_found() -> None:
    with without_triggers():
        execute(
            "update accounts_authevent set position = -1 where position = 2",
            "update accounts_authevent set position = 2 where position = 3",
            "update accounts_authevent set position = 3 where position = -1",
        )
    with pytest.raises(CommandError, match=r"no\. 2 .*does not follow"):
        verify()


_COPY = (
    "insert into accounts_authevent (at, kind, agent, request_id, data, position, previous, hash)"
    " select at, 'logout', agent, request_id, data, {position}, previous, hash from accounts_authevent"
    " where position = 4"
)


@pytest.mark.parametrize(
    ("position", "found"),
    [
        ("null", "put beside the chain"),
        ("-3", "put beside the chain"),
        ("6", r"no\. 6 .*does not follow"),
        ("0", r"no\. 0 is there a second time"),
    ],
)
def test_one_that_was_put_in_is_found(position: str, found: str) -> None:
    with without_triggers():
        execute(_COPY.format(position=position))
    with pytest.raises(CommandError, match=found):
        verify()


def test_a_place_taken_twice_is_found_though_the_index_is_gone() -> None:
    with connection.cursor() as cursor:
        cursor.execute("select conname from pg_constraint where conname like 'accounts_authevent_position%%'")
        (name,) = cursor.fetchone()
    with without_triggers():
        execute(f"alter table accounts_authevent drop constraint {name}", _COPY.format(position=4))
    with pytest.raises(CommandError, match=r"no\. 4 is there a second time"):
        verify()


def test_a_chain_written_anew_is_found_by_an_end_that_was_kept_elsewhere() -> None:
    kept = verify()
    with without_triggers():
        execute(
            "delete from accounts_authevent where position > 3",
            "update accounts_autheventhead set count = 3,"
            " hash = (select hash from accounts_authevent where position = 3)",
        )
    assert verify().startswith("3:")
    with pytest.raises(CommandError, match=r"5 events before; those after no\. 3 are missing"):
        verify("--earlier", kept)
    for kind in ("login", "logout"):
        record_auth_event(kind, user=None)
    chain()
    assert verify().startswith("5:")
    with pytest.raises(CommandError, match=r"no\. 5 is not the one that was there before"):
        verify("--earlier", kept)


def test_an_end_that_was_kept_stays_true_as_the_chain_grows() -> None:
    kept = verify()
    record_auth_event("logout", user=None)
    chain()
    assert verify("--earlier", kept).startswith("6:")


@pytest.mark.parametrize("text", ["5", "five:abc", "5:abc"])
def test_what_is_no_end_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="COUNT:HASH"):
        verify("--earlier", text)


def test_a_guard_that_is_turned_off_is_named() -> None:
    assert missing_guards() == []
    execute("alter table accounts_authevent enable trigger auth_event_guard")
    execute("alter table accounts_autheventhead disable trigger auth_event_head_guard_all")
    with pytest.raises(CommandError, match=re.escape("auth_event_guard, auth_event_head_guard_all")):
        verify()


def test_the_walk_takes_many_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.accounts.services.verifying.BATCH", 2)
    assert verify_auth_events().count == 5
    record_auth_event("logout", user=None)
    chain()
    assert verify_auth_events().count == 6
    with without_triggers():
        execute("delete from accounts_authevent where position in (5, 6)")
    with pytest.raises(BrokenChain, match=r"6 events by count; those after no\. 4"):
        verify_auth_events()
