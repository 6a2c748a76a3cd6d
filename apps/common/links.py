"""Secrets in links for people without an account: told once, and kept as their digests."""

import hashlib
import secrets

_RANDOM_BYTES = 32


def new_token() -> tuple[str, str]:
    """Return a secret of 256 random bits, and its digest."""
    token = secrets.token_urlsafe(_RANDOM_BYTES)
    return token, digest_of(token)


def digest_of(token: str) -> str:
    """Return the SHA-256 of a secret, by which its row is found."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
