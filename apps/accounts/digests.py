"""Secrets of programs: 256 random bits, told once; what is kept is their hash, which nobody has to slow down."""

import secrets

from apps.common.links import digest_of

_RANDOM_BYTES = 32


def new_secret(mark: str = "") -> str:
    """Return a secret that begins with `mark`, which says what it is to whoever finds one, people and scanners."""
    return mark + secrets.token_urlsafe(_RANDOM_BYTES)


def digest(secret: str) -> str:
    """Return what is kept of a secret."""
    return digest_of(secret)
