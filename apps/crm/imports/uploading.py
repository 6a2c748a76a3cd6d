"""Taking a file in: at most so many bytes, hashed on the way, and only what holds a table."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath
from typing import IO

from django.utils.translation import gettext_lazy as _

from apps.crm.imports.reading import Dialect, ReadError, check_archive

_BLOCK = 1 << 20
_OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# Beginnings of files that are often renamed to .csv.
_BINARY = (
    b"%PDF",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"7z\xbc\xaf",
    b"Rar!",
    b"\x7fELF",
    b"MZ",
)


@dataclass
class Copy:
    """A file that was taken in, on a disk of ours."""

    file: IO[bytes]
    size: int
    sha256: str
    suffix: str
    dialect: Dialect


@contextmanager
def checked_copy(file: IO[bytes], filename: str, *, limit: int) -> Iterator[Copy]:
    """
    Copy an upload to a temporary file, counting bytes as they come, and find out what it is.

    :raises ReadError: too large, empty, broken, or no table
    """
    with tempfile.TemporaryFile() as copy:
        digest = hashlib.sha256()
        size = 0
        while block := file.read(_BLOCK):
            size += len(block)
            if size > limit:
                raise ReadError(
                    "too_large",
                    _("The file is larger than %(limit)d MB."),
                    limit=limit // (1 << 20),
                )
            digest.update(block)
            copy.write(block)
        copy.seek(0)
        dialect = _recognize(copy, filename)
        copy.seek(0)
        yield Copy(copy, size, digest.hexdigest(), f".{dialect.format}", dialect)


def _recognize(file: IO[bytes], filename: str) -> Dialect:
    """Return the format and encoding of a file. :raises ReadError: it is nothing that can be imported"""
    head = file.read(1 << 16)
    if not head.strip(b"\xef\xbb\xbf \t\r\n"):
        raise ReadError("empty", _("The file is empty."))
    suffix = PurePath(filename).suffix.lower()
    if head.startswith(_OLD_OFFICE):
        if "EncryptedPackage".encode("utf-16-le") in head + file.read(1 << 20):
            raise ReadError("encrypted", _("The file is protected by a password; save it without one."))
        raise ReadError("old_excel", _("This is an old .xls file; save it as .xlsx or .csv."))
    if head.startswith(b"PK\x03\x04") and suffix not in {".csv", ".tsv", ".txt"}:
        check_archive(file)
        return Dialect(format="xlsx")
    if head.startswith(_BINARY):
        raise ReadError("not_text", _("The file is not a table of text, whatever its name says."))
    if suffix in {".xlsx", ".xlsm"}:
        raise ReadError("bad_archive", _("The file says it is a spreadsheet, but is broken."))
    return Dialect(format="csv", encoding=_encoding(file, head))


def _encoding(file: IO[bytes], head: bytes) -> str:
    """Return the encoding of a text file, having seen all of it. :raises ReadError: it is no text, or mixed"""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    control = sum(byte < 32 and byte not in b"\t\r\n\f\x0b\x1a\x1b" for byte in head)
    if control > len(head) // 100 + 1:
        raise ReadError("not_text", _("The file is not a table of text, whatever its name says."))
    first: dict[str, tuple[int, bytes]] = {}
    file.seek(0)
    for number, raw in enumerate(file, start=1):
        if b"\0" in raw:
            raise ReadError("nul_bytes", _("Line %(line)d holds bytes that are no text."), line=number)
        if not raw.isascii():
            kind = _kind(raw)
            first.setdefault(kind, (number, raw))
    if "other" not in first:
        return "utf-8-sig" if head.startswith(b"\xef\xbb\xbf") else "utf-8"
    if "utf-8" in first or head.startswith(b"\xef\xbb\xbf"):
        raise _mixed(first)
    return _eight_bit(file)


def _kind(raw: bytes) -> str:
    """Tell lines in UTF-8 from lines in an eight-bit encoding."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "other"
    # Eight-bit Cyrillic is by chance valid UTF-8 now and then, but never of letters people use.
    odd = all(c.isascii() or not ("À" <= c <= "ɏ" or "Ѐ" <= c <= "ӿ" or ord(c) > 0x2000) for c in text)
    return "either" if odd else "utf-8"


def _mixed(first: dict[str, tuple[int, bytes]]) -> ReadError:
    """Name the line and column where the second encoding begins."""
    line, raw = max(first.get("utf-8", (0, b"")), first["other"])
    try:
        raw.decode("utf-8")
        start = next(place for place, byte in enumerate(raw) if byte > 127)
    except UnicodeDecodeError as error:
        start = error.start
    delimiter = max((b",", b";", b"\t", b"|"), key=raw.count)
    return ReadError(
        "mixed_encoding",
        _("Line %(line)d, column %(column)d is in another encoding than the lines before."),
        line=line,
        column=raw[:start].count(delimiter) + 1,
    )


def _eight_bit(file: IO[bytes]) -> str:
    """Return cp1251 for text whose letters beyond ASCII come in words, cp1252 where they stand alone."""
    file.seek(0)
    data = file.read(1 << 18)
    high = [byte > 127 for byte in data]
    in_words = sum(
        here and (before or after)
        for before, here, after in zip([False, *high], high, [*high[1:], False], strict=False)
    )
    return "cp1251" if in_words * 2 > sum(high) else "cp1252"
