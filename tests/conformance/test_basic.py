"""The modules of the OpenID conformance suite's plan for Basic OPs, one test each, under their names."""

import time
from typing import Any

import pytest
from django.test import Client
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.accounts.oauth import relying as rp
from tests.accounts.oauth.relying import Browser, Relying, bearer, challenge_of, error_of, told
from tests.accounts.oauth.test_login_again import logged_in_ago
from tests.conformance.suite import USERINFO, authorized, completed, discovered, published_keys, userinfo

pytestmark = pytest.mark.django_db


def test_oidcc_server(client: Relying, browser: Browser) -> None:
    assert userinfo(completed(browser, client)) == {"sub": str(browser.user.pk)}


def test_oidcc_response_type_missing(client: Relying, browser: Browser) -> None:
    answer = told(browser.open(client.question(response_type=None)))
    assert answer["error"] in {"invalid_request", "unsupported_response_type"}


def test_oidcc_idtoken_signature(client: Relying, browser: Browser) -> None:
    id_token = completed(browser, client)["id_token"]
    header = jwt.decode(id_token, published_keys(), algorithms=["ES256"]).header
    key = next(key for key in published_keys().keys if key.kid == header["kid"])
    assert jwt.decode(id_token, KeySet([key]), algorithms=["ES256"]).claims["aud"] == client.client_id


def test_oidcc_userinfo_get(client: Relying, browser: Browser) -> None:
    assert userinfo(completed(browser, client))


def test_oidcc_userinfo_post_header(client: Relying, browser: Browser) -> None:
    body = completed(browser, client)
    assert bearer(body["access_token"]).post(USERINFO).json()["sub"] == body["claims"]["sub"]


def test_oidcc_userinfo_post_body(client: Relying, browser: Browser) -> None:
    body = completed(browser, client)
    answer = rp.post(USERINFO, {"access_token": body["access_token"]})
    assert answer.json()["sub"] == body["claims"]["sub"]


def test_oidcc_ensure_request_without_nonce_succeeds_for_code_flow(client: Relying, browser: Browser) -> None:
    assert "nonce" not in completed(browser, client, nonce=None)["claims"]


def test_oidcc_scope_profile(client: Relying, browser: Browser) -> None:
    told_of = userinfo(completed(browser, client, scope="openid profile"))
    assert told_of.keys() == {"sub", "name", "locale", "zoneinfo"}


def test_oidcc_scope_email(client: Relying, browser: Browser) -> None:
    told_of = userinfo(completed(browser, client, scope="openid email"))
    assert (told_of["email"], told_of["email_verified"]) == (browser.user.email, True)


def test_oidcc_scope_address(client: Relying, browser: Browser) -> None:
    # Not offered; what an OP does not know it overlooks (Core 3.1.2.1).
    assert "address" not in discovered()["scopes_supported"]
    assert completed(browser, client, scope="openid address")["scope"] == "openid"


def test_oidcc_scope_phone(client: Relying, browser: Browser) -> None:
    assert "phone" not in discovered()["scopes_supported"]
    assert completed(browser, client, scope="openid phone")["scope"] == "openid"


def test_oidcc_scope_all(client: Relying, browser: Browser) -> None:
    body = completed(browser, client, scope="openid profile email address phone")
    assert userinfo(body).keys() == {"sub", "name", "locale", "zoneinfo", "email", "email_verified"}


def test_oidcc_alternate_happy_flow(client: Relying, browser: Browser) -> None:
    question = client.question(scope="email openid")
    backwards = dict(reversed(question.items()))
    code = authorized(browser, client, backwards)["code"]
    assert client.swap(code).json()["id_token"]


def test_oidcc_display_page(client: Relying, browser: Browser) -> None:
    assert completed(browser, client, display="page")


def test_oidcc_display_popup(client: Relying, browser: Browser) -> None:
    assert completed(browser, client, display="popup")


def authorized_after_login(browser: Browser, client: Relying, **changes: str | None) -> dict[str, Any]:
    """Be sent to show again who one is, and go on; return the claims of the ID token."""
    sent = browser.open(client.question(**changes))
    assert sent.status_code == 302
    assert sent["Location"].startswith("/accounts/reauthenticate/")
    answer = browser.client.get(browser.show_again(sent["Location"]))
    code = told(answer)["code"]
    return rp.claims_of(client.swap(code).json()["id_token"])


def test_oidcc_prompt_login(client: Relying, browser: Browser) -> None:
    logged_in_ago(browser, 100)
    first = completed(browser, client)["claims"]
    second = authorized_after_login(browser, client, prompt="login")
    assert first["sub"] == second["sub"]
    assert second["auth_time"] > first["auth_time"]


def test_oidcc_prompt_none_not_logged_in(client: Relying) -> None:
    answer = told(Browser().open(client.question(prompt="none")))
    assert answer["error"] in {"login_required", "interaction_required"}
    assert answer["state"] == "st4te"


def test_oidcc_prompt_none_logged_in(client: Relying, browser: Browser) -> None:
    first = completed(browser, client)["claims"]
    answer = told(browser.open(client.question(prompt="none")))
    second = rp.claims_of(client.swap(answer["code"]).json()["id_token"])
    assert (first["sub"], first["auth_time"]) == (second["sub"], second["auth_time"])


def test_oidcc_max_age_1(client: Relying, browser: Browser) -> None:
    logged_in_ago(browser, 2)
    first = completed(browser, client)["claims"]
    second = authorized_after_login(browser, client, max_age="1")
    assert first["sub"] == second["sub"]
    assert second["auth_time"] > first["auth_time"]


