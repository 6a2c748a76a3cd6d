"""Facts about access: recorded with the change they tell of, refusals whatever happens, and never changed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, IntegrityError, connection, connections, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from apps.accounts import services
from apps.accounts.auth_kinds import AuthKind, all_kinds, register
from apps.accounts.middleware import OriginMiddleware
from apps.accounts.models import AuthEvent, AuthEventHead, Role
from apps.accounts.services import record_auth_event
from apps.accounts.services.verifying import verify_auth_events
from apps.accounts.telling import program_of, sentence_of
from apps.common.logs import request_id
from apps.common.origin import NOWHERE, Origin, impersonator, origin
from tests.accounts.factories import PASSWORD, make_member, make_superuser, make_team, make_user


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


@pytest.mark.django_db(transaction=True)
def test_many_at_once_make_one_chain_without_gaps() -> None:
    start = Barrier(8)

    def work(number: int) -> None:
        start.wait()
        for _turn in range(10):
            with suppress(DatabaseError), transaction.atomic():
                record_auth_event("login", user=None, data={"by": number})
                record_auth_event("logout", user=None, data={"by": number})
                if number % 4 == 0:
                    raise DatabaseError("taken back")
        connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    # Two of the eight have taken everything back.
    assert verify_auth_events().count == AuthEvent.objects.count() == 6 * 10 * 2


@pytest.mark.django_db(transaction=True)
def test_a_long_transaction_keeps_nobody_from_logging_in() -> None:
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        record_auth_event("role_changed", user=None)

        def log_in() -> None:
            record_auth_event("login", user=None)
            connections.close_all()

        # Would wait for this very transaction, were the chain held from the insert on.
        pool.submit(log_in).result(timeout=60)
        assert [e.position for e in AuthEvent.objects.filter(kind="login")] == [1]
    assert AuthEvent.objects.get(kind="role_changed").position == 2
    assert verify_auth_events().count == 2


# What is recorded without being called


@pytest.fixture
def client() -> Client:
    cache.clear()
    return Client(REMOTE_ADDR="10.1.2.3", headers={"user-agent": FIREFOX})


FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
LOGIN = "/accounts/login/"


def sentences() -> list[str]:
    rows = AuthEvent.objects.select_related("user", "actor", "impersonator").order_by("id")
    return [sentence_of(event) for event in rows]


@pytest.mark.django_db
def test_logging_in_and_out_and_being_refused_is_told(client: Client) -> None:
    anna = make_user("Anna", email="anna@example.org", password=PASSWORD)
    client.post(LOGIN, {"login": "anna@example.org", "password": "wrong"})
    client.post(LOGIN, {"login": "nobody@example.org", "password": "wrong"})
    client.post(LOGIN, {"login": anna.email, "password": PASSWORD})
    client.post("/accounts/logout/")
    where = " from 10.1.2.3 with Firefox on Linux"
    assert sentences() == [
        f"Somebody failed to log in as Anna{where}",
        f"Somebody failed to log in as nobody@example.org{where}",
        f"Anna logged in{where}",
        f"Anna logged out{where}",
    ]
    assert len(set(AuthEvent.objects.values_list("request_id", flat=True))) == 4
    record = str(list(AuthEvent.objects.values()))
    assert PASSWORD not in record
    assert "wrong" not in record


@pytest.mark.django_db
def test_a_password_typed_in_the_wrong_place_is_not_recorded() -> None:
    authenticate(RequestFactory().get("/"), email="correct horse", password="x")
    assert AuthEvent.objects.get().data == {}


@pytest.mark.django_db
def test_a_new_password_is_told_whoever_sets_it(client: Client) -> None:
    anna, root = make_user("Anna", password=PASSWORD), make_superuser()
    client.force_login(anna)
    fields = {"oldpassword": PASSWORD, "password1": "another good one", "password2": "another good one"}
    client.post("/accounts/password/change/", fields)
    services.set_password(anna.pk, "a third good one", actor=root)
    kinds = list(
        AuthEvent.objects.filter(kind="password_changed").order_by("id").values_list("actor_id", flat=True)
    )
    assert kinds == [anna.pk, root.pk]
    assert sentences()[-1] == "Root set a new password for Anna"


@pytest.mark.django_db
def test_what_changes_rights_is_told() -> None:
    root, team = make_superuser(), make_team("North")
    role = Role.objects.get(key="auditor")
    anna = services.create_user("Anna", email="a@example.org", team_id=team.pk, role_id=role.pk, actor=root)
    services.change_user(anna.pk, actor=root, email="b@example.org", is_staff=False)
    services.deactivate_user(anna.pk, actor=root)
    services.activate_user(anna.pk, actor=root)
    services.revoke_membership(anna.memberships.get().pk, actor=root)
    assert sentences() == [
        "Root made Anna “Auditor” in the team “North”",
        "Root made Anna a user",
        "Root changed the e-mail address of Anna",
        "Root changed whether Anna may open the admin",
        "Root turned the account of Anna off",
        "Root turned the account of Anna on",
        "Root made Anna no longer “Auditor” in the team “North”",
    ]


@pytest.mark.django_db
def test_a_refused_change_leaves_no_event() -> None:
    with pytest.raises(PermissionDenied):
        services.create_role("Scout", actor=make_user())
    assert not AuthEvent.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("agent", "told"),
    [
        (FIREFOX, "Firefox on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
            "Edge on Windows",
        ),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari on iOS"),
        ("curl/8.5.0", "curl"),
        ("", ""),
    ],
)
def test_programs_are_told_by_their_names(agent: str, told: str) -> None:
    assert program_of(agent) == told


@pytest.mark.django_db
def test_every_kind_can_be_told_of_anybody() -> None:
    anna, root = make_user("Anna"), make_superuser()
    for kind in all_kinds():
        for user, actor in ((anna, None), (anna, anna), (anna, root), (None, None)):
            told = sentence_of(AuthEvent(kind=kind.name, user=user, actor=actor, data={"x": "%(y)s"}))
            assert "%" not in told
    assert sentence_of(AuthEvent(kind="of an app that is gone")) == "of an app that is gone"
    acting = sentence_of(AuthEvent(kind="logout", user=anna, impersonator=root))
    assert acting == "Anna logged out, as Root acting in their name"


# In the admin

LIST = "/admin/accounts/authevent/"


@pytest.fixture
def auditor() -> Client:
    client = Client()
    client.force_login(make_member(make_team(), "auditor", "Auditor"))
    return client


@pytest.mark.django_db
def test_the_list_tells_sentences_and_finds_by_name_address_and_request(auditor: Client) -> None:
    anna, boris = make_user("Anna"), make_user("<b>Boris</b>")
    came, known = origin.set(Origin("10.1.2.3", FIREFOX)), request_id.set("abc-123")
    record_auth_event("login", user=anna, actor=anna)
    origin.reset(came)
    request_id.reset(known)
    record_auth_event("user_activated", user=boris, actor=anna)
    record_auth_event("logout", user=boris, actor=boris)
    first, second, third = (
        "Anna logged in from 10.1.2.3 with Firefox on Linux",
        "Anna turned the account of &lt;b&gt;Boris&lt;/b&gt; on",
        "&lt;b&gt;Boris&lt;/b&gt; logged out",
    )
    asked = {
        "": [first, second, third],
        "?q=anna": [first, second],
        "?q=10.1.2.3": [first],
        "?q=abc-123": [first],
        "?q=nobody": [],
        "?kind=logout": [third],
        f"?user__id__exact={boris.pk}": [second, third],
        f"?actor__id__exact={anna.pk}": [first, second],
        "?address__icontains=10.1.2.3": [first],
        "?address__icontains=10.1": [],
        "?at_from=2000-01-01&at_to=2000-01-02": [],
    }
    for query, found in asked.items():
        page = auditor.get(LIST + query)
        assert page.status_code == 200, query
        shown = page.content.decode()
        assert [each for each in (first, second, third) if each in shown] == found, query


@pytest.mark.django_db
def test_an_event_has_a_page_that_changes_nothing(auditor: Client) -> None:
    anna = make_user("Anna")
    record_auth_event("login", user=anna, actor=anna, data={"note": "<script>"})
    pk = anna.pk
    anna.delete()
    event = AuthEvent.objects.get(user_id=pk)
    page = auditor.get(f"{LIST}{event.pk}/change/")
    assert f"person no. {pk} logged in" in page.content.decode()
    assert "&lt;script&gt;" in page.content.decode()
    assert auditor.post(f"{LIST}{event.pk}/change/", {"kind": "logout"}).status_code == 403
    for path in (f"{LIST}add/", f"{LIST}{event.pk}/delete/"):
        assert auditor.get(path).status_code == 403


@pytest.mark.django_db
def test_a_persons_page_leads_to_what_is_on_record_about_them() -> None:
    client, anna = Client(), make_user("Anna")
    client.force_login(make_superuser())
    path = f"/admin/accounts/user/{anna.pk}/events"
    assert path in client.get(f"/admin/accounts/user/{anna.pk}/change/").content.decode()
    answer = client.get(path, follow=True)
    assert answer.redirect_chain[-1][0] == f"{LIST}?user__id__exact={anna.pk}"
    assert answer.status_code == 200


@pytest.mark.django_db
def test_the_list_costs_the_same_however_many_there_are(
    auditor: Client, django_assert_max_num_queries: Any
) -> None:
    anna = make_user("Anna")
    auditor.get(LIST)
    for _ in range(30):
        record_auth_event("user_activated", user=make_user(), actor=anna)
    with django_assert_max_num_queries(8):
        page = auditor.get(LIST).content.decode()
    assert page.count("Anna turned the account of Person") == 30
