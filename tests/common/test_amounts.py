"""What lines come to: the sums agree to the last unit, whatever is sold, in whatever currency."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.common.amounts import Item, places_of, shares, to_decimal, to_minor, totals_of

CURRENCIES = ["JPY", "RUB", "KWD", "XTR"]
RATES = [None, Decimal(0), Decimal(10), Decimal("20"), Decimal("22"), Decimal("5.5")]
# Slow machines generate slowly, which says nothing of the rule.
patient = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)


def _hundredths(most: int, *, places: int = 2) -> st.SearchStrategy[Decimal]:
    return st.integers(0, most).map(lambda value: Decimal(value).scaleb(-places))


items = st.builds(
    Item,
    quantity=_hundredths(999_999_999, places=3),
    price=_hundredths(999_999_999),
    discount_percent=_hundredths(10_000),
    tax_rate=st.sampled_from(RATES),
    is_tax_included=st.booleans(),
)


@patient
@given(st.lists(items, max_size=30), st.sampled_from(CURRENCIES))
def test_the_sums_agree(lines: list[Item], currency: str) -> None:
    found = totals_of(lines, currency)
    assert found.net == sum(line.net for line in found.lines) == sum(rate.net for rate in found.rates)
    assert found.tax == sum(line.tax for line in found.lines) == sum(rate.tax for rate in found.rates)
    for item, line in zip(lines, found.lines, strict=True):
        # What the line says is its whole, or its part without the tax.
        assert line.amount == (line.total if item.is_tax_included else line.net)
        assert line.tax >= 0
        assert line.tax == 0 or item.tax_rate


@patient
@given(st.lists(items, max_size=20), st.sampled_from(CURRENCIES), st.randoms())
def test_the_order_of_lines_does_not_matter(lines: list[Item], currency: str, chance: object) -> None:
    mixed = list(lines)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    one, other = totals_of(lines, currency), totals_of(mixed, currency)
    assert (one.net, one.tax, one.rates) == (other.net, other.tax, other.rates)


@patient
@given(st.lists(items, min_size=1, max_size=20), st.sampled_from(CURRENCIES))
def test_the_tax_of_a_rate_is_that_of_its_sum(lines: list[Item], currency: str) -> None:
    found = totals_of(lines, currency)
    for rate in found.rates:
        expected = Decimal()
        for is_included in (True, False):
            base = sum(
                line.amount
                for item, line in zip(lines, found.lines, strict=True)
                if item.tax_rate == rate.rate and item.is_tax_included == is_included
            )
            share = (rate.rate or Decimal()) / (100 + (rate.rate or 0) if is_included else 100)
            expected += base * share
        # Two roundings of half a unit at most: one for each way of writing prices.
        assert abs(rate.tax - expected) <= 1


@patient
@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=50), st.integers(0, 10**9))
def test_a_whole_is_divided_without_rest(weights: list[int], whole: int) -> None:
    if not sum(weights):
        whole = 0
    parts = shares(whole, weights)
    assert sum(parts) == whole
    for part, weight in zip(parts, weights, strict=True):
        exact = Decimal(whole) * weight / (sum(weights) or 1)
        assert abs(part - exact) < 1


def test_nothing_is_divided_among_nothing() -> None:
    with pytest.raises(ValueError, match="nothing to divide"):
        shares(1, [0, 0])
    with pytest.raises(ValueError, match="nothing to divide"):
        shares(1, [2, -1])


def test_three_thirds_are_a_whole() -> None:
    found = totals_of([Item(Decimal(1), Decimal("33.33"), tax_rate=Decimal(20))] * 3, "RUB")
    # 99.99 holds 16.665 of tax: 16.67, of which the first line bears the last kopeck.
    assert (found.total, found.tax) == (9999, 1667)
    assert [line.tax for line in found.lines] == [556, 556, 555]


@pytest.mark.parametrize(
    ("currency", "price", "amount", "tax"),
    [("JPY", "100.50", 101, 20), ("RUB", "100.505", 10051, 2010), ("KWD", "100.5", 100500, 20100)],
)
def test_each_currency_has_its_own_last_unit(currency: str, price: str, amount: int, tax: int) -> None:
    line = Item(Decimal(1), Decimal(price), tax_rate=Decimal(20), is_tax_included=False)
    found = totals_of([line], currency)
    assert (found.net, found.tax, found.total) == (amount, tax, amount + tax)
    assert to_minor(to_decimal(found.total, currency), currency) == found.total


def test_places() -> None:
    assert [places_of(currency) for currency in CURRENCIES] == [0, 2, 3, 0]


def test_a_discount_is_taken_off_before_rounding() -> None:
    line = Item(Decimal(3), Decimal("9.99"), discount_percent=Decimal("12.5"))
    # 29.97 × 0.875 = 26.22375
    assert totals_of([line], "RUB").total == 2622
