"""
Rows as XLSX with a memory that does not grow with their number.

openpyxl makes a book that has everything but the rows: sheets, headings, widths, formats. The rows are written as
XML by hand, chunk by chunk, and put into its sheets at the end: its own cells take eight times as long, and could
not be written in parts that survive the worker.
"""

import io
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from functools import cache
from itertools import groupby
from operator import itemgetter
from typing import IO, TYPE_CHECKING, Any

from apps.lists.exporting.columns import Column, Kind
from apps.lists.exporting.harmless import is_risky
from apps.lists.exporting.writing import Manner, Written, iso, plain

if TYPE_CHECKING:
    from openpyxl import Workbook

# What the format allows: rows of a sheet without the headings, UTF-16 units of a cell, digits of a number.
SHEET_ROWS = 1_048_575
CELL_LENGTH = 32_767
_DIGITS = 15
_EPOCH = date(1899, 12, 30)
# Before it, spreadsheets count a day that never was.
_FIRST_DAY = date(1900, 3, 1)
# Characters that XML has no place for, and the escape that a spreadsheet would read as one of them.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_ESCAPE = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
_SPECIAL = re.compile("[&<>_\x00-\x08\x0b-\x1f\ufffe\uffff\ud800-\udfff]")
_NOT_IN_TITLE = re.compile(r"[\[\]:*?/\\\x00-\x1f]")
_WIDTHS = {Kind.TEXT: 28, Kind.NUMBER: 15, Kind.DATE: 12, Kind.MOMENT: 19, Kind.FLAG: 9}
_MOST_PLACES = 6
# More makes the file hardly smaller and takes twice as long.
_COMPRESSION = 3


