"""Logging in over REST does what the pages do: browsers by cookie and CSRF token, apps by X-Session-Token."""

from importlib import import_module
from typing import Any

import pytest
import requests
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY
from django.test import Client

from apps.accounts.digests import digest
from apps.accounts.models import AuthEvent, User
from tests.accounts.factories import PASSWORD, make_user
from tests.accounts.letters import code_in, delivered

pytestmark = pytest.mark.django_db
BROWSER, APP = "/_allauth/browser/v1", "/_allauth/app/v1"


@pytest.fixture(autouse=True)
def empty_redis(redis_url: str) -> None:
    """Count from nothing."""


class AppClient:
    """An app: it keeps no cookies, and shows its token."""

    def __init__(self) -> None:
        self.token = ""

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None, **headers: str) -> Any:
        shown = headers | ({"X-Session-Token": self.token} if self.token else {})
        answer = getattr(Client(), method)(
            f"{APP}{path}",
            **({} if body is None else {"data": body}),
            content_type="application/json",
            headers=shown,
        )
        meta = answer.json().get("meta", {}) if answer["Content-Type"] == "application/json" else {}
        self.token = meta.get("session_token", self.token)
        return answer


@pytest.mark.django_db(transaction=True)
def test_a_browser_logs_in_with_cookie_and_csrf_token(artel_server: Any) -> None:
    user = make_user("Anna", password=PASSWORD)
    site = artel_server.url
    body = {"email": user.email, "password": PASSWORD}
    with requests.Session() as browser:
        assert browser.get(f"{site}{BROWSER}/auth/session", timeout=60).status_code == 401
        refused = browser.post(f"{site}{BROWSER}/auth/login", json=body, timeout=60)
        assert refused.status_code == 403
        browser.headers["X-CSRFToken"] = str(browser.cookies["csrftoken"])
        said = browser.post(f"{site}{BROWSER}/auth/login", json=body, timeout=60)
        assert said.status_code == 200
        assert said.json()["data"]["user"]["email"] == user.email
        assert browser.get(f"{site}/api/v1/me/", timeout=60).json()["name"] == "Anna"
        browser.headers["X-CSRFToken"] = str(browser.cookies["csrftoken"])
        assert browser.delete(f"{site}{BROWSER}/auth/session", timeout=60).status_code == 401
        assert browser.get(f"{site}/api/v1/me/", timeout=60).status_code == 401


@pytest.mark.django_db(transaction=True)
def test_an_app_logs_in_with_a_session_token_and_no_cookie(artel_server: Any) -> None:
    user = make_user("Anna", password=PASSWORD)
    site = f"{artel_server.url}{APP}"
    body = {"email": user.email, "password": PASSWORD}
    said = requests.post(f"{site}/auth/login", json=body, timeout=60)
    token = {"X-Session-Token": said.json()["meta"]["session_token"]}
    assert said.status_code == 200
    assert not said.cookies
    shown = requests.get(f"{site}/auth/session", headers=token, timeout=60)
    assert shown.json()["data"]["user"]["email"] == user.email
    assert requests.get(f"{site}/auth/session", timeout=60).status_code == 401
    assert requests.delete(f"{site}/auth/session", headers=token, timeout=60).status_code == 401
    assert requests.get(f"{site}/auth/session", headers=token, timeout=60).status_code == 410


def test_an_app_logs_in_by_a_code_from_a_letter() -> None:
    user, app = make_user(), AppClient()
    asked = app.ask("post", "/auth/code/request", {"email": user.email})
    assert asked.status_code == 401
    code = code_in(delivered()[-1])
    assert app.ask("post", "/auth/code/confirm", {"code": "WRONG"}).status_code == 400
    said = app.ask("post", "/auth/code/confirm", {"code": code})
    assert (said.status_code, said.json()["data"]["user"]["email"]) == (200, user.email)


def test_an_app_sets_a_new_password_by_a_code_from_a_letter() -> None:
    user, app = make_user(password=PASSWORD), AppClient()
    app.ask("post", "/auth/password/request", {"email": user.email})
    code = code_in(delivered()[-1])
    app.ask("post", "/auth/password/reset", {"key": code, "password": "another good one"})
    user.refresh_from_db()
    assert user.check_password("another good one")
    again = app.ask("post", "/auth/password/reset", {"key": code, "password": "a third good one"})
    assert again.status_code == 409


def test_an_app_changes_its_password_and_is_told_when_the_old_one_is_wrong() -> None:
    user, app = make_user(password=PASSWORD), AppClient()
    app.ask("post", "/auth/login", {"email": user.email, "password": PASSWORD})
    path, new = "/account/password/change", {"new_password": "another good one"}
    assert app.ask("post", path, new | {"current_password": "wrong"}).status_code == 400
    app.ask("post", path, new | {"current_password": PASSWORD})
    user.refresh_from_db()
    assert user.check_password("another good one")


