"""What happens to types and tags of documents."""

from typing import Any, TypedDict, Unpack

from django.db import transaction

from apps.accounts import access, owned_rows, rows
from apps.accounts.models import User
from apps.accounts.rows import differing, write
from apps.documents.models import DocumentType, Tag


class TypeFields(TypedDict, total=False):
    """What people write on a type of documents; sizes in bytes."""

    name: str
    number_pattern: str
    allowed_types: list[str]
    max_size: int | None
    retention_days: int | None
    trash_days: int
    needs_signature: bool


@transaction.atomic
def create_document_type(*, code: str, actor: User, **fields: Unpack[TypeFields]) -> DocumentType:
    """
    Add a kind of documents.

    :param code: by which programs and templates know it, for good
    :raises PermissionDenied: the actor may not add types
    :raises ValidationError: a value is refused, or there is one of this code
    """
    access.require(actor, "add", DocumentType)
    return owned_rows.insert(DocumentType(code=code, **fields), actor=actor)


@transaction.atomic
def change_document_type(
    type_id: int, *, actor: User, expected_version: int | None = None, **fields: Unpack[TypeFields]
) -> DocumentType:
    """
    Change the rules of a kind of documents; for those that are kept already, the time stays as it is.

    :raises DoesNotExist: the type is out of sight
    :raises PermissionDenied: the actor may not change types
    :raises ValidationError: a value is refused, "archived", "stale"
    """
    kind = owned_rows.locked(
        DocumentType, type_id, actor=actor, action="change", expected_version=expected_version
    )
    owned_rows.require_active(kind)
    changes: dict[str, Any] = differing(kind, dict(fields))
    return write(kind, changes, actor=actor) if changes else kind


@transaction.atomic
def archive_document_type(type_id: int, *, actor: User, expected_version: int | None = None) -> DocumentType:
    """
    Offer a kind of documents no longer; those that are of it stay so.

    :raises DoesNotExist: the type is out of sight
    :raises PermissionDenied: the actor may not archive types
    :raises ValidationError: "archived", "stale"
    """
    kind = owned_rows.locked(
        DocumentType, type_id, actor=actor, action="archive", expected_version=expected_version
    )
    owned_rows.archive(kind, actor=actor)
    return kind


@transaction.atomic
def restore_document_type(type_id: int, *, actor: User, expected_version: int | None = None) -> DocumentType:
    """
    Offer a kind of documents again.

    :raises DoesNotExist: the type is out of sight
    :raises PermissionDenied: the actor may not restore types
    :raises ValidationError: "not_archived", "stale"
    """
    kind = owned_rows.locked(
        DocumentType, type_id, actor=actor, action="archive", expected_version=expected_version
    )
    owned_rows.restore(kind, actor=actor)
    return kind


@transaction.atomic
def create_tag(*, name: str, actor: User) -> Tag:
    """
    Add a word to mark documents with.

    :raises PermissionDenied: the actor may not add tags
    :raises ValidationError: there is one of this name ("document_tag_name_unique")
    """
    access.require(actor, "add", Tag)
    return rows.insert(Tag(name=name.strip()), actor=actor)


@transaction.atomic
def change_tag(tag_id: int, *, name: str, actor: User) -> Tag:
    """
    Rename a tag.

    :raises DoesNotExist: the tag is out of sight
    :raises PermissionDenied: the actor may not change tags
    :raises ValidationError: there is one of this name ("document_tag_name_unique")
    """
    tag = owned_rows.locked(Tag, tag_id, actor=actor, action="change")
    changes = differing(tag, {"name": name.strip()})
    return write(tag, changes, actor=actor) if changes else tag


@transaction.atomic
def delete_tag(tag_id: int, *, actor: User) -> None:
    """
    Delete a tag; documents that were marked with it lose it.

    :raises DoesNotExist: the tag is out of sight
    :raises PermissionDenied: the actor may not delete tags
    """
    owned_rows.locked(Tag, tag_id, actor=actor, action="delete").delete()
