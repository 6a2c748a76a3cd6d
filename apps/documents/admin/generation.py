"""Making a paper in the admin: what is asked, how it will look, and how far it is."""

import secrets
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.decorators import display

from apps.accounts import access
from apps.accounts.faces.admin import ScopedModelAdmin, actor_of
from apps.accounts.models import User
from apps.common.templatetags.artel import when
from apps.documents import declarations, office
from apps.documents.admin import papers
from apps.documents.admin.template_forms import PREFIX, PaperForm
from apps.documents.models import Document, Generation, Template
from apps.documents.services import generation, legal_entities
from apps.documents.services.documents import Target
from apps.documents.services.generation import Request
from apps.documents.sources import source_of


class GenerationPages:
    """The page on which a paper is asked for; mixed into the admin of templates, whose site it lives in."""

    admin_site: Any
    opts: Any
    media: Any

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("generate/", view(self.generate_view), name="documents_generate"),
            path(
                "generate/preview/", view(require_POST(self.preview_view)), name="documents_generate_preview"
            ),
        ]
        return [*own, *super().get_urls()]  # type: ignore[misc]

    def generate_view(self, request: HttpRequest) -> HttpResponseBase:
        """Ask what a paper about something needs, and start making it."""
        actor = actor_of(request)
        if not access.can_any(actor, "add", Document):
            raise PermissionDenied
        target = papers.target_of(request.GET.get("target", ""))
        offered = generation.templates_for(target.model if target else "", actor=actor)
        template = _chosen(request, offered)
        if template is None:
            return self._page(request, target, offered, None, None)
        if request.method != "POST":
            return self._page(request, target, offered, template, self._empty_form(template, target, actor))
        form = PaperForm(_asked(template), actor, request.POST)
        if form.is_valid():
            try:
                wanted = _request(form, template, target)
                one = generation.start_generation(wanted, actor=actor, key=request.POST.get("key", "")[:100])
            except papers.Refusal as refusal:
                papers.add_refusal(form, refusal)
            else:
                return HttpResponseRedirect(reverse("admin:documents_generation_change", args=[one.pk]))
        return self._page(request, target, offered, template, form, status=422)

    def preview_view(self, request: HttpRequest) -> JsonResponse:
        """Show how the paper will look, as far as it is filled in."""
        actor = actor_of(request)
        target = papers.target_of(request.GET.get("target", ""))
        template = _chosen(request, generation.templates_for(target.model if target else "", actor=actor))
        if template is None or not access.can_any(actor, "add", Document):
            raise Http404
        form = PaperForm(_asked(template), actor, request.POST)
        # What is wrong with the page's own fields is told when the paper is asked for.
        form.is_valid()
        return papers.shown(lambda: generation.preview(_request(form, template, target), actor=actor))

    def _empty_form(self, template: Template, target: Target | None, actor: User) -> PaperForm:
        version = template.current_version
        if version is None:
            raise Http404
        try:
            values = generation.first_values(template, version, target, actor=actor)
        except ValidationError:
            # Out of sight, which is not told apart from not there.
            raise Http404 from None
        initial: dict[str, Any] = {f"{PREFIX}_{name}": value for name, value in values.items()}
        return PaperForm(
            _asked(template),
            actor,
            initial=initial
            | {"paper_date": timezone.localdate(), "entity": legal_entities.usual_entity(actor=actor)},
        )

    def _page(
        self,
        request: HttpRequest,
        target: Target | None,
        offered: list[Template],
        template: Template | None,
        form: PaperForm | None,
        status: int = 200,
    ) -> TemplateResponse:
        actor = actor_of(request)
        row = _row_of(target, actor)
        context = self.admin_site.each_context(request) | {
            "opts": self.opts,
            "media": self.media,
            "title": gettext("New document: %(target)s") % {"target": row}
            if row
            else gettext("New document"),
            "target": papers.text_of(target),
            "row": row,
            "back_url": _page_of(row),
            "offered": offered,
            "template": template,
            "form": form,
            "key": request.POST.get("key", "") or secrets.token_hex(16),
            "has_entity": legal_entities.usual_entity(actor=actor) is not None,
            "is_word": template is not None and template.kind == Template.Kind.DOCX,
            "has_office": office.is_installed(),
        }
        return TemplateResponse(request, "admin/documents/generation/new.html", context, status=status)


