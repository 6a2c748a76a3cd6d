"""Whatever the lines, parts and rates: sums are kept to the last minor unit."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.payments.amounts import (
    Item,
    Part,
    Sum,
    converted,
    cross_rate,
    due_in_order,
    part_of_line,
    places_of,
    to_decimal,
    to_minor,
    totals_of,
)

CURRENCIES = st.sampled_from(["RUB", "EUR", "JPY", "KWD", "XTR"])


def decimals(least: int, most: int, places: int) -> st.SearchStrategy[Decimal]:
    """Return decimals of some places, by how many of their last unit they are."""
    return st.integers(least, most).map(lambda units: Decimal(units).scaleb(-places))


ITEMS = st.builds(
    Item,
    quantity=decimals(1, 10**7, 3),
    price=decimals(0, 10**11, 6),
    discount_percent=decimals(0, 10**4, 2),
    tax_rate=st.none()
    | st.sampled_from([Decimal(0), Decimal(10), Decimal(20), Decimal("22"), Decimal("7.5")]),
    is_tax_included=st.booleans(),
)


@pytest.mark.parametrize(("currency", "places"), [("RUB", 2), ("JPY", 0), ("KWD", 3), ("XTR", 0)])
def test_currencies_have_their_own_minor_units(currency: str, places: int) -> None:
    assert places_of(currency) == places
    assert to_minor(Decimal("1.5"), currency) == {0: 2, 2: 150, 3: 1500}[places]
    assert to_decimal(1, currency) == Decimal(1).scaleb(-places)


@given(st.lists(ITEMS, max_size=8), CURRENCIES)
def test_totals_are_sums_of_what_is_shown(items: list[Item], currency: str) -> None:
    totals = totals_of(items, currency)
    assert totals.net == sum(line.net for line in totals.lines) == sum(rate.net for rate in totals.rates)
    assert totals.tax == sum(line.tax for line in totals.lines) == sum(rate.tax for rate in totals.rates)
    assert all(line.net >= 0 and line.tax >= 0 for line in totals.lines)


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.lists(st.integers(1, 10**9), max_size=12))
def test_parts_of_a_line_make_it_up_however_it_is_taken_apart(net: int, tax: int, cuts: list[int]) -> None:
    line = Sum(net + tax, net, tax)
    taken = Part(0, 0)
    for cut in [*cuts, line.total]:
        wanted = min(cut, line.total - taken.total)
        if not wanted:
            break
        part = part_of_line(line, taken, wanted)
        assert part.total == wanted
        assert part.net >= 0
        assert part.tax >= 0
        taken = Part(taken.net + part.net, taken.tax + part.tax)
        # Never further from the line's own ratio than rounding is.
        assert abs(taken.tax * line.total - line.tax * taken.total) <= line.total
    assert taken.total == line.total
    assert (taken.net, taken.tax) == (net, tax)


def test_no_more_is_taken_than_is_left() -> None:
    line = Sum(120, 100, 20)
    for wanted in (0, -1, 71):
        with pytest.raises(ValueError, match="left"):
            part_of_line(line, Part(40, 10), wanted)


@given(st.integers(0, 10**12), st.lists(st.integers(-5, 10**9), max_size=9))
def test_what_is_due_first_comes_first(total: int, dues: list[int]) -> None:
    parts = due_in_order(total, dues)
    assert sum(parts) == min(total, sum(max(due, 0) for due in dues))
    short = [at for at, (part, due) in enumerate(zip(parts, dues, strict=True)) if part < max(due, 0)]
    assert all(not any(parts[at + 1 :]) for at in short)


@given(st.integers(0, 10**12), CURRENCIES, CURRENCIES, decimals(1, 10**14, 10))
def test_what_is_converted_is_off_by_half_a_unit_at_most(
    minor: int, source: str, target: str, rate: Decimal
) -> None:
    found = converted(minor, source, target, rate)
    exact = to_decimal(minor, source) * rate
    assert abs(to_decimal(found, target) - exact) <= to_decimal(1, target) / 2


@pytest.mark.parametrize(
    ("minor", "source", "target", "rate", "expected"),
    [
        (10000, "EUR", "RUB", "90.5", 905000),
        (1, "JPY", "RUB", "0.625", 63),
        (1000, "KWD", "JPY", "480.4", 480),
        (150, "RUB", "XTR", "1", 2),
    ],
)
def test_conversions_know_their_minor_units(
    minor: int, source: str, target: str, rate: str, expected: int
) -> None:
    assert converted(minor, source, target, Decimal(rate)) == expected


def test_a_cross_rate_is_of_two_rates() -> None:
    assert cross_rate(Decimal(100), Decimal(80)) == Decimal("1.25")
