"""Authlib, as a client, against a running server: each flow as that client checks it."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from authlib.integrations.base_client import OAuthError
from joserfc.errors import BadSignatureError

from tests.accounts.oauth.relying import AFTER_LOGOUT, rotate_keys
from tests.clients.outside import OpenIdSession, discovered, log_in, session_of, validate
from tests.clients.site import SCOPES, Site

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture(scope="module")
def metadata(site: Site) -> dict[str, Any]:
    return discovered(site.issuer)


def refusal(work: Any, *args: Any, **kwargs: Any) -> str:
    """Return why the server refuses something, as the client understands it."""
    with pytest.raises(OAuthError) as raised:
        work(*args, **kwargs)
    return str(raised.value.error)


def test_discovery(site: Site, metadata: dict[str, Any]) -> None:
    assert metadata["issuer"] == site.issuer
    own = [value for name, value in metadata.items() if name.endswith(("_endpoint", "_uri"))]
    assert len(own) == 8
    assert all(address.startswith(f"{site.issuer}/") for address in own)
    # Keys here are ES256 only, and this is all that is found.
    algorithms = metadata["id_token_signing_alg_values_supported"]
    with pytest.raises(ValueError, match="RS256"):
        validate(metadata)
    validate(metadata | {"id_token_signing_alg_values_supported": [*algorithms, "RS256"]})


@pytest.mark.parametrize(
    ("name", "authentication"),
    [("website", "client_secret_basic"), ("website", "client_secret_post"), ("page", "none")],
)
def test_code_with_pkce(site: Site, metadata: dict[str, Any], name: str, authentication: str) -> None:
    application = site.applications[name]
    session = session_of(metadata, application, authentication, SCOPES)
    claims = log_in(session, site.person(), max_age=3600)
    assert (claims["iss"], claims["aud"]) == (site.issuer, application.client_id)
    assert claims["auth_time"] <= claims["iat"]
    person = session.userinfo()
    assert (person["sub"], person["name"]) == (claims["sub"], "Vera")
    assert (person["email"], person["email_verified"]) == (site.email, True)
    assert session.get(f"{site.issuer}/api/v1/me/").json()["email"] == site.email
    first = dict(session.token)
    renewed = session.refresh_token()
    assert renewed["refresh_token"] != first["refresh_token"]
    assert session.parse_id_token(renewed, None)["auth_time"] == claims["auth_time"]
    if authentication == "none":
        assert introspected(session).status_code == 401
    else:
        for kind in ("access_token", "refresh_token"):
            told = introspected(session, kind).json()
            assert (told["active"], told["client_id"]) == (True, application.client_id)
    ended = session.revoke_token(metadata["revocation_endpoint"], token_type_hint="refresh_token")
    assert ended.status_code == 200
    if authentication != "none":
        assert (
            introspected(session).json() == introspected(session, "refresh_token").json() == {"active": False}
        )
    assert session.get(metadata["userinfo_endpoint"]).status_code == 401
    assert session.get(f"{site.issuer}/api/v1/me/").status_code == 401
    assert refusal(session.refresh_token) == "invalid_grant"


def introspected(session: OpenIdSession, kind: str = "access_token") -> Any:
    return session.introspect_token(
        session.server_metadata["introspection_endpoint"], token=session.token[kind], token_type_hint=kind
    )


def test_a_forged_id_token_is_found_out(site: Site, metadata: dict[str, Any]) -> None:
    session = session_of(metadata, site.applications["website"], "client_secret_basic", SCOPES)
    log_in(session, site.person())
    header, payload, signature = session.token["id_token"].split(".")
    forged = dict(session.token) | {"id_token": f"{header}.{payload}.{signature[::-1]}"}
    with pytest.raises(BadSignatureError):
        session.parse_id_token(forged, None)


def test_refusals(site: Site, metadata: dict[str, Any]) -> None:
    session = session_of(metadata, site.applications["website"], "client_secret_basic", SCOPES)
    person = site.person()
    person.decisions = ["deny"]
    assert refusal(log_in, session, person, prompt="consent") == "access_denied"
    assert refusal(log_in, session, site.person(), prompt="none") == "login_required"
    assert refusal(log_in, session, person, response_mode="fragment") == "invalid_request"


def test_device(site: Site, metadata: dict[str, Any]) -> None:
    session = session_of(metadata, site.applications["device"], "none", SCOPES)

    def begun() -> dict[str, Any]:
        asked = {"client_id": session.client_id, "scope": SCOPES}
        answer = session.post(metadata["device_authorization_endpoint"], asked, withhold_token=True)
        assert answer.status_code == 200
        body: dict[str, Any] = answer.json()
        return body

    def polled(device: dict[str, Any]) -> dict[str, Any]:
        token: dict[str, Any] = session.fetch_token(grant_type=DEVICE, device_code=device["device_code"])
        return token

    person, device = site.person(), begun()
    assert refusal(polled, device) == "authorization_pending"
    assert refusal(polled, device) == "slow_down"
    person.go(device["verification_uri_complete"])
    claims = session.parse_id_token(polled(device), None)
    assert session.userinfo()["sub"] == claims["sub"]
    assert session.refresh_token()["id_token"]
    person.decisions, refused = ["deny"], begun()
    person.go(refused["verification_uri_complete"])
    assert refusal(polled, refused) == "access_denied"


@pytest.mark.parametrize("authentication", ["client_secret_basic", "client_secret_post"])
def test_client_credentials(site: Site, metadata: dict[str, Any], authentication: str) -> None:
    session = session_of(metadata, site.applications["program"], authentication, "read")
    assert session.fetch_token(grant_type="client_credentials")["scope"] == "read"
    deals = f"{site.issuer}/api/v1/crm/deals/"
    assert session.get(deals).status_code == 200
    assert introspected(session).json()["active"] is True
    session.revoke_token(metadata["revocation_endpoint"], token_type_hint="access_token")
    assert introspected(session).json() == {"active": False}
    assert session.get(deals).status_code == 401
    assert refusal(session.fetch_token, grant_type="client_credentials", scope="all") == "invalid_scope"


@pytest.mark.parametrize("is_rotated", [False, True])
def test_logout(site: Site, metadata: dict[str, Any], is_rotated: bool) -> None:
    session = session_of(metadata, site.applications["website"], "client_secret_basic", SCOPES)
    person = site.person()
    log_in(session, person)
    hint, before = session.token["id_token"], session.token["id_token"].split(".")[0]
    if is_rotated:
        rotate_keys()
        # Keys of before are known to it; it reads them again for one that it does not know.
        log_in(session, person)
        assert session.token["id_token"].split(".")[0] != before
    asked = session.create_logout_url(post_logout_redirect_uri=AFTER_LOGOUT, id_token_hint=hint)
    back = urlsplit(person.go(asked["url"]))
    assert f"{back.scheme}://{back.netloc}{back.path}" == AFTER_LOGOUT
    assert parse_qs(back.query) == {"state": [asked["state"]]}
    assert refusal(log_in, session, person, prompt="none") == "login_required"
