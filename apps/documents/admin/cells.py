"""How documents are written in lists: as plain strings, for they are written a hundred times a page."""

from html import escape
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils.safestring import SafeString

from apps.documents.icons import icon_of
from apps.documents.models import Document
from apps.lists.admin.rows import marked

_TONES = {
    Document.Status.DRAFT: "quiet",
    Document.Status.IN_REVIEW: "warn",
    Document.Status.APPROVED: "live",
    Document.Status.SIGNED: "good",
    Document.Status.VOID: "bad",
}


def icon(document: Any) -> SafeString:
    """Write what kind of content a document has, for the eye alone."""
    version = document.current_version
    name = icon_of(version.blob.content_type) if version is not None else "draft"
    return SafeString(f'<span class="material-symbols-outlined doc-icon" aria-hidden="true">{name}</span>')


def title(document: Any) -> SafeString:
    """Write a document's icon, number and title."""
    number = f'<span class="doc-number">{escape(document.number)}</span> ' if document.number else ""
    return SafeString(
        f'<span class="doc-title">{icon(document)}<span>{number}{escape(document.title)}</span></span>'
    )


def status(document: Any) -> SafeString:
    """Write where a document stands, as a colored label."""
    tone = _TONES.get(document.status, "quiet")
    return marked(f"art-badge art-badge-{tone}", str(document.get_status_display()))


def size(document: Any) -> SafeString:
    """Write how large the current content is."""
    version = document.current_version
    return marked("art-number", filesizeformat(version.blob.size) if version is not None else "–")
