"""
What invoices, credit notes and allocations come to, in whole minor units.

Lines are reckoned by the one rule of :mod:`apps.common.amounts`, which papers and screens use as well; what is added here
is how a part of a line is taken back, and what an amount is worth in another currency. No Django, and no floats.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

from apps.common.amounts import Item, RateSum, Sum, Totals, places_of, shares, to_decimal, to_minor, totals_of

__all__ = [
    "Item",
    "Part",
    "RateSum",
    "Sum",
    "Totals",
    "converted",
    "difference_in_base",
    "part_of_line",
    "places_of",
    "shares",
    "to_decimal",
    "to_minor",
    "totals_of",
]

# The most that a column of 64 bits holds, with room for sums of some hundred thousand such amounts.
LARGEST = 10**13


@dataclass(frozen=True)
class Part:
    """A part of a line: `net` and `tax` make up `total`, in minor units."""

    net: int
    tax: int

    @property
    def total(self) -> int:
        return self.net + self.tax


def part_of_line(line: Sum, taken: Part, total: int) -> Part:
    """
    Return what so much of a line is, after some of it was taken before.

    However a line is taken apart, its parts make it up to the last unit: each takes the tax that all of them together
    have to have by then.

    :param taken: what was taken before, all together
    :param total: how much is taken now, tax included
    :raises ValueError: that is more than is left, or nothing
    """
    if total <= 0 or taken.total + total > line.total:
        raise ValueError("more than is left of the line")
    due = _half_up(Fraction(line.tax * (taken.total + total), line.total))
    # Never more than either side has left: rounding may lean to one of them.
    tax = min(max(due - taken.tax, 0), line.tax - taken.tax, total)
    tax = max(tax, total - (line.net - taken.net))
    return Part(net=total - tax, tax=tax)


def converted(minor: int, source: str, target: str, rate: Decimal) -> int:
    """
    Return what an amount is in another currency, half a unit up.

    :param minor: in minor units of `source`
    :param rate: what one whole unit of `source` is worth in whole units of `target`
    """
    scale = Fraction(10) ** (places_of(target) - places_of(source))
    return _half_up(Fraction(minor) * Fraction(rate) * scale)


def difference_in_base(
    *,
    received: int,
    received_rate: Decimal,
    settled: int,
    settled_rate: Decimal,
    currencies: tuple[str, str, str],
) -> int:
    """
    Return what was gained by a change of rates, in minor units of the currency of the books; below zero it was lost.

    :param received: what is allocated, in minor units of the payment's currency
    :param settled: what it settles, in minor units of the invoice's currency
    :param currencies: of the payment, of the invoice, of the books
    """
    paid, owed, books = currencies
    return converted(received, paid, books, received_rate) - converted(settled, owed, books, settled_rate)


def cross_rate(source_rate: Decimal, target_rate: Decimal) -> Decimal:
    """Return what one unit of a currency is worth in another, from what both are worth in the currency of the books."""
    with localcontext(prec=40):
        return (source_rate / target_rate).quantize(Decimal("1e-10"), ROUND_HALF_UP)


def due_in_order(total: int, dues: Sequence[int]) -> list[int]:
    """Divide an amount among what is due, first come first served; what is left over stays undivided."""
    parts = []
    for due in dues:
        parts.append(min(max(due, 0), total))
        total -= parts[-1]
    return parts


def _half_up(value: Fraction) -> int:
    return int((value + Fraction(1, 2)).__floor__())
