"""
Tokens of the platform (JWT, ES256): signed by the key in use, believed when any published key has signed them.

A signature that was found right is not computed again: the claims of tokens seen lately are remembered by the hash of the
token, as long as the key is published. Time, issuer and audience are looked at each time.
"""

import hashlib
import json
import re
import secrets
import time
from collections import OrderedDict
from threading import Lock
from typing import Any

from django.conf import settings
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode

from apps.accounts import cuts, keyring
from apps.accounts.models import User

ACCESS_TOKEN = "at+jwt"  # noqa: S105 - a type
ACCESS_TOKEN_SECONDS = 300
# Clocks of our own machines differ by less.
LEEWAY_SECONDS = 5
_LONGEST_TOKEN = 8 * 1024
_SHAPE = re.compile(r"([\w-]{16,512})\.([\w-]{2,})\.([\w-]{86})", re.ASCII)
_HEADER = frozenset({"alg", "typ", "kid"})
# In place of a signature's second number, the order of the curve (P-256) less it would do as well: ours is the lower.
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_HALF_ORDER = _ORDER // 2
_MOST_REMEMBERED = 4096


class InvalidToken(Exception):
    """A token that says nothing to us. :ivar code: why"""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def sign(claims: dict[str, Any], *, typ: str) -> str:
    """
    Sign claims with the key in use.

    :param typ: what kind of token it is, said in its header ("at+jwt", "JWT")
    """
    kid, key = keyring.private_key()
    header = {"alg": keyring.ALGORITHM, "typ": typ, "kid": kid}
    payload = json.dumps(claims, separators=(",", ":"))
    said, _dot, signature = jws.serialize_compact(header, payload, key, [keyring.ALGORITHM]).rpartition(".")
    return f"{said}.{_lower(signature)}"


def issue_access_token(
    *, user_id: int, client_id: str, scope: str, session_id: str, lifetime: int = ACCESS_TOKEN_SECONDS
) -> tuple[str, dict[str, Any]]:
    """
    Return an access token (RFC 9068) by which a client acts for a user, and its claims.

    :param scope: names from `scopes.py`, and those of OpenID Connect, between spaces
    :param session_id: the session that it ends with; empty for none
    :param lifetime: seconds
    :raises DoesNotExist: there is no such user, or they are turned off
    """
    if not 0 < lifetime <= cuts.LONGEST_TOKEN_SECONDS:
        raise ValueError(f"a token of {lifetime} s would outlive what cuts it")
    version = User.objects.values_list("perm_version", flat=True).get(pk=user_id, is_active=True)
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": settings.OIDC_ISSUER,
        "sub": str(user_id),
        "aud": settings.ACCESS_TOKEN_AUDIENCE,
        "iat": now,
        "exp": now + lifetime,
        "jti": secrets.token_urlsafe(16),
        "client_id": client_id,
        "scope": scope,
        "pv": version,
    }
    if session_id:
        claims["sid"] = cuts.session_name(session_id)
    return sign(claims, typ=ACCESS_TOKEN), claims


def verify(
    token: str, *, typ: str, audience: str | None = None, allow_expired: bool = False
) -> dict[str, Any]:
    """
    Return the claims of a token that we signed.

    :param typ: what kind of token it has to be
    :param audience: whom it has to be for; None where anybody will do
    :param allow_expired: it may be too old, as one that only hints at who somebody was
    :raises InvalidToken: it is not ours, not of this kind, not for them, or not of this time
    """
    return read(token, typ=typ, audience=audience, allow_expired=allow_expired)[1]


def read(
    token: str, *, typ: str, audience: str | None = None, allow_expired: bool = False
) -> tuple[str, dict[str, Any]]:
    """
    Return the name of the key that signed a token, and its claims, under the conditions of `verify`.

    :raises InvalidToken: as `verify` does
    """
    kid, kind, claims = _seen.get(token) or _seen.keep(token, _check_signature(token))
    # Of remembered ones too: the key may have been retired meanwhile.
    if not keyring.is_published(kid):
        raise InvalidToken("unknown_key")
    if kind != typ.lower():
        raise InvalidToken("wrong_type")
    if claims.get("iss") != settings.OIDC_ISSUER:
        raise InvalidToken("wrong_issuer")
    if audience is not None and not _is_for(audience, claims.get("aud")):
        raise InvalidToken("wrong_audience")
    _check_time(claims, allow_expired=allow_expired)
    return kid, dict(claims)


