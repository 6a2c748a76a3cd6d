"""What becomes of the further fields of many rows: each is judged as it is on the page of one."""

from collections.abc import Callable
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db import models
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.crm.custom import PREFIX, value_of
from apps.crm.models import Company, CustomField, Deal, Lead, Person
from apps.crm.services import rows
from apps.crm.services.custom_values import CustomCleaner
from apps.lists.bulk import Choice, Chosen, How

_Customised = type[Company] | type[Person] | type[Deal] | type[Lead]
# Of a number that is changed by percent; one that has more keeps its own.
_PLACES = 2


def further_values(
    model: _Customised, choice: Choice, *, actor: User
) -> Callable[[Any], dict[str, dict[str, Any]]]:
    """
    Return what tells for a row what its further fields become: {"custom": …}, or nothing where none was chosen.

    What is returned raises a ValidationError for a row that cannot become that.
    """
    chosen = {key.removeprefix(PREFIX): each for key, each in choice.items() if key.startswith(PREFIX)}
    if not chosen:
        return lambda row: {}
    cleaner = CustomCleaner(model, actor=actor)

    def values(row: Any) -> dict[str, dict[str, Any]]:
        given: dict[str, Any] = {}
        for key, each in chosen.items():
            field = cleaner.fields.get(key)
            given |= {key: each.value} if field is None else _became(field, row.custom.get(key), each)
        return {"custom": cleaner.clean(given, row.custom)}

    return values


def _became(field: CustomField, stored: Any, chosen: Chosen) -> dict[str, Any]:
    """Return what a field of a row is given; nothing where there is nothing that could be raised or shifted."""
    if chosen.how == How.CLEAR:
        return {field.key: None}
    if chosen.how == How.SET:
        value = chosen.value
        return {field.key: value.pk if isinstance(value, models.Model) else value}
    value = value_of(field, stored)
    if value is None:
        return {}
    if chosen.how == How.PERCENT:
        exponent = value.as_tuple().exponent
        places = max(_PLACES, -exponent if isinstance(exponent, int) else 0)
        raised = value * (100 + chosen.value) / 100
        return {field.key: raised.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)}
    try:
        return {field.key: value + timedelta(days=chosen.value)}
    except OverflowError as error:
        raise rows.refusal(field.name, _("There is no such date."), code="bad_date") from error
