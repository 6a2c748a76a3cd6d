"""Files of central banks: the daily XML of the Bank of Russia, and the reference rates of the ECB. No Django here."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from xml.etree.ElementTree import Element, ParseError

from babel.numbers import list_currencies
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

CBR, ECB = "CBR", "ECB"
_RATE = re.compile(r"[0-9]{1,9}(?:[.,][0-9]{1,10})?", re.ASCII)
_CODE = re.compile(r"[A-Z]{3}", re.ASCII)
_RUSSIAN_DAY = re.compile(r"([0-9]{2})[./]([0-9]{2})[./]([0-9]{4})", re.ASCII)
_ECB_PLACE = "{http://www.ecb.int/vocabulary/2002-08-01/eurofxref}Cube"


class RatesError(Exception):
    """
    A provider's answer that is no list of rates.

    :ivar code: "unreachable", "answered" (badly), "too_large", "not_rates", "broken", "bad_rate" or "bad_day"
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


@dataclass(frozen=True)
class Published:
    """So many (`nominal`) units of `base` are worth `rate` units of `quote`."""

    base: str
    quote: str
    nominal: int
    rate: Decimal


@dataclass(frozen=True)
class Sheet:
    """What a provider says of one day."""

    day: date
    rates: tuple[Published, ...]


def read(provider: str, data: bytes) -> Sheet:
    """
    Return the rates of a provider's file.

    :raises RatesError: it is no such file, or one of its rates is none
    """
    return _READERS[provider](_root(data))


def _root(data: bytes) -> Element:
    try:
        return fromstring(data, forbid_dtd=True)
    except DefusedXmlException:
        # A page of HTML has a document type, and no file of rates does.
        raise RatesError("not_rates") from None
    except ParseError as error:
        beginning = data.lstrip()[:64].lower()
        raise RatesError("not_rates" if b"html" in beginning else "broken", str(error)) from None
    except (LookupError, UnicodeError, ValueError) as error:
        raise RatesError("broken", str(error)) from None


def _cbr(root: Element) -> Sheet:
    if root.tag != "ValCurs":
        raise RatesError("not_rates", root.tag[:60])
    found = _RUSSIAN_DAY.fullmatch(root.get("Date", ""))
    if not found:
        raise RatesError("bad_day", root.get("Date", "")[:20])
    day = _day(int(found[3]), int(found[2]), int(found[1]))
    rates = []
    for each in root.iter("Valute"):
        nominal = (each.findtext("Nominal") or "").strip()
        if not nominal.isdecimal() or not 0 < int(nominal) <= 1_000_000:
            raise RatesError("bad_rate", nominal[:20])
        code, value = each.findtext("CharCode") or "", each.findtext("Value") or ""
        rates += _published(code, "RUB", int(nominal), value)
    return _sheet(day, rates)


def _ecb(root: Element) -> Sheet:
    dated = [each for each in root.iter(_ECB_PLACE) if each.get("time")]
    if not dated:
        raise RatesError("not_rates", root.tag[:60])
    # The file of ninety days has the same shape; the newest stands first.
    newest = max(dated, key=lambda each: each.get("time", ""))
    try:
        day = date.fromisoformat(newest.get("time", ""))
    except ValueError:
        raise RatesError("bad_day", newest.get("time", "")[:20]) from None
    rates = []
    for each in newest.iter(_ECB_PLACE):
        if each.get("currency"):
            rates += _published_of_euro(each.get("currency", ""), each.get("rate", ""))
    return _sheet(_day(day.year, day.month, day.day), rates)


def _published(code: str, quote: str, nominal: int, text: str) -> list[Published]:
    """Return a rate; none for what is no currency of people, as the special drawing rights are."""
    code = code.strip()
    if not _CODE.fullmatch(code):
        raise RatesError("bad_rate", code[:20])
    if code not in list_currencies() or code in {"XDR", quote}:
        return []
    return [Published(code, quote, nominal, _rate(text))]


def _published_of_euro(code: str, text: str) -> list[Published]:
    known = _published(code, "EUR", 1, text)
    return [Published("EUR", each.base, 1, each.rate) for each in known]


def _rate(text: str) -> Decimal:
    text = text.strip()
    if not _RATE.fullmatch(text):
        raise RatesError("bad_rate", text[:20])
    rate = Decimal(text.replace(",", "."))
    if not rate:
        raise RatesError("bad_rate", text[:20])
    return rate


def _day(year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        raise RatesError("bad_day", f"{day}.{month}.{year}") from None


def _sheet(day: date, rates: list[Published]) -> Sheet:
    if not rates:
        raise RatesError("not_rates")
    if len({(each.base, each.quote) for each in rates}) < len(rates):
        raise RatesError("bad_rate", "twice")
    return Sheet(day, tuple(rates))


_READERS: dict[str, Callable[[Element], Sheet]] = {CBR: _cbr, ECB: _ecb}
