"""Images: how large they are, as their headers say; no pixel is ever decoded here."""

import struct
from typing import IO

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from apps.documents.sniffing.refusing import refused
from apps.documents.sniffing.scanning import head_of

# Begins with; the type.
MAGIC = [
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
]
# Markers of JPEG that begin a frame, and so say its size.
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_MOST_MARKERS = 1000
_TIFF_SIZES = {256: 0, 257: 1}


def type_of(head: bytes) -> str:
    """Return the type of an image; "" where it is none."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[:2] == b"BM" and len(head) >= 26 and head[6:10] == b"\0\0\0\0":
        return "image/bmp"
    return next((kind for magic, kind in MAGIC if head.startswith(magic)), "")


def require_bounded(file: IO[bytes], kind: str) -> None:
    """
    Insist that an image can be decoded within the memory that there is.

    :raises ValidationError: it has too many pixels ("too_many_pixels"), or does not say how many ("broken")
    """
    try:
        width, height = _SIZES[kind](file)
    except (struct.error, IndexError, ValueError) as error:
        raise refused("broken", _("This image is broken: it does not say how large it is.")) from error
    if width * height > settings.UPLOAD_MAX_PIXELS:
        raise refused(
            "too_many_pixels",
            _(
                "This image has %(pixels)s million pixels; at most %(limit)s million are taken. Save it smaller."
            ),
            pixels=width * height // 1_000_000,
            limit=settings.UPLOAD_MAX_PIXELS // 1_000_000,
        )


def _png(file: IO[bytes]) -> tuple[int, int]:
    head = head_of(file, 24)
    if head[12:16] != b"IHDR":
        raise ValueError("no header")
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def _gif(file: IO[bytes]) -> tuple[int, int]:
    width, height = struct.unpack("<HH", head_of(file, 10)[6:10])
    return width, height


def _bmp(file: IO[bytes]) -> tuple[int, int]:
    width, height = struct.unpack("<ii", head_of(file, 26)[18:26])
    return abs(width), abs(height)


def _jpeg(file: IO[bytes]) -> tuple[int, int]:
    file.seek(2)
    for _marker in range(_MOST_MARKERS):
        begin, marker = file.read(1), file.read(1)
        if begin != b"\xff":
            raise ValueError("no marker")
        while marker == b"\xff":
            marker = file.read(1)
        (length,) = struct.unpack(">H", file.read(2))
        if marker[0] in _FRAMES:
            height, width = struct.unpack(">HH", file.read(5)[1:])
            return width, height
        file.seek(length - 2, 1)
    raise ValueError("no frame")


def _webp(file: IO[bytes]) -> tuple[int, int]:
    head = head_of(file, 30)
    form = head[12:16]
    if form == b"VP8X":
        return _three(head[24:27]) + 1, _three(head[27:30]) + 1
    if form == b"VP8L":
        (bits,) = struct.unpack("<I", head[21:25])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if form == b"VP8 ":
        width, height = struct.unpack("<HH", head[26:30])
        return width & 0x3FFF, height & 0x3FFF
    raise ValueError("no such form")


def _three(digits: bytes) -> int:
    if len(digits) < 3:
        raise ValueError("cut")
    return int.from_bytes(digits, "little")


def _tiff(file: IO[bytes]) -> tuple[int, int]:
    """Read the first directory of a TIFF, where the pages that follow are alike."""
    head = head_of(file, 8)
    order = "<" if head[:2] == b"II" else ">"
    (at,) = struct.unpack(order + "I", head[4:8])
    file.seek(at)
    (count,) = struct.unpack(order + "H", file.read(2))
    size = [0, 0]
    for _entry in range(count):
        entry = file.read(12)
        tag, form = struct.unpack(order + "HH", entry[:4])
        if tag in _TIFF_SIZES:
            value = entry[8:10] if form == 3 else entry[8:12]
            (size[_TIFF_SIZES[tag]],) = struct.unpack(order + ("H" if form == 3 else "I"), value)
    if not all(size):
        raise ValueError("no size")
    return size[0], size[1]


_SIZES = {
    "image/png": _png,
    "image/jpeg": _jpeg,
    "image/gif": _gif,
    "image/bmp": _bmp,
    "image/webp": _webp,
    "image/tiff": _tiff,
}
