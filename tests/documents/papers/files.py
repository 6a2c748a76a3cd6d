"""Word files made for a test, part by part, and what PDFs say."""

import io
import zipfile
from typing import Any

from docx import Document
from pypdf import PdfReader

RELS = "word/_rels/document.xml.rels"


def docx(*paragraphs: str, header: str = "", table: list[list[str]] | None = None) -> bytes:
    """Return a Word file with these paragraphs, a header, and a table."""
    document: Any = Document()
    for text in paragraphs:
        document.add_paragraph(text)
    if header:
        document.sections[0].header.paragraphs[0].text = header
    if table:
        grid = document.add_table(rows=0, cols=len(table[0]))
        for row in table:
            for cell, text in zip(grid.add_row().cells, row, strict=True):
                cell.text = text
    whole = io.BytesIO()
    document.save(whole)
    return whole.getvalue()


def with_parts(file: bytes, **parts: bytes) -> bytes:
    """Return a file with parts put in or replaced; "__" stands for "/", and "_DOT_" for "."."""
    named = {name.replace("_DOT_", ".").replace("__", "/"): data for name, data in parts.items()}
    return repacked(file, named)


def repacked(file: bytes, parts: dict[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(file)) as old, zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if name not in parts:
                new.writestr(name, old.read(name))
        for name, data in parts.items():
            new.writestr(name, data)
    return whole.getvalue()


def part(file: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        return archive.read(name)


def with_relation(file: bytes, kind: str, target: str, mode: str = "External") -> bytes:
    """Return a file whose body has one more relation."""
    relation = (
        f'<Relationship Id="rIdX" Target="{target}" TargetMode="{mode}" '
        f'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/{kind}"/>'
    )
    rels = part(file, RELS).replace(b"</Relationships>", f"{relation}</Relationships>".encode())
    return repacked(file, {RELS: rels})


def words_of(file: bytes) -> str:
    """Return the text of a Word file's body, its tables and headers."""
    document: Any = Document(io.BytesIO(file))
    texts = [paragraph.text for paragraph in document.paragraphs]
    texts += [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    texts += [paragraph.text for section in document.sections for paragraph in section.header.paragraphs]
    return "\n".join(texts)


def pdf_text(pdf: bytes) -> str:
    """Return what a PDF says, on one line, with plain spaces."""
    pages = PdfReader(io.BytesIO(pdf)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


def is_for_archives(pdf: bytes) -> bool:
    """Tell whether a PDF says that it is PDF/A-3b."""
    root: Any = PdfReader(io.BytesIO(pdf)).trailer["/Root"]
    xmp = root["/Metadata"].get_data().decode()
    return "<pdfaid:part>3</pdfaid:part>" in xmp and "<pdfaid:conformance>B</pdfaid:conformance>" in xmp
