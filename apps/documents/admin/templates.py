"""Templates and our companies in the admin."""

import io
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.utils import label_for_field
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.widgets import UnfoldAdminSelectWidget

from apps.accounts.faces.admin import actor_of, call_service
from apps.documents import office
from apps.documents.admin import papers
from apps.documents.admin.generation import GenerationPages
from apps.documents.admin.template_forms import (
    LegalEntityForm,
    LogoForm,
    TryForm,
    VariableFormSet,
    VersionForm,
    shown,
    source_choices,
    worded,
)
from apps.documents.models import LegalEntity, Template, TemplateVersion
from apps.documents.papers import known_names
from apps.documents.rendering.word import DOCX
from apps.documents.services import blobs, generation, legal_entities, templates
from apps.documents.services.documents import Target
from apps.documents.services.generation import Request
from apps.documents.sources import source_of
from apps.lists.admin.rows import ArchivableAdmin, TrashFilter, VersionedForm, badge, marked


class TemplateForm(VersionedForm):
    """A template; what it is made with and is about is chosen once."""

    source = forms.ChoiceField(label=_("About"), required=False, widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "source" in self.fields:
            field: Any = self.fields["source"]
            field.choices = source_choices()
            if self.instance.pk is None:
                field.initial = "crm.deal"


@admin.register(Template)
class TemplateAdmin(GenerationPages, ArchivableAdmin):
    """What papers are made from; versions are brought, tried and published on a template's page."""

    add_label = _("New template")
    form = TemplateForm
    create = staticmethod(templates.create_template)
    change = staticmethod(templates.change_template)
    archive = staticmethod(templates.archive_template)
    restore = staticmethod(templates.restore_template)
    ordering = ("name", "locale", "id")
    short_list = "An organization writes some dozens of templates."
    list_display = ("name", "locale", "kind", "document_type", "about_cell", "version_cell")
    list_select_related = ("document_type", "current_version")
    list_filter = (
        ("kind", ChoicesDropdownFilter),
        ("locale", ChoicesDropdownFilter),
        "document_type",
        TrashFilter,
    )
    search_fields = ("name", "code")
    search_help_text = _("Name or code")
    change_form_outer_before_template = "admin/documents/templates/header.html"
    change_form_outer_after_template = "admin/documents/templates/versions.html"
    empty_title = _("Papers that write themselves")
    empty_text = _(
        "A template is a Word file with names in it. From a deal, it becomes a contract in one click."
    )

    class Media:
        css = {"all": ("css/documents-templates.css",)}

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        about = "about_cell" if self._is_set(obj) else "source"
        rows = [("name", "code"), ("document_type", "locale"), ("kind", about), "description"]
        return [(None, {"fields": rows})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("kind", "about_cell") if self._is_set(obj) else ()

    def _is_set(self, template: Template | None) -> bool:
        """Tell whether there are versions, which were written for the template's kind and source."""
        return template is not None and template.versions.exists()

    # The list

    @admin.display(description=_("about"), ordering="source")
    def about_cell(self, template: Template) -> str:
        return str(dict(source_choices()).get(template.source, template.source))

    @admin.display(description=_("version in use"))
    def version_cell(self, template: Template) -> SafeString:
        if template.current_version is None:
            return badge(gettext("none is published"), "")
        return marked("art-number", str(template.current_version.number))

    # The page

    def page_context(self, request: HttpRequest, row: Template) -> dict[str, Any]:
        versions = row.versions.select_related("created_by").order_by("-number")
        return {
            **super().page_context(request, row),
            "versions": versions[:50],
            "may_write": row.archived_at is None and self.may("change", request, row),
            "may_publish": row.archived_at is None and self.may("publish", request, row),
            "version_form": VersionForm(row),
        }

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        version = "<int:object_id>/versions/<int:version_id>"
        own = [
            path(
                "<int:object_id>/versions/add/",
                view(require_POST(self.add_version_view)),
                name="documents_template_add_version",
            ),
            path(f"{version}/", view(self.version_view), name="documents_template_version"),
            path(
                f"{version}/publish/",
                view(require_POST(self.publish_view)),
                name="documents_template_publish",
            ),
            path(f"{version}/file/", view(require_GET(self.file_view)), name="documents_template_file"),
            path(
                f"{version}/preview/",
                view(require_POST(self.version_preview_view)),
                name="documents_template_preview",
            ),
        ]
        return [*own, *super().get_urls()]

    def _template(self, request: HttpRequest, pk: int) -> Template:
        template: Template | None = self.get_queryset(request).filter(pk=pk).first()
        if template is None:
            raise Http404
        return template

    def _the_version(self, request: HttpRequest, pk: int, version_id: int) -> TemplateVersion:
        template = self._template(request, pk)
        version = template.versions.select_related("blob", "created_by").filter(pk=version_id).first()
        if version is None:
            raise Http404
        version.template = template
        return version

    def add_version_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Take a version in, and go where it is tried."""
        template = self._template(request, object_id)
        form = VersionForm(template, request.POST, request.FILES)
        page = reverse("admin:documents_template_change", args=[template.pk])
        if not form.is_valid():
            messages.error(request, " ".join(str(one) for errors in form.errors.values() for one in errors))
            return HttpResponseRedirect(page)
        said = form.cleaned_data
        file = said.get("file")
        current = template.current_version
        draft = templates.Draft(
            file=file.read(templates.LARGEST_FILE + 1) if file else None,
            file_name=file.name if file else "",
            text=said.get("text", "").replace("\r\n", "\n"),
            # What was asked before is asked again.
            variables=current.variables if current else [],
            declares_missing=said.get("declares_missing", False),
            comment=said["comment"],
        )
        version = papers.told(
            request, templates.add_template_version, template.pk, draft, actor=actor_of(request)
        )
        if version is None:
            return HttpResponseRedirect(page)
        messages.success(request, gettext("Here it is. Look at it, and publish it when it is right."))
        return HttpResponseRedirect(_url_of(version))

    def version_view(self, request: HttpRequest, object_id: int, version_id: int) -> HttpResponseBase:
        """Show a version: what it names and asks, and how it looks on real rows."""
        version = self._the_version(request, object_id, version_id)
        template = version.template
        may_write = template.archived_at is None and self.may("change", request, template)
        is_open = may_write and version.published_at is None
        is_sent = request.method == "POST"
        asked = VariableFormSet(
            request.POST if is_sent else None,
            initial=[shown(one) for one in version.variables],
            form_kwargs={"source": template.source},
        )
        if is_sent:
            answer = self._save_declarations(request, version, asked)
            if answer is not None:
                return answer
        source = source_of(template.source) if template.source else None
        context = self.admin_site.each_context(request) | {
            "opts": self.opts,
            "media": self.media,
            "title": gettext("%(template)s, version %(number)d")
            % {"template": template, "number": version.number},
            "original": template,
            "template": template,
            "version": version,
            "asked": asked,
            "is_open": is_open,
            "is_current": template.current_version_id == version.pk,
            "may_publish": template.archived_at is None and self.may("publish", request, template),
            "facts": sorted(known_names(source, [])),
            "try_form": TryForm(template.source, actor_of(request)),
            "has_office": version.blob is None or office.is_installed(),
        }
        return TemplateResponse(request, "admin/documents/templates/version.html", context)

    def _save_declarations(
        self, request: HttpRequest, version: TemplateVersion, asked: Any
    ) -> HttpResponse | None:
        if not asked.is_valid():
            return None
        given = [
            form.declared()
            for form in asked
            if form.cleaned_data.get("name") and not form.cleaned_data.get("DELETE")
        ]
        done = call_service(
            request, templates.change_declarations, version.pk, given, actor=actor_of(request)
        )
        if done is None:
            return None
        messages.success(request, gettext("Saved."))
        return HttpResponseRedirect(_url_of(version))

    def publish_view(self, request: HttpRequest, object_id: int, version_id: int) -> HttpResponse:
        """Let papers be made from a version."""
        version = self._the_version(request, object_id, version_id)
        if call_service(request, templates.publish_template_version, version.pk, actor=actor_of(request)):
            messages.success(
                request,
                gettext("Papers are made from version %(number)d now.") % {"number": version.number},
            )
        return HttpResponseRedirect(_url_of(version))

    def file_view(self, request: HttpRequest, object_id: int, version_id: int) -> FileResponse:
        """Give the Word file of a version, to be worked on."""
        version = self._the_version(request, object_id, version_id)
        if version.blob is None:
            name = f"{version.template.code}.{version.template.locale}.typ"
            content = io.BytesIO(version.text.encode())
            return FileResponse(content, as_attachment=True, filename=name, content_type="text/plain")
        return FileResponse(
            blobs.open_blob(version.blob), as_attachment=True, filename=version.file_name, content_type=DOCX
        )

    def version_preview_view(self, request: HttpRequest, object_id: int, version_id: int) -> JsonResponse:
        """Show a version on a real row, with what its form would begin with."""
        version = self._the_version(request, object_id, version_id)
        template, actor = version.template, actor_of(request)
        key = request.POST.get("target", "")
        target = Target(template.source, int(key)) if key.isdecimal() and len(key) < 19 else None

        def make() -> Any:
            inputs = generation.first_values(template, version, target, actor=actor)
            return generation.preview(
                Request(template.pk, target, inputs), actor=actor, version_id=version.pk
            )

        return papers.shown(make)


def _url_of(version: TemplateVersion) -> str:
    return reverse("admin:documents_template_version", args=[version.template_id, version.pk])


def _texts_in(language: str, name: str) -> tuple[str, dict[str, Any]]:
    """Return the part of the form for what papers in a language say."""
    short, full, address, bank, *signature = worded(language)
    rows = ((short, full), address, bank, tuple(signature[:2]), *signature[2:])
    words = gettext("What is empty here is on these papers as it is above.")
    return (
        gettext("On papers in another language: %(language)s") % {"language": name},
        {"fields": rows, "description": words, "classes": ("collapse",)},
    )


@admin.register(LegalEntity)
class LegalEntityAdmin(ArchivableAdmin):
    """Who we are on paper."""

    add_label = _("New company of ours")
    form = LegalEntityForm
    create = staticmethod(legal_entities.create_legal_entity)
    change = staticmethod(legal_entities.change_legal_entity)
    archive = staticmethod(legal_entities.archive_legal_entity)
    restore = staticmethod(legal_entities.restore_legal_entity)
    ordering = ("-is_default", "name", "id")
    short_list = "An organization has a few companies."
    list_display = ("name", "tax_id", "account", "signatory_name", "is_default")
    list_filter = (TrashFilter,)
    search_fields = ("name", "tax_id")
    change_form_outer_after_template = "admin/documents/templates/logo.html"
    empty_title = _("Who writes your papers?")
    empty_text = _(
        "Write down your company's name, bank account and who signs: contracts and invoices begin with it."
    )
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("name", "full_name"),
                    ("tax_id", "registration_number"),
                    "address",
                    ("phone", "email", "website"),
                    "is_default",
                )
            },
        ),
        (_("Bank"), {"fields": (("bank_name", "bank_code"), ("account", "correspondent_account"))}),
        (
            _("Signature"),
            {"fields": (("signatory_name", "signatory_title"), "signatory_in_text", "signatory_basis")},
        ),
        (_("Numbers and tax"), {"fields": (("tax_percent", "number_prefix"),)}),
    )

    readonly_fields = ("translations_cell",)

    class Media:
        css = {"all": ("css/documents-templates.css",)}

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Offer the texts of each language to who may write them, and show them to the others."""
        may_write = self.has_add_permission(request) if obj is None else self.may("change", request, obj)
        if not may_write or (obj is not None and obj.archived_at):
            return [*self.fieldsets, (_("In other languages"), {"fields": ("translations_cell",)})]
        return [*self.fieldsets, *(_texts_in(language, str(name)) for language, name in settings.LANGUAGES)]

    @admin.display(description=_("in other languages"))
    def translations_cell(self, entity: LegalEntity) -> SafeString:
        """Show what papers in each language say."""
        lines = [
            (language, label_for_field(name, LegalEntity), text)
            for language, texts in sorted(entity.translations.items())
            for name, text in texts.items()
        ]
        return format_html_join(mark_safe("<br>"), "{}: {}: {}", lines) or mark_safe("–")

    def get_queryset(self, request: HttpRequest) -> QuerySet[LegalEntity]:
        rows: QuerySet[LegalEntity] = super().get_queryset(request)
        return rows.select_related("logo")

    def page_context(self, request: HttpRequest, row: LegalEntity) -> dict[str, Any]:
        may_write = row.archived_at is None and self.may("change", request, row)
        return {**super().page_context(request, row), "logo_form": LogoForm() if may_write else None}

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path(
                "<int:object_id>/logo/",
                view(require_POST(self.set_logo_view)),
                name="documents_legalentity_logo",
            ),
            path(
                "<int:object_id>/logo/picture/",
                view(require_GET(self.logo_view)),
                name="documents_legalentity_picture",
            ),
        ]
        return [*own, *super().get_urls()]

    def _entity(self, request: HttpRequest, pk: int) -> LegalEntity:
        entity = self.get_queryset(request).filter(pk=pk).first()
        if entity is None:
            raise Http404
        return entity

    def set_logo_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Take the picture in that papers begin with, or take it away."""
        entity = self._entity(request, object_id)
        file = request.FILES.get("logo")
        picture = file.read(legal_entities.LARGEST_LOGO + 1) if file else b""
        if papers.told(request, legal_entities.set_logo, entity.pk, picture, actor=actor_of(request)):
            messages.success(
                request, gettext("Papers begin with this picture now.") if picture else gettext("Saved.")
            )
        return HttpResponseRedirect(reverse("admin:documents_legalentity_change", args=[entity.pk]))

    def logo_view(self, request: HttpRequest, object_id: int) -> FileResponse:
        """Show the picture. It was tried on a paper, and is served as nothing but a picture."""
        entity = self._entity(request, object_id)
        if entity.logo is None:
            raise Http404
        response = FileResponse(blobs.open_blob(entity.logo), content_type=entity.logo.content_type)
        response["Content-Security-Policy"] = "sandbox; default-src 'none'"
        response["X-Content-Type-Options"] = "nosniff"
        return response
