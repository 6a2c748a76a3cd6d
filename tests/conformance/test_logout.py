"""The modules of the OpenID conformance suite's plan for RP-initiated logout, one test each, under their names."""

import base64
import json
from typing import Any

import pytest

from tests.accounts.oauth.relying import AFTER_LOGOUT, LOGOUT, Browser, Relying, told
from tests.conformance.suite import completed, discovered

pytestmark = pytest.mark.django_db


def logged_out(browser: Browser, **asked: str) -> Any:
    return browser.client.get(LOGOUT, asked)


def is_over(browser: Browser, client: Relying) -> bool:
    """Ask silently whether anybody is logged in, as each module of the suite does at its end."""
    answer = told(browser.open(client.question(prompt="none")))
    assert ("error" in answer) != ("code" in answer)
    return answer.get("error") == "login_required"


def hint_of(browser: Browser, client: Relying) -> str:
    return str(completed(browser, client)["id_token"])


def assert_refused(answer: Any) -> None:
    """A page that says so, and nobody sent anywhere."""
    assert answer.status_code == 400
    assert "Location" not in answer


def assert_asked(answer: Any) -> None:
    """A page that asks whether to log out, and nobody sent anywhere."""
    assert answer.status_code == 200
    assert 'name="decision"' in answer.content.decode()


def test_oidcc_rp_initiated_logout_discovery_endpoint_verification() -> None:
    assert discovered()["end_session_endpoint"].endswith(LOGOUT)


def test_oidcc_rp_initiated_logout(client: Relying, browser: Browser) -> None:
    asked = {"post_logout_redirect_uri": AFTER_LOGOUT, "state": "1234"}
    answer = logged_out(browser, id_token_hint=hint_of(browser, client), **asked)
    assert (answer.status_code, answer["Location"]) == (302, f"{AFTER_LOGOUT}?state=1234")
    assert is_over(browser, client)


def test_oidcc_rp_initiated_logout_bad_post_logout_redirect_uri(client: Relying, browser: Browser) -> None:
    bad = "https://app.example.org/not-registered"
    answer = logged_out(
        browser, id_token_hint=hint_of(browser, client), post_logout_redirect_uri=bad, state="1234"
    )
    assert_refused(answer)


def test_oidcc_rp_initiated_logout_modified_id_token_hint(client: Relying, browser: Browser) -> None:
    _header, payload, _signature = hint_of(browser, client).split(".")
    unsigned = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).decode().rstrip("=")
    answer = logged_out(
        browser, id_token_hint=f"{unsigned}.{payload}.", post_logout_redirect_uri=AFTER_LOGOUT, state="1234"
    )
    assert_refused(answer)
    assert not is_over(browser, client)


def test_oidcc_rp_initiated_logout_no_id_token_hint(client: Relying, browser: Browser) -> None:
    hint_of(browser, client)
    answer = logged_out(browser, post_logout_redirect_uri=AFTER_LOGOUT, state="1234")
    assert_refused(answer)
    named = {"client_id": client.client_id, "post_logout_redirect_uri": AFTER_LOGOUT, "state": "1234"}
    page = logged_out(browser, **named)
    assert_asked(page)
    agreed = browser.client.post(page.wsgi_request.get_full_path(), {"decision": "allow"})
    assert agreed["Location"] == f"{AFTER_LOGOUT}?state=1234"
    assert is_over(browser, client)


def test_oidcc_rp_initiated_logout_no_params(client: Relying, browser: Browser) -> None:
    hint_of(browser, client)
    page = logged_out(browser)
    assert_asked(page)
    agreed = browser.client.post(page.wsgi_request.get_full_path(), {"decision": "allow"})
    assert agreed.status_code == 200
    assert is_over(browser, client)


def test_oidcc_rp_initiated_logout_no_post_logout_redirect_uri(client: Relying, browser: Browser) -> None:
    answer = logged_out(browser, id_token_hint=hint_of(browser, client), state="1234")
    assert answer.status_code == 200
    assert is_over(browser, client)


def test_oidcc_rp_initiated_logout_no_state(client: Relying, browser: Browser) -> None:
    answer = logged_out(
        browser, id_token_hint=hint_of(browser, client), post_logout_redirect_uri=AFTER_LOGOUT
    )
    assert answer["Location"] == AFTER_LOGOUT
    assert is_over(browser, client)


def test_oidcc_rp_initiated_logout_only_state(client: Relying, browser: Browser) -> None:
    hint_of(browser, client)
    page = logged_out(browser, state="1234")
    assert_asked(page)
    browser.client.post(page.wsgi_request.get_full_path(), {"decision": "allow"})
    assert is_over(browser, client)


def test_oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri(
    client: Relying, browser: Browser
) -> None:
    answer = logged_out(
        browser,
        id_token_hint=hint_of(browser, client),
        post_logout_redirect_uri=f"{AFTER_LOGOUT}?foo=bar",
        state="1234",
    )
    assert_refused(answer)


def test_oidcc_rp_initiated_logout_bad_id_token_hint(client: Relying, browser: Browser) -> None:
    hint_of(browser, client)
    answer = logged_out(
        browser, id_token_hint="Bad ID Token", post_logout_redirect_uri=AFTER_LOGOUT, state="1234"
    )
    assert_refused(answer)
    assert not is_over(browser, client)
