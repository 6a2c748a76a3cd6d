"""Amounts from one currency to another: exact fractions, rounded once, half a unit up. No Django here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from apps.common.amounts import places_of, shares


@dataclass(frozen=True)
class Leg:
    """
    A published rate that a conversion goes by.

    :ivar rate_id: the row that it stands in, which never changes
    :ivar value: how many units of `quote` one unit of `base` is worth
    """

    rate_id: int
    provider: str
    base: str
    quote: str
    value: Fraction
    day: date


@dataclass(frozen=True)
class Conversion:
    """
    What one unit of a currency is worth in another, from where that is known, and of which day.

    :ivar value: exact
    :ivar asked_day: the day that was asked for; `day` is earlier on weekends and holidays
    :ivar legs: none within one currency, one where somebody publishes it, two through the currency of a provider
    """

    source: str
    target: str
    value: Fraction
    asked_day: date
    legs: tuple[Leg, ...] = ()

    @property
    def day(self) -> date:
        """The day whose rates these are: that of the older one."""
        return min((leg.day for leg in self.legs), default=self.asked_day)

    @property
    def provider(self) -> str:
        return self.legs[0].provider if self.legs else ""

    def convert(self, minor: int) -> int:
        """Return an amount of the source, in minor units, in minor units of the target; half a unit away from zero."""
        exact = minor * self.value * Fraction(10) ** (places_of(self.target) - places_of(self.source))
        rounded = int(abs(exact) + Fraction(1, 2))
        return -rounded if exact < 0 else rounded

    def convert_parts(self, parts: Sequence[int]) -> list[int]:
        """Convert amounts, none below zero, so that they come to their sum converted: no unit is lost or made."""
        whole = self.convert(sum(parts))
        return shares(whole, parts) if sum(parts) else [0] * len(parts)
