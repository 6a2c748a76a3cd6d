"""Codes: asked for by an application, agreed to by a person, swapped once, with a challenge."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from oauth2_provider.models import AccessToken, Grant, IDToken
from oauth2_provider.models import RefreshToken as ToolkitRefreshToken

from apps.accounts import tokens
from apps.accounts.models import AuthorizationCode, ConsentGrant, RefreshToken, TokenFamily, User
from tests.accounts.factories import PASSWORD
from tests.accounts.oauth import relying as rp
from tests.accounts.oauth.relying import Browser, Relying, error_of, register, register_public, told

pytestmark = pytest.mark.django_db


def test_somebody_lets_an_application_in(calendar: Relying, browser: Browser) -> None:
    page = browser.open(calendar.question(scope="openid profile email read offline_access"))
    assert page.status_code == 200
    text = page.content.decode()
    for words in (
        "Calendar asks for access",
        "know that it is you",
        "see your e-mail address",
        "app.example.org",
    ):
        assert words in text
    answer = told(browser.agree(calendar.question(scope="openid profile email read offline_access")))
    assert answer.keys() == {"code", "state", "iss"}
    assert (answer["state"], answer["iss"]) == ("st4te", settings.OIDC_ISSUER)
    body = calendar.swap(answer["code"]).json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 300)
    assert body["scope"].split() == ["openid", "profile", "email", "read", "offline_access"]
    claims = tokens.verify(body["access_token"], typ="at+jwt", audience=settings.ACCESS_TOKEN_AUDIENCE)
    assert (claims["sub"], claims["client_id"]) == (str(browser.user.pk), calendar.client_id)
    assert rp.believed(body["id_token"], calendar)["nonce"] == "n0nce"
    assert rp.bearer(body["access_token"]).get("/api/v1/me/").json()["email"] == browser.user.email


def test_only_hashes_are_kept_and_the_toolkits_tables_stay_empty(calendar: Relying, browser: Browser) -> None:
    code = browser.code(calendar, scope="openid offline_access")
    body = calendar.swap(code).json()
    kept = "".join(
        str(model.objects.values().get()) for model in (AuthorizationCode, RefreshToken, TokenFamily)
    )
    for secret in (code, body["refresh_token"], body["access_token"], body["id_token"], calendar.secret):
        assert secret not in kept
    for model in (AccessToken, Grant, IDToken, ToolkitRefreshToken):
        assert not model.objects.exists()


def test_who_refuses_sends_the_application_away(calendar: Relying, browser: Browser) -> None:
    answer = told(browser.agree(calendar.question(), "deny"))
    assert (answer["error"], answer["state"], answer["iss"]) == (
        "access_denied",
        "st4te",
        settings.OIDC_ISSUER,
    )
    assert not ConsentGrant.objects.exists()


def test_who_has_agreed_is_asked_again_only_for_more(calendar: Relying, browser: Browser) -> None:
    browser.code(calendar, scope="openid profile")
    assert "code" in told(browser.open(calendar.question(scope="openid")))
    assert browser.open(calendar.question(scope="openid email")).status_code == 200
    browser.code(calendar, scope="openid email")
    assert ConsentGrant.objects.get(revoked_at=None).scopes == ["email", "openid", "profile"]
    assert browser.open(calendar.question(scope="openid", prompt="consent")).status_code == 200


def test_an_application_of_ours_asks_nobody(browser: Browser) -> None:
    assert "code" in told(browser.open(register(skip_authorization=True).question()))


def test_a_public_application_on_the_machine_is_asked_about_each_time(browser: Browser) -> None:
    program = register_public(redirect_uris="http://127.0.0.1/callback")
    program.redirect = "http://127.0.0.1:51234/callback"
    browser.code(program)
    assert browser.open(program.question()).status_code == 200


def test_a_decision_needs_our_own_page(calendar: Relying, browser: Browser) -> None:
    strict = Client(enforce_csrf_checks=True, raise_request_exception=False)
    strict.cookies = browser.client.cookies
    address = browser.open(calendar.question()).wsgi_request.get_full_path()
    assert strict.post(address, {"decision": "allow"}).status_code == 403
    token = rp.csrf_of(strict.get(address))
    assert "code" in told(strict.post(address, {"decision": "allow", "csrfmiddlewaretoken": token}))


def test_whoever_is_not_logged_in_does_that_first_and_comes_back(calendar: Relying) -> None:
    browser = Browser()
    sent = browser.open(calendar.question())
    assert sent["Location"].startswith("/accounts/login/?next=/o/authorize/")
    page = browser.client.get(sent["Location"])
    credentials = {"login": browser.user.email, "password": PASSWORD}
    back = browser.client.post(
        "/accounts/login/", credentials | {"next": page.context["redirect_field_value"]}
    )
    assert browser.client.get(back["Location"]).status_code == 200


def test_somebody_else_logs_in_and_comes_back(calendar: Relying, browser: Browser) -> None:
    again = browser.open(calendar.question()).context["again"]
    page = browser.client.get(again)
    assert page.status_code == 200
    back = browser.client.post("/accounts/logout/", {"next": page.context["redirect_field_value"]})
    sent = browser.client.get(back["Location"])
    assert sent["Location"].startswith("/accounts/login/?next=/o/authorize/")


WRONG_QUESTIONS: list[tuple[dict[str, str | None], str]] = [
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_type": "id_token"}, "unsupported_response_type"),
    ({"response_type": "code id_token"}, "unauthorized_client"),
    ({"response_type": None}, "invalid_request"),
    ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge_method": None}, "invalid_request"),
    ({"code_challenge": "short"}, "invalid_request"),
    ({"scope": "openid crm.win_deal"}, "invalid_scope"),
    ({"scope": "nonsense"}, "invalid_scope"),
    ({"response_mode": "fragment"}, "invalid_request"),
    ({"response_mode": "form_post"}, "invalid_request"),
    ({"nonce": "x" * 600}, "invalid_request"),
    ({"max_age": "soon"}, "invalid_request"),
    ({"prompt": "none login"}, "invalid_request"),
    ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
    ({"request_uri": "https://app.example.org/request.jwt"}, "request_uri_not_supported"),
    ({"claims": "{"}, "invalid_request"),
    ({"id_token_hint": "nonsense"}, "invalid_request"),
]


@pytest.mark.parametrize(("changes", "error"), WRONG_QUESTIONS)
def test_the_application_is_told_what_is_wrong(
    calendar: Relying, browser: Browser, changes: dict[str, str | None], error: str
) -> None:
    answer = told(browser.open(calendar.question(**changes)))
    assert (answer["error"], answer["state"], answer["iss"]) == (error, "st4te", settings.OIDC_ISSUER)


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": None},
        {"client_id": "nobody"},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": f"{rp.REDIRECT}?more=1"},
        {"redirect_uri": f"{rp.REDIRECT}/"},
        {"redirect_uri": f"{rp.REDIRECT}#part"},
        {"redirect_uri": "https://app.example.org/Callback"},
        {"redirect_uri": "https://app.example.org@evil.example/callback"},
        {"redirect_uri": "javascript:alert(1)"},
    ],
)
def test_the_person_is_told_where_it_is_not_clear_who_asks(
    calendar: Relying, browser: Browser, changes: dict[str, str | None]
) -> None:
    answer = browser.open(calendar.question(**changes))
    assert answer.status_code == 400
    assert "Location" not in answer
    assert "This cannot be done" in answer.content.decode()


@pytest.mark.parametrize(
    "query",
    [
        "%zz",
        "a=%",
        "scope=a&scope=b",
        "client_id=%00",
        "nonce=%00",
        "client_id=a&client_id=b",
        "\xff",
        "a=b=c&&&",
        "[",
    ],
)
def test_an_address_that_is_none_is_no_fault(browser: Browser, query: str) -> None:
    assert browser.client.get(f"/o/authorize/?{query}").status_code == 400


def test_without_an_address_to_go_back_to_the_only_registered_one_counts(
    calendar: Relying, browser: Browser
) -> None:
    answer = browser.agree(calendar.question(redirect_uri=None))
    assert answer["Location"].startswith(rp.REDIRECT)


WRONG_SWAPS: list[tuple[dict[str, str | None], int, str]] = [
    ({"code": "nonsense"}, 400, "invalid_grant"),
    ({"code": None}, 400, "invalid_request"),
    ({"code_verifier": "x" * 43}, 400, "invalid_grant"),
    ({"code_verifier": None}, 400, "invalid_request"),
    ({"redirect_uri": "https://app.example.org/other"}, 400, "invalid_request"),
    ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ({"grant_type": None}, 400, "unsupported_grant_type"),
    ({"grant_type": "implicit"}, 400, "unsupported_grant_type"),
    ({"grant_type": "openid"}, 400, "unauthorized_client"),
    ({"grant_type": "client_credentials"}, 400, "unauthorized_client"),
    ({"client_secret": "twice"}, 401, "invalid_client"),
    ({"client_id": "somebody else"}, 401, "invalid_client"),
]


@pytest.mark.parametrize(("changes", "status", "error"), WRONG_SWAPS)
def test_a_wrong_swap_is_refused_and_costs_nothing(
    calendar: Relying, browser: Browser, changes: dict[str, str | None], status: int, error: str
) -> None:
    code = browser.code(calendar)
    assert error_of(calendar.swap(code, **changes)) == (status, error)
    assert calendar.swap(code).status_code == 200


def test_a_code_is_swapped_once_and_a_second_try_ends_what_came_of_it(
    calendar: Relying, browser: Browser
) -> None:
    code = browser.code(calendar, scope="openid offline_access read")
    body = calendar.swap(code).json()
    assert error_of(calendar.swap(code)) == (400, "invalid_grant")
    assert error_of(calendar.refresh(body["refresh_token"])) == (400, "invalid_grant")
    assert rp.bearer(body["access_token"]).get("/api/v1/me/").status_code == 401


def test_a_code_is_for_one_application_and_one_minute(calendar: Relying, browser: Browser) -> None:
    other, code = register(name="Other"), browser.code(calendar)
    assert error_of(other.swap(code, code_verifier=calendar.verifier)) == (400, "invalid_grant")
    AuthorizationCode.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert error_of(calendar.swap(code)) == (400, "invalid_grant")


def test_a_code_of_somebody_who_was_turned_off_is_worth_nothing(calendar: Relying, browser: Browser) -> None:
    code = browser.code(calendar)
    User.objects.filter(pk=browser.user.pk).update(is_active=False)
    assert error_of(calendar.swap(code)) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic 4pyT",
        "Basic Og==",
        "Basic YQ==",
        "Bearer x",
        "Basic " + "A" * 9000,
        "Basic AAAA",
    ],
)
def test_nonsense_instead_of_a_secret_is_refused_without_a_fault(calendar: Relying, header: str) -> None:
    answer = rp.post(rp.TOKEN, {"grant_type": "client_credentials"}, {"Authorization": header})
    assert error_of(answer) == (401, "invalid_client")


def test_a_refused_application_is_told_by_the_scheme_that_it_tried(calendar: Relying) -> None:
    headers = {"Authorization": rp.basic(calendar.client_id, "wrong")}
    answer = rp.post(rp.TOKEN, {"grant_type": "client_credentials"}, headers)
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Basic realm="oauth"')
    assert answer["Cache-Control"] == "no-store"


def test_secrets_may_come_in_the_body(calendar: Relying, browser: Browser) -> None:
    asked = {
        "grant_type": "authorization_code",
        "code": browser.code(calendar),
        "redirect_uri": rp.REDIRECT,
        "code_verifier": calendar.verifier,
        "client_id": calendar.client_id,
    }
    assert error_of(rp.post(rp.TOKEN, asked)) == (401, "invalid_client")
    assert error_of(rp.post(rp.TOKEN, asked | {"client_secret": "wrong"})) == (401, "invalid_client")
    assert rp.post(rp.TOKEN, asked | {"client_secret": calendar.secret}).status_code == 200


def test_a_public_application_has_the_challenge_alone(browser: Browser) -> None:
    program = register_public()
    assert program.secret == ""
    body = browser.tokens(program)
    assert program.refresh(body["refresh_token"]).status_code == 200


@pytest.mark.parametrize(
    ("path", "content_type"),
    [("/o/token/?grant_type=refresh_token", rp.FORM), ("/o/token/", "application/json")],
)
def test_parameters_stand_in_a_form_only(path: str, content_type: str) -> None:
    answer: Any = Client().post(path, "{}", content_type=content_type)
    assert error_of(answer) == (400, "invalid_request")


def test_the_token_address_is_for_posting(calendar: Relying) -> None:
    assert Client().get("/o/token/").status_code == 405


def test_facts_of_the_request_cannot_be_named_by_it(calendar: Relying, browser: Browser) -> None:
    """What oauthlib takes from a request as its own: who asks, for whom, and what was agreed."""
    code = browser.code(calendar, scope="openid")
    body = calendar.swap(
        code,
        user="1",
        client="1",
        scopes="all",
        family_id="x",
        original_scopes="offline_access",
        extra_credentials="x",
    ).json()
    assert body["scope"] == "openid"
    assert "refresh_token" not in body
