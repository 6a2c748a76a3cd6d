"""Authlib's client, as an application would put it together."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.base_client.sync_openid import OpenIDMixin
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc import discovery, rpinitiated

from tests.accounts.oauth.relying import Relying
from tests.clients.person import Person


class OpenIdSession(OpenIDMixin, OAuth2Session):  # type: ignore[misc]
    """Authlib's session, with its reading of ID tokens, for the provider that a description speaks of."""

    def __init__(self, metadata: dict[str, Any], **options: Any) -> None:
        super().__init__(**options)
        self.server_metadata = dict(metadata)

    def load_server_metadata(self) -> dict[str, Any]:
        return self.server_metadata

    def _get_session(self) -> OAuth2Session:
        return OAuth2Session()


def discovered(issuer: str) -> dict[str, Any]:
    """Read the description of a server where Authlib looks for it."""
    answer = requests.get(discovery.get_well_known_url(issuer, external=True), timeout=60)
    assert answer.status_code == 200
    metadata: dict[str, Any] = answer.json()
    return metadata


def validate(metadata: dict[str, Any]) -> None:
    """
    Have Authlib validate a description of a server.

    :raises ValueError: it finds fault with it
    """
    discovery.OpenIDProviderMetadata(metadata).validate([rpinitiated.OpenIDProviderMetadata])


def session_of(
    metadata: dict[str, Any],
    application: Relying,
    authentication: str,
    scope: str,
    kind: type[OpenIdSession] = OpenIdSession,
) -> OpenIdSession:
    """Return an application's session; nobody has logged in to it yet."""
    return kind(
        metadata,
        client_id=application.client_id,
        client_secret=application.secret or None,
        token_endpoint_auth_method=authentication,
        revocation_endpoint_auth_method=authentication,
        redirect_uri=application.redirect,
        scope=scope,
        code_challenge_method="S256",
        token_endpoint=metadata["token_endpoint"],
        default_timeout=60,
    )


def log_in(session: OpenIdSession, person: Person, **more: Any) -> dict[str, Any]:
    """
    Let somebody log in to an application; return what their ID token says, as the client believes it.

    :raises OAuthError: the application is told that they do not
    """
    verifier, nonce = generate_token(48), generate_token()
    address, state = session.create_authorization_url(
        session.server_metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce, **more
    )
    callback = person.go(address)
    told = dict(parse_qsl(urlsplit(callback).query))
    if "error" in told:
        # Authlib leaves it to the web framework that it is put into.
        assert (told["state"], told["iss"]) == (state, session.server_metadata["issuer"])
        raise OAuthError(told["error"], told.get("error_description"))
    token = session.fetch_token(authorization_response=callback, state=state, code_verifier=verifier)
    return dict(session.parse_id_token(token, nonce, leeway=0))