def public_jwks() -> dict[str, Any]:
    """Return the set of our public keys, as others are to know it (RFC 7517)."""
    return {"keys": keyring.published()}


Verified = tuple[str, str, dict[str, Any]]


def _check_signature(token: str) -> Verified:
    """Return name of the key, type and claims of a token that one of our keys has signed, whatever it says."""
    if len(token) > _LONGEST_TOKEN:
        raise InvalidToken("malformed")
    shape = _SHAPE.fullmatch(token)
    if shape is None:
        raise InvalidToken("malformed")
    kid, kind = _read_header(shape[1])
    key = keyring.public_key(kid)
    if key is None:
        raise InvalidToken("unknown_key")
    try:
        if _second_half(shape[3]) > _HALF_ORDER:
            raise InvalidToken("bad_signature")
        signed = jws.deserialize_compact(token, key, algorithms=[keyring.ALGORITHM])
        claims = json.loads(signed.payload or b"")
    except (JoseError, ValueError, RecursionError) as error:
        raise InvalidToken("bad_signature") from error
    if not isinstance(claims, dict):
        raise InvalidToken("malformed")
    return kid, kind, claims


def _read_header(text: str) -> tuple[str, str]:
    """Return key and type that a header names; what else it may want of us, like another algorithm, is refused."""
    try:
        header = json.loads(urlsafe_b64decode(text.encode()))
    except (ValueError, RecursionError) as error:
        raise InvalidToken("malformed") from error
    if not isinstance(header, dict) or header.keys() != _HEADER or header["alg"] != keyring.ALGORITHM:
        raise InvalidToken("malformed")
    kid, kind = header["kid"], header["typ"]
    if not isinstance(kid, str) or not isinstance(kind, str):
        raise InvalidToken("malformed")
    return kid, kind.lower()


def _second_half(signature: str) -> int:
    return int.from_bytes(urlsafe_b64decode(signature.encode())[32:])


def _lower(signature: str) -> str:
    """Return that spelling of a signature whose second number is the lower one: anybody can make each of the other."""
    first, second = urlsafe_b64decode(signature.encode())[:32], _second_half(signature)
    return urlsafe_b64encode(first + min(second, _ORDER - second).to_bytes(32)).decode()


def _is_for(audience: str, said: Any) -> bool:
    return audience in said if isinstance(said, list) else said == audience


def _check_time(claims: dict[str, Any], *, allow_expired: bool) -> None:
    now = time.time()
    expires, issued, begins = (_second(claims, name) for name in ("exp", "iat", "nbf"))
    if now >= expires and not allow_expired:
        raise InvalidToken("expired")
    if max(issued, begins) > now + LEEWAY_SECONDS:
        raise InvalidToken("not_yet")


def _second(claims: dict[str, Any], name: str) -> float:
    said: Any = claims.get(name, 0 if name == "nbf" else None)
    # A bool is an int to Python.
    if isinstance(said, bool) or not isinstance(said, int | float):
        raise InvalidToken("malformed")
    return said


class _Seen:
    """Tokens whose signature was right, by their hash; those not seen for longest are forgotten first."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, Verified] = OrderedDict()
        self._lock = Lock()

    def get(self, token: str) -> Verified | None:
        name = _hash(token)
        with self._lock:
            found = self._known.get(name)
            if found is not None:
                self._known.move_to_end(name)
        return found

    def keep(self, token: str, verified: Verified) -> Verified:
        with self._lock:
            self._known[_hash(token)] = verified
            if len(self._known) > _MOST_REMEMBERED:
                self._known.popitem(last=False)
        return verified


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


_seen = _Seen()
