"""The file of rows that were not taken: what the upload had in them, and why."""

import csv
import io
from collections.abc import Iterator
from typing import IO

from django.core.files.storage import default_storage
from django.utils.translation import gettext as _

from apps.crm.imports.kinds import kind_of
from apps.crm.imports.reading import Dialect, read_rows
from apps.crm.imports.selectors import refused_lines
from apps.crm.models import ImportBatch

# What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_errors(batch: ImportBatch, out: IO[bytes]) -> str:
    """Write the refused rows of a batch; returns the name to offer the file under."""
    stem = batch.filename.rsplit(".", 1)[0]
    if batch.dialect["format"] == "xlsx":
        _write_xlsx(batch, out)
        return f"{stem}.errors.xlsx"
    _write_csv(batch, out)
    return f"{stem}.errors.csv"


def harmless(cell: str) -> str:
    """Return a cell as text that no spreadsheet executes; numbers, with or without a sign, stay what they are."""
    if cell.startswith(_FORMULA) and not _is_plain(cell):
        return f"'{cell}"
    return cell


def _is_plain(cell: str) -> bool:
    """Tell numbers and telephone numbers from formulas."""
    rest = cell[1:].replace(" ", "").replace("(", "").replace(")", "").replace("-", "")
    return cell[0] in "+-" and rest.replace(".", "", 1).replace(",", "", 1).isdigit()


def _rows(batch: ImportBatch) -> Iterator[list[str]]:
    """Yield the header and each refused row with its reasons, both files being walked once, side by side."""
    kind = kind_of(batch.kind)
    columns = {field: column for column, field in batch.mapping.items()}
    width = len(batch.header)
    yield [*batch.header, _errors_column(batch.header)]
    refused = refused_lines(batch)
    wanted, errors = next(refused, (None, []))
    with default_storage.open(batch.storage_name, "rb") as file:
        for line, cells in read_rows(file, Dialect.from_json(batch.dialect)):
            if wanted is None:
                return
            if line == wanted:
                said = [
                    f"{columns.get(error['field']) or kind.by_key[error['field']].label}: {error['message']}"
                    if error["field"] in kind.by_key
                    else error["message"]
                    for error in errors
                ]
                yield [*[*cells, *[""] * width][:width], "; ".join(said)]
                wanted, errors = next(refused, (None, []))


def _errors_column(header: list[str]) -> str:
    name = _("errors")
    while name in header:
        name += "_"
    return name


def _write_csv(batch: ImportBatch, out: IO[bytes]) -> None:
    # With a byte order mark, for that is how spreadsheets know UTF-8.
    text = io.TextIOWrapper(out, encoding="utf-8-sig", newline="", write_through=True)
    writer = csv.writer(text, delimiter=batch.dialect["delimiter"])
    for row in _rows(batch):
        writer.writerow([harmless(cell) for cell in row])
    text.detach()


def _write_xlsx(batch: ImportBatch, out: IO[bytes]) -> None:
    from openpyxl import Workbook  # noqa: PLC0415 - 0.2 s that only spreadsheets need
    from openpyxl.cell import WriteOnlyCell  # noqa: PLC0415

    book = Workbook(write_only=True)
    sheet = book.create_sheet(batch.dialect.get("sheet") or None)
    for row in _rows(batch):
        cells = []
        for value in row:
            cell = WriteOnlyCell(sheet, value=value)
            # Text, whatever it begins with.
            cell.data_type = "s"
            cells.append(cell)
        sheet.append(cells)
    book.save(out)
