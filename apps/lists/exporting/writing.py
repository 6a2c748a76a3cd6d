"""What both formats have in common: how a value is said, and what the writer of a file has to offer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import IO, Any, Protocol
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from apps.lists.exporting.columns import Column, Kind


@dataclass(frozen=True)
class Manner:
    """
    How values are written.

    :param is_machine: for programs: keys for headings, codes for choices, ISO 8601 in UTC
    :param zone: of the times that people read
    :param has_decimal_comma: of the numbers that people read in a text file
    :param date_format: of the dates that people read in a text file, as strftime has it
    """

    is_machine: bool = False
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    has_decimal_comma: bool = False
    date_format: str = "%Y-%m-%d"

    def heading(self, column: Column) -> str:
        return column.key if self.is_machine else column.heading

    def words(self, column: Column) -> dict[Any, str]:
        """Return how the values of a column with choices, or with yes and no, are said."""
        if self.is_machine:
            return {True: "true", False: "false"} if column.kind is Kind.FLAG else {}
        return {True: _("yes"), False: _("no")} if column.kind is Kind.FLAG else column.words()

    def local(self, moment: datetime) -> datetime:
        """Return a moment by the clock of the file, to the second."""
        return moment.astimezone(UTC if self.is_machine else self.zone).replace(microsecond=0)


@dataclass
class Written:
    """
    Rows as bytes of a file's body.

    :param parts: the sheet, and what belongs to its end
    :param cut: texts that were cut, because a cell has no room for them
    """

    parts: list[tuple[int, bytes]]
    cut: int = 0


class Writer(Protocol):
    """Writes the rows of one format, chunk by chunk, and puts the whole file together."""

    def write(self, rows: Sequence[tuple[Any, ...]], *, after: int) -> Written:
        """Write some rows; `after` tells how many the file has before them."""

    def assemble(self, parts: Iterator[tuple[int, bytes]], out: IO[bytes], *, total: int) -> None:
        """Write the file of all parts, in order; `total` tells how many rows they hold."""


def plain(value: Decimal | float) -> str:
    """Return a number with a point and without an exponent."""
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def iso(value: date) -> str:
    """Return a day as ISO 8601 has it, or a moment in UTC."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
    return value.isoformat()
