"""One's own sessions, and programs that act for themselves, over REST."""

from typing import Any
from urllib.parse import urlencode

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client

from apps.accounts import services
from apps.accounts.models import Application, AuthEvent, Role, User
from tests.access.world import client_with_key
from tests.accounts.entering import browser, log_in
from tests.accounts.factories import PASSWORD, make_superuser, make_team, make_user
from tests.accounts.test_sessions import PHONE, is_in, session_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("committing")]
SESSIONS, PROGRAMS = "/api/v1/me/sessions/", "/api/v1/accounts/service-accounts/"


@pytest.fixture
def user() -> User:
    return make_user(password=PASSWORD)


def test_sessions_are_told_as_people_know_them(user: User) -> None:
    here, phone = log_in(user), log_in(user, browser(PHONE))
    log_in(make_user(password=PASSWORD))
    told = here.get(SESSIONS).json()
    assert {one["id"] for one in told} == {session_of(here).pk, session_of(phone).pk}
    assert [one["device"] for one in told if not one["is_this_one"]] == ["Mobile Safari on iOS"]
    assert session_of(here).session_key not in str(told)


def test_one_session_or_all_others_are_ended(user: User) -> None:
    here, phone, third = log_in(user), log_in(user, browser(PHONE)), log_in(user)
    assert here.delete(f"{SESSIONS}{session_of(phone).pk}/").status_code == 204
    assert [is_in(each) for each in (here, phone, third)] == [True, False, True]
    assert here.delete(SESSIONS).status_code == 204
    assert [is_in(each) for each in (here, third)] == [True, False]
    assert AuthEvent.objects.filter(kind="session_ended", user=user).count() == 2


def test_nobody_ends_the_session_of_somebody_else_nor_a_key_any(user: User) -> None:
    theirs = log_in(make_user(password=PASSWORD))
    assert log_in(user).delete(f"{SESSIONS}{session_of(theirs).pk}/").status_code == 404
    program = client_with_key(user, ["all"])
    for path in (SESSIONS, f"{SESSIONS}{UserSession.objects.get(user=user).pk}/"):
        assert program.delete(path).status_code == 403
    assert is_in(theirs)


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(make_superuser())
    return client


def test_a_program_is_registered_acts_and_is_turned_off(root: Client) -> None:
    team = make_team()
    role = Role.objects.get(key="salesperson")
    body = {"name": "Nightly", "scopes": ["read"], "team": team.pk, "role": role.pk}
    made = root.post(PROGRAMS, body, "application/json")
    assert made.status_code == 201
    assert made["Cache-Control"] == "no-store"
    program = made.json()
    assert "secret" not in root.get(f"{PROGRAMS}{program['id']}/").json()
    assert root.get(PROGRAMS).json()["results"][0]["client_id"] == program["client_id"]

    token = token_of(program["client_id"], program["secret"])
    me = Client(headers={"Authorization": f"Bearer {token['access_token']}"})
    assert me.get("/api/v1/me/").json()["id"] == program["service_user"]

    secret = root.post(f"{PROGRAMS}{program['id']}/rotate/").json()["secret"]
    assert token_of(program["client_id"], program["secret"])["error"] == "invalid_client"
    assert "access_token" in token_of(program["client_id"], secret)
    assert root.post(f"{PROGRAMS}{program['id']}/disable/").json()["disabled_at"] is not None
    assert me.get("/api/v1/me/").status_code == 401
    assert root.post(f"{PROGRAMS}{program['id']}/enable/").json()["disabled_at"] is None


def token_of(client_id: str, secret: str) -> dict[str, Any]:
    body = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    form = "application/x-www-form-urlencoded"
    answer: dict[str, Any] = Client().post("/o/token/", urlencode(body), form).json()
    return answer


def test_what_people_log_in_to_is_no_service_account(root: Client) -> None:
    site, _secret = services.register_application(
        actor=make_superuser(), name="Site", redirect_uris="https://site.example/back", scopes=["openid"]
    )
    assert root.get(f"{PROGRAMS}{site.pk}/").status_code == 404
    assert root.post(f"{PROGRAMS}{site.pk}/disable/").status_code == 404
    assert Application.objects.get().disabled_at is None


def test_a_scope_that_means_nothing_is_refused(root: Client) -> None:
    refused = root.post(PROGRAMS, {"name": "Nightly", "scopes": ["everything"]}, "application/json")
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["field"] == "scopes"
