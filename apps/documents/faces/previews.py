"""Showing what was made of a content; asking for it where nobody has yet."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from apps.documents import tasks
from apps.documents.faces.serving import respond_with_blob
from apps.documents.models import Blob, DocumentVersion, Rendition
from apps.documents.selectors import picture_of, preview_of
from apps.documents.services.renditions import PDF, PICTURE

# How soon a browser may ask again for what is being made.
_SOON_SECONDS = 2
_ENDINGS = {PDF: ".pdf", PICTURE: ".webp"}


def preview_for(blob: Blob) -> Rendition:
    """Return how far a content's preview is; one that nobody has asked for is asked for now."""
    found = preview_of(blob)
    if found is None:
        tasks.ask_for_renditions(blob)
        found = preview_of(blob) or Rendition(source=blob, kind=Rendition.Kind.PREVIEW)
    return found


def respond_with_preview(version: DocumentVersion, request: Any) -> HttpResponseBase:
    """
    Answer with what stands for a content: 202 while it is being made.

    :raises ValidationError: there is none, and why (code "no_preview")
    """
    preview = preview_for(version.blob)
    if preview.state == Rendition.State.REFUSED:
        raise ValidationError(Rendition.Reason(preview.reason).label, code="no_preview")
    if preview.blob is None:
        text = _("The preview is being made.")
        return HttpResponse(
            text,
            status=202,
            content_type="text/plain; charset=utf-8",
            headers={"Retry-After": str(_SOON_SECONDS), "Cache-Control": "private, no-store"},
        )
    kind = preview.blob.content_type
    # What was made bears the name of what it was made of, and its own ending.
    ending = "" if preview.blob_id == version.blob_id else _ENDINGS[kind]
    return respond_with_blob(
        preview.blob, request, file_name=version.file_name + ending, as_attachment=False, content_type=kind
    )


def respond_with_page(version: DocumentVersion, request: Any, number: int) -> HttpResponseBase:
    """Answer with the picture of a page. :raises ValidationError: there is none (code "no_preview")"""
    picture = picture_of(version.blob, page=number)
    if picture is None:
        raise ValidationError(_("There is no picture of this page."), code="no_preview")
    return _picture(picture, version, request)


def respond_with_thumbnail(version: DocumentVersion, request: Any) -> HttpResponseBase | None:
    """Answer with the small picture of a content; None where there is none, or none yet."""
    picture = picture_of(version.blob)
    return None if picture is None else _picture(picture, version, request)


def _picture(picture: Blob, version: DocumentVersion, request: Any) -> HttpResponseBase:
    return respond_with_blob(
        picture, request, file_name=f"{version.file_name}.webp", as_attachment=False, content_type=PICTURE
    )
