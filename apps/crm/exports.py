"""What files of people and companies hold beside their own fields."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import User
from apps.crm.custom import CUSTOMISED, fields_of, in_words, names_of, value_of
from apps.crm.models import Company, ContactPoint, CustomField, Employment, Person
from apps.lists.exporting.columns import Column, Kind, add_column, ask_for_columns
from apps.lists.exporting.reading import among


def declare() -> None:
    """Add the columns; called when the app is ready."""
    add_column(Person, "company", _("company"), Kind.TEXT, _employers)
    for model, holder in ((Person, "person_id"), (Company, "company_id")):
        for kind in ContactPoint.Kind:
            add_column(
                model, kind.value.lower(), kind.label, Kind.TEXT, partial(_contacts, holder, kind.value)
            )

    for customised in CUSTOMISED.values():
        ask_for_columns(customised, partial(_further, customised))


_KINDS = {
    CustomField.Kind.NUMBER: Kind.NUMBER,
    CustomField.Kind.DATE: Kind.DATE,
    CustomField.Kind.FLAG: Kind.FLAG,
}


def _further(model: type[models.Model]) -> list[Column]:
    """Return the columns of the further fields that rows have now."""
    return [
        Column(
            field.name,
            field.label,
            _KINDS.get(CustomField.Kind(field.kind), Kind.TEXT),
            values=partial(_values_in, model, field),
            decimal_places=2 if field.kind == CustomField.Kind.NUMBER else 0,
        )
        for field in fields_of(model)
    ]


def _values_in(
    model: type[models.Model], field: CustomField, keys: Sequence[int], actor: User
) -> Mapping[int, Any]:
    """Return what rows have in a further field: numbers, days and flags as such, all others in words."""
    rows = model._base_manager.filter(pk__in=among(keys), custom__has_key=field.key)
    stored = {pk: values[field.key] for pk, values in rows.values_list("pk", "custom")}
    if field.kind in _KINDS:
        return {pk: value_of(field, value) for pk, value in stored.items()}
    names = names_of([(field, value) for value in stored.values()], actor=actor)
    return {pk: in_words(field, value, names) for pk, value in stored.items()}


def _employers(keys: Sequence[int], actor: User) -> Mapping[int, str]:
    """Return where people mainly work, as far as `actor` sees those companies."""
    companies = Company.objects.filter(access.scope(actor, "view", Company))
    rows = Employment.objects.filter(person__in=among(keys), is_primary=True, company__in=companies)
    return dict(rows.values_list("person_id", "company__name"))


def _contacts(holder: str, kind: str, keys: Sequence[int], actor: User) -> Mapping[int, str]:
    """Return how to reach each row: the primary contact first. Who sees a row sees its contacts."""
    points = ContactPoint.objects.active().filter(kind=kind, **{f"{holder}__in": among(keys)})
    found: defaultdict[int, list[str]] = defaultdict(list)
    for row, raw in points.order_by("-is_primary", "pk").values_list(holder, "raw"):
        found[row].append(raw)
    return {row: ", ".join(several) for row, several in found.items()}
