"""Numbers of papers: each series counts without a gap, and a document gets its number once."""

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import owned_rows
from apps.accounts.models import User
from apps.accounts.rows import write
from apps.documents import events
from apps.documents.models import Document, DocumentType, LegalEntity

# One statement locks the series' row, raises it, and keeps it locked until the transaction ends.
_RAISE = """
    insert into documents_numbersequence as s (series, year, last) values (%s, %s, 1)
    on conflict (series, year) do update set last = s.last + 1
    returning last
"""


def next_in_series(series: str, *, year: int) -> int:
    """
    Return the next number of a series, 1 at first; 0 as the year is for a series that runs on.

    It belongs to the caller's transaction: when that is rolled back, the number is the next one's again, and until it
    ends, others wait. Call it late.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("a number is drawn in the transaction that uses it")
    with connection.cursor() as cursor:
        cursor.execute(_RAISE, [series, year])
        return int(cursor.fetchone()[0])


def next_number(kind: DocumentType, *, year: int, entity: LegalEntity | None = None) -> str:
    """
    Return the next number of documents of a type in a year, as the type writes them.

    Each of our companies counts for itself, under its prefix. Numbers that documents bear already, because they were
    brought along from elsewhere, are passed over.

    :raises ValidationError: documents of this type are not numbered ("not_numbered")
    """
    pattern = kind.number_pattern
    if not pattern:
        raise ValidationError(
            _("Documents of the type “%(type)s” are not numbered."),
            code="not_numbered",
            params={"type": kind.name},
        )
    prefix = entity.number_prefix if entity else ""
    counted = year if "{year}" in pattern else 0
    while True:
        count = next_in_series(f"documents.{kind.code}{'/' if prefix else ''}{prefix}", year=counted)
        # The pattern holds these two names and nothing else: a validator sees to it.
        number = prefix + pattern.format(year=year, number=count)
        if not Document.objects.filter(type=kind, number=number).exists():
            return number


@transaction.atomic
def number_document(
    document_id: int,
    *,
    actor: User,
    year: int | None = None,
    entity: LegalEntity | None = None,
    expected_version: int | None = None,
) -> Document:
    """
    Give a document its number; one that has a number keeps it.

    :param year: this one if None
    :raises DoesNotExist: the document is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: "archived", "stale", "document_final", "not_numbered"
    """
    document = owned_rows.locked(
        Document, document_id, actor=actor, action="change", expected_version=expected_version
    )
    if document.number is not None:
        return document
    owned_rows.require_active(document)
    if document.is_final:
        raise ValidationError(_("A signed or void document is never changed."), code="document_final")
    number = next_number(document.type, year=year or timezone.localdate().year, entity=entity)
    write(document, {"number": number}, actor=actor)
    events.publish_document(events.DOCUMENT_CHANGED, document.pk, actor_id=actor.pk)
    return document
