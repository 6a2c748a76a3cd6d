"""Companies in the admin."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from apps.accounts.faces.admin import ScopedAutocompleteFilter, actor_of
from apps.crm.admin.contacts import ContactInline, save_contacts
from apps.crm.admin.custom import CustomisedAdmin
from apps.crm.admin.duplicates import MergeableAdmin
from apps.crm.models import Company
from apps.crm.services import companies, merging
from apps.lists.admin.rows import TrashFilter
from apps.lists.admin.views import Offered


@admin.register(Company)
class CompanyAdmin(CustomisedAdmin, MergeableAdmin):
    """A company with its contacts, its deals by stage, its people, and the companies around it."""

    add_label = _("New company")
    create = staticmethod(companies.create_company)
    change = staticmethod(companies.change_company)
    archive = staticmethod(companies.archive_company)
    restore = staticmethod(companies.restore_company)
    merge = staticmethod(merging.merge_companies)
    list_display = ("name", "industry_cell", "country_cell", "parent_cell", "owner_cell", "created_at")
    list_select_related = ("parent", "owner")
    list_more = (
        *(Offered(name) for name in ("legal_name", "city", "domain", "tax_id")),
        *(Offered(name) for name in ("founded_year", "employee_count", "annual_revenue")),
        *(Offered("team", related=("team",)), Offered("last_activity_at"), Offered("updated_at")),
    )
    list_filter = ("owner", "team", ("parent", ScopedAutocompleteFilter), "tags", TrashFilter)
    extra_lookups = ("industry",)
    search_fields = ("name",)
    search_help_text = _("A part of the name")
    autocomplete_fields = ("parent", "owner", "team", "tags")
    inlines = (ContactInline,)
    header_template = "admin/crm/company/header.html"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("name", "legal_name"),
                    ("industry", "country", "city"),
                    ("domain", "tax_id"),
                    ("founded_year", "employee_count", "annual_revenue"),
                    "parent",
                    ("owner", "team"),
                    "description",
                    "tags",
                )
            },
        ),
    )

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"owner": actor_of(request).pk, **super().get_changeform_initial_data(request)}

    def initial_values(self, values: dict[str, Any]) -> dict[str, Any]:
        # An empty team is the owner's own.
        return values if values.get("team_id") else {k: v for k, v in values.items() if k != "team_id"}

    def save_parts(self, request: HttpRequest, row: Any, formset: Any) -> None:
        save_contacts(request, row, formset)

    @admin.display(description=_("industry"), ordering="industry")
    def industry_cell(self, company: Company) -> str:
        return company.industry or "–"

    @admin.display(description=_("country"), ordering="country")
    def country_cell(self, company: Company) -> str:
        return company.country or "–"

    @admin.display(description=_("part of"))
    def parent_cell(self, company: Company) -> str:
        return company.parent.name if company.parent else "–"

    @admin.display(description=_("owner"))
    def owner_cell(self, company: Company) -> str:
        return str(company.owner) if company.owner else str(_("everybody's"))
