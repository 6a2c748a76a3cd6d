"""The module of the OpenID conformance suite's plan for what an OP says about itself, and what RFC 8414 adds to it."""

import pytest
from django.conf import settings
from django.test import Client
from django.urls import resolve

from apps.accounts import scopes
from tests.accounts.oauth import relying as rp
from tests.accounts.oauth.relying import Browser, Relying
from tests.conformance.suite import completed, discovered

pytestmark = pytest.mark.django_db
REQUIRED = {
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "jwks_uri",
    "response_types_supported",
    "subject_types_supported",
    "id_token_signing_alg_values_supported",
}
ENDPOINTS = {
    "authorization_endpoint": "/o/authorize/",
    "token_endpoint": "/o/token/",
    "userinfo_endpoint": "/o/userinfo/",
    "jwks_uri": "/.well-known/jwks.json",
    "revocation_endpoint": "/o/revoke_token/",
    "introspection_endpoint": "/o/introspect/",
    "device_authorization_endpoint": "/o/device-authorization/",
    "end_session_endpoint": "/o/logout/",
}


def test_oidcc_discovery_endpoint_verification() -> None:
    document = discovered()
    assert document.keys() >= REQUIRED
    assert document["issuer"] == settings.OIDC_ISSUER
    assert not document["issuer"].endswith("/")
    for name, path in ENDPOINTS.items():
        assert document[name] == settings.OIDC_ISSUER + path
        assert resolve(path).namespace == "oauth"
    assert document["response_types_supported"] == ["code"]
    assert document["subject_types_supported"] == ["public"]
    # The suite wants RS256 among them; keys here are ES256 only.
    assert document["id_token_signing_alg_values_supported"] == ["ES256"]
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert "openid" in document["scopes_supported"]
    assert {scopes.ALL, scopes.READ, "crm.win_deal", "offline_access"} <= set(document["scopes_supported"])
    assert {"sub", "iss", "auth_time", "email"} <= set(document["claims_supported"])
    assert document["ui_locales_supported"] == ["en", "ru"]
    assert document["authorization_response_iss_parameter_supported"] is True
    assert set(document["token_endpoint_auth_methods_supported"]) == {
        "client_secret_basic",
        "client_secret_post",
        "none",
    }
    assert "password" not in document["grant_types_supported"]
    assert "implicit" not in document["grant_types_supported"]


def test_rfc8414_says_the_same() -> None:
    assert Client().get("/.well-known/oauth-authorization-server").json() == discovered()


def test_the_issuer_is_not_taken_from_the_request() -> None:
    answer = Client(headers={"Host": "localhost", "X-Forwarded-Host": "evil.example"}).get(
        "/.well-known/openid-configuration"
    )
    assert answer.json()["issuer"] == settings.OIDC_ISSUER


def test_keys_are_public_and_may_be_kept_a_while() -> None:
    answer = Client().get("/.well-known/jwks.json")
    assert answer["Cache-Control"] == "public, max-age=300"
    assert answer["Access-Control-Allow-Origin"] == "*"
    keys = answer.json()["keys"]
    assert keys
    for key in keys:
        assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("EC", "P-256", "ES256", "sig")
        assert key["kid"]
        assert "d" not in key


def test_oidcc_server_rotate_keys(client: Relying, browser: Browser) -> None:
    before = completed(browser, client)
    old = {key["kid"] for key in Client().get("/.well-known/jwks.json").json()["keys"]}
    rp.rotate_keys()
    after = completed(browser, client)
    new = {key["kid"] for key in Client().get("/.well-known/jwks.json").json()["keys"]}
    assert old < new
    assert before["id_token"].split(".")[0] != after["id_token"].split(".")[0]
