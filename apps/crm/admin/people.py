"""People in the admin."""

from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from apps.accounts.faces.admin import actor_of
from apps.crm.admin.consents import ConsentCommands
from apps.crm.admin.contacts import ContactInline, EmploymentInline, save_contacts, save_employments
from apps.crm.admin.custom import CustomisedAdmin
from apps.crm.admin.duplicates import MergeableAdmin
from apps.crm.admin.personal import PersonalPages
from apps.crm.models import ContactPoint, Employment, Person
from apps.crm.services import merging, people
from apps.lists.admin.rows import Command, TrashFilter
from apps.lists.admin.views import Offered


@admin.register(Person)
class PersonAdmin(PersonalPages, CustomisedAdmin, ConsentCommands, MergeableAdmin):
    """A person with how to reach them, where they work, and their deals."""

    add_label = _("New person")
    create = staticmethod(people.create_person)
    change = staticmethod(people.change_person)
    archive = staticmethod(people.archive_person)
    restore = staticmethod(people.restore_person)
    merge = staticmethod(merging.merge_people)
    list_display = ("full_name", "job_title", "company_cell", "email_cell", "phone_cell", "owner_cell")
    list_select_related = ("owner",)
    list_more = (
        *(Offered(name) for name in ("given_name", "middle_name", "family_name", "locale")),
        *(Offered("team", related=("team",)), Offered("last_activity_at"), Offered("created_at")),
        Offered("updated_at"),
    )
    list_filter = ("owner", "team", "tags", TrashFilter)
    extra_lookups = ("employments__company__id__exact",)
    search_fields = ("full_name",)
    search_help_text = _("A part of the name")
    autocomplete_fields = ("owner", "team", "tags")
    inlines = (ContactInline, EmploymentInline)
    header_template = "admin/crm/person/header.html"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("given_name", "middle_name", "family_name"),
                    ("job_title", "locale"),
                    ("owner", "team"),
                    "description",
                    "tags",
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Person]:
        points = ContactPoint.objects.active().order_by("-is_primary", "id")
        work = Employment.objects.select_related("company").order_by("-is_primary", "id")
        return (
            super()
            .get_queryset(request)
            .prefetch_related(
                Prefetch("contact_points", points, to_attr="points"),
                Prefetch("employments", work, to_attr="work"),
            )
        )

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"owner": actor_of(request).pk, **super().get_changeform_initial_data(request)}

    def initial_values(self, values: dict[str, Any]) -> dict[str, Any]:
        # An empty team is the owner's own.
        return values if values.get("team_id") else {k: v for k, v in values.items() if k != "team_id"}

    def save_parts(self, request: HttpRequest, row: Any, formset: Any) -> None:
        save = save_contacts if formset.model is ContactPoint else save_employments
        save(request, row, formset)

    @admin.display(description=_("company"))
    def company_cell(self, person: Any) -> str:
        return person.work[0].company.name if person.work else "–"

    @admin.display(description=_("e-mail"))
    def email_cell(self, person: Any) -> str:
        return _first(person.points, ContactPoint.Kind.EMAIL)

    @admin.display(description=_("phone"))
    def phone_cell(self, person: Any) -> str:
        return _first(person.points, ContactPoint.Kind.PHONE)

    @admin.display(description=_("owner"))
    def owner_cell(self, person: Person) -> str:
        return str(person.owner) if person.owner else str(_("everybody's"))

    def commands(self) -> dict[str, Command]:
        return super().commands() | self.consent_commands()


def _first(points: list[ContactPoint], kind: str) -> str:
    return next((point.raw for point in points if point.kind == kind), "–")
