"""Counts and amounts. Sums of different currencies are no sum, so each has its own."""

from dataclasses import dataclass, field
from decimal import Decimal

from django.conf import settings


@dataclass
class Worth:
    """How many deals there are, and their amounts by currency, that of the books first."""

    count: int = 0
    amounts: dict[str, Decimal] = field(default_factory=dict)

    def add(self, count: int, currency: str, amount: Decimal | None) -> None:
        self.count += count
        if amount:
            self.amounts[currency] = self.amounts.get(currency, Decimal()) + amount

    @property
    def main(self) -> Decimal:
        """The amount in the currency of the books."""
        return self.amounts.get(settings.BASE_CURRENCY, Decimal())

    @property
    def others(self) -> list[tuple[str, Decimal]]:
        """The amounts in other currencies, by their codes."""
        return sorted(item for item in self.amounts.items() if item[0] != settings.BASE_CURRENCY)

    @property
    def sums(self) -> list[tuple[str, Decimal]]:
        """All amounts, the one in the currency of the books first."""
        main = [(settings.BASE_CURRENCY, self.main)] if settings.BASE_CURRENCY in self.amounts else []
        return main + self.others