def _chosen(request: HttpRequest, offered: list[Template]) -> Template | None:
    """Return the template that the address names; the first one fitting the reader's language if it names none."""
    given = request.GET.get("template", "")
    if given:
        found = next((one for one in offered if str(one.pk) == given), None)
        if found is None:
            raise Http404
        return found
    language = (request.LANGUAGE_CODE or "").split("-")[0]
    return next((one for one in offered if one.locale == language), offered[0] if offered else None)


def _asked(template: Template) -> list[declarations.Variable]:
    return declarations.stored(template.current_version.variables if template.current_version else [])


def _request(form: PaperForm, template: Template, target: Target | None) -> Request:
    entity = form.cleaned_data.get("entity")
    return Request(
        template_id=template.pk,
        target=target,
        inputs=form.inputs(),
        title=form.cleaned_data.get("title") or "",
        entity_id=entity.pk if entity else None,
        paper_date=form.cleaned_data.get("paper_date"),
    )


def _row_of(target: Target | None, actor: User) -> Any:
    """Return what a paper is about. :raises Http404: the person sees no such thing"""
    if target is None:
        return None
    try:
        model = source_of(target.model).model
    except ValidationError:
        raise Http404 from None
    row = model._base_manager.filter(access.scope(actor, "view", model), pk=target.pk).first()
    if row is None:
        raise Http404
    return row


def _page_of(row: Any) -> str:
    if row is None:
        return reverse("admin:documents_template_changelist")
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


@admin.register(Generation)
class GenerationAdmin(ScopedModelAdmin):
    """Papers that somebody has asked for: how far they are, and what came of them."""

    list_display = ("title", "template_cell", "state_cell", "document_cell", "owner", "asked_cell")
    list_display_links = ("title",)
    list_select_related = ("template_version__template", "document", "job", "owner")
    search_fields = ()
    ordering = ("-id",)
    actions = None
    empty_title = _("Papers being made are shown here")
    empty_text = _("Open a deal and press “New document”: choose a template, look at it, and have it made.")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    @display(description=_("template"))
    def template_cell(self, one: Generation) -> str:
        return f"{one.template_version.template} · {one.template_version.number}"

    @display(description=_("state"))
    def state_cell(self, one: Generation) -> str:
        return one.job.get_state_display() if one.job else "–"

    @display(description=_("document"))
    def document_cell(self, one: Generation) -> str:
        return str(one.document) if one.document else "–"

    @display(description=_("asked"), ordering="-id")
    def asked_cell(self, one: Generation) -> str:
        return when(one.created_at)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        one = self.get_object(request, object_id)
        if one is None:
            raise Http404
        context = self.admin_site.each_context(request) | {
            "opts": self.opts,
            "media": self.media,
            "original": one,
            "title": one.title,
            "one": one,
            "job": one.job,
            "asked": _typed(one),
            "document_url": _place("admin:documents_document_change", one.document_id),
            "content_url": _place("documents:content", one.document_version_id),
        }
        return TemplateResponse(request, "admin/documents/generation/page.html", context)


def _typed(one: Generation) -> list[tuple[str, Any]]:
    """Return what was filled in, by what people read."""
    labels = {
        variable.name: variable.label for variable in declarations.stored(one.template_version.variables)
    }
    return [(labels.get(name, name), value) for name, value in one.inputs.items() if value not in ("", None)]


def _place(name: str, pk: int | None) -> str:
    """Return an address of another room; "" where there is nothing to show, or no such room in this installation."""
    if pk is None:
        return ""
    try:
        return reverse(name, args=[pk])
    except NoReverseMatch:
        return ""
