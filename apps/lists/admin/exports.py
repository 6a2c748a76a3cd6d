"""Exports in the admin: what every list offers, the page that asks how, and the page of each export."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import PAGE_VAR
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.defaultfilters import filesizeformat
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST
from unfold.decorators import display

from apps.accounts.faces import recent
from apps.accounts.faces.admin import ScopedModelAdmin, actor_of, refusal_text
from apps.common.lists.changelist import FILTERS_VAR
from apps.common.lists.estimates import counted
from apps.common.templatetags.artel import number, when
from apps.lists.admin.export_form import ExportForm
from apps.lists.exporting.columns import columns_of
from apps.lists.faces import file_response, needs_recent
from apps.lists.models import Export
from apps.lists.selectors.exports import about_how_many
from apps.lists.services import exports as services

Refusal = (PermissionDenied, ValidationError, ObjectDoesNotExist)
# More keys than a page of a list has rows come from nobody's browser.
MOST_KEYS = 1_000


# What every list offers


@admin.action(description=_("Export…"), permissions=["export"])
def export_selected(model_admin: Any, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponseBase | None:
    """Ask how to write the selected rows to a file, or all rows that match if so asked."""
    page: ExportAdmin = model_admin.admin_site.get_model_admin(Export)
    if request.POST.get("select_across") == "1":
        return HttpResponseRedirect(_url_of_new(model_admin, request))
    return page.ask_how(request, model_admin, _keys(request.POST.getlist("_selected_action")))


# The rows are frozen by a service that asks the policy itself, in the order of the list.
export_selected.asks_policy = True  # type: ignore[attr-defined]
export_selected.is_offered = lambda model_admin, request: services.may_export(  # type: ignore[attr-defined]
    actor_of(request), model_admin.model
)
admin.site.add_action(export_selected, "export")


def export_link(model_admin: Any, request: HttpRequest) -> dict[str, Any] | None:
    """Offer all rows that match, above the list."""
    if not services.may_export(actor_of(request), model_admin.model):
        return None
    title = gettext("Export all that match") if _narrowing(request) else gettext("Export all")
    return {"title": title, "icon": "download", "path": _url_of_new(model_admin, request)}


ScopedModelAdmin.list_links.append(export_link)


def _url_of_new(model_admin: Any, request: HttpRequest) -> str:
    url = reverse("admin:lists_export_new", args=[model_admin.opts.label_lower])
    query = _narrowing(request)
    return f"{url}?{query}" if query else url


def _narrowing(request: HttpRequest) -> str:
    """Return what narrows and orders the list, without the page and whether the filters are open."""
    query = request.GET.copy()
    for name in (PAGE_VAR, FILTERS_VAR):
        query.pop(name, None)
    return query.urlencode()


def _keys(given: list[str]) -> list[int]:
    keys = [int(key) for key in given[:MOST_KEYS] if key.isdecimal() and len(key) < 19]
    if not keys:
        raise PermissionDenied
    return keys


@admin.register(Export)
class ExportAdmin(ScopedModelAdmin):
    """Everything is done by :mod:`apps.lists.services.exports`; this only asks and shows."""

    list_display = (
        "file",
        "what",
        "state_badge",
        "row_count",
        "file_size",
        "owner",
        "requested",
        "until",
    )
    list_display_links = ("file",)
    list_select_related = ("owner", "job")
    list_filter = ("format",)
    search_fields = ("filename",)
    ordering = ("-id",)
    short_list = "People export a few files a day."
    actions = None
    export_columns = ("filename", "owner", "rows", "size", "downloads", "created_at", "expires_at")
    empty_title = _("Files you take with you")
    empty_text = _(
        "Every list can be taken away as a spreadsheet: filter it, and press “Export all that match”, or select rows "
        "and choose “Export…”. The file is made in the background and waits here."
    )

    class Media:
        css = {"all": ("css/exports.css",)}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Export]:
        rows: QuerySet[Export] = super().get_queryset(request)
        mine = ExpressionWrapper(Q(owner=actor_of(request).pk), output_field=BooleanField())
        return rows.annotate(is_mine=mine)

    # The list

    @display(description=_("file"), ordering="filename")
    def file(self, export: Export) -> str:
        return export.filename

    @display(description=_("what"), ordering="model_label")
    def what(self, export: Export) -> str:
        return _plural(export)

    @display(description=_("state"))
    def state_badge(self, export: Export) -> str:
        return render_to_string("admin/lists/exports/state.html", {"export": export})

    @display(description=_("rows"), ordering="rows")
    def row_count(self, export: Export) -> SafeString:
        return format_html('<span class="art-number">{}</span>', number(export.rows) or "–")

    @display(description=_("size"), ordering="size")
    def file_size(self, export: Export) -> str:
        return filesizeformat(export.size) if export.size is not None else "–"

    @display(description=_("requested"), ordering="-id")
    def requested(self, export: Export) -> str:
        return when(export.created_at)

    @display(description=_("can be downloaded"), ordering="expires_at")
    def until(self, export: Export) -> str:
        """Say how long, and offer the file to its owner without the page between."""
        if not export.is_available():
            return "–"
        if not getattr(export, "is_mine", False):
            return _moment(export)
        url = reverse("admin:lists_export_download", args=[export.pk])
        label = gettext("Download %(file)s") % {"file": export.filename}
        return format_html(
            '<a class="art-link" href="{}" download aria-label="{}">{}</a> <span class="art-quiet">{}</span>',
            *(url, label, gettext("Download"), _moment(export)),
        )

    # Addresses

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("new/<str:label>/", view(self.new_view), name="lists_export_new"),
            path("<int:pk>/download/", view(require_GET(self.download_view)), name="lists_export_download"),
            path("<int:pk>/remove/", view(require_POST(self.remove_view)), name="lists_export_remove"),
        ]
        return [*own, *super().get_urls()]

    # Asking for one

    def new_view(self, request: HttpRequest, label: str) -> HttpResponseBase:
        """Ask how the rows of a list are to be written; the list's search and filters are in the query."""
        model_admin = self._admin_of(request, label)
        keys = request.POST.get("keys", "")
        chosen = _keys(keys.split(",")) if keys else None
        if request.method != "POST":
            return self.ask_how(request, model_admin, chosen)
        form = ExportForm(model_admin, request, request.POST)
        try:
            rows = self._rows(request, model_admin, chosen)
            question = recent.ask(request) if needs_recent(rows, actor_of(request)) else None
            if question is not None:
                return question
            export = services.request_export(rows, actor=actor_of(request), **form.options())
        except Refusal as refusal:
            return self.ask_how(request, model_admin, chosen, form=form, refused=refusal_text(refusal))
        return HttpResponseRedirect(_url_of(export))

    def ask_how(
        self,
        request: HttpRequest,
        model_admin: Any,
        keys: list[int] | None,
        *,
        form: ExportForm | None = None,
        refused: str = "",
    ) -> HttpResponseBase:
        """Show the page on which format and columns are chosen, for some rows of a list or for all that match."""
        if not services.may_export(actor_of(request), model_admin.model):
            raise PermissionDenied
        rows = self._rows(request, model_admin, keys)
        count = about_how_many(services.exportable(rows, actor_of(request)))
        opts = model_admin.opts
        context = {
            "title": gettext("Export: %(rows)s") % {"rows": opts.verbose_name_plural},
            "form": form or ExportForm(model_admin, request),
            "keys": ",".join(map(str, keys or ())),
            "is_narrowed": keys is not None or bool(request.GET),
            "action": _url_of_new(model_admin, request),
            "button": gettext("Export %(rows)s")
            % {"rows": counted(count, str(opts.verbose_name), str(opts.verbose_name_plural))},
            "count": count,
            "zone": actor_of(request).time_zone or timezone.get_default_timezone_name(),
            "kept_hours": settings.EXPORT_KEPT_HOURS,
            "back_url": _list_url(model_admin, request),
            "refused": refused,
        }
        return self._page(request, "admin/lists/exports/new.html", context, status=422 if refused else 200)

    def _admin_of(self, request: HttpRequest, label: str) -> Any:
        """Return the pages of a model whose list the person may see."""
        for model, model_admin in self.admin_site._registry.items():
            if model._meta.label_lower == label and model_admin.has_view_permission(request):
                return model_admin
        raise Http404

    def _rows(self, request: HttpRequest, model_admin: Any, keys: list[int] | None) -> Any:
        """Return the rows as the list has them: its order, its search and its filters."""
        try:
            rows = model_admin.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters:
            raise ValidationError(gettext("The list cannot be filtered like that."), code="filter") from None
        return rows if keys is None else rows.filter(pk__in=keys)

    # The page of one export

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not object_id.isdecimal() or len(object_id) > 18:
            raise Http404
        return self._show(request, self._export(request, int(object_id)))

    def _export(self, request: HttpRequest, pk: int) -> Export:
        export = self.get_queryset(request).select_related("owner", "job").filter(pk=pk).first()
        if export is None:
            raise Http404
        return export

    def _show(
        self, request: HttpRequest, export: Export, refused: str = "", status: int = 200
    ) -> HttpResponse:
        context = {
            "title": export.filename,
            "original": export,
            "export": export,
            "job": export.job,
            "what": _plural(export),
            "columns": _headings(export),
            "is_mine": export.owner_id == actor_of(request).pk,
            "is_available": export.is_available(),
            "until": _moment(export),
            "list_url": _url_of_list(export),
            "refused": refused,
        }
        return self._page(request, "admin/lists/exports/page.html", context, status=status)

    def _page(
        self, request: HttpRequest, template: str, context: dict[str, Any], status: int = 200
    ) -> TemplateResponse:
        whole = self.admin_site.each_context(request) | {"opts": self.opts, "media": self.media} | context
        return TemplateResponse(request, template, whole, status=status)

    def download_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Give the file to whoever asked for it."""
        shown = self._export(request, pk)
        try:
            export, file = services.open_download(pk, actor=actor_of(request))
        except ValidationError as refusal:
            # What is gone, or not yet there, is told on the page of the export.
            return self._show(
                request, shown, refused=refusal_text(refusal), status=_STATUS[refusal.code or ""]
            )
        return file_response(export, file)

    def remove_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        self._export(request, pk)
        return self._done(
            request, pk, services.remove_export, gettext("The file was removed. The record of it stays.")
        )

    def _done(self, request: HttpRequest, pk: int, service: Callable[..., Export], text: str) -> HttpResponse:
        try:
            service(pk, actor=actor_of(request))
            messages.success(request, text)
        except Refusal as refusal:
            messages.error(request, refusal_text(refusal))
        return HttpResponseRedirect(reverse("admin:lists_export_change", args=[pk]))


# Gone, not yet, lost.
_STATUS = {"export_expired": 410, "export_not_ready": 409, "export_missing": 410}


def _plural(export: Export) -> str:
    model = services.model_of(export)
    return str(capfirst(str(model._meta.verbose_name_plural))) if model else export.model_label


def _headings(export: Export) -> list[str]:
    model = services.model_of(export)
    known = columns_of(model) if model else {}
    return [known[key].heading if key in known else key for key in export.columns]


def _moment(export: Export) -> str:
    """Say how long there is the file: in hours while that is near."""
    left = export.expires_at - timezone.now()
    hours = int(left.total_seconds() // 3600)
    if 0 <= hours < 48:
        text = ngettext("for %(count)d more hour", "for %(count)d more hours", max(hours, 1))
        return text % {"count": max(hours, 1)}
    return gettext("until %(date)s") % {
        "date": date_format(timezone.localtime(export.expires_at), "DATE_FORMAT")
    }


def _url_of(export: Export) -> str:
    return reverse("admin:lists_export_change", args=[export.pk])


def _url_of_list(export: Export) -> str:
    try:
        return reverse(f"admin:{export.model_label.replace('.', '_')}_changelist")
    except NoReverseMatch:
        return ""


def _list_url(model_admin: Any, request: HttpRequest) -> str:
    opts = model_admin.opts
    url = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
    query = request.GET.urlencode()
    return f"{url}?{query}" if query else url
