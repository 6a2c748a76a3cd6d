"""LibreOffice, where it is installed: office files as PDF, made in a process that has nothing to lose."""

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from django.conf import settings

from apps.documents import sandbox

_PDF, _ARCHIVES = "pdf", 'pdf:writer_pdf_Export:{"SelectPdfVersion":{"type":"long","value":"3"}}'


class OfficeFailed(Exception):
    """LibreOffice could not make a PDF of a file, or took too long."""


class NothingMade(sandbox.Refused):
    """LibreOffice ended well, as it does whatever it could not read, and there is no PDF."""


def is_installed() -> bool:
    """Tell whether office files can be made into PDF here."""
    return program() is not None


def program() -> str | None:
    """Return the program that does it; None where there is none."""
    return shutil.which(settings.DOCUMENT_OFFICE) if settings.DOCUMENT_OFFICE else None


@contextmanager
def made_pdf(file: IO[bytes], suffix: str, *, for_archives: bool = False) -> Iterator[Path]:
    """
    Make a PDF of an office file, and give it until the context ends. Call it outside of transactions: it takes seconds.

    :param suffix: what kind of file it is, "docx"
    :param for_archives: as PDF/A-3b, with all that it needs inside; of texts only
    :raises sandbox.Refused: LibreOffice is not installed, does not understand the file, or took too long
    """
    found = program()
    if found is None:
        raise sandbox.Refused("NO_PROGRAM")
    limits = {"memory": settings.DOCUMENTS_OFFICE_MEMORY, "seconds": settings.DOCUMENTS_OFFICE_SECONDS}
    to = _ARCHIVES if for_archives else _PDF
    with sandbox.work("office", file, suffix=suffix, program=found, to=to, **limits) as outcome:
        made = next((outcome.directory / "made").glob("*.pdf"), None)
        if made is None:
            raise NothingMade("DAMAGED")
        yield made


def to_pdf(content: bytes, suffix: str, *, for_archives: bool = False) -> bytes:
    """
    Return the PDF of an office file that is at hand as a whole.

    :param suffix: what kind of file it is, ".docx"
    :raises OfficeFailed: it is not installed, does not understand the file, or took too long
    """
    try:
        with made_pdf(io.BytesIO(content), suffix.removeprefix("."), for_archives=for_archives) as made:
            return made.read_bytes()
    except sandbox.Refused as refused:
        raise OfficeFailed(refused.reason) from refused
