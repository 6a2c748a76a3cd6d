"""Facts about access: recorded with the change they tell of, refusals whatever happens, and never changed."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from apps.accounts.auth_kinds import AuthKind, all_kinds, register
from apps.accounts.middleware import OriginMiddleware
from apps.accounts.models import AuthEvent, AuthEventHead
from apps.accounts.services import record_auth_event
from apps.common.origin import NOWHERE, Origin, impersonator, origin
from tests.accounts.factories import make_user


def chain() -> None:
    """Do what the end of the transaction would: give what was recorded its place in the chain."""
    with connection.cursor() as cursor:
        cursor.execute("set constraints all immediate")
        cursor.execute("set constraints all deferred")


@pytest.mark.django_db
def test_an_event_says_who_whom_from_where_and_through_what() -> None:
    anna, boss, root = make_user("Anna"), make_user("Boss"), make_user("Root")
    came, acting = origin.set(Origin("10.1.2.3", "Firefox")), impersonator.set(root.pk)
    try:
        record_auth_event("role_changed", user=anna, actor=boss, data={"role": "Lead", "ids": {1}})
    finally:
        origin.reset(came)
        impersonator.reset(acting)
    event = AuthEvent.objects.get()
    assert (event.user, event.actor, event.impersonator_id) == (anna, boss, root.pk)
    assert (event.address, event.agent) == ("10.1.2.3", "Firefox")
    assert event.data == {"role": "Lead", "ids": [1]}


@pytest.mark.django_db
def test_a_kind_that_nobody_has_registered_is_refused() -> None:
    with pytest.raises(KeyError):
        record_auth_event("teleported", user=None)
    assert not AuthEvent.objects.exists()


def test_two_kinds_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="login"):
        register(AuthKind("login", "other", "other"))
    assert len({kind.name for kind in all_kinds()}) == len(all_kinds())


@pytest.mark.django_db
def test_hostile_text_is_recorded_as_far_as_it_can_be() -> None:
    record_auth_event("login_failed", user=None, data={"email": "a\0b\ud800" + "x" * 5000})
    assert AuthEvent.objects.get().data["email"].startswith("ab?xxx")
    assert len(AuthEvent.objects.get().data["email"]) < 301


@pytest.mark.django_db
def test_events_are_chained_in_the_order_of_their_commits() -> None:
    for kind in ("login", "logout", "login"):
        record_auth_event(kind, user=None)
    assert not AuthEvent.objects.exclude(position=None).exists()
    chain()
    first, second, third = AuthEvent.objects.order_by("position")
    assert [e.position for e in (first, second, third)] == [1, 2, 3]
    assert first.previous == ""
    assert (second.previous, third.previous) == (first.hash, second.hash)
    assert len({first.hash, second.hash, third.hash}) == 3
    assert AuthEventHead.objects.values_list("count", "hash").get() == (3, third.hash)


@pytest.mark.parametrize(
    "change",
    [
        lambda: AuthEvent.objects.update(kind="logout"),
        lambda: AuthEvent.objects.update(position=7),
        lambda: AuthEvent.objects.all().delete(),
        lambda: AuthEvent.objects.create(at="2026-01-01T00:00Z", kind="login", position=9, hash="x"),
        lambda: AuthEventHead.objects.update(count=0),
        lambda: AuthEventHead.objects.all().delete(),
    ],
)
@pytest.mark.django_db
def test_nothing_recorded_is_changed_or_taken_away(change: Callable[[], Any]) -> None:
    record_auth_event("login", user=None)
    chain()
    before = list(AuthEvent.objects.values())
    with pytest.raises(IntegrityError), transaction.atomic():
        change()
    assert list(AuthEvent.objects.values()) == before


@pytest.mark.parametrize(
    ("table", "trigger"),
    [
        ("accounts_authevent", "auth_event_guard_all"),
        ("accounts_autheventhead", "auth_event_head_guard_all"),
    ],
)
@pytest.mark.django_db
def test_nothing_is_truncated_not_even_while_replicating(table: str, trigger: str) -> None:
    record_auth_event("login", user=None)
    chain()
    with connection.cursor() as cursor:
        # The tests' own database lets Django empty tables after a test.
        cursor.execute(f"alter table {table} enable always trigger {trigger}")
        cursor.execute("set local session_replication_role = replica")
        with pytest.raises(IntegrityError), transaction.atomic():
            cursor.execute(f"truncate {table}")
        with pytest.raises(IntegrityError), transaction.atomic():
            cursor.execute(f"delete from {table}")
    assert AuthEvent.objects.count() == AuthEventHead.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_refusal_is_recorded_though_its_transaction_is_rolled_back() -> None:
    @transaction.atomic
    def refuse() -> None:
        record_auth_event("login_failed", user=None, data={"email": "x"})
        record_auth_event("login", user=None)
        raise DatabaseError("taken back")

    with pytest.raises(DatabaseError, match="taken back"):
        refuse()
    assert [(e.kind, e.position) for e in AuthEvent.objects.all()] == [("login_failed", 1)]


@pytest.mark.django_db(transaction=True)
def test_who_is_erased_stays_a_number() -> None:
    user = make_user()
    record_auth_event("login", user=user, actor=user)
    pk = user.pk
    user.delete()
    event = AuthEvent.objects.select_related("user").get()
    assert (event.user_id, event.user) == (pk, None)


def test_a_request_says_where_it_comes_from() -> None:
    seen: list[Origin] = []

    def answer(request: HttpRequest) -> HttpResponse:
        seen.append(origin.get())
        return HttpResponse()

    middleware, factory = OriginMiddleware(answer), RequestFactory()
    middleware(factory.get("/", REMOTE_ADDR="10.1.2.3", headers={"user-agent": "Firefox" + "x" * 999}))
    middleware(factory.get("/", REMOTE_ADDR="fe80::1%eth0"))
    middleware(factory.get("/", REMOTE_ADDR="nonsense"))
    assert (seen[0].address, len(seen[0].agent)) == ("10.1.2.3", 300)
    assert [each.address for each in seen[1:]] == ["fe80::1", None]
    assert origin.get() is NOWHERE
