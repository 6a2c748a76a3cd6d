"""Rates of central banks: fetched over HTTP on good and bad days, kept for ever, and exact in whatever they convert."""

import time
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.models import User
from apps.common.amounts import places_of
from apps.crm.models import CurrencyRate
from apps.events.models import Event
from apps.payments.models import ExchangeRate, Provider, RateSource
from apps.payments.rates.converting import Conversion
from apps.payments.rates.files import Published, RatesError, Sheet
from apps.payments.rates.knowing import rate_on
from apps.payments.services import rates
from apps.payments.tasks import fetch_rates
from tests.crm.factories import make_deal, make_user
from tests.fakes.central_bank import HTML, CentralBank, cbr_file, central_bank, ecb_file
from tests.payments.people import at_once, make_accountant, make_seller

FRIDAY = date(2026, 11, 27)
MONEY = {"USD": (1, "80,5000"), "JPY": (100, "52,1000"), "EUR": (1, "90,0000"), "XDR": (1, "110,0000")}


@pytest.fixture
def cbr(settings: LazySettings) -> Iterator[CentralBank]:
    with central_bank(cbr_file(FRIDAY, MONEY)) as bank:
        settings.RATES_CBR_URL = bank.url
        settings.RATES_TIMEOUT = 1.0
        yield bank


def keep(provider: str, day: date, *published: tuple[str, str, int, str]) -> None:
    sheet = Sheet(
        day, tuple(Published(base, quote, nominal, Decimal(rate)) for base, quote, nominal, rate in published)
    )
    rates.keep_rates(provider, sheet, sha256="")


@pytest.mark.django_db
def test_rates_of_a_day_are_kept_once(cbr: CentralBank) -> None:
    assert rates.fetch_rates(Provider.CBR) == 3
    assert rates.fetch_rates(Provider.CBR) == 0
    row = ExchangeRate.objects.get(base="JPY")
    assert (row.quote, row.nominal, row.rate, row.valid_on) == ("RUB", 100, Decimal("52.1"), FRIDAY)
    source = RateSource.objects.get(provider=Provider.CBR)
    assert (source.latest_day, source.error, source.failures) == (FRIDAY, "", 0)
    assert Event.objects.filter(type="payments.exchange_rate.published.v1").count() == 1


@pytest.mark.django_db
def test_both_banks_in_one_round(cbr: CentralBank, settings: LazySettings) -> None:
    with central_bank(ecb_file(FRIDAY, {"USD": "1.1000", "SEK": "11.0"})) as ecb:
        settings.RATES_ECB_URL = ecb.url
        assert fetch_rates() == 5
    euro = ExchangeRate.objects.get(provider=Provider.ECB, quote="SEK")
    assert (euro.base, euro.nominal, euro.rate) == ("EUR", 1, Decimal(11))


