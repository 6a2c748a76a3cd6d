"""Types and tags of documents in the admin."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from apps.common.templatetags.artel import number
from apps.documents.models import DocumentType, Tag
from apps.documents.services import catalog
from apps.lists.admin.rows import ArchivableAdmin, DeletableAdmin, TrashFilter


@admin.register(DocumentType)
class DocumentTypeAdmin(ArchivableAdmin):
    """Kinds of documents, and the rules that hold for each."""

    add_label = _("New type")
    empty_title = _("What your documents are")
    empty_text = _(
        "A type says how its documents are numbered, what they may contain, and how long they are kept."
    )
    create = staticmethod(catalog.create_document_type)
    change = staticmethod(catalog.change_document_type)
    archive = staticmethod(catalog.archive_document_type)
    restore = staticmethod(catalog.restore_document_type)
    ordering = ("name", "id")
    short_list = "An organization knows some dozens of kinds."
    list_display = ("name", "code", "number_pattern_cell", "kept_cell", "trash_cell", "needs_signature")
    list_filter = (TrashFilter,)
    search_fields = ("name",)
    search_help_text = _("A part of the name")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        # A code is given once: programs and templates know the type by it.
        code = () if obj else ("code",)
        return [
            (None, {"fields": (("name", *code), "number_pattern", "needs_signature")}),
            (_("What it may contain"), {"fields": ("allowed_types", "max_size")}),
            (_("How long it is kept"), {"fields": (("retention_days", "trash_days"),)}),
        ]

    @admin.display(description=_("numbers"))
    def number_pattern_cell(self, kind: DocumentType) -> str:
        return kind.number_pattern or "–"

    @admin.display(description=_("kept for"))
    def kept_cell(self, kind: DocumentType) -> str:
        return "–" if kind.retention_days is None else _days(kind.retention_days)

    @admin.display(description=_("in the trash for"))
    def trash_cell(self, kind: DocumentType) -> str:
        return _days(kind.trash_days)


def _days(count: int) -> str:
    return ngettext("%(count)s day", "%(count)s days", count) % {"count": number(count)}


@admin.register(Tag)
class TagAdmin(DeletableAdmin):
    """Words that documents are marked with."""

    add_label = _("New tag")
    create = staticmethod(catalog.create_tag)
    change = staticmethod(catalog.change_tag)
    delete = staticmethod(catalog.delete_tag)
    ordering = ("name",)
    short_list = "As many words as people can keep apart."
    list_display = ("name",)
    search_fields = ("name",)
    fields = ("name",)
