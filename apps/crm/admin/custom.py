"""Further fields in the admin: their catalog, and what they add to the pages and lists of the rows that have them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter, RangeNumericListFilter, TextFilter
from unfold.contrib.filters.forms import RangeDateForm
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from apps.accounts.faces.admin import actor_of, visible_rows
from apps.common.models import Archivable
from apps.crm.admin.cards import register_card, render_card
from apps.crm.bulk_custom import RELATIONS
from apps.crm.custom import (
    DIGITS,
    LONGEST,
    PLACES,
    PREFIX,
    bounded,
    fields_of,
    filtered,
    in_words,
    parsed,
    target_of,
    told,
    value_of,
)
from apps.crm.models import Company, CustomField, Deal, Person
from apps.crm.services import custom_fields
from apps.lists.admin.rows import ArchivableAdmin, TrashFilter, VersionedForm
from apps.lists.admin.views import Offered, ViewedAdmin

Kind = CustomField.Kind
_YES, _NO = "yes", "no"


# On the pages of rows


class CustomisedForm:
    """A form with further fields; they go to the service together, by their keys."""

    flags: frozenset[str] = frozenset()

    def values(self, names: list[str]) -> dict[str, Any]:
        form: Any = self
        further = [name for name in names if name.startswith(PREFIX)]
        found: dict[str, Any] = super().values([name for name in names if name not in further])  # type: ignore[misc]
        if further:
            found["custom"] = {
                name.removeprefix(PREFIX): self._given(name, form.cleaned_data[name]) for name in further
            }
        return found

    def _given(self, name: str, value: Any) -> Any:
        if name in self.flags:
            return {_YES: True, _NO: False}.get(value)
        return getattr(value, "pk", value)


class CustomisedAdmin(ViewedAdmin):
    """Pages and lists of rows with further fields; stands before the other bases."""

    def custom_fields(self, request: HttpRequest) -> list[CustomField]:
        """Return the fields that are offered; asked once a page."""
        page: Any = self
        remembered: dict[Any, list[CustomField]] = request.__dict__.setdefault("_custom_fields", {})
        if page.model not in remembered:
            remembered[page.model] = fields_of(page.model)
        return remembered[page.model]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        found = [*self.own_fieldsets(request, obj)]
        names = [field.name for field in self.custom_fields(request)]
        return [*found, (_("Further fields"), {"fields": names})] if names else found

    def own_fieldsets(self, request: HttpRequest, obj: Any = None) -> Sequence[Any]:
        """Return the sections of the form above the further fields."""
        found: Sequence[Any] = super().get_fieldsets(request, obj)
        return found

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002
        page: Any = self
        base = kwargs.pop("form", page.form)
        fields = self.custom_fields(request)
        if fields:
            declared = {field.name: self._form_field(field, obj, request) for field in fields}
            flags = frozenset(field.name for field in fields if field.kind == Kind.FLAG)
            base = type(base.__name__, (CustomisedForm, base), {**declared, "flags": flags})
            if obj is not None:
                # What a page that is only read shows.
                obj.__dict__.update(
                    {one.field.name: one.text for one in told(obj, actor=actor_of(request), fields=fields)}
                )
        return super().get_form(request, obj, change, form=base, **kwargs)

    def _form_field(self, field: CustomField, row: Any, request: HttpRequest) -> forms.Field:
        stored = None if row is None else row.custom.get(field.key)
        # What a row lacks is no obstacle to changing something else of it.
        is_required = field.is_required and (row is None or stored is not None)
        options: dict[str, Any] = {"label": field.label, "required": is_required}
        found: Any
        if field.kind == Kind.REFERENCE:
            found = self._reference(field, stored, request, options)
        elif field.kind in {Kind.CHOICE, Kind.FLAG}:
            flags = [(_YES, gettext("yes")), (_NO, gettext("no"))]
            offered = flags if field.kind == Kind.FLAG else field.offered(besides=stored)
            if field.kind == Kind.FLAG and stored is not None:
                stored = _YES if stored else _NO
            found = forms.ChoiceField(
                choices=[("", "—"), *offered], widget=UnfoldAdminSelectWidget, initial=stored, **options
            )
        elif field.kind == Kind.NUMBER:
            found = forms.DecimalField(
                max_digits=DIGITS + PLACES,
                decimal_places=PLACES,
                widget=UnfoldAdminDecimalFieldWidget,
                initial=value_of(field, stored),
                **options,
            )
        elif field.kind == Kind.DATE:
            found = forms.DateField(
                widget=UnfoldAdminSingleDateWidget, initial=value_of(field, stored), **options
            )
        else:
            found = forms.CharField(
                max_length=LONGEST, widget=UnfoldAdminTextInputWidget, initial=stored, **options
            )
        # Under which a page that is only read shows it.
        found.short_description = field.label
        return found

    def _reference(
        self, field: CustomField, stored: Any, request: HttpRequest, options: dict[str, Any]
    ) -> forms.Field:
        page: Any = self
        model = target_of(field)
        rows = visible_rows(actor_of(request), model)
        if stored is not None and not rows.filter(pk=stored).exists():
            # It stays as it is, and tells nothing.
            return forms.CharField(
                label=field.label,
                required=False,
                disabled=True,
                initial=gettext("not visible"),
                widget=UnfoldAdminTextInputWidget,
            )
        if issubclass(model, Archivable):
            rows = rows.filter(Q(archived_at=None) | Q(pk=stored))
        of, name = RELATIONS[field.target]
        widget = AutocompleteSelect(
            of._meta.get_field(name),
            page.admin_site,
            attrs={"class": "unfold-admin-autocomplete", "data-width": "100%"},
        )
        return forms.ModelChoiceField(queryset=rows, widget=widget, initial=stored, **options)

    # Lists

    def offered_columns(self, request: HttpRequest | None) -> list[Offered]:
        """Offer the further fields as columns; a reference would ask for its names once for each row."""
        page: Any = self
        fields = fields_of(page.model) if request is None else self.custom_fields(request)
        own = [Offered(_cell_of(field)) for field in fields if field.kind != Kind.REFERENCE]
        return [*super().offered_columns(request), *own]

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        found: list[Any] = super().get_list_filter(request)
        own = [field for field in self.custom_fields(request) if field.kind in _FILTERS]
        return [*found, *(_filter_of(_FILTERS[Kind(field.kind)], field) for field in own)]

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        if request is not None and lookup.startswith(PREFIX):
            names = {field.name for field in self.custom_fields(request) if field.kind in _FILTERS}
            return lookup in names | {f"{name}_{end}" for name in names for end in ("from", "to")}
        is_allowed: bool = super().lookup_allowed(lookup, value, request)
        return is_allowed


def _cell_of(field: CustomField) -> Callable[[Any], str]:
    """Return what writes a further field in a row of a list."""

    def cell(row: Any) -> str:
        return in_words(field, row.custom.get(field.key), {}) or "–"

    cell.__name__ = field.name
    cell.short_description = field.label  # type: ignore[attr-defined]
    cell.only = ("custom",)  # type: ignore[attr-defined]
    return cell


class _ByField:
    """A filter by a further field."""

    field: CustomField

    def narrowed(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        """Keep the rows with this value; none where it is no value of the field."""
        try:
            found: QuerySet[Any] = filtered(rows, self.field, parsed(self.field, text))
        except ValueError:
            return rows.none()
        return found


class _ChoiceFilter(_ByField, DropdownFilter):
    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        if self.field.kind == Kind.FLAG:
            return [("true", gettext("yes")), ("false", gettext("no"))]
        return list(self.field.labels().items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return self.narrowed(queryset, value) if value else queryset


class _TextFilter(_ByField, TextFilter):
    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return self.narrowed(queryset, value.strip()) if value and value.strip() else queryset


class _RangeFilter(_ByField, RangeNumericListFilter):
    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        bounds: dict[str, Any] = {}
        for name, end in (("low", "from"), ("high", "to")):
            text = self.used_parameters.get(f"{self.parameter_name}_{end}")
            if not text:
                continue
            try:
                bounds[name] = parsed(self.field, self.read(text))
            except ValueError:
                return queryset.none()
        found: QuerySet[Any] = bounded(queryset, self.field, **bounds)
        return found

    def read(self, text: str) -> str:
        """Return a bound as it is stored from how somebody has typed it."""
        return text.replace(" ", "").replace(",", ".")


class _DayRangeFilter(_RangeFilter):
    template = "unfold/filters/filters_date_range.html"

    def choices(self, changelist: Any) -> Iterator[Any]:
        ends = {
            f"{self.parameter_name}_{end}": self.used_parameters.get(f"{self.parameter_name}_{end}")
            for end in ("from", "to")
        }
        yield {
            "request": self.request,
            "parameter_name": self.parameter_name,
            "form": RangeDateForm(name=self.parameter_name, data=ends),
        }

    def read(self, text: str) -> str:
        try:
            return str(forms.DateField().clean(text).isoformat())
        except ValidationError:
            return ""


_FILTERS: dict[Kind, type[Any]] = {
    Kind.CHOICE: _ChoiceFilter,
    Kind.FLAG: _ChoiceFilter,
    Kind.TEXT: _TextFilter,
    Kind.NUMBER: _RangeFilter,
    Kind.DATE: _DayRangeFilter,
}


def _filter_of(base: type[Any], field: CustomField) -> type[Any]:
    """Return a filter for one field."""
    return type(base.__name__, (base,), {"field": field, "title": field.label, "parameter_name": field.name})


def _card(row: Company | Person | Deal, request: HttpRequest) -> SafeString | None:
    """Return what a row says in its further fields; nothing where it says nothing."""
    if not row.custom:
        return None
    filled = [one for one in told(row, actor=actor_of(request)) if one.text]
    return render_card(request, "admin/crm/cards/custom.html", {"told": filled}) if filled else None


for _page in (Company, Person, Deal):
    register_card(_page, "custom", _card, order=25)


# The catalog


class ChoicesField(forms.CharField):
    """What there is to choose from, "key = name" to a line; one that is not offered any more begins with a #."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}), **kwargs)

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, Sequence) or isinstance(value, str):
            return value
        return "\n".join(
            f"{'# ' if one['is_archived'] else ''}{one['key']} = {one['label']}" for one in value
        )

    def to_python(self, value: Any) -> Any:
        found = []
        for line in str(value or "").splitlines():
            plain = line.strip().removeprefix("#").strip()
            if plain:
                key, mark, label = (part.strip() for part in plain.partition("="))
                found.append(
                    {
                        "key": key if mark else "",
                        "label": label if mark else key,
                        "is_archived": line.strip().startswith("#"),
                    }
                )
        return found

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(data) != list(initial or []))


