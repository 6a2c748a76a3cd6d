"""
Files that people and attackers send, made in code: what each is, and what the platform has to say of it.

Used wherever contents are taken in, served or read.
"""

import hashlib
import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

SCRIPT = b"<script>document.title = 'pwned'</script>"
# Packs to several hundred bytes, which do not fit between one piece and the next.
HAY = b"".join(hashlib.sha512(bytes([number])).digest().hex().encode() for number in range(20))
_ODT = "application/vnd.oasis.opendocument.text"
_TYPES = (
    '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Override PartName="/{part}" ContentType="application/vnd.openxmlformats-officedocument.{kind}"/></Types>'
)


@dataclass(frozen=True)
class Sample:
    """
    A file, as it is sent.

    :ivar content_type: what it has to be found to be; "" where it is refused
    :ivar code: why it is refused; "" where it is taken
    :ivar flags: what has to be found in it that would do something
    :ivar is_active: it is never shown within a page
    """

    name: str
    data: bytes
    content_type: str = ""
    code: str = ""
    flags: frozenset[str] = frozenset()
    is_active: bool = False
    declared_type: str = ""


def pdf(*objects: bytes, before: bytes = b"", after: bytes = b"") -> bytes:
    """Make a PDF of one empty page, with objects besides."""
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R %s >>" % (objects[0] if objects else b""),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] >>",
        *objects[1:],
    ]
    out = bytearray(before + b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, part in enumerate(parts, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(parts) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(parts) + 1, table)
    return bytes(out) + after


def packed_objects(content: bytes) -> bytes:
    """Make a stream of a PDF that holds objects, packed."""
    data = zlib.compress(content)
    return b"<< /Type /ObjStm /N 1 /First 4 /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (
        len(data),
        data,
    )


def png(width: int = 1, height: int = 1) -> bytes:
    """Make a PNG; a large one is black, and packs a thousand times."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + b"\0" * width for _row in range(min(height, 64)))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(rows)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def jpeg_head(width: int, height: int) -> bytes:
    """Make what of a JPEG says its size."""
    app0 = b"\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0\1\1\0\0\1\0\1\0\0"
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\1\x11\0"
    return b"\xff\xd8" + app0 + frame + b"\xff\xd9"


def gif(width: int = 1, height: int = 1) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\0\0\0\0\0\xff\xff\xff!\xf9\4\1\0\0\0\0;"


def webp_head(width: int, height: int) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + size


def bmp_head(width: int, height: int) -> bytes:
    return b"BM" + struct.pack("<IHHIIii", 26, 0, 0, 26, 40, width, height)


def tiff_head(width: int, height: int) -> bytes:
    entries = struct.pack("<HHII", 256, 4, 1, width) + struct.pack("<HHII", 257, 4, 1, height)
    return b"II*\0" + struct.pack("<IH", 8, 2) + entries + b"\0\0\0\0"


def packed(files: Mapping[str, bytes | str], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Make a ZIP."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def office(part: str, kind: str, **others: bytes) -> bytes:
    """Make a file of an office program, with just what tells what it is."""
    return packed(
        {"[Content_Types].xml": _TYPES.format(part=part, kind=kind), part: b"<document/>", **others}
    )


def docx(**others: bytes) -> bytes:
    return office("word/document.xml", "wordprocessingml.document.main+xml", **others)


def xlsx(**others: bytes) -> bytes:
    return office("xl/workbook.xml", "spreadsheetml.sheet.main+xml", **others)


def odt(**others: bytes) -> bytes:
    return packed({"mimetype": _ODT, "content.xml": "<office/>", **others}, method=zipfile.ZIP_STORED)


def compound(*streams: str) -> bytes:
    """Make what of a file of the old office programs is looked at: its magic, and names in its directory."""
    directory = b"".join(name.encode("utf-16-le").ljust(128, b"\0") for name in streams)
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 504 + directory


@cache
def bomb() -> bytes:
    """Make an archive of 100 MiB of zeros, in a tenth of a MiB."""
    return packed({"zeros.bin": b"\0" * (100 * 1024 * 1024)})


def overlapping(count: int = 600) -> bytes:
    """Make an archive whose entries all share the same bytes, as those that unpack to petabytes do."""
    archive = bytearray(packed({"a.txt": zlib.compress(b"x" * 1000) * 40}, method=zipfile.ZIP_STORED))
    end = archive.rindex(b"PK\x05\x06")
    start = int.from_bytes(archive[end + 16 : end + 20], "little")
    entry = bytes(archive[start:end])
    directory = entry * count
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(directory), start, 0)
    return bytes(archive[:start]) + directory + tail


def linked() -> bytes:
    """Make an archive with a symbolic link that leads out of it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        link = zipfile.ZipInfo("innocent.txt")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return out.getvalue()


