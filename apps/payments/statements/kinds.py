"""What a file is, told by its beginning and never by its name."""

from collections.abc import Iterator
from typing import IO

from apps.payments.statements import camt, csvfile, mt940, onec
from apps.payments.statements.facts import Statement, StatementError

CAMT, MT940, ONEC, CSV = "camt.053", "mt940", "1c", "csv"
_HEAD = 1 << 16
_BINARY = (
    b"%PDF", b"PK\x03\x04", b"\x89PNG", b"\xff\xd8\xff", b"\xd0\xcf\x11\xe0", b"\x1f\x8b", b"Rar!",
    b"7z\xbc\xaf", b"MZ",
)  # fmt: skip
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def kind_of(file: IO[bytes]) -> str:
    """
    Return which kind of file it is; its position is at the beginning again.

    :raises StatementError: it is empty ("empty"), or nothing of text ("not_text"), which a PDF or a spreadsheet is
    """
    file.seek(0)
    head = file.read(_HEAD)
    file.seek(0)
    if head.startswith(_BINARY):
        raise StatementError("not_text")
    plain = head
    for mark in _MARKS:
        plain = plain.removeprefix(mark)
    # Two bytes to a letter leave a zero in each of ASCII.
    plain = plain.replace(b"\0", b"").lstrip()
    if not plain:
        raise StatementError("empty")
    if plain.startswith(b"<"):
        return CAMT
    if plain.startswith(onec.BEGINNING.encode()):
        return ONEC
    if b":20:" in plain and (b":25:" in plain or b":60" in plain):
        return MT940
    return CSV


def read(file: IO[bytes], kind: str, layout: csvfile.Layout | None = None) -> Iterator[Statement]:
    """
    Return the statements of a file of a kind.

    :param layout: how a table is read; told by looking at it unless it is given
    :raises StatementError: the file is refused
    """
    file.seek(0)
    if kind == CAMT:
        return camt.read(file)
    if kind == MT940:
        return mt940.read(file)
    if kind == ONEC:
        return onec.read(file)
    if layout is None:
        layout = csvfile.look_at(file).layout
        file.seek(0)
    return csvfile.read(file, layout)
