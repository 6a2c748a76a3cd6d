"""Ways of approval, approvals, and what waits for the person who looks."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from apps.accounts import access
from apps.accounts.faces.admin import (
    ScopedModelAdmin,
    ScopedTabularInline,
    actor_of,
    call_service,
)
from apps.documents.faces.choices import colleagues_of
from apps.documents.models import Approval, ApprovalRoute, ApprovalRouteStep
from apps.documents.services import approval_routes, approvals
from apps.documents.services.approvals import Ask
from apps.lists.admin.rows import ArchivableAdmin, TrashFilter


class RouteStepForm(forms.ModelForm):  # type: ignore[type-arg]
    """Somebody whom a way of approval asks: a person, or a role together with its team."""

    class Meta:
        model = ApprovalRouteStep
        fields = ("place", "assignee", "team", "role", "days")

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        said = self.cleaned_data
        is_one = said.get("assignee") is not None
        has_both = said.get("team") is not None and said.get("role") is not None
        has_any = said.get("team") is not None or said.get("role") is not None
        if is_one == has_both or (is_one and has_any):
            raise ValidationError(
                _("Name one person, or a role together with its team."), code="asks_somebody"
            )
        return cleaned


class RouteStepInline(ScopedTabularInline):
    """Who is asked, in order; equal places are asked together."""

    model = ApprovalRouteStep
    form = RouteStepForm
    fields = ("place", "assignee", "team", "role", "days")
    autocomplete_fields = ("assignee", "team")
    extra = 1
    ordering = ("place", "id")


@admin.register(ApprovalRoute)
class ApprovalRouteAdmin(ArchivableAdmin):
    """The steps that documents of a type go through."""

    add_label = _("New way of approval")
    empty_title = _("Who approves what")
    empty_text = _(
        "A way of approval says who is asked about documents of a type, in which order and how soon. Whoever sends one "
        "to be approved chooses it."
    )
    create = staticmethod(approval_routes.create_route)
    change = staticmethod(approval_routes.change_route)
    archive = staticmethod(approval_routes.archive_route)
    restore = staticmethod(approval_routes.restore_route)
    ordering = ("name", "id")
    short_list = ApprovalRoute.short_list
    list_display = ("name", "type", "steps_cell")
    list_select_related = ("type",)
    list_filter = ("type", TrashFilter)
    search_fields = ("name",)
    fields = ("name", "type")
    inlines = (RouteStepInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApprovalRoute]:
        rows: QuerySet[ApprovalRoute] = super().get_queryset(request)
        return rows.prefetch_related("steps__assignee", "steps__team", "steps__role")

    @admin.display(description=_("steps"))
    def steps_cell(self, route: ApprovalRoute) -> str:
        steps = sorted(route.steps.all(), key=lambda step: (step.place, step.pk))
        return " → ".join(step.asked_name for step in steps)

    def save_parts(self, request: HttpRequest, row: Any, formset: Any) -> None:
        kept = [form for form in formset.forms if form not in formset.deleted_forms and form.has_changed()]
        kept += [
            form for form in formset.initial_forms if form not in formset.deleted_forms and form not in kept
        ]
        steps = [_ask_of(form) for form in kept]
        approval_routes.change_route(
            row.pk, steps=sorted(steps, key=lambda step: step.place), actor=actor_of(request)
        )


def _ask_of(form: Any) -> Ask:
    said = form.cleaned_data
    ids = {f"{name}_id": said[name].pk if said[name] else None for name in ("assignee", "team", "role")}
    return Ask(place=said["place"], days=said["days"], **ids)


@admin.register(Approval)
class ApprovalAdmin(ScopedModelAdmin):
    """What was sent to be approved, and the page of what waits for oneself."""

    ordering = ("-id",)
    list_display = ("document", "state", "route", "created_by", "created_at", "closed_at")
    list_display_links = ("document",)
    list_select_related = ("document", "route", "created_by")
    list_filter = (("state", admin.ChoicesFieldListFilter),)
    search_fields = ()
    actions = None
    fields = (
        "document",
        "document_version",
        "state",
        "route",
        "note",
        "reason",
        "created_by",
        "created_at",
        "closed_at",
    )
    readonly_fields = fields
    change_form_outer_before_template = "admin/documents/approval/page.html"
    empty_title = _("Nothing was sent to be approved")
    empty_text = _("Send a document to be approved on its own page.")

    class Media:
        css: ClassVar[dict[str, tuple[str, ...]]] = {"all": ("css/rows.css", "css/documents-approval.css")}

    def has_add_permission(self, request: HttpRequest) -> bool:
        # On the page of the document.
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        # By the buttons alone.
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        pages = [
            path(
                "waiting/", self.admin_site.admin_view(self.waiting_view), name="documents_approval_waiting"
            ),
            path(
                "<int:object_id>/decide/",
                self.admin_site.admin_view(require_POST(self.decide_view)),
                name="documents_approval_decide",
            ),
            path(
                "<int:object_id>/cancel/",
                self.admin_site.admin_view(require_POST(self.cancel_view)),
                name="documents_approval_cancel",
            ),
        ]
        return [*pages, *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, unquote(object_id))
        context = {} if row is None else approval_context(request, row)
        answer: HttpResponse = super().change_view(
            request, object_id, form_url, context | (extra_context or {})
        )
        return answer

    def waiting_view(self, request: HttpRequest) -> HttpResponse:
        """Show what waits for the person's decision, what is due first on top."""
        actor = actor_of(request)
        steps = list(approvals.waiting_for(actor))
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Waiting for me"),
            "opts": self.opts,
            "steps": steps,
            "colleagues": colleagues_of(actor) if steps else [],
            "back": request.get_full_path(),
        }
        return TemplateResponse(request, "admin/documents/approval/waiting.html", context)

    def decide_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Do what a button beside a decision asks for."""
        self._require_visible(request, object_id)
        said, actor = request.POST, actor_of(request)
        step = {"step_id": int(said["step"])} if said.get("step", "").isdecimal() else {}
        given: dict[str, Any] = {"actor": actor, "comment": said.get("comment", ""), **step}
        if said.get("decision") == "delegate":
            other = said.get("assignee", "")
            given["assignee_id"] = int(other) if other.isdecimal() else 0
            done, text = call_service(request, approvals.delegate, object_id, **given), gettext("Given on.")
        elif said.get("decision") in {"approve", "reject"}:
            given["is_approved"] = said["decision"] == "approve"
            done = call_service(request, approvals.decide, object_id, **given)
            text = gettext("Approved.") if given["is_approved"] else gettext("Sent back with your reason.")
        else:
            raise Http404
        if done is not None:
            messages.success(request, text)
        return self._back(request)

    def cancel_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Take a document back from being approved."""
        self._require_visible(request, object_id)
        reason = request.POST.get("reason", "")
        if call_service(
            request, approvals.cancel_approval, object_id, actor=actor_of(request), reason=reason
        ):
            messages.success(request, gettext("Taken back. It is a draft again."))
        return self._back(request)

    def _require_visible(self, request: HttpRequest, pk: int) -> None:
        if not self.get_queryset(request).filter(pk=pk).exists():
            raise Http404

    def _back(self, request: HttpRequest) -> HttpResponse:
        wanted = request.POST.get("back", "")
        is_safe = url_has_allowed_host_and_scheme(
            wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
        )
        return HttpResponseRedirect(wanted if is_safe else reverse("admin:documents_approval_waiting"))


def approval_context(request: HttpRequest, approval: Approval) -> dict[str, Any]:
    """Return what is shown of one approval: its steps, and what the person can do about it."""
    actor = actor_of(request)
    steps = approval.steps.select_related("assignee", "team", "role", "decided_by").order_by("place", "id")
    own = approval.steps.waiting().of(actor).order_by("place", "id").first()
    is_open = approval.state == Approval.State.OPEN
    return {
        "approval": approval,
        "steps": list(steps),
        "own": own,
        "colleagues": colleagues_of(actor) if own else [],
        "may_cancel": is_open and access.can(actor, "change", approval),
        "back": request.get_full_path(),
    }