def test_an_app_changes_its_address_once_it_is_confirmed() -> None:
    user, app = make_user(password=PASSWORD), AppClient()
    app.ask("post", "/auth/login", {"email": user.email, "password": PASSWORD})
    assert app.ask("post", "/account/email", {"email": "anna@example.com"}).status_code == 200
    said = app.ask("post", "/auth/email/verify", {"key": code_in(delivered()[-1])})
    assert said.status_code == 200
    shown = app.ask("get", "/account/email").json()["data"]
    assert {"email": "anna@example.com", "verified": True} in [
        {name: each[name] for name in ("email", "verified")} for each in shown
    ]


def test_wrong_passwords_lock_here_as_they_do_on_the_pages() -> None:
    user, app = make_user(password=PASSWORD), AppClient()
    for _ in range(5):
        app.ask("post", "/auth/login", {"email": user.email, "password": "wrong"})
    said = app.ask("post", "/auth/login", {"email": user.email, "password": PASSWORD})
    assert said.status_code == 400
    assert said.json()["errors"][0]["code"] == "too_many_login_attempts"
    page = Client()
    page.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    assert "_auth_user_id" not in page.session


def test_letters_are_limited_here_as_they_are_on_the_pages() -> None:
    user = make_user()
    for _ in range(5):
        Client().post("/accounts/login/code/", {"email": user.email})
    said = AppClient().ask("post", "/auth/code/request", {"email": user.email})
    assert said.status_code == 400
    assert len(delivered()) == 5


@pytest.mark.parametrize(
    "path", ["/account/phone", "/auth/phone/verify", "/auth/provider/redirect", "/tokens/refresh"]
)
@pytest.mark.parametrize("client", [BROWSER, APP])
def test_what_is_not_offered_is_not_there(client: str, path: str) -> None:
    assert Client().get(f"{client}{path}").status_code == 404
    assert Client().post(f"{client}{path}", {}, "application/json").status_code == 404


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"nonsense", b'{"email": 5, "password": {}}', b'{"email": "\\u0000"}']
)
@pytest.mark.parametrize(
    "path", ["/auth/login", "/auth/code/request", "/auth/code/confirm", "/auth/password/reset"]
)
def test_nonsense_is_refused_and_breaks_nothing(path: str, body: bytes) -> None:
    answer = Client().post(f"{APP}{path}", body, "application/json")
    assert 400 <= answer.status_code < 500


def test_somebody_turned_off_does_not_come_in() -> None:
    user = make_user(password=PASSWORD)
    app = AppClient()
    app.ask("post", "/auth/login", {"email": user.email, "password": PASSWORD})
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert app.ask("get", "/auth/session").status_code in {401, 410}
    assert (
        AppClient().ask("post", "/auth/login", {"email": user.email, "password": PASSWORD}).status_code == 400
    )


def logged_in_long_ago(app: AppClient, user: User) -> Any:
    """Log in, and let the time be over in which that counts; return the session."""
    app.ask("post", "/auth/login", {"email": user.email, "password": PASSWORD})
    session = import_module(settings.SESSION_ENGINE).SessionStore(app.token)
    for shown in session["account_authentication_methods"]:
        shown["at"] -= settings.ACCOUNT_REAUTHENTICATION_TIMEOUT + 1
    session.save()
    return session


def test_a_first_password_asks_who_is_there_as_the_page_does() -> None:
    user, app = make_user(password=PASSWORD), AppClient()
    session = logged_in_long_ago(app, user)
    user.set_unusable_password()
    user.save()
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    said = app.ask("post", "/account/password/change", {"new_password": "another good one"})
    assert said.status_code == 401
    user.refresh_from_db()
    assert not user.has_usable_password()
    # Neither does who has nothing to show who they are.
    assert app.ask("post", "/account/email", {"email": "anna@example.com"}).status_code == 401
    assert delivered() == []


def test_a_new_address_asks_who_is_there_as_the_page_does() -> None:
    user, app = make_user(password=PASSWORD), AppClient()
    logged_in_long_ago(app, user)
    assert app.ask("post", "/account/email", {"email": "anna@example.com"}).status_code == 401
    assert delivered() == []


def test_a_session_that_is_ended_here_tells_its_pages_and_its_applications(
    monkeypatch: pytest.MonkeyPatch, pokes: list[str]
) -> None:
    user, app, other = make_user(password=PASSWORD), AppClient(), AppClient()
    for each in (app, other):
        each.ask("post", "/auth/login", {"email": user.email, "password": PASSWORD})
        each.ask("get", "/auth/session")
    ended: list[str] = []
    monkeypatch.setattr("apps.accounts.services.sessions.end_browser_session", ended.append)
    pk = UserSession.objects.get(session_key=other.token).pk
    assert app.ask("delete", "/auth/sessions", {"sessions": [pk]}).status_code == 200
    assert ended == [digest(other.token)]
    assert f"access:{user.pk}" in pokes
    assert AuthEvent.objects.filter(kind="session_ended", user=user).count() == 1
    assert other.ask("get", "/auth/session").status_code == 410
