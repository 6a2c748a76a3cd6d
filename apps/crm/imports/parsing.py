"""Cells to canonical text: what the staging table holds and SQL can cast; every refusal names its cell."""

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.core.exceptions import ValidationError
from rapidfuzz import fuzz, process

from apps.crm.contact_points import normalise
from apps.crm.custom import number_text
from apps.crm.imports.fields import FieldType, ImportField, ImportKind, RowCheck
from apps.crm.imports.reading import MAX_CELL, Dialect

Parser = Callable[[str], str]
RowError = dict[str, Any]

# What most cells look like; only what does not match is worth the slow and careful way.
_PLAIN_EMAIL = re.compile(
    r"[a-z0-9_][a-z0-9_+-]*(?:\.[a-z0-9_+-]+)*@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24}"
)
_PLAIN_PHONE = re.compile(r"\+[1-9][0-9]{7,14}")
_NUMBER = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,15})?")
_SPACES = re.compile(r"[\s\u00a0\u202f']")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24}")
_ISO = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:[ T][0-9:.]+)?")
_DATES = {
    "%Y-%m-%d": _ISO,
    "%d.%m.%Y": re.compile(r"(?P<d>[0-9]{1,2})\.(?P<m>[0-9]{1,2})\.(?P<y>[0-9]{4})(?:[ T][0-9:.]+)?"),
    "%d/%m/%Y": re.compile(r"(?P<d>[0-9]{1,2})[/-](?P<m>[0-9]{1,2})[/-](?P<y>[0-9]{4})(?:[ T][0-9:.]+)?"),
    "%m/%d/%Y": re.compile(r"(?P<m>[0-9]{1,2})[/-](?P<d>[0-9]{1,2})[/-](?P<y>[0-9]{4})(?:[ T][0-9:.]+)?"),
}


class CellError(Exception):
    """A cell that cannot be taken; `code` is a key of :data:`apps.crm.imports.messages.MESSAGES`."""

    def __init__(self, code: str, suggestion: str = "", **params: Any) -> None:
        super().__init__(code)
        self.code = code
        self.suggestion = suggestion
        self.params = params


class RowParser:
    """Parses the rows of one file; made once, so that each row is one pass over prepared parsers."""

    def __init__(
        self,
        kind: ImportKind,
        header: list[str],
        mapping: Mapping[str, str],
        values: Mapping[str, Mapping[str, str]],
        dialect: Dialect,
        region: str,
    ) -> None:
        self._width = len(header)
        self._required = [(field.key, field.stands_in) for field in kind.fields if field.required]
        self._check: RowCheck | None = kind.check
        self._columns: list[tuple[int, str, Parser, bool]] = []
        for index, name in enumerate(header):
            field = kind.by_key.get(mapping.get(name, ""))
            if field:
                parser = _replacing(_parser(field, dialect, region), values.get(field.key, {}))
                self._columns.append((index, field.key, parser, field.type in _KEPT_RAW))

    def parse(self, cells: list[str]) -> tuple[dict[str, Any], list[RowError] | None]:
        """Return a row's canonical values by field key, and its errors or None."""
        if len(cells) != self._width:
            ragged = self._fit(cells)
            if ragged:
                return {}, [ragged]
        data: dict[str, Any] = {}
        errors: list[RowError] | None = None
        for index, key, parser, keeps_raw in self._columns:
            cell = cells[index]
            if not cell:
                continue
            try:
                value = parser(cell)
            except CellError as error:
                errors = errors or []
                errors.append(_row_error(key, error, cell))
                continue
            if value:
                data[key] = value
                if keeps_raw and value != cell:
                    data[key + ":raw"] = cell.strip()[:254]
        for key, others in self._required:
            if key not in data and not any(other in data for other in others) and not _names(errors, key):
                errors = [*(errors or []), {"field": key, "code": "required", "value": ""}]
        if self._check is not None and errors is None:
            wrong = self._check(data)
            if wrong is not None:
                errors = [{"field": wrong[0], "code": wrong[1], "value": data.get(wrong[0], "")}]
        return data, errors

    def _fit(self, cells: list[str]) -> RowError | None:
        """Drop empty cells beyond the header; returns the error when the row has too few or too many."""
        while len(cells) > self._width and not cells[-1].strip():
            cells.pop()
        if len(cells) == self._width:
            return None
        return {
            "field": "",
            "code": "ragged",
            "value": "",
            "params": {"cells": len(cells), "columns": self._width},
        }


_KEPT_RAW = {FieldType.EMAIL, FieldType.PHONE, FieldType.TELEGRAM}


