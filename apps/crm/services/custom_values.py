"""What may stand in the further fields of a row, whoever writes it."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection
from django.utils.dateparse import parse_date
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import User
from apps.common.models import Archivable
from apps.crm.custom import DIGITS, LONGEST, PLACES, fields_of, number_text, target_of
from apps.crm.models import Company, CustomField, Deal, Lead, Person
from apps.crm.services import rows

_Customised = type[Company] | type[Person] | type[Deal] | type[Lead]
Kind = CustomField.Kind
# Whoever writes values holds it together with others, whoever takes a choice away holds it alone.
LOCK = 7_304_411


def clean_custom(
    model: _Customised, given: Mapping[str, Any], *, actor: User, before: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """
    Return what a row has in its further fields once `given` is written; what is not named stays as it is.

    :param given: by the field's key: a text, a number (int, Decimal or text), a day (date or "2026-03-01"), the key of a
        choice or of a row, a bool; None or "" for nothing
    :param before: what the row has; None for a new one
    :raises ValidationError: by "custom.<key>": there is no such field ("unknown_field"), a value is none of its kind
        ("invalid"), it is not there for the actor ("not_found"), or is missing ("required")
    """
    if not isinstance(given, Mapping):
        raise rows.refusal("custom", _("Further fields are given by their keys."), code="invalid")
    if before is not None and not given:
        return dict(before)
    return CustomCleaner(model, actor=actor, is_writing=bool(given)).clean(given, before)


class CustomCleaner:
    """
    Judges the further fields of many rows of one kind, within one transaction: the catalog is read once, and what values
    refer to is looked up once.

    :ivar fields: what is offered, by key
    """

    def __init__(self, model: _Customised, *, actor: User, is_writing: bool = True) -> None:
        if is_writing:
            with connection.cursor() as cursor:
                cursor.execute("select pg_advisory_xact_lock_shared(%s)", [LOCK])
        self.fields = {field.key: field for field in fields_of(model)}
        self._actor = actor
        # What was found to be the actor's to name, by target and key.
        self._named: set[tuple[str, int]] = set()

    def clean(self, given: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return what a row has once `given` is written. :raises ValidationError: as :func:`clean_custom`"""
        found = dict(before or {})
        refused: dict[str, Any] = {}
        for key, value in given.items():
            try:
                self._put(found, key, value)
            except ValidationError as error:
                refused |= error.error_dict
        missing = self.fields.values() if before is None else ()
        for field in missing:
            if field.is_required and field.key not in found and field.name not in refused:
                refused |= _missing(field).error_dict
        if refused:
            raise ValidationError(refused)
        return found

    def _put(self, found: dict[str, Any], key: str, value: Any) -> None:
        field = self.fields.get(key)
        if field is None:
            raise rows.refusal(f"custom.{key}", _("There is no such field."), code="unknown_field")
        value = value.strip() if isinstance(value, str) else value
        if value is None or value == "":
            if field.is_required and key in found:
                raise _missing(field)
            found.pop(key, None)
            return
        stored = _CLEANERS[Kind(field.kind)](field, value)
        if stored == found.get(key) and isinstance(stored, bool) is isinstance(found.get(key), bool):
            # What a colleague linked stays linked, and a choice that is not offered any more stays chosen.
            return
        if field.kind == Kind.CHOICE and stored not in dict(field.offered()):
            raise _wrong(field, _("There is no such choice."))
        if field.kind == Kind.REFERENCE:
            self._require_named(field, stored)
        found[key] = stored

    def _require_named(self, field: CustomField, key: int) -> None:
        if (field.target, key) not in self._named:
            rows.named(target_of(field), key, actor=self._actor, field=field.name)
            self._named.add((field.target, key))


def change_custom(row: Company | Person | Deal | Lead, values: dict[str, Any], *, actor: User) -> None:
    """
    Put whole values of the further fields among the `values` of a row where some of them are named.

    :raises ValidationError: as :func:`clean_custom`
    """
    if "custom" in values:
        values["custom"] = clean_custom(type(row), values["custom"], actor=actor, before=row.custom)


def _missing(field: CustomField) -> ValidationError:
    return rows.refusal(field.name, _("%(label)s is required."), code="required", label=field.label)


def _wrong(field: CustomField, message: Any) -> ValidationError:
    return rows.refusal(field.name, message, code="invalid")


def _text(field: CustomField, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(field, _("This is no text."))
    if len(value) > LONGEST:
        raise rows.refusal(
            field.name, _("At most %(count)s characters fit here."), code="max_length", count=LONGEST
        )
    if "\0" in value or not _is_storable(value):
        raise _wrong(field, _("The text holds a character that cannot be stored."))
    return value


def _is_storable(text: str) -> bool:
    """Tell whether a text can be stored: half of a surrogate pair is no character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _number(field: CustomField, value: Any) -> str:
    if isinstance(value, bool | float) or not isinstance(value, int | str | Decimal):
        raise _wrong(field, _("A number is given as text, as in “12.5”."))
    if isinstance(value, str) and len(value) > 2 * (DIGITS + PLACES):
        raise _wrong(field, _("This is no number of ours."))
    try:
        stored = number_text(Decimal(value))
    except (InvalidOperation, ValueError):
        raise _wrong(field, _("This is no number.")) from None
    if stored is None:
        raise rows.refusal(
            field.name,
            _("A number has at most %(digits)s digits before the mark and %(places)s behind it."),
            code="invalid",
            digits=DIGITS,
            places=PLACES,
        )
    return stored


def _date(field: CustomField, value: Any) -> str:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    try:
        found = parse_date(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None:
        raise _wrong(field, _("A date is written as in 2026-03-01."))
    return found.isoformat()


def _choice(field: CustomField, value: Any) -> str:
    if not isinstance(value, str) or value not in field.labels():
        raise _wrong(field, _("There is no such choice."))
    return value


def _reference(field: CustomField, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**63:
        raise _wrong(field, _("A reference is given by its number."))
    return value


def _flag(field: CustomField, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong(field, _("This is neither yes nor no."))
    return value


def _is_nameable(field: CustomField, key: int, actor: User) -> bool:
    model = target_of(field)
    is_active = issubclass(model, Archivable)
    return access.can_with(actor, "view", model, key, is_active=is_active)


_CLEANERS: dict[CustomField.Kind, Callable[[CustomField, Any], Any]] = {
    Kind.TEXT: _text,
    Kind.NUMBER: _number,
    Kind.DATE: _date,
    Kind.CHOICE: _choice,
    Kind.REFERENCE: _reference,
    Kind.FLAG: _flag,
}


def carried(source: Lead, model: _Customised, *, actor: User) -> dict[str, Any]:
    """
    Return what a lead has in fields that what it becomes has too: of the same key and kind, with the same choices.

    What it refers to is taken along only by who sees it, as by hand.
    """
    if not source.custom:
        return {}
    here = {field.key: field for field in fields_of(Lead) if field.key in source.custom}
    found = {}
    for field in fields_of(model):
        own = here.get(field.key)
        if own is None or (own.kind, own.target) != (field.kind, field.target):
            continue
        value = source.custom[field.key]
        if field.kind == Kind.CHOICE and value not in dict(field.offered()):
            continue
        if field.kind == Kind.REFERENCE and not _is_nameable(field, value, actor):
            continue
        found[field.key] = value
    return found