class CustomFieldForm(VersionedForm):
    """A further field as people arrange it."""

    choices = ChoicesField(
        label=_("Choices"),
        help_text=_(
            "One to a line, as it is called. Saved ones have a key in front, “north = North”, which stays. Begin a line"
            " with # to stop offering it: rows that have it keep it."
        ),
    )


@admin.register(CustomField)
class CustomFieldAdmin(ArchivableAdmin):
    """The catalog of further fields; what a field is of, its key and its kind are decided once."""

    add_label = _("New field")
    empty_title = _("Fields of your own")
    empty_text = _(
        "What companies, people, deals and leads should say besides what they say here: a region, a number of desks, a"
        " day of renewal. Add a field, and it is on their pages, in lists, files and the API at once."
    )
    empty_action = _("Add a field")
    form = CustomFieldForm
    create = staticmethod(custom_fields.create_custom_field)
    change = staticmethod(custom_fields.change_custom_field)
    archive = staticmethod(custom_fields.archive_custom_field)
    restore = staticmethod(custom_fields.restore_custom_field)
    archive_action = "delete"
    ordering = ("model", "position", "id")
    short_list = "As many fields as people are willing to fill in."
    list_display = ("label", "model_cell", "kind_cell", "key", "is_required")
    list_filter = ("model", "kind", TrashFilter)
    search_fields = ("label",)
    search_help_text = _("A part of the name")
    fieldsets = (
        (None, {"fields": ("label", ("model", "key"), ("kind", "target"), "choices")}),
        (_("On pages"), {"fields": (("is_required", "position"),)}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if obj is None else ("model", "key", "kind", "target")

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name == "key":
            # Made of the name where nobody gives one.
            field.required = False
            field.help_text = _(
                "What it is called in the API and in files. Left empty, it is made of the name."
            )
        if field is not None and db_field.name == "target":
            field.help_text = _("Of a reference: to what.")
        if field is not None and db_field.name == "position":
            field.required = False
            field.help_text = _("Fields with lower numbers stand above; 0 puts a new one last.")
        return field

    def initial_values(self, values: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if value not in (None, "")}

    @admin.display(description=pgettext_lazy("further field", "of"), ordering="model")
    def model_cell(self, field: CustomField) -> str:
        return field.get_model_display()

    @admin.display(description=_("kind"), ordering="kind")
    def kind_cell(self, field: CustomField) -> str:
        if field.kind == Kind.REFERENCE:
            return f"{field.get_kind_display()}: {field.get_target_display()}"
        return field.get_kind_display()
