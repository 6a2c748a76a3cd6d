"""Sending files in the admin: a page that takes many at once, and what became of those that one has sent."""

import json
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from apps.accounts import access
from apps.accounts.faces.admin import ScopedModelAdmin, actor_of
from apps.accounts.scoping import Rule
from apps.common.templatetags.artel import when
from apps.documents.models import Document, DocumentType, Folder, UploadSession
from apps.lists.admin.rows import marked

State = UploadSession.State
_TONES = {State.READY: "good", State.REJECTED: "bad", State.OPEN: "live", State.VERIFYING: "live"}
# What a new document is unless somebody says otherwise.
_PLAIN = "file"


@admin.register(UploadSession)
class UploadSessionAdmin(ScopedModelAdmin):
    """Files are sent over REST by the page's script; this only asks which, and shows what came of them."""

    list_display = ("file_name", "size_cell", "state_cell", "refusal", "created_cell")
    list_filter = ("state",)
    ordering = ("-id",)
    actions = None
    add_label = gettext_lazy("Upload files")
    empty_title = gettext_lazy("Bring in your files")
    empty_text = gettext_lazy(
        "Contracts, scans, letters: many at once, also large ones. A file whose way was interrupted goes on where it was."
    )
    empty_action = gettext_lazy("Upload files")
    fields = ("file_name", "size", "state", "refusal", "document", "comment")

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        # Only its sender's script goes on with an upload.
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    @display(description=gettext_lazy("size"), ordering="size")
    def size_cell(self, session: UploadSession) -> str:
        return str(filesizeformat(session.size))

    @display(description=gettext_lazy("state"), ordering="state")
    def state_cell(self, session: UploadSession) -> str:
        tone = _TONES.get(State(session.state), "quiet")
        return marked(f"art-badge art-badge-{tone}", session.get_state_display())

    @display(description=gettext_lazy("when"), ordering="-id")
    def created_cell(self, session: UploadSession) -> str:
        return when(session.created_at)

    def get_urls(self) -> list[URLPattern]:
        # The same page under a name that other rooms can write without knowing which model's it is.
        page = path("add/", self.admin_site.admin_view(self.add_view), name="documents_upload")
        return [page, *super().get_urls()]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for files: for a folder, an object or a document, where the address names one."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        document = _document(request)
        folder = _row(request, Folder, request.GET.get("folder", ""))
        target = _target(request)
        values: dict[str, Any] = {}
        if document is not None:
            values = {"document": document.pk}
        if folder is not None:
            values["folder"] = folder.pk
        if target is not None:
            values["targets"] = [{"type": target._meta.label_lower, "id": target.pk}]
        context = self.admin_site.each_context(request) | {
            "opts": self.opts,
            "media": self.media,
            "title": _("New version") if document is not None else _("Upload files"),
            "document": document,
            "folder": folder,
            "target": target,
            "types": [] if document is not None else _types(request),
            "plain_type": _PLAIN,
            "values": json.dumps(values),
            "max_bytes": settings.UPLOAD_MAX_BYTES,
            "upload_url": reverse("uploadsession-list"),
            "document_url": _document_url(),
        }
        return TemplateResponse(request, "admin/documents/upload_page.html", context)


def _document(request: HttpRequest) -> Document | None:
    document = _row(request, Document, request.GET.get("document", ""))
    if document is not None and not access.can(actor_of(request), "change", document):
        raise PermissionDenied
    return document


def _target(request: HttpRequest) -> Model | None:
    """Return the object that the address names, as "crm.deal:42"."""
    label, _colon, key = request.GET.get("target", "").partition(":")
    app, _dot, name = label.partition(".")
    kind = ContentType.objects.filter(app_label=app, model=name).first() if label else None
    model = kind.model_class() if kind is not None else None
    if model is None or not isinstance(getattr(model, "access", None), Rule):
        if label:
            raise Http404
        return None
    return _row(request, model, key)


def _row(request: HttpRequest, model: type[Any], key: str) -> Any:
    """Return a row that the address names, as long as the person sees it; None where it names none."""
    if not key:
        return None
    if not key.isdecimal() or len(key) > 18:
        raise Http404
    row = model._base_manager.filter(access.scope(actor_of(request), "view", model), pk=key).first()
    if row is None:
        raise Http404
    return row


def _types(request: HttpRequest) -> list[DocumentType]:
    return list(DocumentType.objects.visible_to(actor_of(request)).active().order_by("name"))


def _document_url() -> str:
    """Return the address of a document's page, with 0 in the place of its id."""
    try:
        return reverse("admin:documents_document_change", args=[0])
    except NoReverseMatch:
        return ""
