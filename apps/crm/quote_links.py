"""The secret in the link to a quote: told once, and kept as its digest."""

import hashlib
import secrets


def new_token() -> tuple[str, str]:
    """Return a secret of 256 random bits, and its digest."""
    token = secrets.token_urlsafe(32)
    return token, digest_of(token)


def digest_of(token: str) -> str:
    """Return the SHA-256 of a secret, by which its quote is found."""
    return hashlib.sha256(token.encode()).hexdigest()
