"""Logging out at an application's wish, which nothing it says can turn into a fault."""

import pytest
from django.test import Client

from apps.accounts import services
from tests.accounts.factories import PASSWORD, make_superuser, make_user
from tests.accounts.oauth import relying as rp
from tests.accounts.oauth.relying import AFTER_LOGOUT, LOGOUT, Browser, Relying, bearer, error_of, register

pytestmark = pytest.mark.django_db


def is_logged_in(browser: Browser) -> bool:
    return "_auth_user_id" in browser.client.session


def test_who_is_known_is_logged_out_and_sent_on(calendar: Relying, browser: Browser) -> None:
    hint = browser.tokens(calendar, "openid")["id_token"]
    answer = browser.client.get(
        LOGOUT, {"id_token_hint": hint, "post_logout_redirect_uri": AFTER_LOGOUT, "state": "bye"}
    )
    assert (answer.status_code, answer["Location"]) == (302, f"{AFTER_LOGOUT}?state=bye")
    assert not is_logged_in(browser)


def test_a_hint_from_before_a_rotation_of_keys_is_good(calendar: Relying, browser: Browser) -> None:
    hint = browser.tokens(calendar, "openid")["id_token"]
    rp.rotate_keys()
    assert browser.tokens(calendar, "openid")["id_token"].split(".")[0] != hint.split(".")[0]
    answer = browser.client.get(LOGOUT, {"id_token_hint": hint, "post_logout_redirect_uri": AFTER_LOGOUT})
    assert answer["Location"] == AFTER_LOGOUT
    assert not is_logged_in(browser)


@pytest.mark.parametrize("asked", [{}, {"state": "x"}, {"post_logout_redirect_uri": ""}])
def test_who_is_not_known_is_asked(browser: Browser, asked: dict[str, str]) -> None:
    page = browser.client.get(LOGOUT, asked)
    assert page.status_code == 200
    assert is_logged_in(browser)
    address = page.wsgi_request.get_full_path()
    assert "still logged in" in browser.client.post(address, {"decision": "deny"}).content.decode()
    assert is_logged_in(browser)
    assert "You are logged out" in browser.client.post(address, {"decision": "allow"}).content.decode()
    assert not is_logged_in(browser)


def test_somebody_else_is_asked(calendar: Relying, browser: Browser) -> None:
    other = Browser(make_user(password=PASSWORD)).log_in()
    hint = other.tokens(calendar, "openid")["id_token"]
    asked = {"id_token_hint": hint, "post_logout_redirect_uri": AFTER_LOGOUT}
    page = browser.client.get(LOGOUT, asked)
    assert "Calendar wants to log you out" in page.content.decode()
    assert is_logged_in(browser)
    answer = browser.client.post(page.wsgi_request.get_full_path(), {"decision": "allow"})
    assert answer["Location"] == AFTER_LOGOUT


def test_a_decision_needs_our_own_page(browser: Browser) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = browser.client.cookies
    assert strict.post(LOGOUT, {"decision": "allow"}).status_code == 403
    assert is_logged_in(browser)


HINTS = [
    "nonsense",
    "a.b.c",
    "eyJhbGciOiJub25lIn0.e30.",
    "eyJhbGciOiJFUzI1NiJ9.bm90IGpzb24.AAAA",
    "\x00",
    "." * 9000,
]


@pytest.mark.parametrize("hint", HINTS)
def test_a_bad_hint_is_no_fault(browser: Browser, hint: str) -> None:
    assert browser.client.get(LOGOUT, {"id_token_hint": hint}).status_code == 400
    assert is_logged_in(browser)


@pytest.mark.parametrize("client_id", ["nobody", "\x00", "Ы" * 300])
def test_an_unknown_application_is_no_fault(browser: Browser, client_id: str) -> None:
    answer = browser.client.get(LOGOUT, {"client_id": client_id, "post_logout_redirect_uri": AFTER_LOGOUT})
    assert answer.status_code == 400
    assert is_logged_in(browser)


