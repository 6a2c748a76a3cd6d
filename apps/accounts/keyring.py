"""
The signing keys as a process knows them: read again after half a second, parsed once.

Whoever asks first makes the first keys. What changes keys stands in `services/signing_keys.py`.
"""

import base64
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction
from django.utils import timezone
from joserfc.jwk import ECKey

from apps.accounts.models import SigningKey

ALGORITHM = "ES256"
# So long a process takes its own word for which keys there are: a leaked one is believed no longer than that.
_TRUST_SECONDS = 0.5
# A name that nobody knows may be newer than what was read, or invented: it has the keys read again so often.
_UNKNOWN_SECONDS = 30.0
_LOCK = "select pg_advisory_xact_lock(hashtext('accounts_signingkey'))"
_SIGNS = "select exists (select 1 from accounts_signingkey where kid = %s and state = %s)"
_TRY_LOCK = "select pg_try_advisory_xact_lock(hashtext('accounts_signingkey'))"


@dataclass(frozen=True)
class Ring:
    """All keys that are published, and the one that signs."""

    public: dict[str, ECKey]
    active: tuple[str, str] | None
    read_at: float


_ring: Ring | None = None
_resealing: list[Callable[[], int]] = []
_unknown_at = -_UNKNOWN_SECONDS


def forget() -> None:
    """Read the keys again when next asked."""
    global _ring, _unknown_at
    _ring, _unknown_at = None, -_UNKNOWN_SECONDS


def public_key(kid: str) -> ECKey | None:
    """Return a published key by its name, be it not used yet or only verifying by now."""
    global _unknown_at
    found = _current().public.get(kid)
    now = time.monotonic()
    if found is None and now - _unknown_at >= _UNKNOWN_SECONDS:
        _unknown_at = now
        found = _current(is_fresh=True).public.get(kid)
    return found


def is_published(kid: str) -> bool:
    """Tell whether a key that was published is still."""
    return kid in _current().public


def private_key() -> tuple[str, ECKey]:
    """
    Return the key that signs, with its name; the first one is made here.

    :raises ImproperlyConfigured: it was sealed under another secret than ours
    """
    active = _current().active
    # What a key signs that was declared leaked a moment ago is refused as soon as it is shown.
    if active is None or not _signs(active[0]):
        active = _current(is_fresh=True).active
    if active is None:
        make_first_keys()
        active = _current(is_fresh=True).active
    if active is None:
        raise ImproperlyConfigured(
            "There is no key to sign with: manage.py rotate_signing_keys --now makes one."
        )
    kid, sealed = active
    return kid, _opened(sealed)


def _signs(kid: str) -> bool:
    """Ask whether a key is in use, whatever this process has read before."""
    with connection.cursor() as cursor:
        cursor.execute(_SIGNS, [kid, SigningKey.State.ACTIVE])
        return bool(cursor.fetchone()[0])


def published() -> list[dict[str, Any]]:
    """Return the public halves of all keys that are published, as JSON Web Keys."""
    if not _current().public:
        make_first_keys()
    keys = _current(is_fresh=True).public
    return [
        {**key.as_dict(private=False), "kid": kid, "use": "sig", "alg": ALGORITHM}
        for kid, key in keys.items()
    ]


def _current(*, is_fresh: bool = False) -> Ring:
    global _ring
    # What a transaction sees may be rolled back: it is not for others.
    if connection.in_atomic_block:
        return _read()
    ring = _ring
    if ring is None or is_fresh or time.monotonic() - ring.read_at >= _TRUST_SECONDS:
        ring = _ring = _read()
    return ring


def _read() -> Ring:
    read_at = time.monotonic()
    public, active = {}, None
    rows = SigningKey.objects.exclude(state=SigningKey.State.RETIRED).order_by("pk")
    for kid, state, x, y, sealed in rows.values_list("kid", "state", "public__x", "public__y", "sealed"):
        public[kid] = _parsed(x, y)
        if state == SigningKey.State.ACTIVE:
            active = kid, sealed
    return Ring(public, active, read_at)


