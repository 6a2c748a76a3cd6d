"""Bundles in the admin: asked for in the list of documents, and a page of each."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST
from unfold.decorators import display

from apps.accounts.faces.admin import ScopedModelAdmin, actor_of, call_service, refusal_text
from apps.common.templatetags.artel import when
from apps.documents.admin.links import links_of
from apps.documents.faces.serving import respond_with_bundle
from apps.documents.models import Bundle, Document
from apps.documents.services import bundles as services

# Gone, or not yet.
_STATUS = {"bundle_expired": 410, "bundle_not_ready": 409}


@admin.action(description=_("Download as a bundle (zip)"), permissions=["export"])
def bundle_selected(model_admin: Any, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponseBase | None:
    """Start writing the selected documents to one file, and show how far it is."""
    keys = list(rows.order_by().values_list("pk", flat=True)[: settings.BUNDLE_MAX_DOCUMENTS + 1])
    bundle = call_service(request, services.request_bundle, keys, actor=actor_of(request))
    return HttpResponseRedirect(_url_of(bundle)) if bundle else None


bundle_selected.is_offered = lambda model_admin, request: (  # type: ignore[attr-defined]
    model_admin.model is Document and services.may_bundle(actor_of(request))
)
# The service asks the policy for each document itself.
bundle_selected.asks_policy = True  # type: ignore[attr-defined]
admin.site.add_action(bundle_selected, "bundle")


@admin.register(Bundle)
class BundleAdmin(ScopedModelAdmin):
    """Everything is done by :mod:`apps.documents.services.bundles`; this only asks and shows."""

    list_display = ("file_name", "state_badge", "chosen", "owner", "requested", "until")
    list_select_related = ("owner", "job")
    search_fields = ("file_name",)
    ordering = ("-id",)
    short_list = "People take a few bundles away a day."
    actions = None
    empty_title = _("Documents you take with you")
    empty_text = _(
        "Select documents in their list and choose “Download as a bundle (zip)”. The file is made in the background, "
        "waits here for a while, and can be passed on by a link."
    )

    class Media:
        css = {"all": ("css/documents-serving.css",)}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    @display(description=_("state"))
    def state_badge(self, bundle: Bundle) -> str:
        return render_to_string("admin/documents/bundles/state.html", {"bundle": bundle})

    @display(description=_("requested"), ordering="-id")
    def requested(self, bundle: Bundle) -> str:
        return when(bundle.created_at)

    @display(description=_("can be downloaded until"), ordering="expires_at")
    def until(self, bundle: Bundle) -> str:
        return when(bundle.expires_at) if bundle.is_available() else "–"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path(
                "<int:pk>/download/", view(require_GET(self.download_view)), name="documents_bundle_download"
            ),
            path("<int:pk>/remove/", view(require_POST(self.remove_view)), name="documents_bundle_remove"),
        ]
        return [*own, *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not object_id.isdecimal() or len(object_id) > 18:
            raise Http404
        return self._show(request, self._bundle(request, int(object_id)))

    def download_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Give the file to whoever asked for it."""
        shown = self._bundle(request, pk)
        try:
            bundle = services.take_bundle(pk, actor=actor_of(request))
        except ValidationError as refusal:
            status = _STATUS[refusal.code or ""]
            return self._show(request, shown, refused=refusal_text(refusal), status=status)
        return respond_with_bundle(bundle, request)

    def remove_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        self._bundle(request, pk)
        try:
            services.remove_bundle(pk, actor=actor_of(request))
            messages.success(request, gettext("The file was removed. The record of it stays."))
        except (PermissionDenied, ValidationError, ObjectDoesNotExist) as refusal:
            messages.error(request, refusal_text(refusal))
        return HttpResponseRedirect(reverse("admin:documents_bundle_change", args=[pk]))

    def _bundle(self, request: HttpRequest, pk: int) -> Bundle:
        rows: QuerySet[Bundle] = self.get_queryset(request)
        bundle = rows.select_related("owner", "job").filter(pk=pk).first()
        if bundle is None:
            raise Http404
        return bundle

    def _show(
        self, request: HttpRequest, bundle: Bundle, refused: str = "", status: int = 200
    ) -> TemplateResponse:
        is_mine = bundle.owner_id == actor_of(request).pk
        is_available = bundle.is_available()
        context = {
            "title": bundle.file_name,
            "original": bundle,
            "bundle": bundle,
            "job": bundle.job,
            "is_mine": is_mine,
            "is_available": is_available,
            "refused": refused,
            **(links_of(request, bundle) if is_mine and is_available else {}),
        }
        whole = self.admin_site.each_context(request) | {"opts": self.opts, "media": self.media} | context
        return TemplateResponse(request, "admin/documents/bundles/page.html", whole, status=status)


def _url_of(bundle: Bundle) -> str:
    return reverse("admin:documents_bundle_change", args=[bundle.pk])
