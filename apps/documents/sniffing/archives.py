"""ZIP archives and the office files that are such: judged by their directory, unpacked only to look into nested ones."""

import re
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from apps.documents.sniffing.refusing import refused
from apps.documents.sniffing.scanning import size_of, tail_of
from apps.documents.storage import CHUNK

# Deeper than an archive within an archive nobody packs by hand.
DEEPEST = 2
# Ratios are looked at from here on: what unpacks to less harms nobody, and small files of one letter pack very well.
_SMALL = 16 * 1024 * 1024
_ARCHIVES = {".zip", ".jar", ".docx", ".xlsx", ".pptx", ".odt", ".ods", ".odp", ".epub"}
_END = struct.Struct("<4s4H2LH")
_LARGEST_COMMENT = 65_535
_DRIVE = re.compile(r"^[A-Za-z]:")
_MANIFEST = 1024 * 1024
_OFFICE = {
    "word/document.xml": ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docm"),
    "xl/workbook.xml": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsm"),
    "xl/workbook.bin": ("application/vnd.ms-excel.sheet.binary.macroenabled.12", "xlsb"),
    "ppt/presentation.xml": (
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "pptm",
    ),
}
MACRO_TYPES = {
    "docm": "application/vnd.ms-word.document.macroenabled.12",
    "xlsm": "application/vnd.ms-excel.sheet.macroenabled.12",
    "xlsb": "application/vnd.ms-excel.sheet.binary.macroenabled.12",
    "pptm": "application/vnd.ms-powerpoint.presentation.macroenabled.12",
}
_MACROS = re.compile(r"(?:^|/)(?:vbaproject\.bin|vbadata\.xml|macrosheets/|activex/)", re.I)
_OPEN_MACROS = re.compile(r"^(?:Basic|Scripts)/")
_EMBEDDED = re.compile(r"(?:^|/)embeddings/", re.I)
_PROGRAMS = re.compile(r"(?:^META-INF/MANIFEST\.MF$|^classes\.dex$|\.class$)")
_OPEN_PREFIX = "application/vnd.oasis.opendocument."


@dataclass
class Budget:
    """How much an archive may hold, with all that is nested in it."""

    entries: int
    unpacked: int

    def spend(self, entries: list[zipfile.ZipInfo]) -> None:
        """Count what an archive says it holds. :raises ValidationError: that is too much ("archive_too_large")"""
        self.entries -= len(entries)
        self.unpacked -= sum(entry.file_size for entry in entries)
        if self.entries < 0:
            raise refused("archive_too_large", _("There are too many files in this archive."))
        if self.unpacked < 0:
            raise refused("archive_too_large", _("This archive would become far too large when unpacked."))


@dataclass(frozen=True)
class Archive:
    """What a ZIP is, and what in it would do something."""

    content_type: str
    flags: frozenset[str]


def is_zip(head: bytes) -> bool:
    """Tell whether a file begins as a ZIP."""
    return head[:4] in {b"PK\x03\x04", b"PK\x05\x06"}


def ends_as_zip(file: IO[bytes]) -> bool:
    """Tell whether a file that begins as something else can be unpacked as a ZIP."""
    tail = tail_of(file, _LARGEST_COMMENT + _END.size)
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0:
        if at + _END.size <= len(tail):
            comment = _END.unpack_from(tail, at)[-1]
            if at + _END.size + comment == len(tail):
                return True
        at = tail.rfind(b"PK\x05\x06", 0, at)
    return False


def look_into(file: IO[bytes]) -> Archive:
    """
    Judge a ZIP by its directory.

    :raises ValidationError: it is broken, made to harm whoever unpacks it, or a program
    """
    budget = Budget(settings.UPLOAD_MAX_ENTRIES, settings.UPLOAD_MAX_UNPACKED_BYTES)
    with _opened(file) as archive:
        _judge(archive, size_of(file), budget, depth=1)
        return _named(archive)


def _opened(file: IO[bytes]) -> zipfile.ZipFile:
    file.seek(0)
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error) as error:
        raise refused("broken", _("This archive is broken and cannot be opened.")) from error
    if archive.filelist and min(entry.header_offset for entry in archive.filelist) != 0:
        raise refused(
            "polyglot", _("There is something before the beginning of this archive. Pack it again.")
        )
    return archive


