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
from functools import lru_cache
from threading import Lock
from typing import Any, NamedTuple

from django.conf import settings
from joserfc import jws
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode

from apps.accounts import cuts, keyring
from apps.accounts.models import User

ACCESS_TOKEN = "at+jwt"  # noqa: S105 - a type
ACCESS_TOKEN_SECONDS = 300
# Clocks of our own machines differ by less.
LEEWAY_SECONDS = 5
_LONGEST_TOKEN = 8 * 1024
_SHAPE = re.compile(r"(([\w-]{16,512})\.([\w-]{2,}))\.([\w-]{86})", re.ASCII)
_ALGORITHM = jws.default_registry.get_alg(keyring.ALGORITHM)
_HEADER = frozenset({"alg", "typ", "kid"})
# In a signature, the order of the curve (P-256) less its second number would do in place of that: ours is the lower.
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
    name = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
    found = _seen.get(name) or _seen.keep(name, _check_signature(token))
    # Of remembered ones too: the key may have been retired meanwhile.
    if not keyring.is_published(found.kid):
        raise InvalidToken("unknown_key")
    if found.kind != typ.lower():
        raise InvalidToken("wrong_type")
    if found.claims.get("iss") != settings.OIDC_ISSUER:
        raise InvalidToken("wrong_issuer")
    if audience is not None and not _is_for(audience, found.claims.get("aud")):
        raise InvalidToken("wrong_audience")
    now = time.time()
    if now >= found.ends and not allow_expired:
        raise InvalidToken("expired")
    if found.begins > now + LEEWAY_SECONDS:
        raise InvalidToken("not_yet")
    return found.kid, dict(found.claims)


def forget_seen() -> None:
    """Compute the signatures of tokens that were seen before again."""
    _seen.forget()


def public_jwks() -> dict[str, Any]:
    """Return the set of our public keys, as others are to know it (RFC 7517)."""
    return {"keys": keyring.published()}


class _Verified(NamedTuple):
    """What one of our keys has signed, whatever that says."""

    kid: str
    kind: str
    claims: dict[str, Any]
    begins: float
    ends: float


def _check_signature(token: str) -> _Verified:
    """Return what one of our keys has signed; the algorithm is the key's, whatever a token wants."""
    shape = _SHAPE.fullmatch(token) if len(token) <= _LONGEST_TOKEN else None
    if shape is None:
        raise InvalidToken("malformed")
    said, header, payload, signature = shape.groups()
    kid, kind = _read_header(header)
    key = keyring.public_key(kid)
    if key is None:
        raise InvalidToken("unknown_key")
    try:
        numbers = urlsafe_b64decode(signature.encode())
        if _second(numbers) > _HALF_ORDER or not _ALGORITHM.verify(said.encode(), numbers, key):
            raise InvalidToken("bad_signature")
        claims = json.loads(urlsafe_b64decode(payload.encode()))
        begins = max(_moment(claims["iat"]), _moment(claims.get("nbf", 0)))
        return _Verified(kid, kind, claims, begins, _moment(claims["exp"]))
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise InvalidToken("malformed") from error


@lru_cache(maxsize=64)
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


def _moment(said: Any) -> float:
    # A bool is an int to Python.
    if isinstance(said, bool) or not isinstance(said, int | float):
        raise TypeError(said)
    return said


def _second(numbers: bytes) -> int:
    return int.from_bytes(numbers[32:])


def _lower(signature: str) -> str:
    """Return that spelling of a signature whose second number is the lower one: anybody can make each of the other."""
    numbers = urlsafe_b64decode(signature.encode())
    second = _second(numbers)
    return urlsafe_b64encode(numbers[:32] + min(second, _ORDER - second).to_bytes(32)).decode()


def _is_for(audience: str, said: Any) -> bool:
    return audience in said if isinstance(said, list) else said == audience


class _Seen:
    """Tokens whose signature was right, by their hash; those not seen for longest are forgotten first."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, _Verified] = OrderedDict()
        self._lock = Lock()

    def get(self, name: bytes) -> _Verified | None:
        with self._lock:
            found = self._known.get(name)
            if found is not None:
                self._known.move_to_end(name)
        return found

    def keep(self, name: bytes, verified: _Verified) -> _Verified:
        with self._lock:
            self._known[name] = verified
            if len(self._known) > _MOST_REMEMBERED:
                self._known.popitem(last=False)
        return verified

    def forget(self) -> None:
        with self._lock:
            self._known.clear()


_seen = _Seen()
