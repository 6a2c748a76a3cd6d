"""The token endpoint: who brings an assertion signed with a known key gets a token for an hour."""

import base64
import json
import secrets
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)

from tests.fakes.drive.refusals import Refusal
from tests.fakes.drive.store import Store

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AUDIENCES = ("https://oauth2.googleapis.com/token", "https://accounts.google.com/o/oauth2/token")
SCOPE = "https://www.googleapis.com/auth/drive"
LIFE_SECONDS = 3600
# How far a clock may be wrong.
SKEW_SECONDS = 300


class LoginRefusal(Exception):
    """An answer of the token endpoint, in OAuth2's shape and not in Drive's."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.body = {"error": error, "error_description": description}


@dataclass
class Token:
    """Whom a token speaks for and until when, in seconds of the real clock."""

    email: str
    key_id: str
    expires: float


class Logins:
    """The keys and tokens of all accounts."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.tokens: dict[str, Token] = {}
        # Seconds that Google's clock is ahead of ours.
        self.skew = 0.0

    def service_account(self, email: str, token_uri: str) -> dict[str, str]:
        """Make a service account, or give one another key; return its key file."""
        account = self.store.account(email, "Artel", is_service=True, limit=0)
        key = _key(email)
        account.key_id = secrets.token_hex(20)
        account.public_key = (
            key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        )
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        return {
            "type": "service_account",
            "project_id": "artel-demo",
            "private_key_id": account.key_id,
            "private_key": private,
            "client_email": email,
            "client_id": account.permission_id,
            "token_uri": token_uri,
            "universe_domain": "googleapis.com",
        }

    def revoke(self, email: str) -> None:
        """Let the key of an account count no more, nor what was got with it."""
        account = self.store.accounts[email]
        self.tokens = {text: one for text, one in self.tokens.items() if one.key_id != account.key_id}
        account.key_id, account.public_key = "", ""

    def grant(self, form: dict[str, str], audience: str) -> dict[str, Any]:
        """
        Give a token for an assertion.

        :raises LoginRefusal: it is not one of ours
        """
        if form.get("grant_type") != GRANT:
            raise LoginRefusal("unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type')}")
        header, claims, signed, signature = _taken_apart(form.get("assertion", ""))
        account = self.store.accounts.get(claims.get("iss", ""))
        if account is None or not account.public_key or header.get("kid") != account.key_id:
            raise LoginRefusal("invalid_grant", "Invalid grant: account not found")
        if header.get("alg") != "RS256" or not _is_signed(account.public_key, signed, signature):
            raise LoginRefusal("invalid_grant", "Invalid JWT Signature.")
        self._check_claims(claims, audience)
        email = claims.get("sub") or account.email
        if email != account.email and email not in account.subjects:
            raise LoginRefusal(
                "unauthorized_client",
                "Client is unauthorized to retrieve access tokens using this method, or client not authorized"
                " for any of the scopes requested.",
            )
        self.store.account(email)
        text = f"ya29.{secrets.token_urlsafe(48)}"
        self.tokens[text] = Token(email, account.key_id, time.time() + LIFE_SECONDS)
        return {"access_token": text, "expires_in": LIFE_SECONDS - 1, "token_type": "Bearer"}

    def _check_claims(self, claims: dict[str, Any], audience: str) -> None:
        if claims.get("aud") not in {audience, *AUDIENCES}:
            raise LoginRefusal("invalid_grant", "Invalid JWT: Failed audience check.")
        if SCOPE not in str(claims.get("scope", "")).split():
            raise LoginRefusal("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        now = time.time() + self.skew
        issued, expires = claims.get("iat", 0), claims.get("exp", 0)
        if issued > now + SKEW_SECONDS or expires < now or expires - issued > LIFE_SECONDS:
            raise LoginRefusal(
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
                " Check your iat and exp values in the JWT claim.",
            )

    def email_of(self, authorization: str) -> str:
        """
        Return whom a request speaks for.

        :raises Refusal: its token is unknown or too old
        """
        token = self.tokens.get(authorization.removeprefix("Bearer "))
        if token is None or token.expires < time.time():
            raise Refusal(401, "authError", "Invalid Credentials", location=("header", "Authorization"))
        return token.email

    def expire(self) -> None:
        """Let every token be too old from now on."""
        self.tokens.clear()


@lru_cache(maxsize=8)
def _key(email: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _taken_apart(assertion: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    try:
        head, body, signature = assertion.split(".")
        header, claims = (json.loads(_decoded(part)) for part in (head, body))
        return header, claims, f"{head}.{body}".encode(), _decoded(signature)
    except ValueError:
        raise LoginRefusal("invalid_grant", "Bad Request") from None


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _is_signed(public_key: str, signed: bytes, signature: bytes) -> bool:
    key = load_pem_public_key(public_key.encode())
    assert isinstance(key, rsa.RSAPublicKey)
    try:
        key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True
