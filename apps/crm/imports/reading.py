"""Reading tables from files as text, row by row: what a file is, how it is written, and where it is broken."""

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from datetime import date, datetime, time
from typing import IO, Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.crm.imports.detecting import date_format_of, decimal_of

MAX_COLUMNS = 200
# What a spreadsheet's cell can hold.
MAX_CELL = 32_767
SAMPLE_ROWS = 20
# Rows looked at for the format of dates and numbers.
LOOK_ROWS = 5_000
DELIMITERS = (",", ";", "\t", "|")
# An office file of this many parts, this size unpacked or this compression is made to do harm: honest sheets pack
# 5 to 40 times.
MAX_ZIP_ENTRIES = 5_000
MAX_UNPACKED = 1 << 30
MAX_STRINGS = 256 << 20
MAX_RATIO = 150
_SMALL_ENTRY = 1 << 20


class ReadError(Exception):
    """The file as a whole cannot be read; `message` is for the person, with the place."""

    def __init__(self, code: str, message: str | Promise, **params: Any) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.params = params


@dataclass
class Dialect:
    """
    How a file is read; detected, and corrected by people.

    :param decimal: the decimal mark; the other one and spaces separate thousands
    :param corrected: the names of what a person has set, which detection leaves alone
    """

    format: str = "csv"
    encoding: str = "utf-8"
    delimiter: str = ","
    date_format: str = "%Y-%m-%d"
    decimal: str = "."
    sheet: str = ""
    sheets: list[str] = field(default_factory=list)
    corrected: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any], corrected: set[str] | None = None) -> "Dialect":
        """
        Read a stored dialect, with what a person has corrected.

        :raises ReadError: a setting has no such value
        """
        known = {each.name for each in fields(cls)}
        dialect = cls(**{key: value for key, value in data.items() if key in known})
        dialect.corrected = sorted({*dialect.corrected, *((corrected or set()) & known)})
        dialect.check()
        return dialect

    def check(self) -> None:
        """Refuse settings that mean nothing. :raises ReadError: there is one"""
        allowed: dict[str, tuple[str, ...]] = {
            "encoding": ENCODINGS,
            "delimiter": DELIMITERS,
            "date_format": DATE_FORMATS,
            "decimal": (".", ","),
        }
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise ReadError(
                    "bad_dialect", _("The file cannot be read with “%(value)s”."), value=getattr(self, name)
                )


ENCODINGS = ("utf-8", "utf-8-sig", "cp1251", "cp1252", "utf-16")
DATE_FORMATS = ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y")


@dataclass
class Found:
    """What a look at a file shows."""

    dialect: Dialect
    header: list[str]
    sample: list[list[str]]
    notices: list[dict[str, Any]]


def look_at(file: IO[bytes], dialect: Dialect) -> Found:
    """
    Read header and sample, and detect what `dialect` leaves open.

    :raises ReadError: there is no table in the file
    """
    notices: list[dict[str, Any]] = []
    if dialect.format == "csv" and "delimiter" not in dialect.corrected:
        dialect.delimiter = _delimiter_of(file, dialect.encoding)
    if dialect.format == "xlsx":
        notices += _choose_sheet(file, dialect)
    rows = read_rows(file, dialect)
    header = _header(next(rows, (0, []))[1], notices)
    columns: list[set[str]] = [set() for _name in header]
    sample: list[list[str]] = []
    for number, (_line, cells) in enumerate(rows):
        if number == LOOK_ROWS:
            break
        if number < SAMPLE_ROWS:
            sample.append([cell[:200] for cell in cells[: len(header)]])
        for seen, cell in zip(columns, cells, strict=False):
            if len(cell) <= 40:
                seen.add(cell.strip())
    if not sample:
        raise ReadError("header_only", _("The file has a header and no rows."))
    _detect(dialect, columns, notices)
    return Found(dialect, header, sample, notices)


