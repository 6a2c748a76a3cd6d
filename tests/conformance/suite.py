"""Steps that the modules of the suite share, with checks of their own: nothing of ours verifies what we have said."""

import base64
import hashlib
import time
from typing import Any

from django.test import Client
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.accounts.oauth.relying import Browser, Relying, bearer, told

USERINFO = "/o/userinfo/"


def discovered() -> dict[str, Any]:
    """Read the server's description."""
    answer = Client().get("/.well-known/openid-configuration")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    document: dict[str, Any] = answer.json()
    return document


def published_keys() -> KeySet:
    path = discovered()["jwks_uri"].removeprefix(discovered()["issuer"])
    return KeySet.import_key_set(Client().get(path).json())


def checked_id_token(
    id_token: str, client: Relying, *, nonce: str | None, access_token: str
) -> dict[str, Any]:
    """Verify an ID token as OpenID Connect Core 3.1.3.7 asks, with the published keys."""
    token = jwt.decode(id_token, published_keys(), algorithms=["ES256"])
    assert token.header["kid"]
    claims = token.claims
    assert claims["iss"] == discovered()["issuer"]
    assert claims["aud"] in (client.client_id, [client.client_id])
    assert claims.get("azp", client.client_id) == client.client_id
    now = time.time()
    assert claims["exp"] > now
    assert abs(claims["iat"] - now) < 60
    assert claims.get("nonce") == nonce
    assert 0 < len(claims["sub"]) <= 255
    half = hashlib.sha256(access_token.encode()).digest()[:16]
    assert claims["at_hash"] == base64.urlsafe_b64encode(half).decode().rstrip("=")
    # Claims of scopes are told at the userinfo endpoint, where there is an access token (5.4).
    assert not {"name", "email"} & claims.keys()
    return dict(claims)


def authorized(browser: Browser, client: Relying, question: dict[str, str]) -> dict[str, str]:
    """Go through the page that asks, where it asks; return what the application is told."""
    answer = browser.open(question)
    if answer.status_code == 200:
        address = answer.wsgi_request.get_full_path()
        answer = browser.client.post(address, {"decision": "allow"})
    back = told(answer)
    assert back.get("state") == question.get("state")
    assert back["iss"] == discovered()["issuer"]
    return back


def completed(browser: Browser, client: Relying, **changes: str | None) -> dict[str, Any]:
    """Do the whole flow, and check all that comes; return the token response with the ID token's claims."""
    question = client.question(**changes)
    code = authorized(browser, client, question)["code"]
    answer = client.swap(code)
    assert answer.status_code == 200, answer.content
    assert answer["Cache-Control"] == "no-store"
    body: dict[str, Any] = answer.json()
    assert body["token_type"].lower() == "bearer"
    claims = checked_id_token(
        body["id_token"], client, nonce=question.get("nonce"), access_token=body["access_token"]
    )
    return body | {"claims": claims}


def userinfo(body: dict[str, Any]) -> dict[str, Any]:
    """Ask who it is, and see that it is the one of the ID token."""
    answer = bearer(body["access_token"]).get(USERINFO)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    told_of: dict[str, Any] = answer.json()
    assert told_of["sub"] == body["claims"]["sub"]
    return told_of