def test_oidcc_max_age_10000(client: Relying, browser: Browser) -> None:
    first = completed(browser, client, max_age="15000")["claims"]
    second = completed(browser, client, max_age="10000", prompt="none")["claims"]
    assert first["auth_time"] == second["auth_time"]
    assert time.time() - second["auth_time"] < 10000


def test_oidcc_ensure_request_with_unknown_parameter_succeeds(client: Relying, browser: Browser) -> None:
    assert completed(browser, client, extra="foobar")


def test_oidcc_id_token_hint(client: Relying, browser: Browser) -> None:
    first = completed(browser, client)
    answer = told(browser.open(client.question(prompt="none", id_token_hint=first["id_token"])))
    second = rp.claims_of(client.swap(answer["code"]).json()["id_token"])
    assert first["claims"]["sub"] == second["sub"]


def test_oidcc_login_hint(client: Relying, browser: Browser) -> None:
    assert completed(browser, client, login_hint="bob@example.org")


def test_oidcc_ui_locales(client: Relying, browser: Browser) -> None:
    assert completed(browser, client, ui_locales="se")


def test_oidcc_claims_locales(client: Relying, browser: Browser) -> None:
    assert completed(browser, client, claims_locales="se")


def test_oidcc_ensure_request_with_acr_values_succeeds(client: Relying, browser: Browser) -> None:
    assert completed(browser, client, acr_values="1 2")


def test_oidcc_codereuse(client: Relying, browser: Browser) -> None:
    code = authorized(browser, client, client.question())["code"]
    assert client.swap(code).status_code == 200
    assert error_of(client.swap(code)) == (400, "invalid_grant")


def test_oidcc_codereuse_30seconds(client: Relying, browser: Browser) -> None:
    code = authorized(browser, client, client.question())["code"]
    body = client.swap(code).json()
    assert bearer(body["access_token"]).get(USERINFO).status_code == 200
    assert error_of(client.swap(code)) == (400, "invalid_grant")
    # More than the suite insists on: what the code was swapped for has ended.
    assert bearer(body["access_token"]).get(USERINFO).status_code == 401


def test_oidcc_ensure_registered_redirect_uri(client: Relying, browser: Browser) -> None:
    answer = browser.open(client.question(redirect_uri="https://app.example.org/callback/unregistered"))
    assert answer.status_code == 400
    assert "Location" not in answer


def test_oidcc_ensure_post_request_succeeds(client: Relying, browser: Browser) -> None:
    question = client.question()
    sent = browser.client.post(rp.AUTHORIZE, question)
    assert sent.status_code == 302
    page = browser.client.get(sent["Location"])
    answer = told(browser.client.post(page.wsgi_request.get_full_path(), {"decision": "allow"}))
    assert answer["state"] == question["state"]
    assert client.swap(answer["code"]).status_code == 200


def test_oidcc_server_client_secret_post(client: Relying, browser: Browser) -> None:
    asked = {
        "grant_type": "authorization_code",
        "code": authorized(browser, client, client.question())["code"],
        "redirect_uri": client.redirect,
        "code_verifier": client.verifier,
        "client_id": client.client_id,
        "client_secret": client.secret,
    }
    assert rp.post(rp.TOKEN, asked).json()["id_token"]


UNSIGNED = "eyJhbGciOiJub25lIn0.eyJyZXNwb25zZV90eXBlIjoiY29kZSJ9."


def test_oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported(
    client: Relying, browser: Browser
) -> None:
    answer = told(browser.open(client.question(request=UNSIGNED)))
    assert answer["error"] == "request_not_supported"
    assert discovered()["request_parameter_supported"] is False


def test_oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported(
    client: Relying, browser: Browser
) -> None:
    answer = told(browser.open(client.question(request_uri="https://app.example.org/object")))
    assert answer["error"] == "request_uri_not_supported"
    assert discovered()["request_uri_parameter_supported"] is False


def test_oidcc_ensure_request_object_with_redirect_uri(client: Relying, browser: Browser) -> None:
    # The object names the registered address, the request another one: nobody is sent there.
    answer = browser.open(client.question(request=UNSIGNED, redirect_uri="https://app.example.org/other"))
    assert answer.status_code == 400
    assert "Location" not in answer


def test_oidcc_refresh_token(client: Relying, second_client: Relying, browser: Browser) -> None:
    first = completed(browser, client, scope="openid offline_access")
    second = client.refresh(first["refresh_token"]).json()
    claims = rp.claims_of(second["id_token"])
    for name in ("iss", "sub", "aud", "auth_time"):
        assert claims[name] == first["claims"][name]
    assert claims["iat"] >= first["claims"]["iat"]
    assert userinfo(second | {"claims": claims})
    completed(browser, second_client, scope="openid offline_access")
    assert error_of(second_client.refresh(second["refresh_token"])) == (400, "invalid_grant")


def test_oidcc_ensure_request_with_valid_pkce_succeeds(client: Relying, browser: Browser) -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert challenge_of(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    code = authorized(browser, client, client.question(code_challenge=challenge_of(verifier)))["code"]
    assert client.swap(code, code_verifier=verifier).status_code == 200


def test_nothing_here_needs_a_cookie_of_the_application(client: Relying, browser: Browser) -> None:
    """Addresses for programs set none, and read none."""
    body = completed(browser, client)
    for answer in (client.refresh("x"), Client().get(USERINFO), bearer(body["access_token"]).get(USERINFO)):
        assert not answer.cookies