class XlsxWriter:
    """
    Writes XLSX.

    :param title: of the sheet; more rows than one sheet holds go on in "title 2"
    :param sheet_rows: how many rows a sheet holds beside its headings
    """

    def __init__(
        self, columns: Sequence[Column], manner: Manner, *, title: str, sheet_rows: int = SHEET_ROWS
    ) -> None:
        self.columns = columns
        self.manner = manner
        self.title = _NOT_IN_TITLE.sub(" ", title).strip(" '")[:25] or "Rows"
        self.sheet_rows = sheet_rows
        self._cut = 0

    def write(self, rows: Sequence[tuple[Any, ...]], *, after: int) -> Written:
        self._cut = 0
        cells = [self._cell(column, place) for place, column in enumerate(self.columns)]
        numbered = ((divmod(place, self.sheet_rows), row) for place, row in enumerate(rows, start=after))
        lines = ((sheet + 1, self._line(line + 2, row, cells)) for (sheet, line), row in numbered)
        parts = [
            (sheet, "".join(line for _sheet, line in found).encode())
            for sheet, found in groupby(lines, key=itemgetter(0))
        ]
        return Written(parts, self._cut)

    def _line(self, number: int, row: tuple[Any, ...], cells: list[Callable[[Any, int], str]]) -> str:
        written = "".join(
            cell(value, number)
            for cell, value in zip(cells, row, strict=True)
            if value is not None and value != ""
        )
        return f'<row r="{number}">{written}</row>'

    # Cells

    def _cell(self, column: Column, place: int) -> Callable[[Any, int], str]:
        """Return the function that writes the cells of a column, given value and row."""
        from openpyxl.utils import get_column_letter  # noqa: PLC0415 - 0.2 s that only spreadsheets need

        letter = get_column_letter(place + 1)
        words = self.manner.words(column)
        text = self._text(letter)
        if column.kind is Kind.TEXT or column.kind is Kind.FLAG or words:
            return lambda value, row: text(words.get(value, value) if words else value, row)
        if column.kind is Kind.NUMBER:
            return self._number(letter, _styles()[min(column.places, _MOST_PLACES)], text)
        moment = column.kind is Kind.MOMENT
        return self._time(letter, _styles()["moment" if moment else "date"], text)

    def _text(self, letter: str) -> Callable[[Any, int], str]:
        quoted = f' s="{_styles()["quoted"]}"'

        def cell(value: Any, row: int) -> str:
            text = self._fitting(str(value))
            style = quoted if is_risky(text) else ""
            return (
                f'<c r="{letter}{row}"{style} t="inlineStr"><is>'
                f'<t xml:space="preserve">{_escaped(text)}</t></is></c>'
            )

        return cell

    def _fitting(self, text: str) -> str:
        if len(text) * 2 <= CELL_LENGTH:
            return text
        units = text.encode("utf-16-le")
        if len(units) <= CELL_LENGTH * 2:
            return text
        self._cut += 1
        # Half of a character beyond the end is left out as well.
        return units[: (CELL_LENGTH - 1) * 2].decode("utf-16-le", "ignore") + "…"

    def _number(self, letter: str, style: int, text: Callable[[Any, int], str]) -> Callable[[Any, int], str]:
        def cell(value: Any, row: int) -> str:
            written = plain(value)
            if len(written) > _DIGITS and len(written.replace(".", "").strip("-0")) > _DIGITS:
                # A spreadsheet would round it.
                return text(written, row)
            return f'<c r="{letter}{row}" s="{style}"><v>{written}</v></c>'

        return cell

    def _time(self, letter: str, style: int, text: Callable[[Any, int], str]) -> Callable[[Any, int], str]:
        def cell(value: Any, row: int) -> str:
            local = self.manner.local(value) if isinstance(value, datetime) else value
            days = (local.date() if isinstance(local, datetime) else local).toordinal()
            if days < _FIRST_DAY.toordinal():
                return text(iso(local), row)
            serial = str(days - _EPOCH.toordinal())
            if isinstance(local, datetime):
                seconds = local.hour * 3600 + local.minute * 60 + local.second
                serial = f"{int(serial) + seconds / 86_400:.9f}"
            return f'<c r="{letter}{row}" s="{style}"><v>{serial}</v></c>'

        return cell

    # The book

    def assemble(self, parts: Iterator[tuple[int, bytes]], out: IO[bytes], *, total: int) -> None:
        sheets = max(1, -(-total // self.sheet_rows))
        skeleton = io.BytesIO()
        self._book(sheets, total).save(skeleton)
        by_sheet = groupby(parts, key=itemgetter(0))
        with (
            zipfile.ZipFile(skeleton) as empty,
            zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION) as book,
        ):
            for name in empty.namelist():
                if not name.startswith("xl/worksheets/"):
                    book.writestr(name, empty.read(name))
            for sheet in range(1, sheets + 1):
                name = f"xl/worksheets/sheet{sheet}.xml"
                head, tail = empty.read(name).split(b"</sheetData>")
                with book.open(name, "w", force_zip64=True) as file:
                    file.write(self._with_dimension(head, self._rows_of(sheet, total)))
                    for _sheet, data in next(by_sheet, (0, iter(())))[1]:
                        file.write(data)
                    file.write(b"</sheetData>" + tail)

    def _rows_of(self, sheet: int, total: int) -> int:
        return max(0, min(self.sheet_rows, total - (sheet - 1) * self.sheet_rows))

    def _with_dimension(self, head: bytes, rows: int) -> bytes:
        """Say how large the sheet is: readers that stream believe it."""
        return re.sub(rb'(<dimension ref="A1:?[A-Z]*)\d*"', rb'\g<1>%d"' % (rows + 1), head, count=1)

    def _book(self, sheets: int, total: int) -> "Workbook":
        """Return a book with headings and without rows."""
        from openpyxl.styles import Font  # noqa: PLC0415 - 0.2 s that only spreadsheets need
        from openpyxl.utils import get_column_letter  # noqa: PLC0415

        book = _styled_book()[0]
        last = get_column_letter(len(self.columns))
        for number in range(1, sheets + 1):
            title = self.title if number == 1 else f"{self.title} {number}"
            sheet = book.create_sheet(title)
            for place, column in enumerate(self.columns, start=1):
                cell = sheet.cell(1, place, _ILLEGAL.sub("\ufffd", self.manner.heading(column)))
                cell.data_type = "s"
                cell.font = Font(bold=True)
                sheet.column_dimensions[get_column_letter(place)].width = _WIDTHS[column.kind]
            sheet.freeze_panes = "A2"
            sheet.auto_filter.ref = f"A1:{last}{self._rows_of(number, total) + 1}"
        return book


def _escaped(text: str) -> str:
    if _SPECIAL.search(text) is None:
        return text
    text = _ILLEGAL.sub("\ufffd", text)
    text = _ESCAPE.sub("_x005F_", text)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # What reads XML takes a bare one for the end of a line.
    return text.replace("\r", "&#13;")


@cache
def _styles() -> dict[Any, int]:
    """Return the numbers of the formats in the book: by decimal places, and by name."""
    return _styled_book()[1]


def _styled_book() -> tuple["Workbook", dict[Any, int]]:
    """Make a book that knows the formats of cells, always under the same numbers."""
    from openpyxl import Workbook  # noqa: PLC0415 - 0.2 s that only spreadsheets need

    book = Workbook()
    sheet = book.worksheets[0]
    formats: dict[Any, str] = {0: "0", "date": "yyyy-mm-dd", "moment": "yyyy-mm-dd hh:mm:ss"}
    formats |= {places: "#,##0." + "0" * places for places in range(1, _MOST_PLACES + 1)}
    styles = {}
    # A cell each: a format is numbered by reference.
    for row, (name, code) in enumerate(formats.items(), start=1):
        cell = sheet.cell(row, 1)
        cell.number_format = code
        styles[name] = cell.style_id
    cell = sheet.cell(len(formats) + 1, 1)
    cell.quotePrefix = True
    styles["quoted"] = cell.style_id
    book.remove(sheet)
    return book, styles
