"""Imports in the admin: their list, and one page with four steps for each."""

import tempfile
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import transaction
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from unfold.decorators import display

from apps.accounts.faces.admin import ScopedModelAdmin, refusal_text
from apps.accounts.models import User
from apps.common.templatetags.artel import when
from apps.crm.admin import import_page
from apps.crm.models import ImportBatch
from apps.crm.services import imports as services

Refusal = (PermissionDenied, ValidationError, ObjectDoesNotExist)


@admin.register(ImportBatch)
class ImportBatchAdmin(ScopedModelAdmin):
    """Everything is done by :mod:`apps.crm.services.imports`; this only asks and shows."""

    list_display = ("file", "what", "state_badge", "what_came", "owner", "created")
    list_display_links = ("file",)
    list_filter = ("kind", "state")
    list_select_related = ("owner",)
    search_fields = ("filename",)
    ordering = ("-id",)
    actions = None
    add_label = gettext_lazy("New import")
    empty_title = gettext_lazy("Bring in what you have")
    empty_text = gettext_lazy(
        "Products, colleagues, companies, people and deals come in from CSV and XLSX files. "
        "Each file is rehearsed first: you see what every row would do before anything is written."
    )
    empty_action = gettext_lazy("Import a file")

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        # The page of an import is never Django's form; its services ask for the right themselves.
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    # The list

    @display(description=gettext_lazy("file"), ordering="filename")
    def file(self, batch: ImportBatch) -> str:
        return batch.filename

    @display(description=gettext_lazy("what"), ordering="kind")
    def what(self, batch: ImportBatch) -> str:
        return capfirst(batch.get_kind_display())

    @display(description=gettext_lazy("state"), ordering="state")
    def state_badge(self, batch: ImportBatch) -> str:
        return render_to_string("admin/crm/imports/state.html", {"batch": batch})

    @display(description=gettext_lazy("rows"))
    def what_came(self, batch: ImportBatch) -> str:
        return import_page.summary(batch)

    @display(description=gettext_lazy("when"), ordering="-id")
    def created(self, batch: ImportBatch) -> str:
        return when(batch.created_at)

    # Addresses

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<int:pk>/state/", view(self.state_view), name="crm_importbatch_state"),
            path("<int:pk>/errors/", view(self.errors_view), name="crm_importbatch_errors"),
        ]
        does = [
            path(f"<int:pk>/{name}/", view(self._posted(name, do)), name=f"crm_importbatch_{name}")
            for name, do in self._doings().items()
        ]
        return own + does + super().get_urls()

    def _doings(self) -> dict[str, Callable[[HttpRequest, int], HttpResponse]]:
        return {
            "correct": self._correct,
            "columns": self._columns,
            "rehearse": self._rehearse,
            "replace": self._replace,
            "unreplace": self._unreplace,
            "accept": self._accept,
            "apply": self._apply,
            "discard": self._discard,
        }

    def _posted(
        self, name: str, do: Callable[[HttpRequest, int], HttpResponse]
    ) -> Callable[..., HttpResponse]:
        """Wrap what a form of the page does: what is refused is shown at its step, with what was sent kept."""

        @method_decorator(require_POST)
        def posted(_self: object, request: HttpRequest, pk: int) -> HttpResponse:
            self._batch(request, pk)
            try:
                with transaction.atomic():
                    return do(request, pk)
            except Refusal as refusal:
                return self._show(request, pk, refused=refusal_text(refusal), at=_REFUSED_AT[name])

        return lambda request, pk: posted(self, request, pk)

    def _batch(self, request: HttpRequest, pk: int) -> ImportBatch:
        rows = self.get_queryset(request).select_related("rehearse_job", "apply_job", "owner")
        batch = rows.filter(pk=pk).first()
        if batch is None:
            raise Http404
        return batch

    # Step 1: the file

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self._upload(request) if request.method == "POST" else self._ask_for_file(request)

    def _upload(self, request: HttpRequest) -> HttpResponse:
        file = request.FILES.get("file")
        if file is None:
            return self._ask_for_file(request, refused=_("Choose a file first."))
        try:
            batch = services.upload_import(
                request.POST.get("kind", ""), file, file.name or "", actor=_actor(request)
            )
        except Refusal as refusal:
            return self._ask_for_file(request, refused=refusal_text(refusal))
        url = _url(batch.pk)
        return JsonResponse({"url": url}) if _wants_json(request) else HttpResponseRedirect(url)

    def _ask_for_file(self, request: HttpRequest, refused: str = "") -> HttpResponse:
        if refused and _wants_json(request):
            return JsonResponse({"detail": refused}, status=422)
        kinds = import_page.kinds_for(_actor(request))
        wanted = request.POST.get("kind") or request.GET.get("kind") or ""
        context = {
            "steps": import_page.steps_of(None, "file"),
            "step": "file",
            "kinds": kinds,
            "kind": wanted if any(kind["key"] == wanted for kind in kinds) else "",
            "refused": refused,
            "max_bytes": settings.IMPORT_MAX_BYTES,
            "title": _("New import"),
        }
        return self._page(request, "admin/crm/imports/upload.html", context, status=422 if refused else 200)

    # The page of one import

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not object_id.isdecimal():
            raise Http404
        return self._show(request, int(object_id))

    def _show(self, request: HttpRequest, pk: int, refused: str = "", at: str = "") -> HttpResponse:
        batch = self._batch(request, pk)
        shown = import_page.step_shown(batch, at or request.GET.get("step", ""))
        typed = request.POST.dict() if refused else {}
        context = import_page.page_of(
            batch, shown, request.GET.get("rows", ""), actor=_actor(request), typed=typed
        )
        context |= {"refused": refused, "original": batch, "title": str(batch)}
        return self._page(request, "admin/crm/imports/page.html", context, status=422 if refused else 200)

    def _page(
        self, request: HttpRequest, template: str, context: dict[str, Any], status: int = 200
    ) -> HttpResponse:
        whole = self.admin_site.each_context(request) | {"opts": self.opts, "media": self.media} | context
        return TemplateResponse(request, template, whole, status=status)

    def state_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        """Tell where an import stands, for a page that waits for its job to end."""
        batch = self._batch(request, pk)
        return JsonResponse({"state": batch.state, "step": import_page.reached(batch)})

    def errors_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Give the rows that have errors, as a file that can be corrected and imported again."""
        self._batch(request, pk)
        # Closed by the response.
        out = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            name = services.write_error_file(pk, out, actor=_actor(request))
        except Refusal as refusal:
            out.close()
            messages.error(request, refusal_text(refusal))
            return HttpResponseRedirect(_url(pk))
        out.seek(0)
        return FileResponse(out, as_attachment=True, filename=name)

    # What its forms do

    def _correct(self, request: HttpRequest, pk: int) -> HttpResponse:
        settings_ = ("encoding", "delimiter", "date_format", "decimal", "sheet")
        dialect = {key: request.POST[key] for key in settings_ if key in request.POST}
        before = self._batch(request, pk).dialect
        changed = {key: value for key, value in dialect.items() if before.get(key) != value}
        if changed:
            services.correct_import(pk, actor=_actor(request), dialect=changed)
        return HttpResponseRedirect(_url(pk, "columns"))

    def _columns(self, request: HttpRequest, pk: int) -> HttpResponse:
        batch = self._batch(request, pk)
        mapping = import_page.typed_mapping(batch, request.POST)
        services.correct_import(
            pk,
            actor=_actor(request),
            mapping=mapping,
            mode=request.POST.get("mode"),
            match_by=[field for field in request.POST.getlist("match_by") if field in mapping.values()],
            options=_options(request),
        )
        services.rehearse_import(pk, actor=_actor(request))
        return HttpResponseRedirect(_url(pk))

    def _rehearse(self, request: HttpRequest, pk: int) -> HttpResponse:
        services.rehearse_import(pk, actor=_actor(request))
        return HttpResponseRedirect(_url(pk))

    def _replace(self, request: HttpRequest, pk: int) -> HttpResponse:
        field, old = request.POST.get("field", ""), request.POST.get("old", "")
        new = (request.POST.get("new") or "").strip()
        if not new:
            raise ValidationError(_("Say which value is meant."), code="required")
        services.replace_value(pk, actor=_actor(request), field=field, old=old, new=new)
        return self._rehearse(request, pk)

    def _unreplace(self, request: HttpRequest, pk: int) -> HttpResponse:
        field, old = request.POST.get("field", ""), request.POST.get("old", "")
        values = self._batch(request, pk).values
        kept = {
            key: {o: n for o, n in pairs.items() if (key, o) != (field, old)} for key, pairs in values.items()
        }
        services.correct_import(pk, actor=_actor(request), values=kept)
        return HttpResponseRedirect(_url(pk, "columns"))

    def _accept(self, request: HttpRequest, pk: int) -> HttpResponse:
        services.accept_suggestions(pk, actor=_actor(request))
        return self._rehearse(request, pk)

    def _apply(self, request: HttpRequest, pk: int) -> HttpResponse:
        services.apply_import(pk, actor=_actor(request), skip_errors="skip_errors" in request.POST)
        return HttpResponseRedirect(_url(pk))

    def _discard(self, request: HttpRequest, pk: int) -> HttpResponse:
        name = self._batch(request, pk).filename
        services.discard_import(pk, actor=_actor(request))
        messages.success(request, _("%(file)s was thrown away. Nothing of it was imported.") % {"file": name})
        return HttpResponseRedirect(reverse("admin:crm_importbatch_changelist"))


# The step at which a refusal of each form is shown.
_REFUSED_AT = {
    "correct": "file",
    "columns": "columns",
    "unreplace": "columns",
    "rehearse": "",
    "replace": "",
    "accept": "",
    "apply": "",
    "discard": "",
}


def _actor(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def _options(request: HttpRequest) -> dict[str, Any]:
    options: dict[str, Any] = {"create_missing": request.POST.getlist("create_missing")}
    if request.POST.get("currency"):
        options["currency"] = request.POST["currency"]
    return options


def _url(pk: int, step: str = "") -> str:
    url = reverse("admin:crm_importbatch_change", args=[pk])
    return f"{url}?step={step}" if step else url


def _wants_json(request: HttpRequest) -> bool:
    return request.headers.get("Accept", "").startswith("application/json")
