"""Which rate counts: the newest known on a day, written by hand before published, direct before crossed."""

from collections.abc import Collection, Iterable
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from django.conf import settings

from apps.crm.rates import Rate
from apps.payments.models.rates import ExchangeRate, Provider
from apps.payments.rates.converting import Conversion, Leg

# Longer than the longest holidays: the Bank of Russia is silent for eleven days in January. What is older says nothing.
OLDEST = timedelta(days=20)
# In this order where two say something of the same day.
_ORDER = [Provider.MANUAL, Provider.CBR, Provider.ECB]
# Through which currency rates of a provider are crossed.
_PIVOTS = {Provider.CBR: "RUB", Provider.ECB: "EUR"}


def rate_on(source: str, target: str, day: date) -> Conversion | None:
    """
    Return what a currency was worth in another on a day, by the last rates known then; None where nobody said.

    Weekends and holidays have the rate of the day before; the answer says of which day it is.
    """
    if source == target:
        return Conversion(source, target, Fraction(1), day)
    known = _legs(day, {source, target})
    direct = _best(known, source, target)
    ways: list[tuple[Leg, ...]] = [(direct,)] if direct else []
    for provider, pivot in _PIVOTS.items():
        of_provider = [leg for leg in known if leg.provider == provider]
        first, second = _best(of_provider, source, pivot), _best(of_provider, pivot, target)
        if first and second:
            ways.append((first, second))
    if not ways:
        return None
    best = max(ways, key=lambda legs: (min(leg.day for leg in legs), -_rank(legs[0]), -len(legs)))
    value = Fraction(1)
    for leg in best:
        value *= leg.value
    return Conversion(source, target, value, day, best)


def _rank(leg: Leg) -> int:
    return _ORDER.index(Provider(leg.provider))


def _legs(day: date, currencies: Collection[str]) -> list[Leg]:
    """Return the last revision of the newest rate of each provider and pair that touches one of some currencies."""
    rows = (
        ExchangeRate._base_manager.filter(valid_on__lte=day, valid_on__gt=day - OLDEST)
        .filter(base__in=[*currencies, *_PIVOTS.values()], quote__in=[*currencies, *_PIVOTS.values()])
        .order_by("provider", "base", "quote", "-valid_on", "-revision")
        .distinct("provider", "base", "quote")
    )
    return [
        Leg(row.pk, row.provider, row.base, row.quote, Fraction(row.rate) / row.nominal, row.valid_on)
        for row in rows
    ]


def _best(legs: Iterable[Leg], source: str, target: str) -> Leg | None:
    """Return the newest rate of a pair, turned round where it is published the other way."""
    found = [leg for leg in legs if {leg.base, leg.quote} == {source, target}]
    if not found:
        return None
    leg = max(found, key=lambda each: (each.day, -_rank(each), each.base == source))
    if leg.base == source:
        return leg
    return Leg(leg.rate_id, leg.provider, source, target, 1 / leg.value, leg.day)


class PublishedRates:
    """What the sales side and the books are told of rates, in the currency of the books."""

    key = "published"

    def rates(self, currencies: Collection[str], since: date) -> Iterable[Rate]:
        """Return the rates of some currencies from a day on, one a day on which somebody said something."""
        days = (
            ExchangeRate._base_manager.filter(valid_on__gte=since)
            .order_by("valid_on")
            .values_list("valid_on", flat=True)
            .distinct()
        )
        for day in days:
            for currency in currencies:
                found = rate_on(currency, settings.BASE_CURRENCY, day)
                if found is not None and found.legs and found.day == day:
                    yield Rate(currency, day, ten_places(found.value))


def ten_places(value: Fraction) -> Decimal:
    """Return a rate with the ten places that a column has."""
    scaled = int(value * 10**10 + Fraction(1, 2))
    return Decimal(scaled).scaleb(-10)
