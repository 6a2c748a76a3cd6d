"""Documents in the admin: their list, and a page whose parts and commands come from all rooms of the app."""

from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from apps.accounts.faces.admin import actor_of, call_service
from apps.common.templatetags.artel import when
from apps.documents.addresses import address_of, key_in
from apps.documents.admin import cells, panels
from apps.documents.admin.filters import AttentionFilter, BelongsFilter, FolderFilter
from apps.documents.belonging import Kind, kind_of, kinds
from apps.documents.faces.stream import DocumentStream
from apps.documents.icons import icon_of
from apps.documents.models import Document, DocumentLink
from apps.documents.selectors import matching_documents
from apps.documents.services import checkouts, documents, keeping
from apps.documents.services.documents import Target
from apps.lists.admin.rows import ArchivableAdmin, Command, TrashFilter, VersionedForm, marked

# Panels below this stand above the form.
ABOVE_FORM = 50
# As many objects as a person looks through before they type more.
FOUND = 10


class DocumentForm(VersionedForm):
    """A document as people write it; its state is changed by the buttons above."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None and "type" in self.fields:
            offered: Any = self.fields["type"]
            self.fields["type"].initial = offered.queryset.filter(code="file").first()


@dataclass(frozen=True)
class ShownPanel:
    """A part of a document's page, written."""

    key: str
    title: str
    html: SafeString
    order: int
    is_side: bool


@dataclass(frozen=True)
class ShownCommand:
    """A button of a document's page; what it asks for first, written."""

    key: str
    label: str
    html: SafeString | str


