"""Further fields as columns of files: which there are, and how their values get into the one column that holds them."""

from collections.abc import Sequence
from dataclasses import replace

from apps.crm.custom import CUSTOMISED, LONGEST, fields_of
from apps.crm.imports.fields import FieldType, ImportField, ImportKind
from apps.crm.imports.sql import literal
from apps.crm.models import CustomField

Kind = CustomField.Kind
# Before the key, where names of columns are those of SQL.
_PREFIX = "custom_"
# PostgreSQL takes a hundred arguments, two for each key.
_AT_ONCE = 40
_TYPES = {
    Kind.TEXT: FieldType.TEXT,
    Kind.NUMBER: FieldType.NUMBER,
    Kind.DATE: FieldType.DATE,
    Kind.CHOICE: FieldType.CHOICE,
    Kind.REFERENCE: FieldType.REFERENCE,
    Kind.FLAG: FieldType.FLAG,
}
# What rows are called in a file, by the model's label; each is the name of a column.
NAMES = {
    "crm.company": ("name",),
    "crm.person": ("full_name",),
    "crm.deal": ("title", "number"),
    "crm.product": ("name", "sku"),
    "accounts.user": ("name", "email"),
}


def with_further_fields(kind: ImportKind) -> ImportKind:
    """Return a kind with the fields that its rows have besides, as they are offered now."""
    if kind.model not in CUSTOMISED.values():
        return kind
    further = fields_of(kind.model)
    return replace(kind, fields=(*kind.fields, *map(_import_field, further))) if further else kind


def _import_field(field: CustomField) -> ImportField:
    return ImportField(
        f"{_PREFIX}{field.key}",
        field.label,
        _TYPES[Kind(field.kind)],
        aliases=(field.key, field.name),
        max_length=LONGEST,
        choices=tuple((key, label) for key, label in field.offered()),
        custom=field.key,
        target=field.target,
    )


def values_of(fields: Sequence[ImportField]) -> str:
    """Return SQL over `r` for an object of what a row says in further fields; what is empty is not in it."""
    pairs = [f"{literal(field.custom)}, {_value(field)}" for field in fields]
    chunks = [pairs[at : at + _AT_ONCE] for at in range(0, len(pairs), _AT_ONCE)]
    objects = [f"jsonb_build_object({', '.join(chunk)})" for chunk in chunks]
    return f"jsonb_strip_nulls({' || '.join(objects)})"


def _value(field: ImportField) -> str:
    if field.is_reference:
        return f"ref_{field.key}.target_id"
    cast = "::boolean" if field.type == FieldType.FLAG else ""
    return f"(r.data->>'{field.key}'){cast}"
