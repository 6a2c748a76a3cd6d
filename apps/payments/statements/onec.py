"""
1C client-bank exchange, as Russian banks give their statements: `1CClientBankExchange`, sections of `key=value`.

What the file says of its encoding is often wrong; the encoding is the one in which its own keys can be read.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import IO

from apps.payments.statements.facts import (
    MAX_LINES,
    MAX_STATEMENTS,
    Line,
    Statement,
    StatementError,
    complete,
    day_of,
    minor_of,
    plain_account,
    tidy,
)
from apps.payments.statements.texts import decoded_by

BEGINNING = "1CClientBankExchange"
_ENCODINGS = ("utf-8", "cp1251", "cp866", "utf-16-le", "utf-16-be")
_DAY = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})(?:\s.*)?", re.ASCII)
# Digits 6 to 8 of an account say its currency; 810 is what the rouble was and stayed in accounts.
_CURRENCIES = {
    "810": "RUB", "643": "RUB", "840": "USD", "978": "EUR", "156": "CNY", "398": "KZT", "933": "BYN", "051": "AMD",
    "860": "UZS", "417": "KGS", "949": "TRY", "784": "AED", "826": "GBP", "392": "JPY", "756": "CHF", "944": "AZN",
    "981": "GEL", "972": "TJS", "356": "INR", "344": "HKD",
}  # fmt: skip


@dataclass
class _Section:
    """A part of the file with its values; keys are kept as they stand."""

    line: int
    values: dict[str, str] = field(default_factory=dict)

    def get(self, *keys: str) -> str:
        """Return the first of some keys that says something."""
        return next((self.values[key] for key in keys if self.values.get(key)), "")

    def day(self, *keys: str) -> date | None:
        text = self.get(*keys)
        if not text:
            return None
        found = _DAY.fullmatch(text)
        if not found:
            raise StatementError("bad_date", line=self.line, value=text[:40])
        return day_of(int(found[3]), int(found[2]), int(found[1]), text=text, line=self.line)

    def minor(self, currency: str, *keys: str) -> int | None:
        text = self.get(*keys).replace(" ", "").replace("\N{NO-BREAK SPACE}", "")
        if not text:
            return None
        amount = minor_of(text.removeprefix("-"), currency, line=self.line)
        return -amount if text.startswith("-") else amount


@dataclass
class _File:
    head: _Section
    accounts: list[_Section] = field(default_factory=list)
    documents: list[_Section] = field(default_factory=list)


def read(file: IO[bytes]) -> Iterator[Statement]:
    """
    Return the statements of a file, one for each of its accounts.

    :raises StatementError: it is cut short, holds payment orders instead of a statement, or does not add up
    """
    text = decoded_by(file.read(), "ВерсияФормата", _ENCODINGS)
    if text is None:
        raise StatementError("onec_encoding")
    found = _sections(text)
    if not found.accounts:
        raise StatementError("onec_orders")
    accounts: dict[str, list[_Section]] = {}
    for section in found.accounts:
        number = plain_account(section.get("РасчСчет"))
        if not number:
            raise StatementError("no_account", line=section.line)
        accounts.setdefault(number, []).append(section)
    if len(accounts) > MAX_STATEMENTS:
        raise StatementError("too_many_statements", limit=MAX_STATEMENTS)
    documents = _by_account(found.documents, accounts)
    for number, sections in accounts.items():
        yield _statement(number, sections, documents[number], found.head)


def _sections(text: str) -> _File:
    lines = text.splitlines()
    if not lines or lines[0].strip() != BEGINNING:
        raise StatementError("no_statement")
    found = _File(_Section(1))
    section, is_ended = found.head, False
    for number, raw in enumerate(lines[1:], start=2):
        key, _equals, value = raw.partition("=")
        key = key.strip()
        if key == "КонецФайла":
            is_ended = True
            break
        if key in {"СекцияРасчСчет", "СекцияДокумент"}:
            section = _Section(number)
            (found.accounts if key == "СекцияРасчСчет" else found.documents).append(section)
            if len(found.documents) > MAX_LINES:
                raise StatementError("too_many_lines", limit=MAX_LINES)
        elif key in {"КонецРасчСчет", "КонецДокумента"}:
            section = found.head
        elif key:
            # A purpose of several lines goes on in НазначениеПлатежа1 and further.
            section.values.setdefault(key, value.strip())
    if not is_ended:
        raise StatementError("cut_short", line=len(lines))
    return found


def _by_account(
    documents: list[_Section], accounts: dict[str, list[_Section]]
) -> dict[str, list[tuple[_Section, int]]]:
    """Give each document to the accounts it moves: -1 where it is the payer's, 1 where it is the payee's."""
    found: dict[str, list[tuple[_Section, int]]] = {number: [] for number in accounts}
    for document in documents:
        payer = plain_account(document.get("ПлательщикСчет", "ПлательщикРасчСчет"))
        payee = plain_account(document.get("ПолучательСчет", "ПолучательРасчСчет"))
        if payer not in found and payee not in found:
            raise StatementError("onec_foreign", line=document.line, value=document.get("Номер")[:40])
        if payer in found:
            found[payer].append((document, -1))
        if payee in found:
            found[payee].append((document, 1))
    return found


def _statement(
    number: str, sections: list[_Section], documents: list[tuple[_Section, int]], head: _Section
) -> Statement:
    currency = _CURRENCIES.get(number[5:8], "RUB") if len(number) == 20 else "RUB"
    sections = sorted(sections, key=lambda each: (each.day("ДатаНачала") or date.min, each.line))
    _check_days(number, sections, currency)
    lines = tuple(_line(document, sign, currency) for document, sign in documents)
    _check_turnover(number, sections, lines, currency)
    return complete(
        Statement(
            account=number,
            currency=currency,
            lines=lines,
            bank_code=tidy(sections[0].get("БИК"), 35),
            first_day=sections[0].day("ДатаНачала") or head.day("ДатаНачала"),
            last_day=sections[-1].day("ДатаКонца") or head.day("ДатаКонца"),
            opening=sections[0].minor(currency, "НачальныйОстаток"),
            closing=sections[-1].minor(currency, "КонечныйОстаток"),
        )
    )


def _check_days(number: str, sections: list[_Section], currency: str) -> None:
    """Refuse days that do not follow from each other: one of them is missing."""
    for before, after in pairwise(sections):
        closing, opening = (
            before.minor(currency, "КонечныйОстаток"),
            after.minor(currency, "НачальныйОстаток"),
        )
        if closing is not None and opening is not None and closing != opening:
            raise StatementError(
                "gap", line=after.line, account=number, closing=closing, opening=opening, currency=currency
            )


def _check_turnover(number: str, sections: list[_Section], lines: tuple[Line, ...], currency: str) -> None:
    """Refuse a file whose documents come to something else than it says came in and went out."""
    came = [section.minor(currency, "ВсегоПоступило") for section in sections]
    went = [section.minor(currency, "ВсегоСписано") for section in sections]
    for said, sign in ((came, 1), (went, -1)):
        known = [each for each in said if each is not None]
        if len(known) < len(sections):
            continue
        moved = sum(abs(line.amount) for line in lines if line.amount * sign > 0)
        if sum(known) != moved:
            raise StatementError(
                "turnover_in" if sign > 0 else "turnover_out",
                account=number,
                said=sum(known),
                moved=moved,
                currency=currency,
            )


def _line(document: _Section, sign: int, currency: str) -> Line:
    booked = document.day(
        *(("ДатаПоступило", "ДатаСписано") if sign > 0 else ("ДатаСписано", "ДатаПоступило"))
    )
    written = document.day("Дата")
    amount = document.minor(currency, "Сумма")
    if amount is None or amount < 0:
        raise StatementError("bad_amount", line=document.line, value=document.get("Сумма")[:40])
    if booked is None and written is None:
        raise StatementError("no_date", line=document.line)
    side = "Плательщик" if sign > 0 else "Получатель"
    purpose = [document.get("НазначениеПлатежа")]
    if not purpose[0]:
        purpose = [document.get(f"НазначениеПлатежа{number}") for number in range(1, 7)]
    return Line(
        amount=sign * amount,
        booked_on=booked or written,  # type: ignore[arg-type]
        valued_on=written,
        name=tidy(document.get(f"{side}1", side), 255),
        tax_id=tidy(document.get(f"{side}ИНН"), 35),
        account=tidy(document.get(f"{side}Счет", f"{side}РасчСчет"), 64),
        bank_code=tidy(document.get(f"{side}БИК"), 35),
        purpose=tidy(" ".join(purpose), 1000),
        reference=tidy(document.get("Номер"), 70),
    )
