"""What currencies are worth in the currency of the books, as it is frozen on invoices and payments."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.conf import settings

from apps.crm.models import CurrencyRate


@dataclass(frozen=True)
class Frozen:
    """A rate, and the day that it is of."""

    rate: Decimal
    date: date


def rate_on(currency: str, day: date) -> Frozen | None:
    """Return what a unit of a currency was worth on a day; None where nobody has said."""
    if currency == settings.BASE_CURRENCY:
        return Frozen(Decimal(1), day)
    known = CurrencyRate.objects.filter(currency=currency, date__lte=day).order_by("-date").first()
    return None if known is None else Frozen(Decimal(known.rate), known.date)


def frozen_values(currency: str, day: date) -> dict[str, object]:
    """Return the columns that freeze the rate of a day on a row."""
    found = rate_on(currency, day)
    return {"base_rate": found.rate if found else None, "base_rate_date": found.date if found else None}
