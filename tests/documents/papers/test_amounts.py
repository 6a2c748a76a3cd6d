"""Figures, words and sums: what papers say must be right to the kopeck, and in the grammar of its language."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.documents.amounts import (
    Line,
    amount_in_words,
    figure_text,
    money_text,
    quantity_text,
    rounded,
    totals_of,
)

AMOUNTS = st.decimals(0, 10**13, places=2)


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [
        ("2000.01", "RUB", "две тысячи рублей 01 копейка"),
        ("1", "RUB", "один рубль 00 копеек"),
        ("0", "RUB", "ноль рублей 00 копеек"),
        ("22.22", "RUB", "двадцать два рубля 22 копейки"),
        ("11.11", "RUB", "одиннадцать рублей 11 копеек"),
        ("112.12", "RUB", "сто двенадцать рублей 12 копеек"),
        ("1001.04", "RUB", "одна тысяча один рубль 04 копейки"),
        ("2000002.50", "RUB", "два миллиона два рубля 50 копеек"),
        # A currency that is a woman.
        ("21.02", "UAH", "двадцать одна гривна 02 копейки"),
        ("1002", "UAH", "одна тысяча две гривны 00 копеек"),
        ("5.01", "EUR", "пять евро 01 евроцент"),
        ("3.20", "USD", "три доллара США 20 центов"),
        ("1500", "JPY", "одна тысяча пятьсот JPY"),
        ("1.5", "KWD", "один KWD 500/1000"),
        ("-5.5", "RUB", "минус пять рублей 50 копеек"),
    ],
)
def test_russian_words(amount: str, currency: str, words: str) -> None:
    assert amount_in_words(Decimal(amount), currency, "ru") == words


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [
        ("2000.01", "RUB", "two thousand rubles and 01 kopeck"),
        ("1", "USD", "one US dollar and 00 cents"),
        ("21.50", "EUR", "twenty-one euros and 50 cents"),
        ("1.5", "KWD", "one Kuwaiti dinar 500/1000"),
        ("1500", "JPY", "one thousand, five hundred Japanese yen"),
    ],
)
def test_english_words(amount: str, currency: str, words: str) -> None:
    assert amount_in_words(Decimal(amount), currency, "en") == words


def test_figures() -> None:
    assert money_text(Decimal("1234567.5"), "RUB", "ru") == "1\u00a0234\u00a0567,50\u00a0₽"
    assert money_text(Decimal("1234.5"), "RUB", "en") == "RUB\u00a01,234.50"
    assert money_text(Decimal("-2"), "RUB", "en") == "-RUB\u00a02.00"
    assert figure_text(Decimal("1500"), "JPY", "en") == "1,500"
    assert quantity_text(Decimal("1.500"), "ru") == "1,5"


def test_half_a_kopeck_goes_up() -> None:
    assert rounded(Decimal("0.125"), "RUB") == Decimal("0.13")
    line = Line("thread", Decimal("0.333"), price=Decimal("0.05"))
    assert line.amount("RUB") == Decimal("0.02")
    assert Line("open", Decimal(1)).amount("RUB") is None


def test_the_largest_line_is_exact() -> None:
    line = Line("all", Decimal("999999999.999"), price=Decimal("9999999999999999.99"))
    assert line.amount("RUB") == Decimal("9999999999989999990000000.00")


@given(amounts=st.lists(AMOUNTS, max_size=40), rate=st.none() | st.decimals(0, 100, places=2))
def test_totals_agree(amounts: list[Decimal], rate: Decimal | None) -> None:
    totals = totals_of(amounts, "RUB", tax_percent=rate)
    assert totals.total == sum(amounts)
    assert totals.net + totals.tax == totals.total
    assert totals.tax == totals.tax.quantize(Decimal("0.01"))
    # The tax is within half a kopeck of what the rate says.
    exact = totals.total * (rate or 0) / (100 + (rate or 0))
    assert abs(totals.tax - exact) <= Decimal("0.005")
    assert totals.tax >= 0


@given(
    amount=AMOUNTS,
    language=st.sampled_from(["ru", "en"]),
    currency=st.sampled_from(["RUB", "UAH", "USD", "INR"]),
)
def test_words_end_in_the_exact_rest(amount: Decimal, language: str, currency: str) -> None:
    words = amount_in_words(amount, currency, language)
    rest = int(amount * 100 % 100)
    assert f" {rest:02}" in words
    assert words[0].isalpha()