def _judge(archive: zipfile.ZipFile, size: int, budget: Budget, *, depth: int) -> None:
    entries = archive.infolist()
    budget.spend(entries)
    unpacked, packed = (sum(getattr(e, name) for e in entries) for name in ("file_size", "compress_size"))
    if packed > size:
        # Several entries share the same bytes: what unpacks to petabytes is made so.
        raise refused("archive_bomb", _("This archive is made to harm whoever unpacks it."))
    # Deflate packs at most 1032 to 1; what people write packs up to some dozens to 1.
    if unpacked > _SMALL and unpacked > size * settings.UPLOAD_MAX_RATIO:
        raise refused("archive_bomb", _("This archive is made to harm whoever unpacks it."))
    for entry in entries:
        _require_plain(entry)
    for entry in entries:
        if PurePosixPath(entry.filename).suffix.lower() in _ARCHIVES:
            _look_deeper(archive, entry, budget, depth=depth + 1)


def _require_plain(entry: zipfile.ZipInfo) -> None:
    """Insist that an entry stays where it is unpacked. :raises ValidationError: it would not ("archive_names")"""
    # Not `filename`, which zipfile has cut at the first NUL.
    name = entry.orig_filename.replace("\\", "/")
    is_link = stat.S_ISLNK(entry.external_attr >> 16)
    if is_link or "\0" in name or name.startswith("/") or _DRIVE.match(name) or ".." in name.split("/"):
        raise refused(
            "archive_names",
            _("A file in this archive would be written outside of it when unpacked: %(name)s."),
            name=name.replace("\0", " ")[:100],
        )


def _look_deeper(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, budget: Budget, *, depth: int) -> None:
    if entry.flag_bits & 1:
        return
    with tempfile.TemporaryFile() as copy:
        # Not more than the directory says, which the budget has counted.
        for piece in _content_of(archive, entry):
            copy.write(piece)
        copy.seek(0)
        if not is_zip(copy.read(4)):
            return
        if depth > DEEPEST:
            raise refused("archive_nested", _("There are archives within archives within this archive."))
        with _opened(copy) as nested:
            _judge(nested, size_of(copy), budget, depth=depth)


def _content_of(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with archive.open(entry) as content:
            while piece := content.read(CHUNK):
                yield piece
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, zlib.error, RuntimeError) as error:
        raise refused("broken", _("This archive is broken and cannot be opened.")) from error


def _named(archive: zipfile.ZipFile) -> Archive:
    """Say what an archive is: an office file, or just an archive."""
    names = set(archive.namelist())
    flags = {"encrypted"} if any(entry.flag_bits & 1 for entry in archive.infolist()) else set()
    if "[Content_Types].xml" in names:
        return _office(archive, names, flags)
    if "mimetype" in names:
        said = _small(archive, "mimetype", 128).decode("ascii", "replace").strip()
        if said.startswith(_OPEN_PREFIX) or said == "application/epub+zip":
            flags |= {"macros"} if any(map(_OPEN_MACROS.match, names)) else set()
            return Archive(said, frozenset(flags))
    if any(map(_PROGRAMS.search, names)):
        raise refused("program", _("This is a program. Programs are not kept here."))
    return Archive("application/zip", frozenset(flags))


def _office(archive: zipfile.ZipFile, names: set[str], flags: set[str]) -> Archive:
    plain, ending = next((kind for part, kind in _OFFICE.items() if part in names), ("application/zip", ""))
    said = _small(archive, "[Content_Types].xml", _MANIFEST).lower()
    has_macros = any(map(_MACROS.search, names)) or b"macroenabled" in said or b"vbaproject" in said
    if any(map(_EMBEDDED.search, names)):
        flags |= {"embedded"}
    if has_macros:
        return Archive(MACRO_TYPES.get(ending, plain), frozenset(flags | {"macros"}))
    return Archive(plain, frozenset(flags))


def _small(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    read = b""
    for piece in _content_of(archive, archive.getinfo(name)):
        read += piece
        if len(read) >= most:
            break
    return read[:most]
