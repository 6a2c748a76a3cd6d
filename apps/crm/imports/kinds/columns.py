"""Columns that several kinds of files have."""

from django.utils.translation import gettext_lazy as _

from apps.crm.imports.fields import FieldType, ImportField


def external_id(*aliases: str) -> ImportField:
    """
    The row's key in the system it comes from, by which it is met again.

    :param aliases: what such systems call it in this kind of file
    """
    return ImportField(
        "external_id",
        _("external id"),
        aliases=(*aliases, "внешний код", "ид"),
        max_length=128,
        column="external_id",
        matches=True,
        unique=True,
    )


OWNER = ImportField(
    "owner",
    _("owner"),
    FieldType.REFERENCE,
    aliases=(
        "sales agent",
        "sales rep",
        "manager",
        "account manager",
        "responsible",
        "ответственный",
        "менеджер",
    ),
)
NOTES = ImportField(
    "description",
    _("notes"),
    FieldType.LONG_TEXT,
    aliases=("description", "comment", "note", "комментарий", "описание", "заметки"),
    column="description",
)