@admin.register(Document)
class DocumentAdmin(ArchivableAdmin):
    """Plain edits go through `change_document`, changes of state through the buttons above the form."""

    add_label = _("New document")
    empty_title = _("Your papers in one place")
    empty_text = _(
        "Contracts, acts, invoices and any other files: with versions, with what they belong to, and found by a word. "
        "Upload a file, or write down what is still to come."
    )
    form = DocumentForm
    create = staticmethod(documents.create_document)
    change = staticmethod(documents.change_document)
    archive = staticmethod(documents.archive_document)
    restore = staticmethod(documents.restore_document)
    list_display = (
        "title_cell",
        "belongs_cell",
        "folder_cell",
        "status_cell",
        "size_cell",
        "changed_cell",
        "owner_cell",
    )
    list_display_links = ("title_cell",)
    list_select_related = ("type", "folder", "owner", "current_version__blob")
    list_only = (
        "number",
        "title",
        "status",
        "updated_at",
        "has_legal_hold",
        "checked_out_until",
        "type__name",
        "folder__name",
        "owner__name",
        "current_version__blob__content_type",
        "current_version__blob__size",
    )
    list_filter = (
        "type",
        ("status", ChoicesDropdownFilter),
        FolderFilter,
        "owner",
        "team",
        "tags",
        BelongsFilter,
        AttentionFilter,
        TrashFilter,
    )
    list_before_template = "admin/documents/switch.html"
    search_fields = ("title", "number")
    search_help_text = _("Title or number")
    autocomplete_fields = ("owner", "team", "tags")
    change_form_outer_before_template = "admin/documents/document/header.html"
    change_form_outer_after_template = "admin/documents/document/around.html"

    class Media:
        css: ClassVar[dict[str, tuple[str, ...]]] = {
            "all": ("css/rows.css", "css/history.css", "css/documents-pages.css")
        }

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        fields = ["title", ("type", "folder"), "tags", ("owner", "team"), "description"]
        return [(None, {"fields": fields})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        if obj is None:
            return []
        fixed = ["title", "type"] if obj.is_final else []
        return fixed if self.may("assign", request, obj) else [*fixed, "owner", "team"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Document]:
        links = DocumentLink.objects.only("document", "target_name").order_by("pk")
        return super().get_queryset(request).prefetch_related(Prefetch("links", links, to_attr="named_links"))

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"owner": actor_of(request).pk, **super().get_changeform_initial_data(request)}

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        # What is in the trash is offered for nothing new; the form keeps what a document has already.
        if db_field.name in {"type", "folder"}:
            rows = db_field.remote_field.model.objects.active().order_by("name")
            kwargs["queryset"] = rows
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Document], search_term: str
    ) -> tuple[QuerySet[Document], bool]:
        term = search_term.strip()
        if term:
            queryset = matching_documents(queryset, term)
        return super().get_search_results(request, queryset, "")

    def initial_values(self, values: dict[str, Any]) -> dict[str, Any]:
        # An empty team is the owner's own.
        return values if values.get("team_id") else {k: v for k, v in values.items() if k != "team_id"}

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        places = {
            "browse_url": address_of("admin:documents_folder_browse"),
            "upload_url": address_of("admin:documents_upload") if self.may("add", request) else "",
        }
        return super().changelist_view(request, places | (extra_context or {}))

    # The list

    @admin.display(description=_("title"), ordering="title")
    def title_cell(self, document: Document) -> SafeString:
        return cells.title(document)

    @admin.display(description=_("belongs to"))
    def belongs_cell(self, document: Any) -> str:
        names = [link.target_name for link in document.named_links]
        if not names:
            return "–"
        return names[0] if len(names) == 1 else f"{names[0]} +{len(names) - 1}"

    @admin.display(description=_("folder"))
    def folder_cell(self, document: Document) -> str:
        return document.folder.name if document.folder else "–"

    @admin.display(description=_("status"))
    def status_cell(self, document: Document) -> SafeString:
        marks = ""
        if document.has_legal_hold:
            marks += _mark("gavel", gettext("On legal hold"))
        if document.is_checked_out:
            marks += _mark("lock", gettext("Checked out"))
        return SafeString(f"{cells.status(document)}{marks}")

    @admin.display(description=_("size"))
    def size_cell(self, document: Document) -> SafeString:
        return cells.size(document)

    @admin.display(description=_("changed"), ordering="updated_at")
    def changed_cell(self, document: Document) -> str | SafeString:
        return when(document.updated_at)

    @admin.display(description=_("owner"))
    def owner_cell(self, document: Document) -> str:
        return str(document.owner) if document.owner else str(_("everybody's"))

    # The page

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if request.headers.get("X-Artel-Live") and request.method == "GET":
            # A page that looks anew behind somebody's back shows no messages, so it must not use them up.
            del request._messages  # type: ignore[attr-defined]
        # Before the document is read, so that nothing that comes meanwhile is missed.
        live = {"live": _live(key_in(object_id))}
        return super().change_view(request, object_id, form_url, live | (extra_context or {}))

    def page_context(self, request: HttpRequest, row: Document) -> dict[str, Any]:
        actor = actor_of(request)
        version = row.current_version
        is_active = row.archived_at is None
        has_it = row.is_checked_out and row.checked_out_by_id == actor.pk
        shown = _panels(request, row)
        return {
            **super().page_context(request, row),
            "is_active": is_active,
            "icon": icon_of(version.blob.content_type) if version is not None else "draft",
            "content": version.blob if version is not None else None,
            "path": _path(row),
            "commands": self._commands_for(request, row),
            "has_it": has_it,
            "may_check_in": self.may("change", request, row) and (has_it or self.may("assign", request, row)),
            "may_delete": not is_active and self.may("delete", request, row),
            "above": [each for each in shown if each.order < ABOVE_FORM],
            "wide": [each for each in shown if each.order >= ABOVE_FORM and not each.is_side],
            "side": [each for each in shown if each.order >= ABOVE_FORM and each.is_side],
            "download_url": "" if version is None else address_of("documents:content", version.pk),
            "new_version_url": self._new_version_url(request, row),
        }

    def _new_version_url(self, request: HttpRequest, row: Document) -> str:
        is_open = row.archived_at is None and not row.is_final
        upload = address_of("admin:documents_upload")
        may_add = is_open and bool(upload) and self.may("change", request, row)
        return f"{upload}?document={row.pk}" if may_add else ""

    def _commands_for(self, request: HttpRequest, row: Document) -> list[ShownCommand]:
        return [
            ShownCommand(key, str(command.label), _asked(request, command, row))
            for key, command in panels.commands().items()
            if command.is_possible(row) and self.may(command.action, request, row)
        ]

    # Commands

    def commands(self) -> dict[str, Command]:
        others = {key: command.run for key, command in panels.commands().items()}
        own: dict[str, Command] = {
            "check_in": self._check_in,
            "link": self._link,
            "unlink": self._unlink,
            "delete": self._delete,
        }
        return super().commands() | others | own

    def _check_in(self, request: HttpRequest, pk: int, version: int | None) -> None:
        actor = actor_of(request)
        if call_service(request, checkouts.check_in_document, pk, actor=actor, expected_version=version):
            messages.success(request, gettext("Everybody can work on it again."))

    def _link(self, request: HttpRequest, pk: int, version: int | None) -> None:
        label, _colon, key = request.POST.get("target", "").partition(":")
        target = Target(label, key_in(key))
        link = call_service(request, documents.link_document, pk, target, actor=actor_of(request))
        if link is not None:
            messages.success(request, gettext("It belongs to %(name)s now.") % {"name": link.target_name})

    def _unlink(self, request: HttpRequest, pk: int, version: int | None) -> None:
        link_id = key_in(request.POST.get("link", ""))
        # The service returns nothing, which is what a refusal looks like.
        unlinked = call_service(request, _unlinked, pk, link_id, actor=actor_of(request))
        if unlinked:
            messages.success(request, gettext("It does not belong there any more."))

    def _delete(self, request: HttpRequest, pk: int, version: int | None) -> None:
        if call_service(request, _deleted, pk, actor=actor_of(request), expected_version=version):
            messages.success(request, gettext("Deleted for good."))

    # What it belongs to

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.link_view)
        link = path("<int:object_id>/link/", view, name="documents_document_link")
        return [link, *super().get_urls()]

    def link_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Find an object for a document to belong to, among those that the person sees."""
        row = self.get_queryset(request).filter(pk=object_id).first()
        if row is None:
            raise Http404
        page = reverse("admin:documents_document_change", args=[object_id])
        offered = _linkable(self.admin_site, request)
        if not offered or not self.has_change_permission(request, row):
            return HttpResponseRedirect(page)
        kind = kind_of(request.GET.get("kind", "")) or offered[0]
        term = request.GET.get("q", "").strip()
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("What it belongs to"),
            "opts": self.opts,
            "original": row,
            "row": row,
            "kinds": [{"kind": each, "name": capfirst(each.name)} for each in offered],
            "kind": kind,
            "term": term,
            "found": _found(self.admin_site, request, kind, term),
            "page_url": page,
        }
        return TemplateResponse(request, "admin/documents/document/link.html", context)


def _unlinked(document_id: int, link_id: int, *, actor: Any) -> bool:
    documents.unlink_document(document_id, link_id, actor=actor)
    return True


def _deleted(document_id: int, *, actor: Any, expected_version: int | None) -> bool:
    keeping.delete_document(document_id, actor=actor, expected_version=expected_version)
    return True


def _linkable(site: Any, request: HttpRequest) -> list[Kind]:
    """List the kinds of objects among which this person can look for one."""
    return [
        kind
        for kind in kinds()
        if kind.model in site._registry and site._registry[kind.model].has_view_permission(request)
    ]


def _found(site: Any, request: HttpRequest, kind: Kind, term: str) -> list[dict[str, Any]]:
    """Find objects as their own list would, the newest first."""
    page = site._registry.get(kind.model)
    if page is None or not page.has_view_permission(request):
        return []
    rows, _has_duplicates = page.get_search_results(request, page.get_queryset(request), term)
    return [{"target": f"{kind.label}:{row.pk}", "name": str(row)} for row in rows.order_by("-pk")[:FOUND]]


def _live(document_id: int) -> dict[str, Any]:
    """Return what a page needs to follow its document from now on."""
    epoch, seq = DocumentStream().head(str(document_id))
    words = {
        "away": gettext("No connection. What you see catches up as soon as it is back."),
        "out": gettext("You are logged out. Reload the page to log in."),
        "gone": gettext("You may not see this document any more."),
        "waits": gettext("Something has changed here. It shows once you are done."),
        "form": gettext(
            "This document has changed meanwhile. What you typed stays; when you save, you see both versions."
        ),
    }
    return {"stream": f"document:{document_id}", "epoch": epoch, "seq": seq, "words": words}


def _path(document: Document) -> list[dict[str, Any]]:
    """List the states on a document's way, and where it stands among them."""
    status = Document.Status
    way = [status.DRAFT, status.IN_REVIEW, status.APPROVED]
    if document.type.needs_signature or document.status == status.SIGNED:
        way.append(status.SIGNED)
    if document.status == status.VOID:
        return [{"label": step.label, "state": ""} for step in way] + [
            {"label": status.VOID.label, "state": "void"}
        ]
    here = way.index(status(document.status))
    states = ["done" if place < here else "current" if place == here else "" for place in range(len(way))]
    return [{"label": step.label, "state": state} for step, state in zip(way, states, strict=True)]


def _panels(request: HttpRequest, document: Document) -> list[ShownPanel]:
    shown = []
    for panel in panels.panels():
        context = panel.context(request, document)
        if context is not None:
            html = render_to_string(panel.template, {**context, "document": document}, request)
            shown.append(ShownPanel(panel.key, str(panel.title), html, panel.order, panel.is_side))
    return shown


def _asked(request: HttpRequest, command: panels.Command, document: Document) -> SafeString | str:
    if not command.template:
        return ""
    return render_to_string(command.template, {"document": document, "command": command}, request)


def _mark(icon: str, text: str) -> SafeString:
    return SafeString(
        f' <span class="material-symbols-outlined doc-mark" title="{text}" aria-hidden="true">{icon}</span>'
        f"{marked('art-visually-hidden', text)}"
    )