def _names(errors: list[RowError] | None, key: str) -> bool:
    return errors is not None and any(error["field"] == key for error in errors)


def _row_error(key: str, error: CellError, cell: str) -> RowError:
    found: RowError = {
        "field": key,
        "code": error.code,
        "value": cell.replace("\0", "\N{REPLACEMENT CHARACTER}")[:200],
    }
    if error.suggestion:
        found["suggestion"] = error.suggestion
    if error.params:
        found["params"] = error.params
    return found


def _replacing(parser: Parser, replaced: Mapping[str, str]) -> Parser:
    """Put the values that a person meant in place of those in the file."""
    if not replaced:
        return parser
    meant = {_squeezed(old).casefold(): new for old, new in replaced.items()}

    def parse(cell: str) -> str:
        return parser(meant.get(_squeezed(cell).casefold(), cell))

    return parse


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _parser(field: ImportField, dialect: Dialect, region: str) -> Parser:
    makers: dict[FieldType, Callable[[], Parser]] = {
        FieldType.TEXT: lambda: _text(field.max_length),
        FieldType.LONG_TEXT: lambda: _long_text,
        FieldType.REFERENCE: lambda: _reference,
        FieldType.REFERENCES: lambda: _references,
        FieldType.INTEGER: lambda: _integer(dialect.decimal, field.maximum),
        FieldType.DECIMAL: lambda: _decimal(dialect, field.max_length),
        FieldType.DATE: lambda: _date(dialect.date_format),
        FieldType.EMAIL: lambda: _contact("EMAIL", _PLAIN_EMAIL, "bad_email", region),
        FieldType.PHONE: lambda: _contact("PHONE", _PLAIN_PHONE, "bad_phone", region),
        FieldType.TELEGRAM: lambda: _contact("TELEGRAM", None, "bad_telegram", region),
        FieldType.DOMAIN: lambda: _domain,
        FieldType.CURRENCY: lambda: _currency,
        FieldType.NUMBER: lambda: _number(dialect.decimal),
        FieldType.CHOICE: lambda: _choice(field.choices),
        FieldType.FLAG: lambda: _flag,
    }
    return makers[field.type]()


# The mark that keeps spreadsheets from executing a cell; our own files of errors bear it.
_DISARMED = re.compile(r"'\s*[=+\-@]")


def _text(max_length: int) -> Parser:
    def parse(cell: str) -> str:
        value = cell.strip()
        # Nearly every cell: nothing in it to look at more closely.
        if value.isprintable() and len(value) <= max_length and value[:1] != "'":
            return value
        if _DISARMED.match(value):
            value = value[1:]
        if "\n" in value or "\t" in value or "\r" in value:
            value = _squeezed(value)
        if len(value) > max_length:
            raise CellError("too_long", limit=max_length)
        if "\0" in value:
            raise CellError("nul")
        return value

    return parse


def _long_text(cell: str) -> str:
    if len(cell) > MAX_CELL:
        raise CellError("too_long", limit=MAX_CELL)
    if "\0" in cell:
        raise CellError("nul")
    return cell.strip()


def _reference(cell: str) -> str:
    value = _squeezed(cell)
    if len(value) > 300:
        raise CellError("too_long", limit=300)
    if "\0" in value:
        raise CellError("nul")
    return value


def _references(cell: str) -> str:
    names = {_reference(name) for name in re.split(r"[,;|]", cell)}
    return ", ".join(sorted(name for name in names if name))


def _plain_number(cell: str, decimal: str) -> str:
    """Return digits, an optional sign and "." as decimal mark. :raises CellError: it is no number"""
    value = _SPACES.sub("", cell)
    if not _NUMBER.fullmatch(value) or (decimal == "," and "." in value):
        other = "." if decimal == "," else ","
        groups = value.split(decimal)[0].lstrip("-").split(other)
        if len(groups) > 1 and not (len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])):
            raise CellError("bad_number")
        value = value.replace(other, "").replace(decimal, ".")
        if not _NUMBER.fullmatch(value):
            raise CellError("bad_number")
    return value


def _integer(decimal: str, maximum: int | None) -> Parser:
    def parse(cell: str) -> str:
        value = cell.strip()
        if not (value.isascii() and value.isdigit()):
            value = _plain_number(cell, decimal)
            whole, _mark, rest = value.partition(".")
            if rest.strip("0"):
                raise CellError("not_whole")
            value = whole
        if len(value) > 30:
            raise CellError("too_large", limit=maximum or "9" * 30)
        number = int(value)
        if number < 0:
            raise CellError("negative")
        if maximum is not None and number > maximum:
            raise CellError("too_large", limit=maximum)
        return str(number)

    return parse