@lru_cache(maxsize=64)
def _parsed(x: str, y: str) -> ECKey:
    return ECKey.import_key({"kty": "EC", "crv": "P-256", "x": x, "y": y})


@lru_cache(maxsize=8)
def _opened(sealed: str) -> ECKey:
    try:
        return ECKey.import_key(_box().decrypt(sealed.encode()))
    except InvalidToken as error:
        raise ImproperlyConfigured(
            "The signing key was sealed under another SIGNING_KEYS_SECRET: put that one back as the last of the list,"
            " or say manage.py rotate_signing_keys --now."
        ) from error


# Making and sealing


def lock() -> None:
    """Let nobody else change keys until the end of the transaction."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK)


def try_lock() -> bool:
    """Do the same, unless somebody else does it already."""
    with connection.cursor() as cursor:
        cursor.execute(_TRY_LOCK)
        return bool(cursor.fetchone()[0])


@transaction.atomic
def make_first_keys() -> None:
    """Make the key that signs and the one after it, unless somebody has been faster."""
    lock()
    if not SigningKey.objects.filter(state=SigningKey.State.ACTIVE).exists():
        make_key(SigningKey.State.ACTIVE, activated_at=timezone.now())
    if not SigningKey.objects.filter(state=SigningKey.State.NEXT).exists():
        make_key(SigningKey.State.NEXT)


def make_key(state: SigningKey.State, **times: Any) -> SigningKey:
    """Make a key; who calls holds the lock."""
    key = ECKey.generate_key("P-256")
    sealed = _box().encrypt(key.as_pem(private=True)).decode()
    return SigningKey.objects.create(
        kid=key.thumbprint(), state=state, public=key.as_dict(private=False), sealed=sealed, **times
    )


def can_open(key: SigningKey) -> bool:
    """Tell whether our secret opens the private half of a key."""
    try:
        _opened(key.sealed)
    except ImproperlyConfigured:
        return False
    return True


def is_under_first_secret(key: SigningKey) -> bool:
    """Tell whether the first of our secrets opens a key, without those after it."""
    try:
        _boxes()[0].decrypt(key.sealed.encode())
    except InvalidToken:
        return False
    return True


def sealed_anew(key: SigningKey) -> str:
    """Return the private half of a key under the first secret, so that those after it can be given up."""
    return _box().rotate(key.sealed.encode()).decode()


def _box() -> MultiFernet:
    return MultiFernet(_boxes())


def _boxes() -> list[Fernet]:
    secrets = settings.SIGNING_KEYS_SECRET or [f"signing keys of {settings.SECRET_KEY}"]
    return [Fernet(_fernet_key(secret)) for secret in secrets]


def _fernet_key(secret: str) -> bytes:
    return base64.urlsafe_b64encode(hashlib.sha256(secret.encode()).digest())


# Other apps' secrets


def seal(secret: str) -> str:
    """Return a secret of another app, as a key to somebody else's service, in a form that may be stored."""
    return _box().encrypt(secret.encode()).decode()


def unseal(sealed: str) -> str:
    """
    Return a secret that was sealed.

    :raises ImproperlyConfigured: it was sealed under another secret than ours
    """
    try:
        return _box().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise ImproperlyConfigured(
            "It was sealed under another SIGNING_KEYS_SECRET: put that one back as the last of the list, or give the"
            " secret anew."
        ) from error


def resealed(sealed: str) -> str:
    """
    Return a secret that was sealed, under the first of our secrets; as it is where that sealed it already.

    :raises ImproperlyConfigured: it was sealed under another secret than ours
    """
    try:
        _boxes()[0].decrypt(sealed.encode())
    except InvalidToken:
        return seal(unseal(sealed))
    return sealed


def register_resealing(seal_anew: Callable[[], int]) -> None:
    """Let an app seal its secrets anew when the signing keys are; it returns how many it did."""
    if seal_anew not in _resealing:
        _resealing.append(seal_anew)


def seal_others_anew() -> int:
    """Have the other apps seal their secrets anew; return how many were."""
    return sum(seal_anew() for seal_anew in _resealing)
