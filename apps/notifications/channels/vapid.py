"""The key by which browsers and their makers know this platform (RFC 8292); light enough for every process."""

import base64

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings

_BYTES = 32


def public_key() -> str:
    """Return the half of our key that browsers subscribe with; empty where there is none."""
    if not settings.VAPID_PRIVATE_KEY:
        return ""
    padding = "=" * (-len(settings.VAPID_PRIVATE_KEY) % 4)
    number = int.from_bytes(base64.urlsafe_b64decode(settings.VAPID_PRIVATE_KEY + padding), "big")
    point = (
        ec.derive_private_key(number, ec.SECP256R1())
        .public_key()
        .public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    )
    return _text(point)


def new_key() -> str:
    """Return a private key as the settings take it."""
    number = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
    return _text(number.to_bytes(_BYTES, "big"))


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
