"""PDF: whether it is one and nothing else, and what in it would do something when it is opened."""

import re
import zlib
from typing import IO

from django.utils.translation import gettext_lazy as _

from apps.documents.sniffing.refusing import refused
from apps.documents.sniffing.scanning import pieces_of, size_of

# Readers look for the beginning of a PDF this far in.
_TOLERANCE = 1024
# Read for what runs: 64 MiB take half a second. What is larger is never shown within a page.
SCANNED = 64 * 1024 * 1024
# Streams that hold objects are unpacked so far, each and in all: their names are text, which packs 20 to 1.
_STREAM, _STREAMS = 4 * 1024 * 1024, 64 * 1024 * 1024
_RUNS = {
    "javascript": re.compile(rb"/(?:JS|JavaScript)(?![A-Za-z0-9])"),
    "launch": re.compile(rb"/(?:Launch|ImportData|SubmitForm|RichMedia|XFA)(?![A-Za-z0-9])"),
    "embedded": re.compile(rb"/(?:EmbeddedFiles?|Filespec)(?![A-Za-z0-9])"),
    "encrypted": re.compile(rb"/Encrypt(?![A-Za-z0-9])"),
}
_ESCAPED = re.compile(rb"#([0-9A-Fa-f]{2})")
_OBJECTS = re.compile(rb"/ObjStm(?![A-Za-z0-9])")
_STREAM_BEGINS = re.compile(rb"stream\r?\n")
# Bytes written as differences from others say nothing by themselves.
_PREDICTED = re.compile(rb"/(?:DecodeParms|DP)(?![A-Za-z0-9])")
_MARKUP = re.compile(rb"<\s*(?:!doctype\s+html|html|head|body|script|svg|iframe|\?php)", re.IGNORECASE)


def is_pdf(head: bytes) -> bool:
    """
    Tell whether a file is a PDF.

    :raises ValidationError: it is one, and something else as well (code "polyglot")
    """
    at = head[:_TOLERANCE].find(b"%PDF-")
    if at < 0:
        return False
    # Some programs begin with a byte order mark or an empty line.
    if head[:at].strip(b"\xef\xbb\xbf \t\r\n") or _MARKUP.search(head[: 4 * _TOLERANCE]):
        raise refused(
            "polyglot",
            _("This is a PDF and something else at the same time. Save it as a PDF again, and send that."),
        )
    return True


def flags_of(file: IO[bytes]) -> set[str]:
    """
    Return what of a PDF makes it more than paper.

    Names can be written in hexadecimal digits, and objects be packed: both are looked through. Where that cannot be done
    in bounds, "unseen" says so.
    """
    found: set[str] = set()
    left = _STREAMS
    seen_to = 0
    for start, piece in pieces_of(file, SCANNED):
        plain = _plain(piece)
        found |= _runs(plain)
        packed = list(_OBJECTS.finditer(piece))
        if len(packed) != len(_OBJECTS.findall(plain)):
            # Somebody hides that there are packed objects.
            found.add("unseen")
        for match in packed:
            at = start + match.start()
            if at < seen_to:
                continue
            seen_to = at + 1
            unpacked = _unpacked(file, at) if left > 0 else None
            left -= len(unpacked or b"")
            found |= {"unseen"} if unpacked is None else _runs(_plain(unpacked))
    if size_of(file) > SCANNED:
        found.add("unseen")
    return found


def _plain(piece: bytes) -> bytes:
    """Return what names written in hexadecimal digits say."""
    return _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), piece) if b"#" in piece else piece


def _runs(plain: bytes) -> set[str]:
    return {name for name, mark in _RUNS.items() if mark.search(plain)}


def _unpacked(file: IO[bytes], at: int) -> bytes | None:
    """Return the objects of the stream that is described at a place; None where they cannot all be seen."""
    file.seek(at)
    packed = file.read(_TOLERANCE + _STREAM)
    begins = _STREAM_BEGINS.search(packed, 0, _TOLERANCE)
    if begins is None or _PREDICTED.search(packed, 0, begins.start()):
        return None
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(packed[begins.end() :], _STREAM)
    except zlib.error:
        # Packed in another manner, or broken.
        return None
    return unpacked if unpacker.eof else None
