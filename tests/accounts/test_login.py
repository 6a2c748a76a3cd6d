"""Logging in: one way for everybody, limited in attempts, and safe about where it leads."""

import re
from typing import Any
from urllib.parse import unquote

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import identify_hasher, make_password
from django.core import mail
from django.test import Client, RequestFactory

from apps.accounts import services
from apps.accounts.models import User
from config.settings import base
from tests.accounts.factories import PASSWORD, make_user

pytestmark = pytest.mark.django_db
LOGIN = "/accounts/login/"


@pytest.fixture(autouse=True)
def no_earlier_attempts(redis_url: str) -> None:
    """Empty Redis, where attempts are counted."""


def log_in(client: Client, user: User, password: str = PASSWORD, query: str = "") -> int:
    response = client.post(f"{LOGIN}{query}", {"login": user.email, "password": password})
    return response.status_code


def test_the_admin_sends_to_the_login_page_and_back() -> None:
    client = Client()
    user = make_user(password=PASSWORD)
    response = client.get("/admin/accounts/team/", follow=True)
    assert unquote(response.redirect_chain[-1][0]) == f"{LOGIN}?next=/admin/accounts/team/"
    assert 'name="next" value="/admin/accounts/team/"' in response.content.decode()
    response = client.post(
        LOGIN, {"login": user.email, "password": PASSWORD, "next": "/admin/accounts/team/"}
    )
    assert response["Location"] == "/admin/accounts/team/"


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_nobody_is_sent_to_somebody_elses_site(target: str) -> None:
    client = Client()
    user = make_user(password=PASSWORD)
    sent = client.get("/admin/login/", {"next": target})
    assert unquote(sent["Location"]) == f"{LOGIN}?next=/admin/"
    response = client.post(LOGIN, {"login": user.email, "password": PASSWORD, "next": target})
    assert response["Location"] == "/admin/"


def test_the_admins_own_login_reads_no_password() -> None:
    client = Client()
    user = make_user(password=PASSWORD)
    response = client.post("/admin/login/", {"username": user.email, "password": PASSWORD})
    assert response["Location"].startswith(LOGIN)
    assert "_auth_user_id" not in client.session


def test_one_who_is_logged_in_cannot_become_another_through_the_admins_login() -> None:
    client, clerk, root = Client(), make_user(), make_user(is_superuser=True, password=PASSWORD)
    client.force_login(clerk)
    client.post("/admin/login/", {"username": root.email, "password": PASSWORD})
    assert client.session["_auth_user_id"] == str(clerk.pk)


def test_an_account_that_is_not_staff_does_not_open_the_admin() -> None:
    client = Client()
    client.force_login(make_user(is_staff=False))
    assert client.get("/admin/login/").status_code == 403


def test_after_five_wrong_passwords_the_right_one_is_refused_too() -> None:
    client = Client()
    user = make_user(password=PASSWORD)
    for _ in range(5):
        assert log_in(client, user, "wrong") == 200
    response = client.post(LOGIN, {"login": user.email, "password": PASSWORD})
    assert response.status_code == 200
    assert "Too many failed login attempts" in response.content.decode()
    assert "_auth_user_id" not in client.session


def test_a_flood_of_attempts_is_answered_by_a_page_that_says_so() -> None:
    client = Client()
    answers = [client.post(LOGIN, {"login": f"{n}@example.org", "password": "x"}) for n in range(31)]
    assert answers[-1].status_code == 429
    assert "Too many attempts" in answers[-1].content.decode()


@pytest.mark.parametrize("fields", [{"is_active": False}, {"kind": "SERVICE"}])
def test_who_is_turned_off_and_what_is_a_program_cannot_log_in(fields: dict[str, Any]) -> None:
    user = make_user(password=PASSWORD, **fields)
    request = RequestFactory().get("/")
    assert authenticate(request, email=user.email, password=PASSWORD) is None


def test_the_address_is_taken_in_any_case_of_letters() -> None:
    user = make_user(email="anna@example.org", password=PASSWORD)
    assert authenticate(RequestFactory().get("/"), email="ANNA@Example.org", password=PASSWORD) == user


def test_passwords_are_kept_with_argon2(settings: "pytest.FixtureRequest") -> None:
    settings.PASSWORD_HASHERS = base.PASSWORD_HASHERS  # type: ignore[attr-defined]
    assert identify_hasher(make_password(PASSWORD)).algorithm == "argon2"


def test_turning_an_account_off_ends_its_sessions() -> None:
    client, user = Client(), make_user(password=PASSWORD)
    log_in(client, user)
    assert client.get("/admin/").status_code == 200
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert client.get("/admin/").status_code == 302


def test_a_forgotten_password_is_set_anew_by_mail() -> None:
    client, user = Client(), make_user(password=PASSWORD)
    page = client.post("/accounts/password/reset/", {"email": user.email})
    services.deliver_letters()
    code = re.search(r"^    (\S+)$", str(mail.outbox[0].body), re.MULTILINE)
    assert code is not None
    page = client.post(page["Location"], {"code": code[1]})
    page = client.post(page["Location"], {"password1": "another good one", "password2": "another good one"})
    user.refresh_from_db()
    assert user.check_password("another good one")
    assert client.get("/accounts/password/reset/confirm/")["Location"] == LOGIN


def test_an_unknown_address_gets_no_mail_and_the_same_answer() -> None:
    client = Client()
    known = client.post("/accounts/password/reset/", {"email": make_user(password=PASSWORD).email})
    mail.outbox.clear()
    unknown = client.post("/accounts/password/reset/", {"email": "nobody@example.org"})
    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])
    assert mail.outbox == []


@pytest.mark.parametrize("path", ["email/", "2fa/"])
def test_what_is_not_offered_is_not_there(path: str) -> None:
    assert Client().get(f"/accounts/{path}").status_code == 404


@pytest.mark.parametrize("language", ["en", "ru"])
def test_quiet_pages_stand_in_both_languages(language: str) -> None:
    client = Client(headers={"accept-language": language})
    for path in ("login/", "password/reset/", "inactive/"):
        page = client.get(f"/accounts/{path}")
        assert page.status_code == 200
        assert f'<html lang="{language}">' in page.content.decode()
