"""An admin of companies with every feature that could show or take somebody else's row."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from unfold.decorators import action

from apps.accounts.faces.admin import (
    PolicyAdminSite,
    ScopedModelAdmin,
    ScopedRelatedFilter,
    ScopedTabularInline,
)
from apps.crm.models import Company, ContactPoint, Tag


class ContactInline(ScopedTabularInline):
    model = ContactPoint
    fields = ("kind", "raw", "value")
    readonly_fields = ("value",)
    extra = 0


class ChildInline(ScopedTabularInline):
    model = Company
    fk_name = "parent"
    fields = ("name",)
    extra = 0


class CompanyAdmin(ScopedModelAdmin):
    list_display = ("name", "city", "owner")
    list_editable = ("city",)
    list_filter = (
        "team",
        ("owner", ScopedRelatedFilter),
        ("parent", admin.RelatedFieldListFilter),
        "industry",
    )
    search_fields = ("name",)
    fields = ("name", "city", "industry", "owner", "team", "parent", "tags")
    raw_id_fields = ("parent",)
    autocomplete_fields = ("owner",)
    inlines = (ContactInline, ChildInline)
    actions = ("close",)
    actions_detail = ("rename",)

    @admin.action(permissions=["archive"], description="Close")
    def close(self, request: HttpRequest, rows: Any) -> None:
        rows.update(industry="closed")

    @action(description="Rename", permissions=["change"])
    def rename(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def run(row: Company, values: dict[str, Any]) -> None:
            Company.objects.filter(pk=row.pk).update(name="renamed")

        return self.ask(request, object_id, run, action="change", title="Rename", done="Renamed.")


class TagAdmin(ScopedModelAdmin):
    search_fields = ("name",)


site = PolicyAdminSite(name="admin")
site.register(Company, CompanyAdmin)
site.register(Tag, TagAdmin)
# The frame around each page leads to all the others.
for _model, _page in admin.site._registry.items():
    if not site.is_registered(_model):
        site.register(_model, type(_page))

urlpatterns = [
    path("admin/", site.urls),
    path("accounts/", include("apps.accounts.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
]
