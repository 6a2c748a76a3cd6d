"""
SWIFT MT940, "customer statement message", as banks write it rather than as the standard has it.

The field of a line differs from bank to bank in what may be left out and how long it is; one lenient pattern reads all of
them, and the balances prove what was read.
"""

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import IO

from apps.payments.statements.facts import (
    MAX_LINES,
    MAX_STATEMENTS,
    Line,
    Notice,
    Statement,
    StatementError,
    complete,
    currency_of,
    day_of,
    minor_of,
    tidy,
)
from apps.payments.statements.texts import decoded

_TAG = re.compile(r":([0-9]{2}[A-Z]?):(.*)", re.ASCII)
# "-", "-}" with what follows, and "-XXX" of one bank.
_END = re.compile(r"-(?:\}.*|[A-Z]{3})?")
_BALANCE = re.compile(
    r"(?P<mark>[DC])(?P<day>[0-9]{6})(?P<currency>[A-Z]{3})(?P<amount>[0-9.,]{1,24})", re.ASCII
)
_ENTRY = re.compile(
    r"(?P<valued>[0-9]{6})(?P<booked>[0-9]{4}|\s{4})?(?P<mark>[RE]?[DC])[A-Z]?\s?"
    r"(?P<amount>[0-9]{1,20}(?:[,.][0-9]{0,6})?)(?P<kind>[A-Z][A-Z0-9 ]{3})?(?P<rest>.*)",
    re.ASCII | re.IGNORECASE,
)
# "166?00TEXT?20PURPOSE?32NAME": three digits, then subfields behind a character of the bank's choice.
_SUBFIELDS = re.compile(r"[0-9]{3}(?P<mark>[?<>~@^])[0-9]{2}", re.ASCII)
# "/EREF/…/NAME/…/REMI/…": the words of Dutch and other banks.
_WORDS = (
    "BENM", "BIC", "CNTP", "CSID", "EREF", "IBAN", "ISDT", "MARF", "NAME", "ORDP",
    "PREF", "REMI", "TRCD", "TRTP",
)  # fmt: skip
_SLASHED = re.compile(r"/(" + "|".join(_WORDS) + r")/")
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", re.ASCII)
_NO_REFERENCE = {"NONREF", "KREF+", "EREF", "NREF", "NOTPROVIDED"}


@dataclass
class _Field:
    """One field of a message, with its lines."""

    tag: str
    line: int
    texts: list[str]


@dataclass
class _Message:
    """The fields of one statement."""

    fields: list[_Field] = field(default_factory=list)

    def first(self, *tags: str) -> _Field | None:
        return next((each for each in self.fields if each.tag in tags), None)


def read(file: IO[bytes]) -> Iterator[Statement]:
    """
    Return the statements of a file one by one.

    :raises StatementError: it holds none, a line cannot be read, or one does not add up
    """
    count = 0
    for message in _messages(decoded(file.read())):
        count += 1
        if count > MAX_STATEMENTS:
            raise StatementError("too_many_statements", limit=MAX_STATEMENTS)
        yield _statement(message)
    if not count:
        raise StatementError("no_statement")


def _messages(text: str) -> Iterator[_Message]:
    message = _Message()
    is_open = False
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.rstrip()
        found = _TAG.match(line)
        if found and found[1] == "20":
            if message.fields:
                yield message
            message, is_open = _Message(), True
        if not is_open:
            continue
        if _END.fullmatch(line):
            is_open = False
        elif found:
            message.fields.append(_Field(found[1], number, [found[2]]))
        else:
            message.fields[-1].texts.append(line)
    if message.fields:
        yield message


def _statement(message: _Message) -> Statement:
    account = message.first("25", "25P")
    opening, closing = message.first("60F", "60M"), message.first("62F", "62M")
    if account is None:
        raise StatementError("no_account", line=message.fields[0].line)
    if opening is None or closing is None:
        raise StatementError("cut_short", line=message.fields[0].line)
    first, last = _balance(opening), _balance(closing)
    if first.currency != last.currency:
        raise StatementError(
            "balance_currency", line=closing.line, value=last.currency, currency=first.currency
        )
    notices: list[Notice] = []
    number = message.first("28C", "28")
    where, _slash, konto = account.texts[0].partition("/")
    return complete(
        Statement(
            account=tidy(account.texts[0], 64),
            currency=first.currency,
            lines=tuple(_lines(message, first.currency, notices)),
            bank_code=where if konto and where.isdigit() else "",
            number=tidy(number.texts[0], 70) if number else "",
            first_day=None if _lines_of(message) else first.day,
            last_day=last.day,
            opening=first.amount,
            closing=last.amount,
            notices=tuple(notices),
        )
    )


@dataclass(frozen=True)
class _Balance:
    amount: int
    currency: str
    day: date


def _balance(found: _Field) -> _Balance:
    match = _BALANCE.fullmatch(found.texts[0].strip())
    if not match:
        raise StatementError("bad_amount", line=found.line, value=found.texts[0][:40])
    currency = currency_of(match["currency"])
    sign = 1 if match["mark"] == "C" else -1
    return _Balance(
        sign * minor_of(match["amount"], currency, line=found.line),
        currency,
        _short_day(match["day"], found.line, []),
    )


def _lines_of(message: _Message) -> list[_Field]:
    return [each for each in message.fields if each.tag == "61"]


