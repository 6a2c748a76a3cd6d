"""
What a content is, found from its bytes.

What its sender calls it, by a declared type or by the ending of its name, is only held against that: where the two
contradict each other the content is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.documents.sniffing import archives, compound, images, pdf, texts
from apps.documents.sniffing.refusing import refused
from apps.documents.sniffing.scanning import head_of

UNKNOWN = "application/octet-stream"
# What opens by itself something that somebody else wrote: kept, and never shown within a page.
ACTIVE_FLAGS = frozenset({"javascript", "launch", "embedded", "macros", "encrypted", "unseen"})


@dataclass(frozen=True)
class Kind:
    """
    What a content is.

    :ivar flags: what in it would do something: "javascript", "launch", "embedded", "macros"; and what keeps one from
        seeing whether anything would: "encrypted", "unseen"
    :ivar is_active: a browser or an office program would run something in it; it is never shown within a page
    """

    content_type: str
    label: str | Promise
    flags: frozenset[str] = frozenset()
    encoding: str = ""

    @property
    def is_active(self) -> bool:
        return self.content_type in ACTIVE_TYPES or bool(self.flags & ACTIVE_FLAGS)


@dataclass(frozen=True)
class _Known:
    """A type that is known: what it is in words, which endings its files have, what else senders call it."""

    label: str | Promise
    endings: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    is_active: bool = False


_WORD, _SHEET, _SLIDES = (
    f"application/vnd.openxmlformats-officedocument.{name}"
    for name in ("wordprocessingml.document", "spreadsheetml.sheet", "presentationml.presentation")
)
_ZIPPED = ("application/zip", "application/x-zip-compressed")
_KNOWN: dict[str, _Known] = {
    "application/pdf": _Known(_("a PDF"), (".pdf",), ("application/x-pdf",)),
    "image/png": _Known(_("an image (PNG)"), (".png",)),
    "image/jpeg": _Known(_("an image (JPEG)"), (".jpg", ".jpeg", ".jfif"), ("image/jpg", "image/pjpeg")),
    "image/gif": _Known(_("an image (GIF)"), (".gif",)),
    "image/webp": _Known(_("an image (WebP)"), (".webp",)),
    "image/bmp": _Known(_("an image (BMP)"), (".bmp", ".dib"), ("image/x-ms-bmp",)),
    "image/tiff": _Known(_("an image (TIFF)"), (".tif", ".tiff")),
    "image/svg+xml": _Known(_("a drawing (SVG)"), (".svg",), is_active=True),
    "text/html": _Known(
        _("a web page"),
        (".html", ".htm", ".xhtml", ".php", ".hta"),
        ("application/xhtml+xml",),
        is_active=True,
    ),
    "application/xml": _Known(_("XML"), (".xml", ".xsl", ".xslt", ".xsd"), ("text/xml",), is_active=True),
    "text/javascript": _Known(
        _("a script"), (".js", ".mjs"), ("application/javascript", "application/x-javascript"), is_active=True
    ),
    "text/plain": _Known(_("text"), (".txt", ".log", ".md", ".text")),
    "text/csv": _Known(_("a table as text"), (".csv", ".tsv"), ("application/vnd.ms-excel",)),
    "application/json": _Known(_("data (JSON)"), (".json",)),
    "message/rfc822": _Known(_("a letter"), (".eml",)),
    "application/rtf": _Known(_("a text document (RTF)"), (".rtf",), ("text/rtf", "application/msword")),
    _WORD: _Known(_("a text document (DOCX)"), (".docx",), _ZIPPED),
    _SHEET: _Known(_("a spreadsheet (XLSX)"), (".xlsx",), _ZIPPED),
    _SLIDES: _Known(_("a presentation (PPTX)"), (".pptx",), _ZIPPED),
    archives.MACRO_TYPES["docm"]: _Known(
        _("a text document with macros"), (".docm",), _ZIPPED, is_active=True
    ),
    archives.MACRO_TYPES["xlsm"]: _Known(_("a spreadsheet with macros"), (".xlsm",), _ZIPPED, is_active=True),
    archives.MACRO_TYPES["xlsb"]: _Known(_("a spreadsheet (XLSB)"), (".xlsb",), _ZIPPED, is_active=True),
    archives.MACRO_TYPES["pptm"]: _Known(
        _("a presentation with macros"), (".pptm",), _ZIPPED, is_active=True
    ),
    "application/vnd.oasis.opendocument.text": _Known(_("a text document (ODT)"), (".odt",), _ZIPPED),
    "application/vnd.oasis.opendocument.spreadsheet": _Known(_("a spreadsheet (ODS)"), (".ods",), _ZIPPED),
    "application/vnd.oasis.opendocument.presentation": _Known(_("a presentation (ODP)"), (".odp",), _ZIPPED),
    "application/epub+zip": _Known(_("a book (EPUB)"), (".epub",), _ZIPPED),
    "application/msword": _Known(_("a text document (DOC)"), (".doc", ".dot")),
    "application/vnd.ms-excel": _Known(_("a spreadsheet (XLS)"), (".xls", ".xlt")),
    "application/vnd.ms-powerpoint": _Known(_("a presentation (PPT)"), (".ppt", ".pps")),
    "application/vnd.ms-outlook": _Known(_("a letter of Outlook"), (".msg",)),
    "application/zip": _Known(_("an archive (ZIP)"), (".zip",), ("application/x-zip-compressed",)),
    "application/x-7z-compressed": _Known(_("an archive (7z)"), (".7z",)),
    "application/vnd.rar": _Known(_("an archive (RAR)"), (".rar",), ("application/x-rar-compressed",)),
    "application/gzip": _Known(_("an archive (gzip)"), (".gz", ".tgz"), ("application/x-gzip",)),
}
ACTIVE_TYPES = frozenset(name for name, known in _KNOWN.items() if known.is_active)
# An ending, and the types that its files have.
_BY_ENDING: dict[str, set[str]] = {}
for _name, _known in _KNOWN.items():
    for _ending in _known.endings:
        _BY_ENDING.setdefault(_ending, set()).add(_name)
_BY_ALIAS: dict[str, set[str]] = {}
for _name, _known in _KNOWN.items():
    for _alias in (_name, *_known.aliases):
        _BY_ALIAS.setdefault(_alias, set()).add(_name)
# Texts that no browser runs: which of them a text is, only its ending says.
_PLAIN = frozenset({"text/plain", "text/csv", "application/json", "message/rfc822"})
_PROGRAMS = [b"\x7fELF", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"dex\n", b"#!"]
# A link of Windows runs whatever it names.
_LINK = b"L\x00\x00\x00\x01\x14\x02\x00"
_OTHER_MAGIC = [
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"\x1f\x8b", "application/gzip"),
    (b"{\\rtf", "application/rtf"),
]
# Fewer bytes are as well chance.
_LEAST_MAGIC = 4


def examine(file: IO[bytes], file_name: str, declared_type: str = "") -> Kind:
    """
    Say what a content is.

    :param file: readable and seekable; it is left anywhere
    :param file_name: as its sender called it; an ending that is known has to be right
    :param declared_type: as its sender declared it; "" where nobody did
    :raises ValidationError: it is not what it is called ("type_contradicts"), several things at once ("polyglot"), a
        program ("program"), made to harm ("archive_bomb", "archive_names", "archive_nested", "archive_too_large",
        "too_many_pixels"), or broken ("broken")
    """
    ending = PurePosixPath(file_name).suffix.lower()
    kind = _found(file, ending)
    _require_called_so(kind, ending, declared_type)
    return kind


def label_of(content_type: str) -> str | Promise:
    """Say in words what a type is."""
    known = _KNOWN.get(content_type)
    return known.label if known else content_type


def _kind(content_type: str, flags: frozenset[str] = frozenset(), encoding: str = "") -> Kind:
    return Kind(content_type, label_of(content_type), flags, encoding)


def _found(file: IO[bytes], ending: str) -> Kind:
    head = head_of(file, texts.HEAD)
    is_program = any(map(head.startswith, [*_PROGRAMS, _LINK])) or (head[:2] == b"MZ" and b"\0" in head[:64])
    if is_program:
        raise refused("program", _("This is a program. Programs are not kept here."))
    if archives.is_zip(head):
        archive = archives.look_into(file)
        return _kind(archive.content_type, archive.flags)
    if archives.ends_as_zip(file):
        raise refused("polyglot", _("There is an archive hidden at the end of this file."))
    looks: list[Callable[[IO[bytes], bytes], Kind | None]] = [_as_pdf, _as_image, _as_compound, _as_other]
    for look in looks:
        found = look(file, head)
        if found is not None:
            return found
    return _as_text(head, ending) or _as_rare(file) or _kind(UNKNOWN)


def _as_pdf(file: IO[bytes], head: bytes) -> Kind | None:
    return _kind("application/pdf", frozenset(pdf.flags_of(file))) if pdf.is_pdf(head) else None


def _as_image(file: IO[bytes], head: bytes) -> Kind | None:
    content_type = images.type_of(head)
    if not content_type:
        return None
    images.require_bounded(file, content_type)
    return _kind(content_type)


def _as_compound(file: IO[bytes], head: bytes) -> Kind | None:
    return _kind(*compound.look_into(file)) if head.startswith(compound.MAGIC) else None


def _as_other(file: IO[bytes], head: bytes) -> Kind | None:
    found = next((name for magic, name in _OTHER_MAGIC if head.startswith(magic)), None)
    return _kind(found) if found else None


def _as_text(head: bytes, ending: str) -> Kind | None:
    found = texts.decoded(head)
    if found is None:
        return None
    text, encoding = found
    markup = texts.markup_of(text)
    called = _BY_ENDING.get(ending, set())
    # A text that only looks like XML is read as text, which runs nothing.
    if markup and not (markup == "application/xml" and called & _PLAIN):
        return _kind(markup, encoding=encoding)
    if called & {"text/javascript"}:
        return _kind("text/javascript", encoding=encoding)
    return _kind(next(iter(called & _PLAIN), "text/plain"), encoding=encoding)


def _as_rare(file: IO[bytes]) -> Kind | None:
    """Ask the table of a library about what no rule of ours is about."""
    import puremagic  # noqa: PLC0415 - reads its tables when it is loaded, which few processes need

    file.seek(0)
    try:
        matches = puremagic.magic_stream(file)
    except (puremagic.PureError, ValueError):
        return None
    for match in matches:
        name = str(match.mime_type)
        # What would have been found above is none: its magic is somewhere in the middle.
        is_other = name and name not in _KNOWN and not name.startswith("text/")
        if is_other and match.offset >= 0 and len(match.byte_match) >= _LEAST_MAGIC:
            return _kind(name)
    return None


def _require_called_so(kind: Kind, ending: str, declared_type: str) -> None:
    if "encrypted" in kind.flags and kind.content_type == "application/x-ole-storage":
        return
    by_ending = _BY_ENDING.get(ending)
    if by_ending is not None and kind.content_type not in by_ending:
        raise refused(
            "type_contradicts",
            _(
                "The name ends in %(ending)s, but this is %(label)s. Name it for what it is, and send it again."
            ),
            ending=ending,
            label=kind.label,
        )
    declared = _BY_ALIAS.get(declared_type.partition(";")[0].strip().lower())
    if declared is None or kind.content_type in declared:
        return
    if kind.content_type in _PLAIN and declared & _PLAIN:
        return
    raise refused(
        "type_contradicts",
        _("It was sent as %(declared)s, but this is %(label)s."),
        declared=declared_type,
        label=kind.label,
    )
