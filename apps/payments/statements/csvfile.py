"""
Statements as tables of text: what a bank's web page offers as "CSV".

The columns are known by their names, in Russian and English, and a person may say what each is. What such a file does not
hold is said beside it: the account, its currency.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import IO

from apps.crm.imports.detecting import date_format_of, decimal_of
from apps.payments.statements.facts import (
    MAX_LINES,
    Line,
    Statement,
    StatementError,
    complete,
    currency_of,
    day_of,
    minor_of,
    plain_account,
    tidy,
)
from apps.payments.statements.texts import decoded

DELIMITERS = (";", ",", "\t", "|")
DATE_FORMATS = ("%d.%m.%Y", "%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y")
# What a column can be; an amount has a sign, or stands in one column of two.
FIELDS = (
    "date", "value_date", "amount", "income", "expense", "currency", "own_account", "name", "tax_id", "account",
    "bank_code", "purpose", "reference", "bank_reference",
)  # fmt: skip
_MOST_CELL = 4000
_MOST_COLUMNS = 100
_SAMPLE = 10
# The header is looked for below what banks write above it.
_HEADER_WITHIN = 30
_NAMES: dict[str, tuple[str, ...]] = {
    "date": ("дата операции", "дата проводки", "дата", "booking date", "date", "transaction date", "buchungstag"),
    "value_date": ("дата валютирования", "value date", "valuta", "valutadatum"),
    "amount": ("сумма", "сумма операции", "amount", "betrag", "сумма в валюте счета"),
    "income": ("кредит", "приход", "поступление", "поступило", "credit", "credit amount", "сумма по кредиту", "paid in"),
    "expense": ("дебет", "расход", "списание", "списано", "debit", "debit amount", "сумма по дебету", "paid out"),
    "currency": ("валюта", "currency", "ccy", "waehrung", "währung"),
    "own_account": ("счет", "счёт", "номер счета", "own account", "auftragskonto"),
    "name": ("контрагент", "наименование контрагента", "counterparty", "name", "payee", "payer",
             "beguenstigter/zahlungspflichtiger"),
    "tax_id": ("инн контрагента", "инн", "tax id", "vat id"),
    "account": ("счет контрагента", "счёт контрагента", "counterparty account", "account", "iban", "kontonummer"),
    "bank_code": ("бик", "бик банка контрагента", "bic", "blz", "swift"),
    "purpose": ("назначение платежа", "назначение", "описание", "purpose", "description", "details", "verwendungszweck",
                "reference text"),
    "reference": ("номер документа", "номер", "n документа", "№ документа", "document number", "reference", "number"),
    "bank_reference": ("референс", "ид операции", "transaction id", "bank reference", "id"),
}  # fmt: skip
_DATE = re.compile(r"([0-9]{1,4})[./-]([0-9]{1,2})[./-]([0-9]{1,4})(?:[ T][0-9:.]*)?", re.ASCII)
_SPACES = re.compile(r"[\s\u00a0\u202f']")


@dataclass(frozen=True)
class Layout:
    """
    How a table is read.

    :ivar columns: {field: number of the column from 0}
    :ivar header: which row holds the names, from 0
    :ivar account: whose statement it is where no column says so
    """

    columns: Mapping[str, int]
    delimiter: str = ";"
    header: int = 0
    date_format: str = "%d.%m.%Y"
    decimal: str = ","
    account: str = ""
    currency: str = ""


@dataclass(frozen=True)
class Look:
    """What a look at a table shows: its names, some rows, and a layout as far as it can be told."""

    names: list[str]
    sample: list[list[str]]
    layout: Layout
    missing: list[str] = field(default_factory=list)


def look_at(file: IO[bytes]) -> Look:
    """Find out how a table is written. :raises StatementError: it is no table ("no_table")"""
    rows, delimiter = _table(decoded(file.read()))
    header = _header_of(rows)
    names = [tidy(cell, 100) for cell in rows[header]]
    body = [row for row in rows[header + 1 :] if any(cell.strip() for cell in row)]
    columns = propose(names)
    known = [{row[at].strip() for row in body[:2000] if at < len(row)} for at in range(len(names))]
    layout = Layout(
        columns=columns,
        delimiter=delimiter,
        header=header,
        date_format=date_format_of(known)[0],
        decimal=decimal_of(known)[0],
    )
    sample = [[tidy(cell, 200) for cell in row] for row in body[:_SAMPLE]]
    return Look(names, sample, layout, missing_of(columns))


def propose(names: Sequence[str]) -> dict[str, int]:
    """Say which column holds what, by its name; each field has one column at most."""
    plain = [" ".join(name.casefold().replace('"', "").split()) for name in names]
    found: dict[str, int] = {}
    for key, known in _NAMES.items():
        at = next((plain.index(name) for name in known if name in plain), None)
        if at is not None and at not in found.values():
            found[key] = at
    return found


def missing_of(columns: Mapping[str, int]) -> list[str]:
    """Return the fields without which there are no lines."""
    missing = [] if "date" in columns else ["date"]
    has_amount = "amount" in columns or {"income", "expense"} <= set(columns)
    return missing if has_amount else [*missing, "amount"]


def read(file: IO[bytes], layout: Layout) -> Iterator[Statement]:
    """
    Return the statements of a table, one for each account that it names.

    :raises StatementError: a cell cannot be read, or the table does not say enough
    """
    missing = missing_of(layout.columns)
    if missing:
        raise StatementError("no_columns", value=", ".join(missing))
    rows = _rows(decoded(file.read()), layout.delimiter)
    found: dict[tuple[str, str], list[Line]] = {}
    count = 0
    for number, row in rows:
        if count <= layout.header or not any(cell.strip() for cell in row):
            count += 1
            continue
        count += 1
        cell = _Cells(row, layout, number)
        if not cell.text("date"):
            # Totals stand below some tables.
            continue
        currency = currency_of(cell.text("currency") or layout.currency)
        account = plain_account(layout.account or cell.text("own_account"))
        found.setdefault((account, currency), []).append(_line(cell, currency))
        if count > MAX_LINES:
            raise StatementError("too_many_lines", limit=MAX_LINES)
    if not found:
        raise StatementError("no_lines")
    for (account, currency), lines in found.items():
        yield complete(Statement(account=account, currency=currency, lines=tuple(lines)))


@dataclass(frozen=True)
class _Cells:
    """One row, by the fields of its layout."""

    row: list[str]
    layout: Layout
    number: int

    def text(self, key: str) -> str:
        at = self.layout.columns.get(key)
        return self.row[at].strip() if at is not None and at < len(self.row) else ""

    def minor(self, key: str, currency: str) -> int:
        text = _SPACES.sub("", self.text(key)).replace("\N{MINUS SIGN}", "-")
        other = "." if self.layout.decimal == "," else ","
        text = text.replace(other, "")
        sign = -1 if text.startswith("-") else 1
        return sign * minor_of(text.lstrip("+-"), currency, line=self.number) if text else 0

    def day(self, key: str) -> date | None:
        text = self.text(key)
        if not text:
            return None
        found = _DATE.fullmatch(text)
        if not found:
            raise StatementError("bad_date", line=self.number, value=text[:40])
        first, second, third = (int(each) for each in found.groups())
        by_format = {
            "%Y-%m-%d": (first, second, third),
            "%m/%d/%Y": (third, first, second),
        }
        year, month, day = by_format.get(self.layout.date_format, (third, second, first))
        return day_of(year, month, day, text=text, line=self.number)


def _line(cell: _Cells, currency: str) -> Line:
    if "amount" in cell.layout.columns:
        amount = cell.minor("amount", currency)
    else:
        amount = abs(cell.minor("income", currency)) - abs(cell.minor("expense", currency))
    booked = cell.day("date")
    if booked is None:
        raise StatementError("no_date", line=cell.number)
    return Line(
        amount=amount,
        booked_on=booked,
        valued_on=cell.day("value_date"),
        name=tidy(cell.text("name"), 255),
        tax_id=tidy(cell.text("tax_id"), 35),
        account=tidy(cell.text("account"), 64),
        bank_code=tidy(cell.text("bank_code"), 35),
        purpose=tidy(cell.text("purpose"), 1000),
        reference=tidy(cell.text("reference"), 70),
        bank_reference=tidy(cell.text("bank_reference"), 70),
    )


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    while True:
        try:
            row = next(reader, None)
        except csv.Error:
            raise StatementError("bad_table", line=reader.line_num) from None
        if row is None:
            return
        if len(row) > _MOST_COLUMNS or any(len(cell) > _MOST_CELL for cell in row):
            raise StatementError("bad_table", line=reader.line_num)
        yield reader.line_num, row


def _table(text: str) -> tuple[list[list[str]], str]:
    """Cut the text by the delimiter that gives most rows the same number of cells."""
    head = text[: 1 << 16].splitlines()[:60]
    best: tuple[float, str] = (0.0, "")
    for delimiter in DELIMITERS:
        widths = [line.count(delimiter) for line in head if line.strip()]
        widest = max(widths, default=0)
        if widest:
            share = sum(width >= widest * 0.8 for width in widths) * widest
            best = max(best, (float(share), delimiter))
    if not best[1]:
        raise StatementError("no_table")
    rows = [row for at, (_number, row) in enumerate(_rows(text, best[1])) if at <= MAX_LINES]
    if len(rows) < 2:
        raise StatementError("no_table")
    return rows, best[1]


def _header_of(rows: list[list[str]]) -> int:
    """Return the row that names most fields; the first where none does."""
    scores = [len(propose([tidy(cell, 100) for cell in row])) for row in rows[:_HEADER_WITHIN]]
    return max(range(len(scores)), key=lambda at: (scores[at], -at))