BAD_DAYS: dict[str, tuple[dict[str, Any], str]] = {
    "a page of HTML with status 200": ({"body": HTML}, "not_rates"),
    "XML of something else": ({"body": b"<rss/>"}, "not_rates"),
    "cut in the middle": ({"body": cbr_file(FRIDAY, MONEY)[:200]}, "broken"),
    "an error": ({"status": 503, "body": b"busy"}, "answered"),
    "a file with entities": (
        {"body": b'<!DOCTYPE x [<!ENTITY a "b">]><ValCurs Date="27.11.2026">&a;</ValCurs>'},
        "not_rates",
    ),
    "no rates": ({"body": cbr_file(FRIDAY, {})}, "not_rates"),
    "a rate of nothing": ({"body": cbr_file(FRIDAY, {"USD": (1, "0,0000")})}, "bad_rate"),
    "a rate that is none": ({"body": cbr_file(FRIDAY, {"USD": (1, "1e5")})}, "bad_rate"),
    "a nominal of nothing": ({"body": cbr_file(FRIDAY, {"USD": (0, "80,5")})}, "bad_rate"),
    "no such day": ({"body": cbr_file(FRIDAY, MONEY).replace(b"27.11.2026", b"31.02.2026")}, "bad_day"),
    "a day far ahead": ({"body": cbr_file(timezone.localdate() + timedelta(days=400), MONEY)}, "bad_day"),
    "silence": ({"delay": 30.0}, "unreachable"),
    "one byte a time": ({"drip": 0.2, "body": cbr_file(FRIDAY, MONEY)}, "unreachable"),
    "an answer without an end": ({"endless": True, "body": b"<ValCurs>"}, "too_large"),
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", BAD_DAYS)
def test_a_bad_day_changes_nothing_and_is_written_down(name: str, cbr: CentralBank) -> None:
    rates.fetch_rates(Provider.CBR)
    before = list(ExchangeRate.objects.order_by("pk").values())
    faults, code = BAD_DAYS[name]
    for key, value in faults.items():
        setattr(cbr, key, value)
    began = time.monotonic()
    with pytest.raises(RatesError) as refusal:
        rates.fetch_rates(Provider.CBR)
    assert time.monotonic() - began < 10
    assert refusal.value.code == code
    assert list(ExchangeRate.objects.order_by("pk").values()) == before
    source = RateSource.objects.get(provider=Provider.CBR)
    assert (source.error, source.failures, source.latest_day) == (code, 1, FRIDAY)


@pytest.mark.django_db
def test_nobody_listens(cbr: CentralBank, settings: LazySettings) -> None:
    settings.RATES_CBR_URL = "http://127.0.0.1:1/"
    with pytest.raises(RatesError):
        rates.fetch_rates(Provider.CBR)
    assert fetch_rates() == 0


@pytest.mark.django_db
def test_yesterdays_file_again_is_nothing_new_and_the_next_one_is(cbr: CentralBank) -> None:
    rates.fetch_rates(Provider.CBR)
    cbr.body = cbr_file(FRIDAY - timedelta(days=1), MONEY)
    assert rates.fetch_rates(Provider.CBR) == 3
    # The newest stays the newest.
    assert RateSource.objects.get().latest_day == FRIDAY
    found = rate_on("USD", "RUB", FRIDAY)
    assert found is not None
    assert found.day == FRIDAY


@pytest.mark.django_db
def test_a_bank_that_corrects_itself_makes_a_revision(cbr: CentralBank) -> None:
    rates.fetch_rates(Provider.CBR)
    cbr.body = cbr_file(FRIDAY, MONEY | {"USD": (1, "81,0000")})
    assert rates.fetch_rates(Provider.CBR) == 1
    found = rate_on("USD", "RUB", FRIDAY)
    assert found is not None
    assert found.value == 81
    assert list(
        ExchangeRate.objects.filter(base="USD").order_by("revision").values_list("rate", flat=True)
    ) == [
        Decimal("80.5"),
        Decimal(81),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "attack",
    [
        "update payments_exchangerate set rate = 1",
        "delete from payments_exchangerate",
        "truncate payments_exchangerate cascade",
    ],
)
def test_a_rate_never_changes(attack: str) -> None:
    keep(Provider.CBR, FRIDAY, ("USD", "RUB", 1, "80.5"))
    with pytest.raises(IntegrityError, match="never changes"):
        _attack(attack)
    assert ExchangeRate.objects.get().rate == Decimal("80.5")


def _attack(sql: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("set constraints all immediate")
        cursor.execute(sql)


@pytest.mark.django_db
def test_weekends_have_fridays_rate_and_say_so() -> None:
    keep(Provider.CBR, FRIDAY, ("USD", "RUB", 1, "80.5"))
    sunday = rate_on("USD", "RUB", FRIDAY + timedelta(days=2))
    assert sunday is not None
    assert (sunday.value, sunday.day, sunday.asked_day) == (
        Fraction("80.5"),
        FRIDAY,
        FRIDAY + timedelta(days=2),
    )
    assert rate_on("USD", "RUB", FRIDAY - timedelta(days=1)) is None
    # What is too old says nothing.
    assert rate_on("USD", "RUB", FRIDAY + timedelta(days=21)) is None


@pytest.mark.django_db
def test_currencies_that_nobody_pairs_go_through_the_banks_own() -> None:
    keep(Provider.CBR, FRIDAY, ("USD", "RUB", 1, "80"), ("JPY", "RUB", 100, "50"))
    found = rate_on("USD", "JPY", FRIDAY)
    assert found is not None
    assert (found.value, [leg.provider for leg in found.legs]) == (Fraction(160), ["CBR", "CBR"])
    # 10.00 dollars are 1,600 yen, which have no cents.
    assert found.convert(1000) == 1600
    back = rate_on("JPY", "USD", FRIDAY)
    assert back is not None
    assert back.value == Fraction(1, 160)


@pytest.mark.django_db
def test_what_is_written_by_hand_counts_before_what_is_published(settings: LazySettings) -> None:
    accountant = make_accountant()
    today = timezone.localdate()
    keep(Provider.CBR, today, ("USD", "RUB", 1, "80"))
    rates.write_rate(actor=accountant, base="usd", quote="RUB", rate=Decimal(79), reason="Contract 17")
    written = rates.write_rate(actor=accountant, base="USD", quote="RUB", rate=Decimal(78), reason="A slip")
    assert written.revision == 2
    found = rate_on("USD", "RUB", today)
    assert found is not None
    assert (found.value, found.provider) == (Fraction(78), "MANUAL")


@pytest.mark.django_db
def test_refusals_of_what_is_written_by_hand() -> None:
    accountant = make_accountant()
    values: dict[str, Any] = {"base": "USD", "quote": "RUB", "rate": Decimal(79), "reason": "x"}
    for change, code in (
        ({"base": "ABC"}, "bad_currency"),
        ({"quote": "USD"}, "same_currency"),
        ({"reason": " "}, "no_reason"),
        ({"valid_on": timezone.localdate() + timedelta(days=90)}, "far_ahead"),
    ):
        with pytest.raises(ValidationError) as refusal:
            rates.write_rate(actor=accountant, **values | change)
        assert code in [each.code for errors in refusal.value.error_dict.values() for each in errors]
    with pytest.raises(ValidationError):
        rates.write_rate(actor=accountant, **values | {"rate": Decimal(0)})
    with pytest.raises(PermissionDenied):
        rates.write_rate(actor=make_seller(), **values)
    assert not ExchangeRate.objects.exists()


@pytest.mark.django_db
def test_deals_and_books_follow_what_was_published(settings: LazySettings) -> None:
    settings.BASE_CURRENCY = "RUB"
    make_deal(owner=make_user(), currency="USD", amount=Decimal(100))
    today = timezone.localdate()
    with central_bank(cbr_file(today, {"USD": (1, "80,5000"), "JPY": (100, "52,1000")})) as bank:
        settings.RATES_CBR_URL = bank.url
        rates.fetch_rates(Provider.CBR)
    row = CurrencyRate.objects.get()
    assert (row.currency, row.date, row.rate, row.source) == ("USD", today, Decimal("80.5"), "published")


@pytest.mark.django_db(transaction=True)
def test_two_fetches_at_once_keep_each_rate_once() -> None:
    User.objects.system()
    sheets = [("USD", "RUB", 1, "80.5"), ("EUR", "RUB", 1, "90")]
    at_once(*[lambda: keep(Provider.CBR, FRIDAY, *sheets)] * 4)
    assert ExchangeRate.objects.count() == 2


currencies = st.sampled_from(["RUB", "USD", "JPY", "KWD", "EUR"])
values = st.fractions(min_value=Fraction(1, 10**6), max_value=10**6, max_denominator=10**6)


def conversion(source: str, target: str, value: Fraction) -> Conversion:
    return Conversion(source, target, value, FRIDAY)


@given(
    source=currencies, target=currencies, value=values, parts=st.lists(st.integers(0, 10**12), max_size=12)
)
def test_parts_come_to_the_whole(source: str, target: str, value: Fraction, parts: list[int]) -> None:
    way = conversion(source, target, value)
    converted = way.convert_parts(parts)
    assert sum(converted) == way.convert(sum(parts))
    assert len(converted) == len(parts)
    for part, given_part in zip(converted, parts, strict=True):
        exact = given_part * value * Fraction(10) ** (places_of(target) - places_of(source))
        assert abs(part - exact) < 2


@given(source=currencies, target=currencies, value=values, minor=st.integers(-(10**14), 10**14))
def test_an_amount_is_off_by_half_a_unit_at_most(
    source: str, target: str, value: Fraction, minor: int
) -> None:
    way = conversion(source, target, value)
    exact = minor * value * Fraction(10) ** (places_of(target) - places_of(source))
    assert abs(way.convert(minor) - exact) <= Fraction(1, 2)
    assert way.convert(-minor) == -way.convert(minor)


@given(source=currencies, target=currencies, value=values, minor=st.integers(0, 10**12))
def test_there_and_back_is_what_rounding_once_explains(
    source: str, target: str, value: Fraction, minor: int
) -> None:
    there, back = conversion(source, target, value), conversion(target, source, 1 / value)
    scale = Fraction(10) ** (places_of(source) - places_of(target))
    # Half a unit of the target, in units of the source, and half a unit of the way back.
    assert abs(back.convert(there.convert(minor)) - minor) <= scale / value / 2 + Fraction(1, 2)