@pytest.mark.parametrize(
    "uri", ["https://evil.example/", f"{AFTER_LOGOUT}?a=b", f"{AFTER_LOGOUT}/", "javascript:1"]
)
def test_nobody_is_sent_where_the_application_has_not_registered(
    calendar: Relying, browser: Browser, uri: str
) -> None:
    hint = browser.tokens(calendar, "openid")["id_token"]
    answer = browser.client.get(LOGOUT, {"id_token_hint": hint, "post_logout_redirect_uri": uri})
    assert answer.status_code == 400
    assert is_logged_in(browser)


def test_an_access_token_is_no_hint_and_a_hint_is_for_one_application(
    calendar: Relying, browser: Browser
) -> None:
    body = browser.tokens(calendar, "openid read")
    assert browser.client.get(LOGOUT, {"id_token_hint": body["access_token"]}).status_code == 400
    asked = {"id_token_hint": body["id_token"], "client_id": register(name="Other").client_id}
    assert browser.client.get(LOGOUT, asked).status_code == 400
    assert is_logged_in(browser)


def test_what_is_not_for_when_one_is_away_ends_too(calendar: Relying, browser: Browser) -> None:
    here, away = (
        browser.tokens(calendar, "openid read"),
        browser.tokens(calendar, "openid read offline_access"),
    )
    browser.client.get(LOGOUT, {"id_token_hint": here["id_token"]})
    assert bearer(here["access_token"]).get("/api/v1/me/").status_code == 401
    assert bearer(away["access_token"]).get("/api/v1/me/").status_code == 200
    renewed = calendar.refresh(away["refresh_token"])
    assert renewed.status_code == 200
    calendar.ask(rp.REVOKE, token=renewed.json()["refresh_token"])
    assert error_of(calendar.refresh(renewed.json()["refresh_token"])) == (400, "invalid_grant")


def test_as_a_form_it_is_the_same(calendar: Relying, browser: Browser) -> None:
    hint = browser.tokens(calendar, "openid")["id_token"]
    answer = browser.client.post(
        LOGOUT, {"id_token_hint": hint, "post_logout_redirect_uri": AFTER_LOGOUT}, follow=True
    )
    assert answer.redirect_chain[-1] == (AFTER_LOGOUT, 302)
    assert not is_logged_in(browser)


def test_logging_out_on_our_own_page_ends_it_as_well(calendar: Relying, browser: Browser) -> None:
    token = browser.tokens(calendar, "openid read")["access_token"]
    browser.client.post("/accounts/logout/")
    assert bearer(token).get("/api/v1/me/").status_code == 401


def test_a_new_password_ends_whatever_applications_hold(calendar: Relying, browser: Browser) -> None:
    body = browser.tokens(calendar, "openid read offline_access")
    services.set_password(browser.user.pk, "another good one", actor=make_superuser())
    assert bearer(body["access_token"]).get("/api/v1/me/").status_code == 401
    assert error_of(calendar.refresh(body["refresh_token"])) == (400, "invalid_grant")


def test_so_does_one_that_the_person_sets(calendar: Relying, browser: Browser) -> None:
    body = browser.tokens(calendar, "openid read offline_access")
    passwords = {"oldpassword": PASSWORD, "password1": "another good one", "password2": "another good one"}
    assert browser.client.post("/accounts/password/change/", passwords).status_code == 302
    assert error_of(calendar.refresh(body["refresh_token"])) == (400, "invalid_grant")


def test_who_is_turned_off_and_on_again_starts_anew(calendar: Relying, browser: Browser) -> None:
    body = browser.tokens(calendar, "openid read offline_access")
    services.deactivate_user(browser.user.pk, actor=make_superuser())
    services.activate_user(browser.user.pk, actor=make_superuser())
    assert error_of(calendar.refresh(body["refresh_token"])) == (400, "invalid_grant")
