"""The scheme of Standard Webhooks: what is signed, and how (https://www.standardwebhooks.com)."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable

# Says what a string is to whoever finds one, people and scanners.
_MARK = "whsec_"
# The scheme asks for 24 to 64.
_RANDOM_BYTES = 32


def new_secret() -> str:
    """Return a secret as consumers of the scheme take it."""
    return _MARK + base64.b64encode(secrets.token_bytes(_RANDOM_BYTES)).decode()


def signatures(keys: Iterable[str], message_id: str, timestamp: int, body: bytes) -> str:
    """Return the header that proves a message: one signature for each secret, apart by spaces."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return " ".join(f"v1,{_sign(key, signed)}" for key in keys)


def _sign(key: str, signed: bytes) -> str:
    raw = base64.b64decode(key.removeprefix(_MARK))
    return base64.b64encode(hmac.new(raw, signed, hashlib.sha256).digest()).decode()
