"""A look at a document on its page: the pages as pictures, the PDF to read, earlier versions too."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from apps.documents.admin.panels import Panel, add_panel
from apps.documents.faces.previews import preview_for
from apps.documents.models import Document, DocumentVersion, Rendition
from apps.documents.selectors import pictured_pages
from apps.documents.services.renditions import PDF, TEXT

# Versions that are offered to be looked at; the others are in the list of all.
_OFFERED = 10
_STATE, _REASON = Rendition.State, Rendition.Reason


def _preview(request: HttpRequest, document: Document) -> dict[str, Any] | None:
    """Tell what there is to look at of the version in the address, or of the current one."""
    version = _looked_at(request, document)
    if version is None:
        return None
    preview = preview_for(version.blob)
    kind = preview.blob.content_type if preview.blob is not None else ""
    pages = pictured_pages(version.blob)
    return {
        "version": version,
        "is_current": version.pk == document.current_version_id,
        "versions": list(document.versions.order_by("-number")[:_OFFERED]),
        "is_pending": preview.state == _STATE.PENDING,
        "refused": _REASON(preview.reason).label if preview.reason else "",
        "is_readable": kind in {PDF, TEXT},
        "is_text": kind == TEXT,
        # Only the pictures are shown of what acts: the person should know why.
        "is_active": kind not in {PDF, TEXT, ""} and version.blob.content_type == PDF,
        "pages": pages,
        "more_pages": max((preview.page_count or 0) - len(pages), 0),
    }


def _looked_at(request: HttpRequest, document: Document) -> DocumentVersion | None:
    number = request.GET.get("look", "")
    versions = document.versions.select_related("blob")
    if number.isdecimal() and len(number) < 9:
        return versions.filter(number=int(number)).first()
    current = document.current_version_id
    return None if current is None else versions.get(pk=current)


add_panel(Panel("preview", _("Preview"), "admin/documents/panels/preview.html", _preview, 40))