def _decimal(dialect: Dialect, max_digits: int) -> Parser:
    mark = dialect.decimal

    def parse(cell: str) -> str:
        value = _plain_number(cell, mark)
        whole, _mark, rest = value.partition(".")
        whole, rest = whole.lstrip("0") or "0", rest.rstrip("0")
        if whole.startswith("-"):
            if not (whole.strip("-0") or rest):
                return "0"
            raise CellError("negative")
        if len(whole) > max_digits:
            raise CellError("too_large", limit="9" * max_digits)
        if len(rest) > 2:
            # A spreadsheet's 0.1 + 0.2; anybody's third decimal place of an amount is no money.
            return f"{float(value):.2f}".rstrip("0").rstrip(".") if len(whole) < 12 else f"{whole}.{rest[:2]}"
        return f"{whole}.{rest}" if rest else whole

    return parse


def _number(mark: str) -> Parser:
    def parse(cell: str) -> str:
        if not cell.strip():
            return ""
        value = number_text(Decimal(_plain_number(cell, mark)))
        if value is None:
            raise CellError("bad_number")
        return value

    return parse


def _choice(choices: tuple[tuple[str, str], ...]) -> Parser:
    # Names come last: one that is called like another's key is what people mean.
    known = {key.casefold(): key for key, _label in choices}
    known |= {label.casefold(): key for key, label in choices}
    labels = [label for _key, label in choices]

    def parse(cell: str) -> str:
        value = _squeezed(cell)
        if not value:
            return ""
        found = known.get(value.casefold())
        if found is None:
            near = process.extractOne(value, labels, scorer=fuzz.ratio, score_cutoff=75)
            raise CellError("unknown", suggestion=near[0] if near else "")
        return found

    return parse


_FLAGS = {
    **dict.fromkeys(("yes", "y", "true", "1", "+", "да", "истина"), "true"),
    **dict.fromkeys(("no", "n", "false", "0", "-", "нет", "ложь"), "false"),
}


def _flag(cell: str) -> str:
    value = cell.strip().casefold()
    if value and value not in _FLAGS:
        raise CellError("bad_flag")
    return _FLAGS.get(value, "")


def _date(date_format: str) -> Parser:
    pattern = _DATES[date_format]

    # Files repeat their dates; parsing one costs ten times looking it up.
    @lru_cache(maxsize=10_000)
    def parse_text(value: str) -> str | CellError:
        match = _ISO.fullmatch(value)
        if match:
            year, month, day = match.group(1), match.group(2), match.group(3)
        else:
            match = pattern.fullmatch(value)
            if not match:
                return CellError("bad_date", format=date_format)
            year, month, day = match.group("y"), match.group("m"), match.group("d")
        try:
            found = date(int(year), int(month), int(day))
        except ValueError:
            return CellError("no_such_date", format=date_format)
        return found.isoformat() if 1900 <= found.year <= 2200 else CellError("odd_year")

    def parse(cell: str) -> str:
        value = cell.strip()
        if not value:
            return ""
        found = parse_text(value)
        if isinstance(found, CellError):
            raise CellError(found.code, **found.params)
        return found

    return parse


def _contact(kind: str, plain: "re.Pattern[str] | None", code: str, region: str) -> Parser:
    def parse(cell: str) -> str:
        value = cell.strip().lower()
        if len(value) <= 254 and plain is not None and plain.fullmatch(value):
            return value
        if not value:
            return ""
        try:
            return normalise(kind, cell.strip()[:400], region)
        except ValidationError:
            raise CellError(code) from None

    return parse


def _domain(cell: str) -> str:
    value = re.sub(r"^[a-z]+://", "", cell.strip().lower()).split("/")[0].removeprefix("www.")
    if not value:
        return ""
    try:
        value = value.encode("idna").decode("ascii")
    except UnicodeError:
        raise CellError("bad_domain") from None
    if len(value) > 253 or not _DOMAIN.fullmatch(value):
        raise CellError("bad_domain")
    return value


_SIGNS = {"₽": "RUB", "РУБ": "RUB", "РУБ.": "RUB", "$": "USD", "€": "EUR", "£": "GBP", "₸": "KZT"}


def _currency(cell: str) -> str:
    value = cell.strip().upper()
    value = _SIGNS.get(value, value)
    if value and not (len(value) == 3 and value.isascii() and value.isalpha()):
        raise CellError("bad_currency")
    return value
