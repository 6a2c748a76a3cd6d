"""What the pages of documents themselves bring to a document's page: what it belongs to, versions, story, commands."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.faces.admin import actor_of, call_service
from apps.documents.addresses import address_of
from apps.documents.admin.panels import Command, Panel, add_command, add_panel
from apps.documents.belonging import belongings_of, kinds
from apps.documents.icons import icon_of
from apps.documents.models import Document, DocumentVersion
from apps.documents.services import checkouts, keeping
from apps.history.selectors import stories

# What a page shows of a long list; the rest is a click away.
VERSIONS_SHOWN, STORY_SHOWN = 30, 8


def _belongs(request: HttpRequest, document: Document) -> dict[str, Any]:
    actor = actor_of(request)
    may_link = document.archived_at is None and access.can(actor, "change", document)
    found = belongings_of(document, actor=actor)
    return {
        "belongings": [
            {
                "it": each,
                "url": address_of(f"admin:{each.label.replace('.', '_')}_change", each.link.target_id)
                if each.is_visible
                else "",
            }
            for each in found
        ],
        "may_link": may_link,
        "link_url": reverse("admin:documents_document_link", args=[document.pk]) if kinds() else "",
        "unlink_url": reverse("admin:documents_document_command", args=[document.pk, "unlink"]),
    }


def _versions(request: HttpRequest, document: Document) -> dict[str, Any] | None:
    versions = document.versions.select_related("blob", "created_by").order_by("-number")
    found = list(versions[: VERSIONS_SHOWN + 1])
    if not found:
        return None
    day = _day_in(request.GET.get("on", ""))
    return {
        "versions": [_shown(version, document) for version in found[:VERSIONS_SHOWN]],
        "has_more": len(found) > VERSIONS_SHOWN,
        "day": day,
        "on_day": None if day is None else _version_on(document, day),
    }


def _day_in(given: str) -> date | None:
    try:
        return parse_date(given)
    except ValueError:
        return None


def _shown(version: DocumentVersion, document: Document) -> dict[str, Any]:
    return {
        "version": version,
        "icon": icon_of(version.blob.content_type),
        "is_current": version.pk == document.current_version_id,
        "download_url": address_of("documents:content", version.pk),
        "preview_url": address_of("documents:preview", version.pk),
    }


def _version_on(document: Document, day: date) -> DocumentVersion | None:
    """Return the version that held when a day ended, in the reader's zone."""
    try:
        ended = timezone.make_aware(datetime.combine(day + timedelta(days=1), time.min))
    except OverflowError:
        return None
    return document.versions.filter(created_at__lt=ended).order_by("-number").first()


def _story(request: HttpRequest, document: Document) -> dict[str, Any]:
    story = stories.story(document, actor=actor_of(request))
    return {
        "entries": story.entries[:STORY_SHOWN],
        "openable": story.openable,
        "history_url": reverse("admin:documents_document_history", args=[document.pk]),
    }


def _check_out(request: HttpRequest, pk: int, version: int | None) -> None:
    given = request.POST.get("hours", "")
    hours = int(given) if given.isdecimal() and len(given) < 6 else None
    document = call_service(
        request,
        checkouts.check_out_document,
        pk,
        actor=actor_of(request),
        hours=hours,
        expected_version=version,
    )
    if document:
        messages.success(request, gettext("It is yours to work on: nobody else adds versions meanwhile."))


def _hold(request: HttpRequest, pk: int, version: int | None) -> None:
    reason = request.POST.get("reason", "")
    actor = actor_of(request)
    if call_service(request, keeping.hold_document, pk, reason=reason, actor=actor, expected_version=version):
        messages.success(request, gettext("On legal hold: nobody can delete it."))


def _release(request: HttpRequest, pk: int, version: int | None) -> None:
    if call_service(request, keeping.release_document, pk, actor=actor_of(request), expected_version=version):
        messages.success(request, gettext("The legal hold has ended."))


def _void(request: HttpRequest, pk: int, version: int | None) -> None:
    reason = request.POST.get("reason", "")
    actor = actor_of(request)
    if call_service(request, keeping.void_document, pk, reason=reason, actor=actor, expected_version=version):
        messages.success(request, gettext("Void now."))


def _is_open(document: Document) -> bool:
    return document.archived_at is None and not document.is_final


add_panel(
    Panel("belongs", _("Belongs to"), "admin/documents/document/belongs.html", _belongs, 60, is_side=True)
)
add_panel(Panel("versions", _("Versions"), "admin/documents/document/versions.html", _versions, 70))
add_panel(Panel("story", _("History"), "admin/documents/document/story.html", _story, 300))
add_command(
    Command(
        "check_out",
        _("Check out"),
        "change",
        _check_out,
        lambda document: _is_open(document) and not document.is_checked_out,
        "admin/documents/document/ask_check_out.html",
        200,
    )
)
add_command(
    Command(
        "hold",
        _("Put on legal hold"),
        "hold",
        _hold,
        lambda document: not document.has_legal_hold,
        "admin/documents/document/ask_hold.html",
        300,
    )
)
add_command(
    Command(
        "release",
        _("End the legal hold"),
        "hold",
        _release,
        lambda document: document.has_legal_hold,
        "",
        300,
    )
)
add_command(
    Command(
        "void",
        _("Declare void"),
        "void",
        _void,
        lambda document: document.archived_at is None and document.status != Document.Status.VOID,
        "admin/documents/document/ask_void.html",
        310,
    )
)
