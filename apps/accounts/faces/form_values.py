"""What stands in a form, as values that can be compared, kept in a page, sent again, and read by people."""

import json
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.forms.utils import from_current_timezone
from django.http import QueryDict
from django.utils import formats, timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _

# A field's value without its type: "" for nothing, keys for other rows.
Value = str | bool | list[str]
Values = dict[str, Value]
NOTHING = "—"


def kept_fields(form: Any) -> dict[str, Any]:
    """Return the fields of a form that hold something of the row: no files, no secrets, no bookkeeping."""
    return {
        name: field
        for name, field in form.fields.items()
        if not isinstance(field, forms.FileField | forms.models.InlineForeignKeyField)
        and not isinstance(field.widget, forms.PasswordInput)
        and name not in {"expected_version", form._meta.model._meta.pk.name, "DELETE"}
        and not field.disabled
    }


def plain(field: forms.Field, value: Any) -> Value:
    """Return a value of a field in the one way in which equal values are equal."""
    if isinstance(field, forms.ModelMultipleChoiceField):
        return sorted(str(getattr(row, "pk", row)) for row in value or [])
    if isinstance(field, forms.BooleanField) and not isinstance(field, forms.NullBooleanField):
        return bool(value)
    if isinstance(value, models.Model):
        value = value.pk
    if value is None:
        return ""
    if isinstance(value, Decimal):
        # Of "1000.00" and "1E+3" the same.
        return format(value.normalize(), "f") if value.is_finite() else str(value)
    if isinstance(value, datetime) and timezone.is_aware(value):
        value = timezone.localtime(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, sort_keys=True, default=str)
    # A browser ends the lines of a text in its own way.
    return str(value).replace("\r\n", "\n").strip()


def initial(form: Any, name: str) -> Value:
    """Return what a form shows of the row."""
    field = form.fields[name]
    return plain(field, form.get_initial_for_field(field, name))


def typed(field: Any, data: QueryDict, key: str) -> Value:
    """Return what was sent of a field; what its checks refuse, as it was typed."""
    raw = field.widget.value_from_datadict(data, {}, key)
    if isinstance(field, forms.ModelChoiceField):
        return plain(field, raw)
    try:
        return plain(field, field.clean(raw))
    except ValidationError:
        return plain(forms.CharField(), raw)


def put(data: QueryDict, field: Any, key: str, value: Value) -> None:
    """Send a value as if it had been typed."""
    if isinstance(field, forms.SplitDateTimeField):
        moment = parse_datetime(str(value))
        data[f"{key}_0"] = moment.date().isoformat() if moment else ""
        data[f"{key}_1"] = moment.time().isoformat() if moment else ""
    elif isinstance(value, list):
        data.setlist(key, value)
    elif isinstance(value, bool):
        data.pop(key, None)
        if value:
            data[key] = "on"
    else:
        data[key] = value


def in_words(field: Any, value: Value | None) -> str:
    """Say a value to whoever is given this form: rows by the names that it offers."""
    if value is None or value == "" or value == []:
        return NOTHING
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(field, forms.ModelChoiceField):
        return _names(field, value if isinstance(value, list) else [value])
    if isinstance(field, forms.ChoiceField):
        return str(_labels(field.choices).get(value, value))  # type: ignore[arg-type]
    return _written(field, str(value))


def _names(field: "forms.ModelChoiceField[Any]", keys: list[str]) -> str:
    offered = field.queryset
    if offered is None:
        return NOTHING
    wanted = [key for key in keys if key.isdecimal() and len(key) < 19]
    # A queryset that was cut cannot be filtered; one in order need not be.
    rows = {str(row.pk): field.label_from_instance(row) for row in offered.order_by().filter(pk__in=wanted)}
    return ", ".join(rows.get(key, _("not yours to see")) for key in keys)


def _labels(choices: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, label in choices:
        found |= _labels(label) if isinstance(label, list | tuple) else {str(key): label}
    return found


def _written(field: Any, value: str) -> str:
    if isinstance(field, forms.DecimalField):
        try:
            return formats.number_format(Decimal(value), force_grouping=True)
        except ArithmeticError:
            return value
    try:
        if isinstance(field, forms.DateTimeField | forms.SplitDateTimeField):
            moment = parse_datetime(value)
            aware = moment if moment is None or timezone.is_aware(moment) else from_current_timezone(moment)
            return formats.date_format(timezone.localtime(aware), "SHORT_DATETIME_FORMAT") if aware else value
        day = parse_date(value) if isinstance(field, forms.DateField) else None
    except ValueError:
        return value
    return formats.date_format(day, "SHORT_DATE_FORMAT") if day else value
