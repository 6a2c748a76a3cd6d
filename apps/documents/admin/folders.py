"""Folders in the admin: where one looks into them and puts things elsewhere, and what is written on each."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.faces.admin import actor_of, call_service
from apps.accounts.models import User
from apps.documents.addresses import address_of, key_in
from apps.documents.admin import cells
from apps.documents.models import Document, Folder
from apps.documents.services import documents, folders
from apps.documents.trees import Node, Tree, tree_of
from apps.lists.admin.rows import ArchivableAdmin, Command, TrashFilter

# Documents that a folder's page shows; the list shows them all.
SHOWN = 200
# As much as somebody picks by hand.
MOST_MOVED = 200
TOP = "top"


@admin.register(Folder)
class FolderAdmin(ArchivableAdmin):
    """Where documents lie."""

    add_label = _("New folder")
    empty_title = _("Folders keep documents in order")
    empty_text = _(
        "A folder belongs to somebody, or to all, and may lie in another. Documents are found without one, too."
    )
    create = staticmethod(folders.create_folder)
    change = staticmethod(folders.change_folder)
    archive = staticmethod(folders.archive_folder)
    restore = staticmethod(folders.restore_folder)
    ordering = ("name", "id")
    short_list = "People make folders one by one."
    list_display = ("name", "parent_cell", "owner_cell")
    list_select_related = ("parent", "owner")
    list_filter = ("owner", "team", TrashFilter)
    list_before_template = "admin/documents/switch.html"
    search_fields = ("name",)
    search_help_text = _("A part of the name")
    autocomplete_fields = ("owner", "team")
    fields = ("name", "parent", ("owner", "team"))
    change_form_outer_before_template = "admin/documents/folder/header.html"

    class Media:
        css: ClassVar[dict[str, tuple[str, ...]]] = {"all": ("css/rows.css", "css/documents-pages.css")}

    @admin.display(description=_("in folder"))
    def parent_cell(self, folder: Folder) -> str:
        return folder.parent.name if folder.parent else "–"

    @admin.display(description=_("owner"))
    def owner_cell(self, folder: Folder) -> str:
        return str(folder.owner) if folder.owner else str(_("everybody's"))

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"owner": actor_of(request).pk, **super().get_changeform_initial_data(request)}

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "parent":
            kwargs["queryset"] = Folder.objects.active().order_by("name")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def initial_values(self, values: dict[str, Any]) -> dict[str, Any]:
        # An empty team is the owner's own.
        return values if values.get("team_id") else {k: v for k, v in values.items() if k != "team_id"}

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        places = {"browse_url": address_of("admin:documents_folder_browse")}
        return super().changelist_view(request, places | (extra_context or {}))

    def page_context(self, request: HttpRequest, row: Folder) -> dict[str, Any]:
        return {**super().page_context(request, row), "browse_url": browse_url(row.pk)}

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> HttpResponse:
        return HttpResponseRedirect(browse_url(obj.parent_id))

    def response_post_save_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        return HttpResponseRedirect(browse_url(obj.parent_id))

    # Commands

    def commands(self) -> dict[str, Command]:
        return super().commands() | {"archive_all": self._archive_all}

    def _archive_all(self, request: HttpRequest, pk: int, version: int | None) -> None:
        actor = actor_of(request)
        if call_service(
            request, folders.archive_folder, pk, actor=actor, with_content=True, expected_version=version
        ):
            messages.success(request, gettext("In the trash now, with all that lay in it."))

    # Looking into folders

    def get_urls(self) -> list[URLPattern]:
        pages: list[tuple[str, Any, str]] = [
            ("browse/", self.browse_start, "browse"),
            ("browse/<slug:folder>/", self.browse_view, "browse_in"),
            ("move/", self.move_view, "move"),
        ]
        own = [
            path(route, self.admin_site.admin_view(view), name=f"documents_folder_{name}")
            for route, view, name in pages
        ]
        return [*own, *super().get_urls()]

    def browse_start(self, request: HttpRequest) -> HttpResponse:
        """Lead to what lies at the top."""
        return HttpResponseRedirect(browse_url(None))

    def browse_view(self, request: HttpRequest, folder: str) -> HttpResponse:
        """Show the folders and documents that lie in a folder, or at the top, as far as the person sees them."""
        actor = actor_of(request)
        access.require(actor, "view", Folder)
        tree = tree_of(actor)
        here = _place(tree, folder)
        inside = self._documents(request, here)
        context = {
            **self.admin_site.each_context(request),
            "title": here.name if here else gettext("Folders"),
            "opts": self.opts,
            "here": here,
            "above": [
                {"pk": node.pk, "name": node.name, "url": browse_url(node.pk)}
                for node in (here.path[:-1] if here else [])
            ],
            "top_url": browse_url(None),
            "folders": self._folders(request, here.children if here else tree.top),
            "documents": [_row(document) for document in inside[:SHOWN]],
            "has_more": len(inside) > SHOWN,
            "list_url": f"{reverse('admin:documents_document_changelist')}?folder={here.pk if here else 'none'}",
            "targets": [(node.pk, f"{'–– ' * node.depth}{node.name}") for node in tree.walk()],
            "move_url": reverse("admin:documents_folder_move"),
            "may_move": access.can_any(actor, "change", Document) or access.can_any(actor, "change", Folder),
            **self._ways_in(request, here),
        }
        return TemplateResponse(request, "admin/documents/folder/browse.html", context)

    def _ways_in(self, request: HttpRequest, here: Node | None) -> dict[str, str]:
        """Return the addresses by which something new comes into a folder."""
        actor = actor_of(request)
        may_add = access.can_any(actor, "add", Document)
        upload = address_of("admin:documents_upload") if may_add else ""
        query = f"?folder={here.pk}" if here else ""
        new = reverse("admin:documents_folder_add") if self.has_add_permission(request) else ""
        return {
            "new_folder_url": f"{new}{f'?parent={here.pk}' if here else ''}" if new else "",
            "new_document_url": f"{reverse('admin:documents_document_add')}{query}" if may_add else "",
            "upload_url": f"{upload}{query}" if upload else "",
            "edit_url": reverse("admin:documents_folder_change", args=[here.pk]) if here else "",
        }

    def _documents(self, request: HttpRequest, here: Node | None) -> list[Document]:
        if not access.can_any(actor_of(request), "view", Document):
            return []
        rows = Document.objects.visible_to(actor_of(request)).active()
        inside: QuerySet[Document] = rows.filter(folder=here.pk if here else None)
        read = inside.select_related("type", "owner", "current_version__blob").order_by("-pk")
        return list(read[: SHOWN + 1])

    def _folders(self, request: HttpRequest, nodes: list[Node]) -> list[dict[str, Any]]:
        keys = [node.pk for node in nodes]
        owners = dict(
            Folder.objects.filter(pk__in=keys, owner__isnull=False).values_list("pk", "owner__name")
        )
        return [
            {"node": node, "url": browse_url(node.pk), "owner": owners.get(node.pk, "")} for node in nodes
        ]

    def move_view(self, request: HttpRequest) -> HttpResponse:
        """Put folders and documents elsewhere, each as far as the person may; what is refused is said."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        actor = actor_of(request)
        given = request.POST.get("target", "")
        back = browse_url(key_in(request.POST.get("from", "")) or None)
        if given != TOP and not key_in(given):
            messages.error(request, gettext("Choose where it goes."))
            return HttpResponseRedirect(back)
        target_id = None if given == TOP else key_in(given)
        items = request.POST.getlist("item")[:MOST_MOVED]
        moved = sum(_moved(request, item, target_id, actor=actor) for item in items)
        if moved:
            text = ngettext("%(count)d thing was moved.", "%(count)d things were moved.", moved)
            messages.success(request, text % {"count": moved})
        return HttpResponseRedirect(back)


def browse_url(folder_id: int | None) -> str:
    """Return where one looks into a folder; what lies in none lies at the top."""
    return reverse("admin:documents_folder_browse_in", args=[folder_id or TOP])


def _moved(request: HttpRequest, item: str, target_id: int | None, *, actor: User) -> bool:
    """Put one thing ("document:12", "folder:3") elsewhere; tell whether it is there now."""
    kind, _colon, key = item.partition(":")
    if kind == "document":
        done: Any = call_service(
            request, documents.change_document, key_in(key), actor=actor, folder_id=target_id
        )
    elif kind == "folder":
        done = call_service(request, folders.change_folder, key_in(key), actor=actor, parent_id=target_id)
    else:
        done = None
    return done is not None


def _place(tree: Tree, folder: str) -> Node | None:
    """Return the folder in an address, None for the top. :raises Http404: there is none in sight"""
    if folder == TOP:
        return None
    node = tree.nodes.get(key_in(folder))
    if node is None:
        raise Http404
    return node


def _row(document: Document) -> dict[str, Any]:
    return {
        "document": document,
        "url": reverse("admin:documents_document_change", args=[document.pk]),
        "icon": cells.icon(document),
        "status": cells.status(document),
        "size": cells.size(document),
    }