def read_rows(file: IO[bytes], dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """
    Yield the line where each row begins, counted from 1, and its cells; the header first, blank rows never.

    :raises ReadError: the file is broken at some line
    """
    file.seek(0)
    return _xlsx_rows(file, dialect) if dialect.format == "xlsx" else _csv_rows(file, dialect)


def _csv_rows(file: IO[bytes], dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    text = io.TextIOWrapper(_Unclosing(file), encoding=dialect.encoding, newline="")
    # Quoting is taken strictly: once a quote is astray, nothing says any more where a row ends.
    reader = csv.reader(text, delimiter=dialect.delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            if any(cells):
                yield line, cells
            line = reader.line_num + 1
    except UnicodeDecodeError as error:
        raise _bad_encoding(file, dialect) from error
    except csv.Error as error:
        raise _bad_csv(line, str(error)) from error
    finally:
        text.detach()


class _Unclosing(io.BufferedReader):
    """A buffer over somebody else's file that leaves it open."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(_Raw(file), buffer_size=1 << 18)


class _Raw(io.RawIOBase):
    """The least that a buffer needs of a file, whatever the storage gives."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._file.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)


def _bad_csv(line: int, reason: str) -> ReadError:
    if "field limit" in reason:
        return ReadError(
            "cell_too_long",
            _("The row at line %(line)d has a cell without end; a quote may be missing."),
            line=line,
        )
    return ReadError("bad_quotes", _("The quotes in the row at line %(line)d do not pair up."), line=line)


def _bad_encoding(file: IO[bytes], dialect: Dialect) -> ReadError:
    """Find the line and column at which the file stops being in its encoding."""
    file.seek(0)
    for number, raw in enumerate(file, start=1):
        try:
            raw.decode("utf-8" if dialect.encoding == "utf-8-sig" else dialect.encoding)
        except UnicodeDecodeError as error:
            column = raw[: error.start].count(dialect.delimiter.encode()) + 1
            return ReadError(
                "mixed_encoding",
                _("Line %(line)d, column %(column)d is not in the encoding of the file, %(encoding)s."),
                line=number,
                column=column,
                encoding=dialect.encoding,
            )
    return ReadError("bad_encoding", _("The file is not in %(encoding)s."), encoding=dialect.encoding)


def _delimiter_of(file: IO[bytes], encoding: str) -> str:
    """Return the delimiter that cuts the first rows into the same number of cells, as many as there are."""
    file.seek(0)
    head = file.read(1 << 16).decode(encoding, errors="ignore")
    lines = head.splitlines(keepends=True)[:30]
    if len(head) == 1 << 16:
        lines = lines[:-1]

    def score(delimiter: str) -> tuple[float, int]:
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        if not widths or widths[0] < 2:
            return 0.0, 0
        return sum(width == widths[0] for width in widths) / len(widths), widths[0]

    try:
        best = max(DELIMITERS, key=score)
    except csv.Error:
        return ","
    return best if score(best)[1] else ","


def _header(cells: list[str], notices: list[dict[str, Any]]) -> list[str]:
    """Return unique, filled column names. :raises ReadError: there are none, or too many"""
    while cells and not cells[-1].strip():
        cells = cells[:-1]
    if not cells:
        raise ReadError("empty", _("The file is empty."))
    if len(cells) > MAX_COLUMNS:
        raise ReadError(
            "too_many_columns",
            _("The file has %(count)d columns; at most %(limit)d can be imported."),
            count=len(cells),
            limit=MAX_COLUMNS,
        )
    header: list[str] = []
    taken: set[str] = set()
    for number, cell in enumerate(cells, start=1):
        name = base = " ".join(cell.split())[:200] or f"#{number}"
        twin = 2
        while name in taken:
            name = f"{base} ({twin})"
            twin += 1
        if name != base:
            notices.append({"code": "duplicate_header", "params": {"column": base, "name": name}})
        taken.add(name)
        header.append(name)
    return header


def _detect(dialect: Dialect, columns: list[set[str]], notices: list[dict[str, Any]]) -> None:
    """Set the formats of dates and numbers from what the columns hold."""
    if "date_format" not in dialect.corrected:
        dialect.date_format, is_ambiguous = date_format_of(columns)
        if is_ambiguous:
            notices.append({"code": "ambiguous_dates", "params": {"format": dialect.date_format}})
    if "decimal" not in dialect.corrected and dialect.format == "csv":
        dialect.decimal, is_ambiguous = decimal_of(columns)
        if is_ambiguous:
            notices.append({"code": "ambiguous_numbers", "params": {"decimal": dialect.decimal}})
    if dialect.encoding in {"cp1251", "cp1252"} and "encoding" not in dialect.corrected:
        notices.append({"code": "guessed_encoding", "params": {"encoding": dialect.encoding}})


def check_archive(file: IO[bytes]) -> None:
    """
    Look at an office file's directory before anything of it is unpacked.

    Python's zipfile never reads more of an entry than its directory says, so what is refused here cannot grow later.

    :raises ReadError: it is no spreadsheet, or unpacks to more than is reasonable
    """
    try:
        entries = zipfile.ZipFile(file).infolist()
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise ReadError("bad_archive", _("The file says it is a spreadsheet, but is broken.")) from error
    if any(entry.flag_bits & 1 for entry in entries):
        raise ReadError("encrypted", _("The file is protected by a password; save it without one."))
    names = {entry.filename for entry in entries}
    strings = sum(entry.file_size for entry in entries if entry.filename.endswith("sharedStrings.xml"))
    bloated = [e for e in entries if e.file_size > _SMALL_ENTRY and e.file_size > MAX_RATIO * e.compress_size]
    if (
        bloated
        or len(entries) > MAX_ZIP_ENTRIES
        or sum(entry.file_size for entry in entries) > MAX_UNPACKED
        or strings > MAX_STRINGS
    ):
        raise ReadError(
            "zip_bomb", _("The file unpacks to far more than a spreadsheet would; it is not opened.")
        )
    if not any(name.startswith("xl/workbook") for name in names):
        raise ReadError("not_a_table", _("The file is an archive and not an .xlsx spreadsheet."))


def _workbook(file: IO[bytes]) -> Any:
    """
    Open a spreadsheet for streaming; values of formulas are those that were last calculated.

    openpyxl, not python-calamine: the latter is faster and holds the whole sheet in memory.
    """
    import openpyxl  # noqa: PLC0415 - 0.2 s that only imports of spreadsheets need

    file.seek(0)
    try:
        return openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
    except Exception as error:  # the library raises whatever a broken part runs into
        raise ReadError("bad_archive", _("The file says it is a spreadsheet, but is broken.")) from error


def _choose_sheet(file: IO[bytes], dialect: Dialect) -> list[dict[str, Any]]:
    """Set the sheet to the first visible one unless a person chose; returns what is to be noticed."""
    book = _workbook(file)
    visible = [sheet.title for sheet in book.worksheets if sheet.sheet_state == "visible"]
    book.close()
    if not visible:
        raise ReadError("empty", _("The file is empty."))
    dialect.sheets = visible
    if dialect.sheet and dialect.sheet not in visible:
        raise ReadError("no_such_sheet", _("There is no sheet “%(sheet)s”."), sheet=dialect.sheet)
    dialect.sheet = dialect.sheet or visible[0]
    found = [{"code": "formulas_without_value", "params": {}}] if _has_bare_formulas(file) else []
    if len(visible) > 1 and "sheet" not in dialect.corrected:
        found.append({"code": "several_sheets", "params": {"sheet": dialect.sheet, "count": len(visible)}})
    return found


_BARE_FORMULA = re.compile(rb"(</f>|<f[^>]*/>)\s*(<v\s*/>|<v>\s*</v>)?\s*</c>")


def _has_bare_formulas(file: IO[bytes]) -> bool:
    """Tell whether some formula was saved without its result, and so would be read as an empty cell."""
    file.seek(0)
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            if name.startswith("xl/worksheets/") and name.endswith(".xml"):
                with archive.open(name) as sheet:
                    tail = b""
                    while block := sheet.read(1 << 20):
                        if _BARE_FORMULA.search(tail + block):
                            return True
                        tail = block[-200:]
    return False


def _xlsx_rows(file: IO[bytes], dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    book = _workbook(file)
    try:
        sheet = book[dialect.sheet]
        # The stored dimensions may lie; without them each row ends with its last cell.
        sheet.reset_dimensions()
        width = 0
        for line, values in enumerate(sheet.iter_rows(values_only=True), start=1):
            cells = [_text(value) for value in values]
            if any(cells):
                width = width or len(cells)
                # A row ends with its last filled cell; what the header has beyond it is empty, not missing.
                yield line, cells + [""] * (width - len(cells))
    except ReadError:
        raise
    except Exception as error:
        raise ReadError("bad_archive", _("The file says it is a spreadsheet, but is broken.")) from error
    finally:
        book.close()


def _text(value: Any) -> str:
    """Write a spreadsheet's value as the text a CSV file would have."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else format(value, ".15g")
    return str(value)
