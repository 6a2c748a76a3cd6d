"""What the lines of deals and quotes come to, by the one rule of :mod:`apps.common.amounts`."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from apps.common.amounts import Item, Totals, to_decimal, totals_of
from apps.crm.models.deals import DealLine
from apps.crm.models.quotes import Quote, QuoteLine

# Amounts of deals have two places, whatever their currency has.
_CENT = Decimal("0.01")


def item_of(line: DealLine | QuoteLine) -> Item:
    """Return a line as it is reckoned with; one whose price is open comes to nothing."""
    return Item(
        quantity=Decimal(line.quantity),
        price=Decimal(line.unit_price or 0),
        discount_percent=Decimal(line.discount_percent),
        tax_rate=None if line.tax_rate is None else Decimal(line.tax_rate).normalize(),
        is_tax_included=line.is_tax_included,
    )


def totals_of_lines(lines: Sequence[DealLine | QuoteLine], currency: str) -> Totals:
    """Return what lines come to, in their order."""
    return totals_of([item_of(line) for line in lines], currency)


def deal_amount(totals: Totals) -> Decimal:
    """Return what a deal is worth whose lines come to this: the whole, tax included."""
    return to_decimal(totals.total, totals.currency).quantize(_CENT, ROUND_HALF_UP)


def deal_amount_of(quote: Quote) -> Decimal:
    """Return what a deal is worth whose customer has agreed to a quote."""
    return quote.total.quantize(_CENT, ROUND_HALF_UP)


def taxes_json(totals: Totals) -> list[dict[str, Any]]:
    """Return what is due of each rate, as quotes keep it."""
    return [
        {
            "rate": None if each.rate is None else f"{each.rate:.2f}",
            "net_minor": each.net,
            "tax_minor": each.tax,
        }
        for each in totals.rates
    ]
