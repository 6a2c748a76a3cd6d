"""Files of each kind, made in place: honest ones, and such as a stranger would send."""

import io
import zipfile
from typing import Any

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
SCRIPT = "fetch('/beacon?'+encodeURIComponent(document.cookie||'none'))"


def pdf(*pages: str, catalog: str = "", extra: str = "") -> bytes:
    """Return a PDF with a line on each page; `catalog` and `extra` put whatever one likes into it."""
    texts = pages or ("Hello",)
    kids = " ".join(f"{4 + 2 * at} 0 R" for at in range(len(texts)))
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R {catalog} >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(texts)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for at, text in enumerate(texts):
        content = f"BT /F1 24 Tf 72 720 Td ({text}) Tj ET"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {5 + 2 * at} 0 R"
            " /Resources << /Font << /F1 3 0 R >> >> >>"
        )
        objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
    if extra:
        objects.append(extra)
    return _assembled(objects)


def _assembled(objects: list[str]) -> bytes:
    out = io.BytesIO(b"%PDF-1.7\n")
    out.seek(0, io.SEEK_END)
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(out.tell())
        out.write(f"{number} 0 obj\n{body}\nendobj\n".encode())
    start = out.tell()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    out.write(f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}".encode())
    out.write(f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF".encode())
    return out.getvalue()


def active_pdf() -> bytes:
    """Return a PDF that would do something when it is opened."""
    return pdf("Active", catalog="/OpenAction << /S /JavaScript /JS (app.alert\\(1\\)) >>")


def picture(format_: str = "PNG", size: tuple[int, int] = (800, 600), **more: Any) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", size, "teal").save(out, format_, **more)
    return out.getvalue()


def docx(*paragraphs: str, rels: str = "", body: str = "") -> bytes:
    """Return a document of Word; `rels` and `body` add what it points at, as XML."""
    said = "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in paragraphs)
    return archive(
        {
            "[Content_Types].xml": _TYPES,
            "_rels/.rels": _RELS.format(
                'Id="r1" Type="' + _OFFICE + '/officeDocument" Target="word/document.xml"'
            ),
            "word/document.xml": _DOCUMENT.format(said + body),
            "word/_rels/document.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">{rels}</Relationships>',
        }
    )


def xlsx(*rows: list[Any]) -> bytes:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("Sheet")
    for row in rows:
        sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def archive(files: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as written:
        for name, text in files.items():
            written.writestr(name, text)
    return out.getvalue()


_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_RELS = f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship {{}}/></Relationships>'
_TYPES = (
    f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
    'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" '
    'ContentType="application/xml"/><Override PartName="/word/document.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)
_DOCUMENT = (
    '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    f'xmlns:r="{_OFFICE}" xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:pic="http://schemas.openxmlformats.org/drawingml/2006/picture">'
    "<w:body>{}</w:body></w:document>"
)

# What a stranger uploads in the hope that it is opened in our origin: name, type as it was found, content.
SVG = f'<svg xmlns="http://www.w3.org/2000/svg" onload="{SCRIPT}"><script>{SCRIPT}</script></svg>'.encode()
HTML = f'<!doctype html><script>{SCRIPT}</script><img src=x onerror="{SCRIPT}">'.encode()
XML = (
    '<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="#s"?>'
    f'<html xmlns="http://www.w3.org/1999/xhtml"><script>{SCRIPT}</script></html>'
).encode()
CORPUS: list[tuple[str, str, bytes]] = [
    ("logo.svg", "image/svg+xml", SVG),
    ("page.html", "text/html", HTML),
    ("data.xml", "application/xml", XML),
    ("page.xhtml", "application/xhtml+xml", XML),
    # Whatever they were taken for, nothing in them may run.
    ("lies.txt", "text/plain", HTML),
    ("lies.png", "image/png", HTML),
    ("lies.gif", "image/gif", b"GIF89a/*" + HTML + b"*/"),
    ("lies.pdf", "application/pdf", HTML + pdf("Polyglot")),
    ("polyglot.pdf", "application/pdf", pdf("Polyglot") + HTML),
    ("active.pdf", "application/pdf", active_pdf()),
    ("page.mht", "message/rfc822", b"MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n" + HTML),
    ("odd.bin", "text/javascript", SCRIPT.encode()),
]
