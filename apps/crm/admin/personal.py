"""What people may ask for about themselves, in the admin: on the person's page, and a page of each request."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST
from unfold.decorators import display

from apps.accounts.faces.admin import ScopedModelAdmin, actor_of, call_service, refusal_text
from apps.accounts.faces.recent import asked_before_saving
from apps.common.personal import place_of
from apps.common.templatetags.artel import when
from apps.crm.faces.personal import disclosure_response
from apps.crm.models import Disclosure, Erasure
from apps.crm.services import disclosing, erasing

# Gone, or not yet.
_STATUS = {"export_expired": 410, "export_missing": 410, "export_not_ready": 409}


class PersonalPages(ScopedModelAdmin):
    """What is asked for about a person, from their page; mixed into its admin."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path(
                "<int:object_id>/disclose/",
                asked_before_saving(view(require_POST(self.disclose_view))),
                name="crm_person_disclose",
            ),
            path(
                "<int:object_id>/rehearse-erasure/",
                view(require_POST(self.rehearse_view)),
                name="crm_person_rehearse_erasure",
            ),
        ]
        return [*own, *super().get_urls()]

    def page_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        is_there = row.erased_at is None and row.merged_into_id is None
        return {
            **super().page_context(request, row),
            "may_disclose": is_there and self.may("disclose", request, row),
            "may_erase": is_there and self.may("erase", request, row),
        }

    def disclose_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Start writing all that is kept about a person to a file, and show how far it is."""
        made = self._asked(request, disclosing.request_disclosure, object_id)
        return self._lead_to("disclosure", made, object_id)

    def rehearse_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Show what the erasure of a person would take away, and what stays."""
        made = self._asked(request, erasing.rehearse_erasure, object_id)
        return self._lead_to("erasure", made, object_id)

    def _asked(self, request: HttpRequest, service: Any, pk: int) -> Any:
        if not self.get_queryset(request).filter(pk=pk).exists():
            raise Http404
        return call_service(request, service, pk, actor=actor_of(request))

    def _lead_to(self, page: str, made: Any, person_id: int) -> HttpResponse:
        if made is None:
            return HttpResponseRedirect(reverse("admin:crm_person_change", args=[person_id]))
        return HttpResponseRedirect(reverse(f"admin:crm_{page}_change", args=[made.pk]))


class _RecordAdmin(ScopedModelAdmin):
    """Records of what was asked for, which nobody writes by hand; this only asks services and shows."""

    list_select_related = ("owner", "job", "person")
    ordering = ("-id",)
    short_list = "Few people ask for this."
    actions = None
    template = ""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not object_id.isdecimal() or len(object_id) > 18:
            raise Http404
        return self.show(request, self.row(request, int(object_id)))

    def row(self, request: HttpRequest, pk: int) -> Any:
        rows: QuerySet[Any] = self.get_queryset(request)
        row = rows.select_related("owner", "job", "person").filter(pk=pk).first()
        if row is None:
            raise Http404
        return row

    def context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Return what the page of a record shows; for subclasses."""
        raise NotImplementedError

    def show(self, request: HttpRequest, row: Any, refused: str = "", status: int = 200) -> TemplateResponse:
        context = {
            "title": str(row),
            "original": row,
            "row": row,
            "job": row.job,
            "refused": refused,
            **self.context(request, row),
        }
        whole = self.admin_site.each_context(request) | {"opts": self.opts, "media": self.media} | context
        return TemplateResponse(request, self.template, whole, status=status)

    def lead_back(self, pk: int) -> HttpResponse:
        return HttpResponseRedirect(reverse(f"admin:crm_{self.opts.model_name}_change", args=[pk]))


@admin.register(Disclosure)
class DisclosureAdmin(_RecordAdmin):
    """What was told about whom, and the file while it can be downloaded."""

    list_display = ("person", "owner", "requested", "until")
    template = "admin/crm/personal/disclosure.html"
    empty_title = _("What people have asked to know about themselves")
    empty_text = _(
        "Choose “Everything about this person” on the page of a person to have it written to a file."
    )

    @display(description=_("requested"), ordering="-id")
    def requested(self, disclosure: Disclosure) -> str:
        return when(disclosure.created_at)

    @display(description=_("can be downloaded until"), ordering="expires_at")
    def until(self, disclosure: Disclosure) -> str:
        return when(disclosure.expires_at) if disclosure.is_available() else "–"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<int:pk>/download/", view(require_GET(self.download_view)), name="crm_disclosure_download"),
            path("<int:pk>/remove/", view(require_POST(self.remove_view)), name="crm_disclosure_remove"),
        ]
        return [*own, *super().get_urls()]

    def context(self, request: HttpRequest, row: Disclosure) -> dict[str, Any]:
        return {"is_mine": row.owner_id == actor_of(request).pk, "is_available": row.is_available()}

    def download_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Give the file to whoever asked for it."""
        shown = self.row(request, pk)
        try:
            return disclosure_response(*disclosing.open_disclosure(pk, actor=actor_of(request)))
        except ValidationError as refusal:
            status = _STATUS[refusal.code or ""]
            return self.show(request, shown, refused=refusal_text(refusal), status=status)

    def remove_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        self.row(request, pk)
        try:
            disclosing.remove_disclosure(pk, actor=actor_of(request))
            messages.success(request, gettext("The file was removed. The record of it stays."))
        except (PermissionDenied, ValidationError, ObjectDoesNotExist) as refusal:
            messages.error(request, refusal_text(refusal))
        return self.lead_back(pk)


@admin.register(Erasure)
class ErasureAdmin(_RecordAdmin):
    """What the erasure of a person takes away and leaves; from here it is done."""

    list_display = ("person", "state_cell", "owner", "rehearsed", "erased")
    template = "admin/crm/personal/erasure.html"
    empty_title = _("People who were to be forgotten")
    empty_text = _("Choose “Erase…” on the page of a person to see what would go and what has to stay.")

    @display(description=_("state"))
    def state_cell(self, erasure: Erasure) -> str:
        return str(erasure.get_state_display())

    @display(description=_("rehearsed"), ordering="-id")
    def rehearsed(self, erasure: Erasure) -> str:
        return when(erasure.created_at)

    @display(description=_("erased"))
    def erased(self, erasure: Erasure) -> str:
        return when(erasure.applied_at) if erasure.applied_at else "–"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.apply_view))
        return [
            path("<int:pk>/apply/", asked_before_saving(view), name="crm_erasure_apply"),
            *super().get_urls(),
        ]

    def context(self, request: HttpRequest, row: Erasure) -> dict[str, Any]:
        places = [
            {
                "name": capfirst(str(place_of(entry["place"]).model._meta.verbose_name_plural)),
                "erased": entry["erased"],
                "goes": bool(place_of(entry["place"]).goes),
                "kept": erasing.reasons_of(entry),
            }
            for entry in row.counts
        ]
        is_rehearsed = row.state == Erasure.State.REHEARSED
        return {
            "places": places,
            "is_rehearsed": is_rehearsed,
            "is_applied": row.state == Erasure.State.APPLIED,
            "may_apply": is_rehearsed and self.may("apply", request, row),
        }

    def apply_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Erase the person as it was rehearsed."""
        shown = self.row(request, pk)
        call_service(request, erasing.apply_erasure, shown.pk, actor=actor_of(request))
        return self.lead_back(pk)
