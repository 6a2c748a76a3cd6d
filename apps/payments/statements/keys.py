"""By what a line is known again, in a file that overlaps, is sorted otherwise, or comes a second time."""

import hashlib
from collections import Counter
from collections.abc import Iterable

from apps.payments.statements.facts import Line, plain_account


def keys_of(lines: Iterable[Line]) -> list[str]:
    """
    Return a key for each line of one account, the same whenever and in whatever order the bank tells of it.

    Lines that are alike in all that the bank says are counted: the second of a day is another one than the first, and the
    same one in the next file.
    """
    seen: Counter[str] = Counter()
    keys = []
    for line in lines:
        digest = _digest(line)
        seen[digest] += 1
        keys.append(f"{digest}-{seen[digest]}")
    return keys


def _digest(line: Line) -> str:
    told = (
        line.booked_on.isoformat(),
        str(line.amount),
        " ".join(line.name.casefold().split()),
        line.tax_id,
        plain_account(line.account),
        " ".join(line.purpose.casefold().split()),
        line.reference,
        line.bank_reference,
    )
    return hashlib.sha256("\x1f".join(told).encode()).hexdigest()[:48]