def nested(depth: int) -> bytes:
    """Make an archive in an archive, so many deep."""
    data = packed({"a.txt": "a"})
    for _level in range(depth - 1):
        data = packed({"inner.zip": data})
    return data


HARMLESS = [
    Sample("contract.pdf", pdf(), "application/pdf", declared_type="application/pdf"),
    Sample("marked.pdf", pdf(before=b"\xef\xbb\xbf"), "application/pdf"),
    Sample("photo.png", png(), "image/png"),
    Sample("photo.jpg", jpeg_head(4000, 3000), "image/jpeg", declared_type="image/jpg"),
    Sample("moving.gif", gif(), "image/gif"),
    Sample("photo.webp", webp_head(100, 50), "image/webp"),
    Sample("drawing.bmp", bmp_head(10, -10), "image/bmp"),
    Sample("scan.tif", tiff_head(2480, 3508), "image/tiff"),
    Sample("notes.txt", "Заметки 👩‍💼".encode(), "text/plain"),
    Sample("old.txt", "Договор поставки от 5 марта".encode("cp1251"), "text/plain"),
    Sample("wide.txt", "Договор".encode("utf-16"), "text/plain"),
    Sample("empty.txt", b"", "text/plain"),
    Sample("rows.csv", b"a;b\n1;2\n", "text/csv", declared_type="application/vnd.ms-excel"),
    Sample("data.json", b'{"html": "<script>"}', "application/json"),
    Sample("letter.eml", b"From: a@example.org\nSubject: x\n\nhello", "message/rfc822"),
    Sample("letter.docx", docx(), "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    Sample(
        "sums.xlsx",
        xlsx(),
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        declared_type="application/zip",
    ),
    Sample("letter.odt", odt(), _ODT),
    Sample("letter.doc", compound("WordDocument"), "application/msword"),
    Sample("sums.xls", compound("Workbook"), "application/vnd.ms-excel"),
    Sample("letter.msg", compound("__properties_version1.0"), "application/vnd.ms-outlook"),
    Sample("letter.rtf", rb"{\rtf1 hello}", "application/rtf"),
    Sample("papers.zip", packed({"a/b.txt": "b", "a/c.pdf": pdf()}), "application/zip"),
    Sample("empty.zip", packed({}), "application/zip"),
    Sample("two.zip", nested(2), "application/zip"),
    Sample("song.bin", b"\x93\x01\x02\xff\xfe\x00" * 9, "application/octet-stream"),
    # No ending is no contradiction.
    Sample("README", b"hello", "text/plain"),
]
# Taken, and never shown within a page.
ACTIVE = [
    Sample(
        "drawing.svg",
        b'<svg xmlns="http://www.w3.org/2000/svg">%s</svg>' % SCRIPT,
        "image/svg+xml",
        is_active=True,
    ),
    Sample(
        "commented.svg",
        b'<?xml version="1.0"?><!-- <a> -->\n<!DOCTYPE svg [<!ENTITY x "y">]>\n<svg:svg onload="alert(1)"/>',
        "image/svg+xml",
        is_active=True,
    ),
    Sample("page.html", b"\n\n<!-- x --><HTML>%s" % SCRIPT, "text/html", is_active=True),
    Sample("page", b"<b>%s" % SCRIPT, "text/html", is_active=True),
    Sample("wide.html", "<html><script>1</script>".encode("utf-16"), "text/html", is_active=True),
    Sample(
        "strict.xhtml",
        b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml">%s</html>' % SCRIPT,
        "text/html",
        is_active=True,
    ),
    Sample(
        "feed.xml",
        b'<?xml version="1.0"?><?xml-stylesheet href="x.xsl"?><a/>',
        "application/xml",
        is_active=True,
    ),
    Sample("code.js", b"document.title = 'pwned'", "text/javascript", is_active=True),
    Sample(
        "scripted.pdf",
        pdf(b"/OpenAction << /S /JavaScript /JS (app.alert(1)) >>"),
        "application/pdf",
        flags=frozenset({"javascript"}),
        is_active=True,
    ),
    Sample(
        "hidden.pdf",
        pdf(b"/OpenAction << /S /J#61vaScrip#74 >>"),
        "application/pdf",
        flags=frozenset({"javascript"}),
        is_active=True,
    ),
    Sample(
        "packed.pdf",
        pdf(b"", packed_objects(b"5 0 << /S /JavaScript /JS (app.alert(1)) >>")),
        "application/pdf",
        flags=frozenset({"javascript"}),
        is_active=True,
    ),
    # Across the pieces in which a file is read.
    Sample(
        "far.pdf",
        pdf(b"", b"(" + b"x" * (1024 * 1024 - 700) + b")", packed_objects(b"%s << /JS (x) >>" % HAY)),
        "application/pdf",
        flags=frozenset({"javascript"}),
        is_active=True,
    ),
    # Behind more than is looked through, written in another manner, and under another name.
    Sample(
        "deep.pdf",
        pdf(b"", packed_objects(b" " * (5 * 1024 * 1024) + b"<< /JS (x) >>")),
        "application/pdf",
        flags=frozenset({"unseen"}),
        is_active=True,
    ),
    Sample(
        "odd.pdf",
        pdf(b"", b"<< /Type /ObjStm /Filter /LZWDecode /Length 4 >>\nstream\nabcd\nendstream"),
        "application/pdf",
        flags=frozenset({"unseen"}),
        is_active=True,
    ),
    Sample(
        "masked.pdf",
        pdf(b"", packed_objects(b"<< /JS (x) >>").replace(b"/ObjStm", b"/Obj#53tm")),
        "application/pdf",
        flags=frozenset({"unseen"}),
        is_active=True,
    ),
    Sample(
        "launching.pdf",
        pdf(b"/OpenAction << /S /Launch /F (cmd.exe) >>"),
        "application/pdf",
        flags=frozenset({"launch"}),
        is_active=True,
    ),
    Sample(
        "carrying.pdf",
        pdf(b"/Names << /EmbeddedFiles << >> >>"),
        "application/pdf",
        flags=frozenset({"embedded"}),
        is_active=True,
    ),
    Sample(
        "locked.pdf",
        pdf(b"/Encrypt 9 0 R"),
        "application/pdf",
        flags=frozenset({"encrypted"}),
        is_active=True,
    ),
    Sample(
        "macro.docm",
        docx(**{"word/vbaProject.bin": b"x"}),
        "application/vnd.ms-word.document.macroenabled.12",
        flags=frozenset({"macros"}),
        is_active=True,
    ),
    Sample(
        "macro.xlsm",
        xlsx(**{"xl/macrosheets/sheet1.xml": b"x"}),
        "application/vnd.ms-excel.sheet.macroenabled.12",
        flags=frozenset({"macros"}),
        is_active=True,
    ),
    Sample(
        "old.doc",
        compound("WordDocument", "_VBA_PROJECT"),
        "application/msword",
        flags=frozenset({"macros"}),
        is_active=True,
    ),
    Sample(
        "locked.docx",
        compound("EncryptedPackage"),
        "application/x-ole-storage",
        flags=frozenset({"encrypted"}),
        is_active=True,
    ),
    Sample(
        "basic.odt",
        odt(**{"Basic/Standard/Module1.xml": b"x"}),
        _ODT,
        flags=frozenset({"macros"}),
        is_active=True,
    ),
]
REFUSED = [
    Sample("page.pdf", pdf(before=b"<html>%s" % SCRIPT), code="polyglot"),
    Sample("page.pdf", b"%PDF-1.7\n" + b"<html>" + SCRIPT + pdf(), code="polyglot"),
    Sample("image.pdf", gif() + pdf(), code="polyglot"),
    Sample("zip.pdf", pdf(after=packed({"a.txt": "a"})), code="polyglot"),
    Sample("jar.gif", gif() + packed({"a.class": "a"}), code="polyglot"),
    Sample("before.zip", b"#" * 50 + packed({"a.txt": "a"}), code="polyglot"),
    Sample("contract.pdf", b"<html>" + SCRIPT, code="type_contradicts"),
    Sample("photo.png", b"<svg>" + SCRIPT + b"</svg>", code="type_contradicts"),
    Sample("photo.png", jpeg_head(1, 1), code="type_contradicts"),
    Sample("notes.txt", b"<html>" + SCRIPT, code="type_contradicts"),
    Sample("notes.txt", pdf(), code="type_contradicts"),
    Sample("photo.jpg", b"just words", code="type_contradicts"),
    Sample("macro.docx", docx(**{"word/vbaProject.bin": b"x"}), code="type_contradicts"),
    Sample("archive.docx", packed({"a.txt": "a"}), code="type_contradicts"),
    Sample("page", b"<html>", code="type_contradicts", declared_type="image/png"),
    Sample("tool.bin", b"MZ\x90\0" + b"\0" * 60, code="program"),
    Sample("tool", b"\x7fELF" + b"\0" * 60, code="program"),
    Sample("tool.sh", b"#!/bin/sh\nrm -rf /\n", code="program"),
    Sample("link.lnk", b"L\0\0\0\1\x14\2\0" + b"\0" * 60, code="program"),
    Sample("tool.jar", packed({"META-INF/MANIFEST.MF": "x", "A.class": "x"}), code="program"),
    Sample("bomb.zip", bomb(), code="archive_bomb"),
    Sample("nested-bomb.zip", packed({"inner.zip": bomb()}, method=zipfile.ZIP_STORED), code="archive_bomb"),
    Sample("overlapping.zip", overlapping(), code="archive_bomb"),
    Sample("bomb.docx", docx(**{"word/media/a.bin": b"\0" * (100 * 1024 * 1024)}), code="archive_bomb"),
    Sample("deep.zip", nested(3), code="archive_nested"),
    Sample("climbing.zip", packed({"../../etc/cron.d/x": "x"}), code="archive_names"),
    Sample("climbing.zip", packed({"a\\..\\..\\x": "x"}), code="archive_names"),
    Sample("absolute.zip", packed({"/etc/passwd": "x"}), code="archive_names"),
    Sample("drive.zip", packed({"C:\\Windows\\x": "x"}), code="archive_names"),
    Sample("linked.zip", linked(), code="archive_names"),
    Sample("cut.zip", packed({"a.txt": "a" * 1000})[:-30], code="broken"),
    Sample("huge.png", png(60_000, 60_000), code="too_many_pixels"),
    Sample("huge.jpg", jpeg_head(65_000, 65_000), code="too_many_pixels"),
    Sample("huge.gif", gif(65_535, 65_535), code="too_many_pixels"),
    Sample("huge.webp", webp_head(16_000_000, 16_000_000), code="too_many_pixels"),
    Sample("huge.tif", tiff_head(2**31, 2**31), code="too_many_pixels"),
    Sample("cut.png", png()[:12], code="broken"),
    Sample("cut.jpg", jpeg_head(1, 1)[:8], code="broken"),
]
EVERYTHING = [*HARMLESS, *ACTIVE, *REFUSED]
