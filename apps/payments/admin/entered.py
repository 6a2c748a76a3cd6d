"""What people type into the small forms of pages."""

from decimal import Decimal, InvalidOperation

# More digits than any amount has.
_LONGEST = 24


def decimal_of(text: str) -> Decimal | None:
    """Return a number as people type it, with a point or a comma and with spaces; None where it is none."""
    plain = "".join(text.split()).replace("\u202f", "").replace(",", ".")
    if not plain or len(plain) > _LONGEST:
        return None
    try:
        found = Decimal(plain)
    except InvalidOperation:
        return None
    return found if found.is_finite() and found >= 0 else None


def key_of(text: str) -> int:
    """Return the key of a row as a form sends it; 0 where it is none."""
    return int(text) if text.isdecimal() and len(text) < 19 else 0
