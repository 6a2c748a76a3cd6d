"""From a template's version and its data to a file: PDF wherever that can be made here."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from pypdf import PdfReader, PdfWriter

from apps.documents import office, papers
from apps.documents.models import Blob, LegalEntity, TemplateVersion
from apps.documents.rendering import word
from apps.documents.rendering.typst import qr_svg, set_paper
from apps.documents.services import blobs

PDF = "application/pdf"
_ENDINGS = {"image/png": "png", "image/jpeg": "jpg"}
# A page with nothing on it but the mark; laid over pages that were not set with it.
_MARK = '#import "layout.typ": *\n#show: sheet\n#set page(footer: none)\n#hide[.]'


@dataclass(frozen=True)
class Paper:
    """A paper as a file."""

    content: bytes
    content_type: str
    suffix: str


def render(
    version: TemplateVersion,
    data: Mapping[str, Any],
    *,
    logo: Blob | None,
    at: datetime,
    seconds: float | None = None,
) -> Paper:
    """
    Make the file of a paper. Call it outside of transactions: it takes a process, and perhaps the storage.

    Word templates become PDF where LibreOffice is installed, and stay Word files where it is not.

    :param at: when the paper says it was made
    :raises ValidationError: the template is refused or takes more than it may ("template_…"), or LibreOffice does not
        understand what it makes ("office")
    """
    if version.text:
        images = _pictures(data, logo)
        named = {
            **data,
            "logo": next((n for n in images if n.startswith("logo.")), ""),
            "qr": "qr.svg" if data["qr"] else "",
        }
        return Paper(set_paper(version.text, named, at=at, images=images, seconds=seconds), PDF, ".pdf")
    if version.blob is None:
        raise ValueError("a version has a file or a text")
    with blobs.open_blob(version.blob) as file:
        filled = word.fill(file.read(), papers.flat(data), seconds=seconds)
    if not office.is_installed():
        return Paper(filled, word.DOCX, ".docx")
    try:
        pdf = office.to_pdf(filled, "docx", for_archives=True)
    except office.OfficeFailed as error:
        raise ValidationError(
            _(
                "LibreOffice could not turn the paper into PDF. Try again, or save the template in Word once more."
            ),
            code="office",
        ) from error
    if data["is_draft"]:
        pdf = _marked(pdf, data, at)
    return Paper(pdf, PDF, ".pdf")


def logo_of(entity: LegalEntity | None) -> Blob | None:
    """Return the picture that papers of a company begin with."""
    return entity.logo if entity else None


def _pictures(data: Mapping[str, Any], logo: Blob | None) -> dict[str, bytes]:
    found = {}
    if logo is not None:
        with blobs.open_blob(logo) as file:
            found[f"logo.{_ENDINGS[logo.content_type]}"] = file.read()
    if data["qr"]:
        found["qr.svg"] = qr_svg(data["qr"])
    return found


def _marked(pdf: bytes, data: Mapping[str, Any], at: datetime) -> bytes:
    """Lay the mark of a draft under every page."""
    mark = PdfReader(io.BytesIO(set_paper(_MARK, {**data, "logo": "", "qr": ""}, at=at))).pages[0]
    writer = PdfWriter(clone_from=io.BytesIO(pdf))
    for page in writer.pages:
        page.merge_page(mark, over=False)
    whole = io.BytesIO()
    writer.write(whole)
    return whole.getvalue()
