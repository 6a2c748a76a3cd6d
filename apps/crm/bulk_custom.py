"""What may be changed of the further fields of many rows at once."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from apps.accounts import access
from apps.accounts.models import User
from apps.common.models import Archivable
from apps.crm.custom import DIGITS, LONGEST, PLACES, fields_of, target_of
from apps.crm.models import Company, CustomField, Deal, DealLine, Lead, Person
from apps.lists.bulk import Change, How, Way, days, percent

Kind = CustomField.Kind
# A relation of ours to the same rows, among which is chosen while somebody types.
RELATIONS: dict[str, Any] = {
    CustomField.Target.COMPANY: (Deal, "company"),
    CustomField.Target.PERSON: (Deal, "person"),
    CustomField.Target.DEAL: (DealLine, "deal"),
    CustomField.Target.PRODUCT: (DealLine, "product"),
    CustomField.Target.USER: (Deal, "owner"),
}


def further_changes(model: type[Company] | type[Person] | type[Deal] | type[Lead]) -> list[Change]:
    """List what may be changed of the fields that are offered for a kind of rows; one query."""
    return [_change(field) for field in fields_of(model)]


def _change(field: CustomField) -> Change:
    ways = [Way(How.SET, _("set to"), lambda actor: _value(field, actor))]
    if field.kind == Kind.NUMBER:
        ways.append(Way(How.PERCENT, _("change by percent"), percent))
    if field.kind == Kind.DATE:
        ways.append(Way(How.SHIFT, _("shift by days"), days))
    if not field.is_required:
        ways.append(Way(How.CLEAR, _("make empty")))
    of, relation = RELATIONS[field.target] if field.kind == Kind.REFERENCE else (None, "")
    return Change(field.name, field.label, tuple(ways), relation, of)


def _value(field: CustomField, actor: User) -> forms.Field:
    """Return the field in which a value is said; only what somebody may see is offered."""
    if field.kind == Kind.REFERENCE:
        return forms.ModelChoiceField(_rows(field, actor))
    if field.kind == Kind.CHOICE:
        return forms.ChoiceField(choices=field.offered())
    if field.kind == Kind.FLAG:
        return forms.TypedChoiceField(
            choices=[("True", _("yes")), ("False", _("no"))], coerce=lambda text: text == "True"
        )
    if field.kind == Kind.NUMBER:
        return forms.DecimalField(max_digits=DIGITS + PLACES, decimal_places=PLACES)
    if field.kind == Kind.DATE:
        return forms.DateField()
    return forms.CharField(max_length=LONGEST)


def _rows(field: CustomField, actor: User) -> QuerySet[Any]:
    model = target_of(field)
    found = model._default_manager.filter(access.scope(actor, "view", model))
    return found.filter(archived_at=None) if issubclass(model, Archivable) else found
