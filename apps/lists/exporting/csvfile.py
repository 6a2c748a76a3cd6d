"""Rows as CSV (RFC 4180, UTF-8), in which nothing begins a formula."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from typing import IO, Any

from apps.lists.exporting.columns import Column, Kind
from apps.lists.exporting.harmless import harmless
from apps.lists.exporting.writing import Manner, Written, iso, plain

_BOM = b"\xef\xbb\xbf"


class CsvWriter:
    """
    Writes CSV.

    :param has_bom: begin with a byte order mark, by which spreadsheets know UTF-8
    """

    def __init__(self, columns: Sequence[Column], manner: Manner, *, separator: str, has_bom: bool) -> None:
        self.columns = columns
        self.manner = manner
        self.separator = separator
        self.has_bom = has_bom
        # Days repeat.
        self._known_days: dict[date, str] = {}

    def write(self, rows: Sequence[tuple[Any, ...]], *, after: int) -> Written:
        cells = [self._cell(column) for column in self.columns]
        lines = [[cell(value) for cell, value in zip(cells, row, strict=True)] for row in rows]
        return Written([(1, self._lines(lines))])

    def assemble(self, parts: Iterator[tuple[int, bytes]], out: IO[bytes], *, total: int) -> None:
        if self.has_bom:
            out.write(_BOM)
        out.write(self._lines([[harmless(self.manner.heading(column)) for column in self.columns]]))
        for _sheet, data in parts:
            out.write(data)

    def _lines(self, lines: list[list[str]]) -> bytes:
        text = io.StringIO(newline="")
        # A single empty cell is written as "", because readers skip lines that are empty.
        csv.writer(text, delimiter=self.separator, lineterminator="\r\n").writerows(lines)
        return text.getvalue().encode()

    def _cell(self, column: Column) -> Callable[[Any], str]:
        """Return the function that writes the cells of a column."""
        words = {value: harmless(word) for value, word in self.manner.words(column).items()}
        write = self._of_kind(column.kind)

        def cell(value: Any) -> str:
            if value is None:
                return ""
            word = words.get(value) if words else None
            return write(value) if word is None else word

        return cell

    def _of_kind(self, kind: Kind) -> Callable[[Any], str]:
        if kind is Kind.NUMBER:
            return self._number
        if kind is Kind.DATE:
            return iso if self.manner.is_machine else self._day
        return self._moment if kind is Kind.MOMENT else lambda value: harmless(str(value))

    def _number(self, value: Any) -> str:
        text = plain(value)
        return text.replace(".", ",") if self.manner.has_decimal_comma else text

    def _day(self, value: date) -> str:
        return self._known_days.get(value) or self._known_days.setdefault(value, self._new_day(value))

    def _new_day(self, value: date) -> str:
        # Not strftime, which writes the year 800 without its leading zero.
        parts = {"%Y": f"{value.year:04}", "%m": f"{value.month:02}", "%d": f"{value.day:02}"}
        return re.sub("%[Ymd]", lambda found: parts[found.group()], self.manner.date_format)

    def _moment(self, value: datetime) -> str:
        local = self.manner.local(value)
        if self.manner.is_machine:
            return iso(local)
        return f"{self._day(local.date())} {local.hour:02}:{local.minute:02}:{local.second:02}"
