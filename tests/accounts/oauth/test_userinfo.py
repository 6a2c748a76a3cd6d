"""Who somebody is, told to applications that they agreed may know; and tokens that let nobody in."""

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.test import Client

from apps.accounts.models import User
from tests.accounts.oauth import relying as rp
from tests.accounts.oauth.relying import Browser, Relying, bearer, register

pytestmark = pytest.mark.django_db


def test_as_much_as_was_agreed_to(calendar: Relying, browser: Browser) -> None:
    user = browser.user
    told = bearer(browser.tokens(calendar, "openid")["access_token"]).get(rp.USERINFO).json()
    assert told == {"sub": str(user.pk)}
    body = browser.tokens(calendar, "openid profile email")
    assert bearer(body["access_token"]).get(rp.USERINFO).json() == {
        "sub": str(user.pk),
        "name": "Vera",
        "locale": "en",
        "zoneinfo": "Europe/Moscow",
        "email": user.email,
        "email_verified": True,
    }
    EmailAddress.objects.filter(user=user).update(verified=False)
    assert bearer(body["access_token"]).get(rp.USERINFO).json()["email_verified"] is False


def test_without_openid_nobody_is_told_of(calendar: Relying, browser: Browser) -> None:
    answer = bearer(browser.tokens(calendar, "read profile")["access_token"]).get(rp.USERINFO)
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")
    assert 'error="insufficient_scope"' in answer["WWW-Authenticate"]


def test_scopes_of_openid_open_nothing_of_the_api(calendar: Relying, browser: Browser) -> None:
    program = bearer(browser.tokens(calendar, "openid profile email")["access_token"])
    assert program.get("/api/v1/crm/deals/").status_code == 403
    assert program.patch("/api/v1/me/", {"name": "Eve"}, "application/json").status_code == 403


MALFORMED = [
    "",
    "eyJ.x.y",
    "ey..",
    "eyJhbGciOiJub25lIn0.bm90IGpzb24.",
    "eyJhbGciOiJFUzI1NiJ9.bm90IGpzb24.AAAA",
    "a.b.c.d.e",
    "." * 5000,
    "Ы",
    "artel_" + "A" * 43,
]


@pytest.mark.parametrize("path", [rp.USERINFO, "/api/v1/me/"])
@pytest.mark.parametrize("token", MALFORMED)
def test_a_malformed_token_is_refused_without_a_fault(path: str, token: str) -> None:
    client = Client(raise_request_exception=False)
    answer = client.get(path, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_token_may_come_in_the_body_and_nowhere_twice(calendar: Relying, browser: Browser) -> None:
    token = browser.tokens(calendar, "openid")["access_token"]
    sub = str(browser.user.pk)
    assert Client().post(rp.USERINFO, {"access_token": token}).json() == {"sub": sub}
    assert bearer(token).post(rp.USERINFO).json() == {"sub": sub}
    assert bearer(token).post(rp.USERINFO, {"access_token": token}).status_code == 400
    assert Client().get(rp.USERINFO, {"access_token": token}).status_code == 401


def test_who_was_turned_off_is_told_of_to_nobody(calendar: Relying, browser: Browser) -> None:
    program = bearer(browser.tokens(calendar, "openid")["access_token"])
    User.objects.filter(pk=browser.user.pk).update(is_active=False)
    assert program.get(rp.USERINFO).status_code == 401


@pytest.mark.parametrize(
    "path", [rp.TOKEN, rp.REVOKE, rp.INTROSPECT, rp.USERINFO, "/o/device-authorization/"]
)
def test_pages_of_registered_origins_read_the_answers(path: str) -> None:
    register(allowed_origins="https://app.example.org\nhttp://localhost:3000")

    def allowed(origin: str) -> Any:
        answer = Client().options(path, headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
        assert answer.status_code == 204
        return answer.headers.get("Access-Control-Allow-Origin")

    assert allowed("https://app.example.org") == "https://app.example.org"
    assert allowed("http://localhost:3000") == "http://localhost:3000"
    for foreign in (
        "https://evil.example",
        "https://app.example.or",
        "https://app.example.org.evil",
        "null",
        "\x01",
    ):
        assert allowed(foreign) is None


def test_the_answer_itself_says_it_too(browser: Browser) -> None:
    program = register(allowed_origins="https://app.example.org")
    token = browser.tokens(program, "openid")["access_token"]
    answer = bearer(token).get(rp.USERINFO, headers={"Origin": "https://app.example.org"})
    assert answer["Access-Control-Allow-Origin"] == "https://app.example.org"
    assert "Access-Control-Allow-Credentials" not in answer
