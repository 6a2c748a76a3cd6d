"""A table of a report as a file, written as the files of lists are: nothing in it begins a formula."""

from decimal import Decimal
from typing import IO, Any
from zoneinfo import ZoneInfo

from django.utils import formats, timezone

from apps.crm.reports.tables import Kind, Table
from apps.lists.exporting import columns as sheet
from apps.lists.exporting.csvfile import CsvWriter
from apps.lists.exporting.writing import Manner, Writer
from apps.lists.exporting.xlsxfile import XlsxWriter

FORMATS = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
}


def write_table(table: Table, form: str, out: IO[bytes]) -> None:
    """Write a table as "xlsx" or "csv", as people read it in the language that is active."""
    columns = [
        sheet.Column(
            column.key,
            column.label,
            sheet.Kind.TEXT if column.kind is Kind.TEXT else sheet.Kind.NUMBER,
        )
        for column in table.columns
    ]
    writer = _writer(table, form, columns)
    rows = [tuple(_plain(figure.value) for figure in row.figures) for row in table.rows]
    writer.assemble(iter(writer.write(rows, after=0).parts), out, total=len(rows))


def _writer(table: Table, form: str, columns: list[sheet.Column]) -> Writer:
    has_comma = formats.get_format("DECIMAL_SEPARATOR") == ","
    manner = Manner(zone=ZoneInfo(str(timezone.get_current_timezone())), has_decimal_comma=has_comma)
    if form == "csv":
        return CsvWriter(columns, manner, separator=";" if has_comma else ",", has_bom=True)
    return XlsxWriter(columns, manner, title=str(table.title))


def _plain(value: Any) -> Any:
    return value.normalize() if isinstance(value, Decimal) else value
