"""What was found when the storage was held against the database, in plain words, and a button that mends what is safe."""

from itertools import groupby
from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from apps.accounts.faces.admin import ScopedModelAdmin, actor_of, call_service
from apps.common.templatetags.artel import number, when
from apps.documents import integrity
from apps.documents.models import IntegrityFinding, IntegrityRun
from apps.documents.services.integrity import request_run, words_of
from apps.lists.admin.rows import marked

# Findings of one kind on the page; the command prints them all.
_SHOWN = 20
_CHECKS = {"check": (False, False), "deep": (True, False), "mend": (False, True)}


@admin.register(IntegrityRun)
class IntegrityRunAdmin(ScopedModelAdmin):
    """Checks are made by :mod:`apps.documents.services.integrity`; this only asks for them and shows what they found."""

    list_display = ("started_cell", "outcome_cell", "contents_cell", "kind_cell")
    ordering = ("-id",)
    actions = None
    short_list = "One a night, kept for a quarter."
    change_list_template = "admin/documents/integrity_list.html"
    empty_title = _("Nothing has been checked yet")
    empty_text = _(
        "Every night the files in the storage are held against the database: what is missing, what has changed, what "
        "belongs to nothing."
    )

    class Media:
        css = {"all": ("css/documents-uploads.css",)}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        return rows.annotate(remaining=Count("findings", filter=Q(findings__mended_at=None)))

    # The list

    @display(description=_("when"), ordering="-id")
    def started_cell(self, run: IntegrityRun) -> str:
        return when(run.started_at)

    @display(description=_("what it found"))
    def outcome_cell(self, run: Any) -> str:
        return marked(f"art-badge art-badge-{_tone(run)}", _outcome(run))

    @display(description=_("contents"))
    def contents_cell(self, run: IntegrityRun) -> str:
        return str(number(run.checked.get("contents", 0)))

    @display(description=_("how"))
    def kind_cell(self, run: IntegrityRun) -> str:
        how = gettext("every content read") if run.is_deep else gettext("names and sizes")
        return gettext("%(how)s, mended") % {"how": how} if run.mends else how

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        latest = self.get_queryset(request).order_by("-id").first()
        context = {"latest": _shown(latest) if latest else None, **self._asking(request)}
        response: HttpResponse = super().changelist_view(request, context | (extra_context or {}))
        return response

    # The page of one

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        rows = self.get_queryset(request)
        run = rows.filter(pk=object_id).first() if object_id.isdecimal() and len(object_id) < 19 else None
        if run is None:
            raise Http404
        context = self.admin_site.each_context(request) | {
            "opts": self.opts,
            "media": self.media,
            "original": run,
            "title": gettext("Check of what is kept"),
            "run": _shown(run),
            **self._asking(request),
        }
        return TemplateResponse(request, "admin/documents/integrity_run.html", context)

    # Asking for one

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.begin_view)
        return [path("begin/<slug:how>/", view, name="documents_integrityrun_begin"), *super().get_urls()]

    def _asking(self, request: HttpRequest) -> dict[str, Any]:
        return {"may_mend": self.may("mend", request)}

    def begin_view(self, request: HttpRequest, how: str) -> HttpResponse:
        """Have what is kept checked, and show how far that is."""
        if how not in _CHECKS:
            raise Http404
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        is_deep, mends = _CHECKS[how]
        run = call_service(request, request_run, actor=actor_of(request), is_deep=is_deep, mends=mends)
        if run is None:
            return HttpResponseRedirect(reverse("admin:documents_integrityrun_changelist"))
        messages.success(request, gettext("The check has begun. You can leave this page."))
        return HttpResponseRedirect(reverse("admin:documents_integrityrun_change", args=[run.pk]))


def _tone(run: Any) -> str:
    if run.is_running:
        return "live"
    return "bad" if run.remaining or run.fault else "good"


def _outcome(run: Any) -> str:
    if run.is_running:
        return gettext("under way")
    if run.fault:
        return gettext("came to no end")
    if not run.remaining:
        return gettext("all is well")
    return ngettext("%(count)s finding", "%(count)s findings", run.remaining) % {
        "count": number(run.remaining)
    }


def _shown(run: Any) -> dict[str, Any]:
    """Collect what a page shows of a check."""
    findings = run.findings.order_by("kind", "subject")
    groups = [_group(key, list(some)) for key, some in groupby(findings, key=lambda finding: finding.kind)]
    return {
        "row": run,
        "tone": _tone(run),
        "outcome": _outcome(run),
        "contents": number(run.checked.get("contents", 0)),
        # The contents are gone through in 256 steps.
        "share": min(100, run.checked.get("steps", 0) * 100 // 256),
        "groups": groups,
        "mendable": sum(group["open"] for group in groups if group["is_mendable"]),
    }


def _group(key: str, findings: list[IntegrityFinding]) -> dict[str, Any]:
    wrong = integrity.kind_of(key)
    return {
        "label": wrong.label if wrong is not None else key,
        "is_mendable": wrong is not None and wrong.mend is not None,
        "open": sum(finding.mended_at is None for finding in findings),
        "mended": sum(finding.mended_at is not None for finding in findings),
        "lines": [(words_of(finding), finding.mended_at) for finding in findings[:_SHOWN]],
        "more": max(0, len(findings) - _SHOWN),
    }