def _lines(message: _Message, currency: str, notices: list[Notice]) -> Iterator[Line]:
    count = 0
    for at, each in enumerate(message.fields):
        if each.tag != "61":
            continue
        count += 1
        if count > MAX_LINES:
            raise StatementError("too_many_lines", limit=MAX_LINES)
        following = message.fields[at + 1] if at + 1 < len(message.fields) else None
        details = following.texts if following is not None and following.tag == "86" else []
        yield _line(each, details, currency, notices)


def _line(entry: _Field, details: list[str], currency: str, notices: list[Notice]) -> Line:
    texts = entry.texts
    found = _ENTRY.fullmatch(texts[0])
    if not found and len(texts) > 1:
        # One bank breaks the line before the amount.
        found, texts = _ENTRY.fullmatch(texts[0] + texts[1]), texts[1:]
    if not found:
        raise StatementError("bad_line", line=entry.line, value=entry.texts[0][:60])
    valued = _short_day(found["valued"], entry.line, notices)
    booked = _near(found["booked"] or "", valued, entry.line)
    # RC takes back what came in, RD gives back what went out; E announces either.
    sign = 1 if found["mark"].upper() in {"C", "RD", "EC"} else -1
    reference, _slashes, bank_reference = found["rest"].partition("//")
    known = _details(details, [reference, *texts[1:]])
    reference = "" if reference.strip() in _NO_REFERENCE or reference.strip() == known.account else reference
    return Line(
        amount=sign * minor_of(found["amount"], currency, line=entry.line),
        booked_on=booked,
        valued_on=valued,
        name=tidy(known.name, 255),
        account=tidy(known.account, 64),
        bank_code=tidy(known.bank_code, 35),
        purpose=tidy(known.purpose, 1000),
        reference=tidy(known.reference or reference, 70),
        bank_reference=tidy(bank_reference, 70),
    )


def _short_day(text: str, line: int, notices: list[Notice]) -> date:
    """Return a day of six digits; one of the thirty that some banks count in February is its last."""
    year, month, day = int(text[:2]), int(text[2:4]), int(text[4:])
    year += 1900 if year >= 80 else 2000
    if month == 2 and monthrange(year, 2)[1] < day <= 30:
        notices.append(Notice("thirty_days", {"value": text}))
        day = monthrange(year, 2)[1]
    return day_of(year, month, day, text=text, line=line)


def _near(text: str, valued: date, line: int) -> date:
    """Return the day of four digits nearest to another: its year is not written."""
    if not text.strip():
        return valued
    month, day = int(text[:2]), int(text[2:])
    found = []
    for year in (valued.year - 1, valued.year, valued.year + 1):
        last = monthrange(year, month)[1] if 1 <= month <= 12 else 0
        if 1 <= day <= (30 if month == 2 else last):
            found.append(date(year, month, min(day, last)))
    if not found:
        raise StatementError("bad_date", line=line, value=text)
    best = min(found, key=lambda each: abs(each - valued))
    if abs(best - valued) > timedelta(days=400):
        raise StatementError("bad_date", line=line, value=text)
    return best


@dataclass
class _Details:
    """What a bank says of the other side of a line."""

    purpose: str = ""
    name: str = ""
    account: str = ""
    bank_code: str = ""
    reference: str = ""


def _details(texts: list[str], further: list[str]) -> _Details:
    """Read what stands below a line, in one of three ways; `further` are the ends of the line itself."""
    joined = "".join(texts)
    mark = _SUBFIELDS.match(joined)
    if mark:
        known = _from_subfields(joined, mark["mark"])
    elif len(_SLASHED.findall(joined)) > 1:
        known = _from_words(joined)
    else:
        known = _Details(purpose=" ".join(texts))
    for text in map(str.strip, further):
        if not known.account and _IBAN.fullmatch(text):
            known.account = text
        elif not known.name and text and text not in _NO_REFERENCE and text == further[-1].strip():
            known.name = text if _is_name(text) and known.account else ""
    if not known.purpose:
        known.purpose = " ".join(further[1:])
    return known


def _is_name(text: str) -> bool:
    return sum(each.isalpha() or each.isspace() for each in text) * 4 > len(text) * 3


def _from_subfields(text: str, mark: str) -> _Details:
    found: dict[str, str] = {}
    for part in text[3:].split(mark)[1:]:
        found[part[:2]] = found.get(part[:2], "") + part[2:]
    purpose = "".join(found.get(f"{key}", "") for key in [*range(20, 30), *range(60, 64)])
    reference = re.search(r"EREF\+(.{1,35}?)(?=[A-Z]{4}\+|$)", purpose)
    return _Details(
        purpose=purpose or found.get("00", ""),
        name=found.get("32", "") + found.get("33", ""),
        account=found.get("31", ""),
        bank_code=found.get("30", ""),
        reference=reference[1] if reference else "",
    )


def _from_words(text: str) -> _Details:
    parts = _SLASHED.split(text)
    found: dict[str, str] = {}
    for word, value in zip(parts[1::2], parts[2::2], strict=True):
        found.setdefault(word, value.strip("/"))
    other = found.get("CNTP", "").split("/")
    return _Details(
        purpose=found.get("REMI", "").replace("USTD//", "") or found.get("EREF", "") or text,
        name=found.get("NAME", "") or (other[2] if len(other) > 2 else ""),
        account=found.get("IBAN", "") or other[0],
        bank_code=found.get("BIC", "") or (other[1] if len(other) > 1 else ""),
        reference=found.get("EREF", ""),
    )
