"""Jobs in the admin: the list with its bars, and a page for each."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.decorators import display

from apps.accounts.faces.admin import ScopedModelAdmin, actor_of, call_service
from apps.common.templatetags.artel import when
from apps.jobs.models import Job
from apps.jobs.selectors import kind_label, log_of
from apps.jobs.services import cancel_job, retry_job


@admin.register(Job)
class JobAdmin(ScopedModelAdmin):
    """Jobs are started by what they work on; here one watches them, stops them and lets them go on."""

    list_display = ("name", "progress", "state_badge", "owner", "started")
    list_display_links = ("name",)
    list_filter = ("state", "owner")
    list_select_related = ("owner",)
    search_fields = ("title",)
    ordering = ("-id",)
    actions = None
    empty_title = _("Long work is shown here")
    empty_text = _(
        "Imports and other work that takes longer than a moment runs by itself. Here you see how far it is "
        "and when it will be done, stop it, or let it go on after a failure."
    )

    class Media:
        css = {"all": ("css/jobs.css",)}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        rows: QuerySet[Job] = super().get_queryset(request)
        # A list needs neither what the work began with nor where it stopped.
        return rows.defer("params", "checkpoint", "result")

    # The list

    @display(description=_("job"), ordering="title")
    def name(self, job: Job) -> str:
        return job.said

    @display(description=_("progress"))
    def progress(self, job: Job) -> str:
        return render_to_string("admin/jobs/row.html", {"job": job})

    @display(description=_("state"), ordering="state")
    def state_badge(self, job: Job) -> str:
        return render_to_string("admin/jobs/state.html", {"job": job})

    @display(description=_("started"), ordering="-id")
    def started(self, job: Job) -> str:
        return when(job.started_at or job.created_at)

    # One job

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"<int:pk>/{name}/", self.admin_site.admin_view(self._asked(service)), name=f"jobs_job_{name}"
            )
            for name, service in (("cancel", cancel_job), ("retry", retry_job))
        ]
        return [*own, *super().get_urls()]

    def _asked(self, service: Callable[..., Job]) -> Callable[..., HttpResponse]:
        """Return the view of a button: it calls the service, and leads back."""
        return require_POST(partial(self._press, service))

    def _press(self, service: Callable[..., Job], request: HttpRequest, pk: int) -> HttpResponse:
        call_service(request, service, pk, actor=actor_of(request))
        back = request.POST.get("next", "")
        if not url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure()):
            back = reverse("admin:jobs_job_change", args=[pk])
        return HttpResponseRedirect(back)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        job = self.get_object(request, object_id)
        if job is None:
            raise Http404
        context = self.admin_site.each_context(request) | {
            "opts": self.opts,
            "media": self.media,
            "original": job,
            "title": str(job),
            "job": job,
            "log": log_of(job),
            "kind_label": kind_label(job),
        }
        return TemplateResponse(request, "admin/jobs/page.html", context)
