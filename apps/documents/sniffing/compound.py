"""Files of the office programs of before 2007, and letters of Outlook: each a small file system of its own."""

import re
from typing import IO

from apps.documents.sniffing.scanning import found_in

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# Names of streams stand in the directory, which may lie anywhere in the file.
_SCANNED = 64 * 1024 * 1024


def _name(text: str) -> re.Pattern[bytes]:
    return re.compile(re.escape(text.encode("utf-16-le")))


_STREAMS = {
    "application/msword": _name("WordDocument"),
    "application/vnd.ms-excel": re.compile(
        _name("Workbook").pattern + b"|" + _name("Book").pattern + rb"\0\0"
    ),
    "application/vnd.ms-powerpoint": _name("PowerPoint Document"),
    "application/vnd.ms-outlook": _name("__properties_version1.0"),
    "encrypted": _name("EncryptedPackage"),
    "macros": _name("_VBA_PROJECT"),
}


def look_into(file: IO[bytes]) -> tuple[str, frozenset[str]]:
    """Return the type of a compound file, and what in it would do something."""
    found = found_in(file, _STREAMS, _SCANNED)
    flags = found & {"encrypted", "macros"}
    kind = next((name for name in _STREAMS if name in found - flags), "application/x-ole-storage")
    return kind, frozenset(flags)
