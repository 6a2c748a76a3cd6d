"""The rows on the pages of companies and people: how to reach them, and who works where."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest

from apps.accounts.faces.admin import ScopedTabularInline, actor_of
from apps.crm.contact_points import normalise
from apps.crm.models import ContactPoint, Employment
from apps.crm.services import contacts, people


class ContactForm(ModelForm):  # type: ignore[type-arg]
    """A contact that is checked while it is still in the form."""

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        kind, raw = cleaned.get("kind"), cleaned.get("raw")
        if kind and raw:
            self._ask(kind, raw)
        return cleaned

    def _region(self) -> str:
        holder = self.instance.person if self.instance.person_id else self.instance.company
        return settings.PHONE_REGION if holder is None else contacts.region_of(holder)

    def _ask(self, kind: str, raw: str) -> None:
        """Report under the value what the service would refuse."""
        try:
            value = normalise(kind, raw, self._region())
        except ValidationError as refused:
            self.add_error("raw", refused)
            return
        others = ContactPoint.objects.active().filter(kind=kind, value=value).exclude(pk=self.instance.pk)
        if others.exists():
            for constraint in ContactPoint._meta.constraints:
                if constraint.name == "contact_point_value_unique":
                    self.add_error("raw", str(constraint.violation_error_message))


class ContactInline(ScopedTabularInline):
    """How to reach the company or the person of this page."""

    model = ContactPoint
    form = ContactForm
    fields = ("kind", "raw", "is_primary")
    extra = 0
    ordering = ("-is_primary", "id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ContactPoint]:
        return super().get_queryset(request).filter(archived_at__isnull=True)


class EmploymentInline(ScopedTabularInline):
    """Where somebody works."""

    model = Employment
    fields = ("company", "title", "is_primary")
    autocomplete_fields = ("company",)
    extra = 0
    ordering = ("-is_primary", "id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Employment]:
        return super().get_queryset(request).select_related("company")


def save_contacts(request: HttpRequest, holder: Any, formset: Any) -> None:
    """Give what changed among the contacts to their service; removed ones go to the trash."""
    actor = actor_of(request)
    for point in formset.deleted_objects:
        contacts.archive_contact_point(point.pk, actor=actor)
    for point, names in formset.changed_objects:
        values = {name: getattr(point, name) for name in names}
        contacts.change_contact_point(point.pk, actor=actor, **values)
    for point in formset.new_objects:
        contacts.add_contact_point(
            type(holder),
            holder.pk,
            actor=actor,
            kind=point.kind,
            raw=point.raw,
            is_primary=point.is_primary,
        )


def save_employments(request: HttpRequest, person: Any, formset: Any) -> None:
    """Give what changed among the employments to their service."""
    actor = actor_of(request)
    changed = [employment for employment, _names in formset.changed_objects]
    for employment in formset.deleted_objects:
        people.end_employment(employment.pk, actor=actor)
    for employment in changed:
        # A changed company is another employment.
        if Employment.objects.exclude(company=employment.company_id).filter(pk=employment.pk).exists():
            people.end_employment(employment.pk, actor=actor)
    for employment in [*changed, *formset.new_objects]:
        people.employ_person(
            person.pk,
            company_id=employment.company_id,
            actor=actor,
            title=employment.title,
            is_primary=employment.is_primary,
        )
