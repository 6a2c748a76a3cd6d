"""Acting as somebody else: with a reason, never upward, for an hour at most, and never in silence."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.adapter import get_adapter
from django.contrib.sessions.models import Session
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.test import Client
from django.utils import timezone

from apps.accounts import access, services
from apps.accounts.faces.sockets import user_of_session
from apps.accounts.models import ApiKey, AuthEvent, ImpersonationSession, Membership, Role, Team, User
from apps.crm.models import Company
from apps.events.models import Event
from apps.history.models import ChangeSet
from apps.history.selectors import stories
from apps.jobs.services import start_job
from tests.accounts.factories import make_member, make_role, make_superuser, make_team, make_user

pytestmark = pytest.mark.django_db
SELLER = {
    f"crm.{action}_{model}": "OWN"
    for model in ("company", "deal")
    for action in ("view", "add", "change", "export")
} | {"accounts.view_apikey": "OWN", "accounts.add_apikey": "OWN"}
HELPER = SELLER | {"accounts.view_user": "TEAM", "accounts.impersonate_user": "TEAM"}


@pytest.fixture
def team() -> Team:
    return make_team("sales")


@pytest.fixture
def anna(team: Team) -> User:
    return make_member(team, make_role(dict.fromkeys(HELPER, "TEAM")), "Anna Adams")


@pytest.fixture
def boris(team: Team) -> User:
    return make_member(team, make_role(SELLER), "Boris Brown")


@pytest.fixture
def client(anna: User) -> Client:
    client = Client()
    client.force_login(anna)
    return client


def start(actor: User, target: User, **fields: Any) -> ImpersonationSession:
    return services.start_impersonation(target.pk, actor=actor, reason="he sees no deals", **fields)


def act(client: Client, target: User, *, is_read_only: bool = False) -> ImpersonationSession:
    """Begin on the page of a user, as people do."""
    body = {"reason": "he sees no deals", "minutes": "15", **({"is_read_only": "on"} if is_read_only else {})}
    response = client.post(f"/admin/accounts/user/{target.pk}/act_as/", body)
    assert response.status_code == 302, response.content.decode()
    return ImpersonationSession.objects.get(target=target, ended_at=None)


def acting(boris: User, anna: User) -> User:
    """Return Boris, as whom Anna acts."""
    session = start(anna, boris, is_read_only=False)
    target = services.who_acts(session.pk, actor=anna)
    assert target is not None
    return target


def let_end(session: ImpersonationSession) -> None:
    ImpersonationSession.objects.filter(pk=session.pk).update(
        expires_at=timezone.now() - timedelta(seconds=1)
    )


# Who may


def test_it_begins_with_a_reason_and_is_on_record(anna: User, boris: User) -> None:
    session = start(anna, boris)
    assert (session.actor, session.target, session.is_read_only) == (anna, boris, True)
    assert session.expires_at <= timezone.now() + timedelta(hours=1)
    event = AuthEvent.objects.get(kind="impersonation_started")
    assert (event.user, event.actor, event.data["reason"]) == (boris, anna, "he sees no deals")
    services.stop_impersonation(session.pk, actor=anna)
    services.stop_impersonation(session.pk, actor=anna)
    assert AuthEvent.objects.filter(kind="impersonation_ended").count() == 1
    facts = Event.objects.filter(type__startswith="accounts.impersonation.").values_list("type", flat=True)
    assert sorted(facts) == ["accounts.impersonation.ended.v1", "accounts.impersonation.started.v1"]


REFUSED: list[tuple[Callable[[User, User], Any], type[Exception], str]] = [
    (lambda anna, boris: start(boris, anna), ObjectDoesNotExist, ""),
    (lambda anna, boris: start(anna, anna), ValidationError, "this person"),
    (lambda anna, boris: start(anna, stronger(boris)), PermissionDenied, "more than you hold"),
    (lambda anna, boris: start(anna, changed(boris, is_superuser=True)), PermissionDenied, "administrator"),
    (lambda anna, boris: start(anna, changed(boris, is_active=False)), ValidationError, "turned off"),
    (lambda anna, boris: start(anna, changed(boris, kind="SERVICE")), ValidationError, "program"),
    (lambda anna, boris: start(anna, changed(boris, is_staff=False)), ValidationError, "no pages"),
    (lambda anna, boris: start(anna, boris, lasts=timedelta(minutes=61)), ValidationError, "an hour"),
    (lambda anna, boris: start(anna, boris, lasts=timedelta(0)), ValidationError, "an hour"),
    (
        lambda anna, boris: services.start_impersonation(boris.pk, actor=anna, reason="  "),
        ValidationError,
        "Say why",
    ),
    (lambda anna, boris: start(acting(boris, anna), anna), PermissionDenied, "in person"),
    (lambda anna, boris: start(with_key(anna), boris), PermissionDenied, "key"),
]


def changed(user: User, **fields: Any) -> User:
    User.objects.filter(pk=user.pk).update(**fields)
    return User.objects.get(pk=user.pk)


def stronger(user: User) -> User:
    Membership.objects.create(
        user=user, team=user.memberships.get().team, role=make_role({"crm.view_deal": "ALL"})
    )
    return user


def with_key(user: User) -> User:
    user.key_id, user.key_scopes = 1, frozenset({"accounts.impersonate_user", "read"})
    return user


@pytest.mark.parametrize(("attempt", "refusal", "words"), REFUSED)
def test_who_may_not_is_told_why(
    anna: User, boris: User, attempt: Callable[[User, User], Any], refusal: type[Exception], words: str
) -> None:
    with pytest.raises(refusal) as caught:
        attempt(anna, boris)
    assert words in str(caught.value)
    assert not ImpersonationSession.objects.filter(actor=boris).exists()


def test_only_administrators_are_let_by_what_comes_with_the_platform() -> None:
    holders = Role.objects.filter(grants__permission="accounts.impersonate_user")
    assert list(holders.values_list("key", flat=True)) == ["administrator"]


def test_a_second_beginning_ends_the_first(anna: User, boris: User, team: Team) -> None:
    first = start(anna, boris)
    start(anna, make_member(team, make_role(SELLER)))
    first.refresh_from_db()
    assert first.ended_at is not None
    assert services.who_acts(first.pk, actor=anna) is None


def test_nobody_goes_on_as_somebody_else_has_begun(anna: User, boris: User) -> None:
    session = start(anna, boris)
    other = make_superuser()
    assert services.who_acts(session.pk, actor=other) is None
    with pytest.raises(ObjectDoesNotExist):
        services.stop_impersonation(session.pk, actor=other)


ENDS: list[Callable[[ImpersonationSession], Any]] = [
    let_end,
    lambda session: changed(session.target, is_active=False),
    lambda session: changed(session.actor, is_active=False),
    lambda session: stronger(session.target),
    lambda session: changed(session.target, is_superuser=True),
    lambda session: Membership.objects.filter(user=session.actor).delete(),
]


@pytest.mark.parametrize("end", ENDS)
def test_it_ends_by_itself_when_it_might_not_begin_any_more(
    anna: User, boris: User, end: Callable[[ImpersonationSession], Any]
) -> None:
    session = start(anna, boris)
    assert services.who_acts(session.pk, actor=User.objects.get(pk=anna.pk)) == boris
    end(session)
    assert services.who_acts(session.pk, actor=User.objects.get(pk=anna.pk)) is None


@pytest.mark.parametrize("who", ["anna", "boris"])
def test_turning_off_either_account_ends_it(anna: User, boris: User, who: str) -> None:
    session = start(anna, boris)
    services.deactivate_user({"anna": anna, "boris": boris}[who].pk, actor=make_superuser())
    session.refresh_from_db()
    assert session.ended_at is not None


# What may be done meanwhile


@pytest.fixture
def company(boris: User) -> Company:
    return Company.objects.create(name="Of Boris", owner=boris, team=boris.memberships.get().team)


def test_one_sees_what_they_see_and_no_more(client: Client, boris: User, company: Company) -> None:
    Company.objects.create(name="Of nobody else", team=company.team)
    assert len(client.get("/api/v1/crm/companies/").json()["results"]) == 2
    act(client, boris)
    assert client.get("/api/v1/me/").json()["name"] == "Boris Brown"
    assert [row["name"] for row in client.get("/api/v1/crm/companies/").json()["results"]] == ["Of Boris"]


def test_every_page_names_both_and_offers_to_stop(client: Client, boris: User, company: Company) -> None:
    act(client, boris)
    pages = ["/admin/", "/admin/crm/company/", f"/admin/crm/company/{company.pk}/change/", "/admin/nothing/"]
    for path in pages:
        text = client.get(path).content.decode()
        assert "Anna Adams" in text, path
        assert "Boris Brown" in text, path
        assert "he sees no deals" in text, path
        assert "minutes" in text, path
        assert 'action="/accounts/impersonation/stop/"' in text, path
    stopped = client.post("/accounts/impersonation/stop/")
    assert stopped.headers["Location"] == f"/admin/accounts/user/{boris.pk}/change/"
    text = client.get("/admin/").content.decode()
    assert "impersonation/stop" not in text
    assert client.get("/api/v1/me/").json()["name"] == "Anna Adams"
    assert ImpersonationSession.objects.get().ended_at is not None


def test_what_is_written_names_both(client: Client, anna: User, boris: User, company: Company) -> None:
    act(client, boris)
    answer = client.patch(f"/api/v1/crm/companies/{company.pk}/", {"name": "Renamed"}, "application/json")
    assert answer.status_code == 200, answer.content
    change_set = ChangeSet.objects.latest("pk")
    assert (change_set.actor, change_set.impersonator) == (boris, anna)
    told = stories.story(company, actor=make_superuser()).entries[0]
    assert told.who == "Anna Adams as Boris Brown"
    client.post("/accounts/impersonation/stop/")
    client.patch(f"/api/v1/crm/companies/{company.pk}/", {"name": "Again"}, "application/json")
    change_set = ChangeSet.objects.latest("pk")
    assert (change_set.actor, change_set.impersonator) == (anna, None)
    root = Client()
    root.force_login(make_superuser())
    told_of = {
        each["id"]: each["impersonator"]
        for each in root.get("/api/v1/history/change-sets/").json()["results"]
    }
    assert told_of[change_set.pk] is None
    assert "Anna Adams" in {named and named["name"] for named in told_of.values()}
    assert "Anna Adams as Boris Brown" in root.get("/admin/history/changeset/").content.decode()


def test_who_only_looks_sends_nothing(client: Client, boris: User, company: Company) -> None:
    act(client, boris, is_read_only=True)
    assert client.get(f"/admin/crm/company/{company.pk}/change/").status_code == 200
    refused = client.patch(f"/api/v1/crm/companies/{company.pk}/", {"name": "x"}, "application/json")
    assert (refused.status_code, "only look" in refused.json()["title"]) == (403, True)
    refused = client.post(f"/admin/crm/company/{company.pk}/change/", {"name": "x"})
    assert refused.status_code == 403
    assert "only look" in refused.content.decode()
    company.refresh_from_db()
    assert company.name == "Of Boris"
    assert client.post("/accounts/impersonation/stop/").status_code == 302
    assert client.get("/api/v1/me/").json()["name"] == "Anna Adams"


@pytest.mark.parametrize(
    "path", ["/accounts/password/change/", "/accounts/login/", "/accounts/password/reset/"]
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_their_own_account_is_theirs_alone(client: Client, boris: User, path: str, method: str) -> None:
    act(client, boris)
    refused = getattr(client, method)(path)
    assert refused.status_code == 403
    assert "theirs alone" in refused.content.decode()


NEVER: list[Callable[[User, User], Any]] = [
    lambda boris, other: services.set_password(other.pk, "correct horse battery", actor=boris),
    lambda boris, other: services.change_user(other.pk, email="mine@example.org", actor=boris),
    lambda boris, other: services.change_user(other.pk, is_staff=False, actor=boris),
    lambda boris, other: services.create_api_key("key", scopes=["read"], actor=boris),
    lambda boris, other: services.rotate_api_key(1, actor=boris),
    lambda boris, other: services.revoke_api_key(1, actor=boris),
    lambda boris, other: services.create_role("role", actor=boris),
    lambda boris, other: services.describe_role(Role.objects.all()[0].pk, "x", "y", actor=boris),
    lambda boris, other: services.set_role_grants(Role.objects.all()[0].pk, {}, actor=boris),
    lambda boris, other: services.grant_membership(
        other.pk, other.memberships.get().team_id, Role.objects.all()[0].pk, actor=boris
    ),
    lambda boris, other: services.revoke_membership(other.memberships.get().pk, actor=boris),
    lambda boris, other: services.grant_access(
        other.pk,
        label="accounts.team",
        row_id=other.memberships.get().team_id,
        actions=[],
        expires_at=timezone.now() + timedelta(days=1),
        reason="x",
        actor=boris,
    ),
    lambda boris, other: services.revoke_access(1, actor=boris),
    lambda boris, other: services.extend_access(1, expires_at=timezone.now(), actor=boris),
    lambda boris, other: start(boris, other),
    lambda boris, other: start_job("lists.export", actor=boris, title="x", params={}),
]


@pytest.mark.parametrize("attempt", NEVER)
def test_what_would_outlast_the_hour_is_never_done_so(
    team: Team, boris: User, attempt: Callable[[User, User], Any]
) -> None:
    """Not even where both are administrators of everything."""
    root, target = make_superuser("Rita"), make_superuser("Rolf")
    other = make_member(team, make_role({}))
    as_target = acting(target, root)
    with pytest.raises(PermissionDenied) as caught:
        attempt(as_target, other)
    assert str(caught.value)


def test_the_policy_itself_withholds_it_from_every_face(client: Client, anna: User, boris: User) -> None:
    as_boris = acting(boris, anna)
    assert access.can_any(boris, "export", Company)
    assert not access.can_any(as_boris, "export", Company)
    assert not access.can_any(as_boris, "add", ApiKey)
    assert access.can_any(as_boris, "add", Company)
    act(client, boris)
    refused = client.post("/api/v1/accounts/api-keys/", {"name": "x", "scopes": ["read"]}, "application/json")
    assert (refused.status_code, "somebody else" in refused.json()["title"]) == (403, True)
    assert client.get("/admin/accounts/apikey/add/").status_code == 403
    assert not ApiKey.objects.exists()


def test_an_administrator_of_everything_is_not_everything_while_somebody_acts_as_them() -> None:
    as_root = acting(make_superuser("Rolf"), make_superuser("Rita"))
    assert not access.is_everything(as_root)
    assert access.can_any(as_root, "change", Company)
    assert not access.can_any(as_root, "change", Role)
    assert not access.can_any(as_root, "impersonate", User)


def test_a_program_with_a_key_is_itself_whatever_cookie_comes_with_it(
    client: Client, anna: User, boris: User
) -> None:
    _key, secret = services.create_api_key("key", scopes=["all"], actor=boris)
    act(client, boris, is_read_only=True)
    answer = client.get("/api/v1/me/", headers={"Authorization": f"Bearer {secret}"})
    assert answer.json()["name"] == "Boris Brown"
    made = client.post(
        "/api/v1/crm/companies/",
        {"name": "By a program"},
        "application/json",
        headers={"Authorization": f"Bearer {secret}"},
    )
    assert made.status_code == 201
    assert ChangeSet.objects.latest("pk").impersonator is None


# How it ends


def test_when_time_is_up_one_is_oneself_and_nothing_is_done_in_ones_own_name(
    client: Client, anna: User, boris: User, company: Company
) -> None:
    let_end(act(client, boris))
    late = client.patch(f"/api/v1/crm/companies/{company.pk}/", {"name": "Late"}, "application/json")
    assert (late.status_code, "is over" in late.json()["title"]) == (403, True)
    company.refresh_from_db()
    assert company.name == "Of Boris"
    assert client.get("/api/v1/me/").json()["name"] == "Anna Adams"
    session = ImpersonationSession.objects.get()
    assert session.ended_at == session.expires_at


def test_logging_out_ends_both(client: Client, boris: User) -> None:
    act(client, boris, is_read_only=True)
    client.post("/accounts/logout/")
    assert ImpersonationSession.objects.get().ended_at is not None
    assert client.get("/api/v1/me/").status_code == 401


def test_the_session_is_another_once_it_begins_and_once_it_ends(client: Client, boris: User) -> None:
    keys = [client.cookies["sessionid"].value]
    act(client, boris)
    keys.append(client.cookies["sessionid"].value)
    client.post("/accounts/impersonation/stop/")
    keys.append(client.cookies["sessionid"].value)
    assert len(set(keys)) == 3
    assert set(Session.objects.values_list("session_key", flat=True)) == {keys[2]}


def test_a_socket_watches_as_they_and_as_oneself_afterwards(client: Client, anna: User, boris: User) -> None:
    session = act(client, boris)
    scope = {"cookies": {"sessionid": client.cookies["sessionid"].value}}
    found = user_of_session(scope)
    assert found == boris
    assert found is not None
    assert found.impersonation == session
    let_end(session)
    assert user_of_session(scope) == anna


def test_nobody_stops_what_they_have_not_begun(client: Client, boris: User) -> None:
    other = Client()
    other.force_login(boris)
    session = act(client, boris)
    assert other.post("/accounts/impersonation/stop/").status_code == 302
    session.refresh_from_db()
    assert session.ended_at is None
    assert other.get("/accounts/impersonation/stop/").status_code == 302
    assert Client().post("/accounts/impersonation/stop/").headers["Location"].startswith("/accounts/login/")


def test_the_button_is_for_those_who_may(client: Client, anna: User, boris: User) -> None:
    assert (
        f"/admin/accounts/user/{boris.pk}/act_as/"
        in client.get(f"/admin/accounts/user/{boris.pk}/change/").content.decode()
    )
    weak = make_member(
        boris.memberships.get().team, make_role({"accounts.view_user": "TEAM"}), "Without the right"
    )
    other = Client()
    other.force_login(weak)
    assert "act_as" not in other.get(f"/admin/accounts/user/{boris.pk}/change/").content.decode()
    assert other.get(f"/admin/accounts/user/{boris.pk}/act_as/").status_code == 403


def test_a_refusal_is_shown_on_the_page_with_what_was_typed(client: Client, boris: User) -> None:
    stronger(boris)
    body = {"reason": "curious", "minutes": "15"}
    page = client.post(f"/admin/accounts/user/{boris.pk}/act_as/", body)
    text = page.content.decode()
    assert "more than you hold" in text
    assert "curious" in text
    assert not ImpersonationSession.objects.exists()


def test_the_record_is_read_by_administrators(client: Client, anna: User, boris: User) -> None:
    act(client, boris)
    client.post("/accounts/impersonation/stop/")
    root = Client()
    root.force_login(make_superuser())
    listed = root.get("/admin/accounts/impersonationsession/").content.decode()
    assert "he sees no deals" in listed
    event = AuthEvent.objects.get(kind="impersonation_ended")
    assert (event.user, event.actor) == (boris, anna)


def test_whoever_acts_as_nobody_pays_no_query(
    anna: User, boris: User, django_assert_max_num_queries: Any
) -> None:
    client = Client()
    client.force_login(boris)
    client.get("/api/v1/crm/companies/")
    with django_assert_max_num_queries(4) as queries:
        client.get("/api/v1/crm/companies/")
    assert not [each for each in queries.captured_queries if re.search("impersonation", each["sql"])]


def test_a_stranger_has_no_such_page() -> None:
    assert Client().get("/accounts/impersonation/stop/").headers["Location"].startswith("/accounts/login/")
    assert make_user().impersonation is None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", "account/password/change"),
        ("get", "account/email"),
        ("post", "account/email"),
        ("post", "auth/email/verify"),
        ("post", "auth/password/reset"),
        ("post", "auth/code/confirm"),
        ("get", "account/authenticators"),
        ("get", "account/authenticators/totp"),
        ("get", "account/authenticators/recovery-codes"),
        ("get", "auth/sessions"),
        ("delete", "auth/session"),
    ],
)
def test_the_account_is_theirs_alone_over_rest_too(
    client: Client, boris: User, method: str, path: str
) -> None:
    boris.set_unusable_password()
    boris.save()
    act(client, boris)
    body = json.dumps({"new_password": "another good one"})
    kept = {} if method == "get" else {"data": body, "content_type": "application/json"}
    answer = getattr(client, method)(f"/_allauth/browser/v1/{path}", **kept)
    assert answer.status_code == 403
    boris.refresh_from_db()
    assert not boris.has_usable_password()


def test_no_password_is_set_for_somebody_by_who_acts_as_them(anna: User, boris: User) -> None:
    with pytest.raises(PermissionDenied, match="in person"):
        get_adapter().set_password(acting(boris, anna), "another good one")
