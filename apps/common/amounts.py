"""
What lines come to: exact, in minor units of a currency, by one rule for every screen, paper and ledger.

The rule is that of EN 16931 (BR-CO-10, BR-CO-14, BR-S-08, BR-S-09): the amount of a line is rounded by itself; the tax
of a rate is taken of the sum of its lines, and rounded once; totals are sums of what is shown. What a line's part of that
tax is follows by the method of the largest remainder (Hamilton 1792; Niemeyer and Niemeyer, "Apportionment methods",
Mathematical Social Sciences 56, 2008), so that the parts make up the tax to the last unit. Halves are rounded up, as
accountants do.

No Django here, and no floats anywhere.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

from babel.numbers import get_currency_precision

# What the list of currencies does not know.
_PLACES = {"XTR": 0}
# Columns hold at most 18 digits of a price, 12 of a quantity and 5 of a percentage: their product is exact.
_DIGITS = 60


@dataclass(frozen=True)
class Item:
    """
    What somebody sells so many of.

    :ivar price: of one unit
    :ivar discount_percent: taken off the line, 0 to 100
    :ivar tax_rate: in percent; None where no tax is due
    :ivar is_tax_included: whether the price holds the tax already, or it comes on top
    """

    quantity: Decimal
    price: Decimal
    discount_percent: Decimal = Decimal()
    tax_rate: Decimal | None = None
    is_tax_included: bool = True


@dataclass(frozen=True)
class Sum:
    """What a line comes to, in minor units: `net` and `tax` make up `total`; `amount` is what the line says."""

    amount: int
    net: int
    tax: int

    @property
    def total(self) -> int:
        return self.net + self.tax


@dataclass(frozen=True)
class RateSum:
    """What the lines of one rate come to, in minor units."""

    rate: Decimal | None
    net: int
    tax: int


@dataclass(frozen=True)
class Totals:
    """
    What some lines come to, in minor units.

    :ivar lines: in the order in which they were given
    :ivar rates: by rate, the highest first; None (no tax) last
    """

    currency: str
    lines: tuple[Sum, ...]
    rates: tuple[RateSum, ...]
    net: int
    tax: int

    @property
    def total(self) -> int:
        return self.net + self.tax


def places_of(currency: str) -> int:
    """Return how many decimal places a currency has: JPY 0, RUB 2, KWD 3."""
    return _PLACES.get(currency, get_currency_precision(currency))


def to_minor(amount: Decimal, currency: str) -> int:
    """Return an amount in whole minor units, half a unit up."""
    with localcontext(prec=_DIGITS):
        return int(amount.scaleb(places_of(currency)).to_integral_value(ROUND_HALF_UP))


def to_decimal(minor: int, currency: str) -> Decimal:
    """Return minor units as an amount with all places of its currency."""
    with localcontext(prec=_DIGITS):
        return Decimal(minor).scaleb(-places_of(currency))


def totals_of(items: Sequence[Item], currency: str) -> Totals:
    """Return what the lines come to."""
    amounts = [_amount_of(item, currency) for item in items]
    groups: dict[tuple[Decimal, bool], list[int]] = {}
    for at, item in enumerate(items):
        if item.tax_rate is not None:
            groups.setdefault((item.tax_rate, item.is_tax_included), []).append(at)
    taxes = [0] * len(items)
    for (rate, is_included), members in groups.items():
        bases = [amounts[at] for at in members]
        whole = _tax_of(sum(bases), rate, is_included=is_included)
        for at, part in zip(members, shares(whole, bases), strict=True):
            taxes[at] = part
    lines = tuple(
        Sum(amount, amount - tax if item.is_tax_included else amount, tax)
        for item, amount, tax in zip(items, amounts, taxes, strict=True)
    )
    return Totals(
        currency=currency,
        lines=lines,
        rates=_by_rate(items, lines),
        net=sum(line.net for line in lines),
        tax=sum(line.tax for line in lines),
    )


def shares(whole: int, weights: Sequence[int]) -> list[int]:
    """
    Divide a whole number among weights, none of them negative, so that the parts make it up.

    Each gets what it is due, rounded down; what is left goes to those that lost most by that, and among equals to the
    heavier, then the earlier one. Where all weigh nothing, there has to be nothing to divide.

    :raises ValueError: a weight is negative, or there is something to divide among nothing
    """
    total = sum(weights)
    if any(weight < 0 for weight in weights) or (not total and whole):
        raise ValueError("nothing to divide by")
    if not total:
        return [0] * len(weights)
    parts = [whole * weight // total for weight in weights]
    lost = [Fraction(whole * weight, total) - part for weight, part in zip(weights, parts, strict=True)]
    due = sorted(range(len(weights)), key=lambda at: (-lost[at], -weights[at], at))
    for at in due[: whole - sum(parts)]:
        parts[at] += 1
    return parts


def _amount_of(item: Item, currency: str) -> int:
    with localcontext(prec=_DIGITS):
        kept = (Decimal(100) - item.discount_percent) / 100
        return to_minor(item.quantity * item.price * kept, currency)


def _tax_of(base: int, rate: Decimal, *, is_included: bool) -> int:
    of = Fraction(rate)
    return _half_up(base * of / (100 + of if is_included else 100))


def _half_up(value: Fraction) -> int:
    return int((value + Fraction(1, 2)).__floor__())


def _by_rate(items: Iterable[Item], lines: Iterable[Sum]) -> tuple[RateSum, ...]:
    found: dict[Decimal | None, tuple[int, int]] = {}
    for item, line in zip(items, lines, strict=True):
        net, tax = found.get(item.tax_rate, (0, 0))
        found[item.tax_rate] = net + line.net, tax + line.tax
    order = sorted(found, key=lambda rate: (rate is None, -(rate or 0)))
    return tuple(RateSum(rate, *found[rate]) for rate in order)
