"""Numbers, money and times as people write them, in both languages."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.utils import timezone, translation
from django.utils.dates import MONTHS

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "value", "written"),
    [
        ("en", 8800, "8,800"),
        ("ru", 10005534, "10\u202f005\u202f534"),
        ("en", Decimal("1234.50"), "1,234.50"),
        ("ru", Decimal("1234.50"), "1\u202f234,50"),
        ("en", Decimal("100.00"), "100"),
        ("en", 0, "0"),
        ("en", None, ""),
        ("en", "", ""),
    ],
)
def test_number(language: str, value: Any, written: str) -> None:
    from apps.common.templatetags.artel import number

    with translation.override(language):
        assert number(value) == written


@pytest.mark.parametrize(
    ("value", "currency", "written"),
    [
        (Decimal("1500.00"), "RUB", "1,500\u00a0₽"),
        (Decimal("1500.25"), "KWD", "1,500.25\u00a0KWD"),
        (Decimal(5), "", "5"),
        (None, "RUB", ""),
    ],
)
def test_money(value: Any, currency: str, written: str) -> None:
    from apps.common.templatetags.artel import money

    assert money(value, currency) == written


@pytest.mark.parametrize(
    ("value", "currency", "written"),
    [
        (Decimal("999999.40"), "RUB", "999,999\u00a0₽"),
        (Decimal("1000000"), "RUB", '<span title="1,000,000\u00a0₽">1.00\u00a0M\u00a0₽</span>'),
        (Decimal("48345000.50"), "USD", '<span title="48,345,000\u00a0$">48.3\u00a0M\u00a0$</span>'),
        (-250_000_000, "", '<span title="-250,000,000">-250\u00a0M</span>'),
        (21_900_000_000, "RUB", '<span title="21,900,000,000\u00a0₽">21.9\u00a0bn\u00a0₽</span>'),
        (5 * 10**15, "RUB", '<span title="5,000,000,000,000,000\u00a0₽">5,000\u00a0tn\u00a0₽</span>'),
        (None, "RUB", ""),
    ],
)
def test_short_money_has_three_digits_from_a_million_on(value: Any, currency: str, written: str) -> None:
    from apps.common.templatetags.artel import short_money

    assert short_money(value, currency) == written


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (timedelta(minutes=5), "5\u00a0minutes ago"),
        (timedelta(days=1, hours=3), "1 day ago"),
        (timedelta(days=6, hours=23), "6 days ago"),
        (timedelta(days=7), "Nov. 16, 2026"),
        (timedelta(days=-1), "Nov. 24, 2026"),
    ],
)
def test_time_is_relative_up_to_a_week_and_exact_in_the_title(ago: timedelta, text: str) -> None:
    from apps.common.templatetags.artel import when

    with time_machine.travel(NOW, tick=False):
        written = str(when(NOW - ago))
    assert f">{text}</time>" in written
    assert 'title="Nov. ' in written


def test_time_is_told_in_the_readers_zone() -> None:
    from zoneinfo import ZoneInfo

    from apps.common.templatetags.artel import when

    with timezone.override(ZoneInfo("Asia/Tokyo")):
        assert 'title="Nov. 1, 2026, 8 a.m."' in str(when(datetime(2026, 10, 31, 23, 0, tzinfo=UTC)))


@pytest.mark.parametrize(
    ("days", "text"),
    [
        (0, "today"),
        (1, "tomorrow"),
        (-1, "yesterday"),
        (3, "in 3 days"),
        (-6, "6 days ago"),
        (9, "Dec. 2, 2026"),
    ],
)
def test_day(days: int, text: str) -> None:
    from apps.common.templatetags.artel import day

    with time_machine.travel(NOW, tick=False):
        assert f">{text}</time>" in str(day(NOW.date() + timedelta(days=days)))


def test_months_are_months_and_no_words_of_ours() -> None:
    with translation.override("ru"):
        assert [str(MONTHS[number]) for number in (1, 5, 12)] == ["Январь", "Май", "Декабрь"]
