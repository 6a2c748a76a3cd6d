"""The documents of an object, for the pages of the apps that have objects."""

from typing import Any
from urllib.parse import urlencode

from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse

from apps.accounts import access
from apps.accounts.faces.admin import actor_of
from apps.documents.addresses import address_of
from apps.documents.admin import cells
from apps.documents.belonging import documents_of
from apps.documents.models import Document

# What a card lists; the rest is a click away.
SHOWN = 6


def documents_card(request: HttpRequest, row: Model) -> dict[str, Any] | None:
    """
    Return what `admin/documents/card.html` shows of an object's documents; None for who sees no documents at all.

    Nothing is begun here for an object in the trash.
    """
    actor = actor_of(request)
    if not access.can_any(actor, "view", Document):
        return None
    label, pk = row._meta.label_lower, row.pk
    rows = documents_of(label, pk, actor=actor)
    found = list(rows.select_related("owner", "current_version__blob")[: SHOWN + 1])
    target = urlencode({"target": f"{label}:{pk}"})
    may_add = access.can_any(actor, "add", Document) and getattr(row, "archived_at", None) is None
    return {
        "rows": [
            {
                "document": document,
                "icon": cells.icon(document),
                "status": cells.status(document),
                "url": reverse("admin:documents_document_change", args=[document.pk]),
            }
            for document in found[:SHOWN]
        ],
        "count": rows.count() if len(found) > SHOWN else len(found),
        "list_url": f"{reverse('admin:documents_document_changelist')}?{urlencode({'belongs': f'{label}:{pk}'})}",
        "upload_url": _with(address_of("admin:documents_upload"), target) if may_add else "",
        "generate_url": _with(address_of("admin:documents_generate"), target) if may_add else "",
    }


def _with(address: str, query: str) -> str:
    return f"{address}?{query}" if address else ""
