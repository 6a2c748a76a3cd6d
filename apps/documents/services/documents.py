"""What happens to documents."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack

from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from apps.accounts import access, owned_rows
from apps.accounts.models import User
from apps.accounts.rows import differing, refusal, refusals, write
from apps.accounts.scoping import Rule
from apps.documents import events
from apps.documents.models import (
    Blob,
    Document,
    DocumentLink,
    DocumentType,
    DocumentVersion,
    Folder,
    Tag,
)
from apps.documents.names import safe_file_name
from apps.documents.services import approvals, signing

Source = DocumentVersion.Source
# As much of an object's name as a link keeps.
NAME_LENGTH = 300


@dataclass(frozen=True)
class Content:
    """
    A content that is kept already, about to become a version.

    :param file_name: as its sender called it; it is made harmless
    """

    blob: Blob
    file_name: str
    source: DocumentVersion.Source = Source.UPLOAD
    comment: str = ""


@dataclass(frozen=True)
class Target:
    """
    The business object that a document belongs to.

    :param model: "crm.deal"
    """

    model: str
    pk: int
    role: DocumentLink.Role = DocumentLink.Role.ATTACHMENT


class DocumentFields(TypedDict, total=False):
    """What people write on a document; relations by id. Without owner and team it is common to all."""

    type_id: int
    title: str
    folder_id: int | None
    description: str
    owner_id: int | None
    team_id: int | None
    tag_ids: Sequence[int]


@transaction.atomic
def create_document(
    *,
    actor: User,
    content: Content | None = None,
    targets: Sequence[Target] = (),
    **fields: Unpack[DocumentFields],
) -> Document:
    """
    Write a document down, with its first version and what it belongs to.

    It is its first object's owner's and team's, where that has them, unless others are named: whoever works on
    a deal sees its papers. Otherwise it is the actor's own.

    :raises PermissionDenied: the actor may not make such a document
    :raises ValidationError: a value is refused, or names what the actor does not see ("not_found")
    """
    access.require(actor, "add", Document)
    rows = [_target(target, actor=actor) for target in targets]
    values: dict[str, Any] = {**_owners_of(rows, actor), **fields}
    tags = _named_tags(values.pop("tag_ids", ()), actor=actor)
    owned_rows.owner_and_team(values, actor=actor)
    _named_places(values, actor=actor)
    document = owned_rows.insert(Document(**values), actor=actor)
    document.tags.set(tags)
    for target, row in zip(targets, rows, strict=True):
        _link(document, target, row, actor=actor)
    if content is not None:
        _append(document, content, actor=actor)
    events.publish_document(events.DOCUMENT_CREATED, document.pk, actor_id=actor.pk)
    return document


@transaction.atomic
def change_document(
    document_id: int, *, actor: User, expected_version: int | None = None, **fields: Unpack[DocumentFields]
) -> Document:
    """
    Change what is written on a document; what is not named stays. Nothing happens where nothing differs.

    :raises DoesNotExist: the document is out of sight
    :raises PermissionDenied: the actor may not change it, or not give it to somebody else
    :raises ValidationError: a value is refused, "archived", "stale", "document_final"
    """
    document = owned_rows.locked(
        Document, document_id, actor=actor, action="change", expected_version=expected_version
    )
    owned_rows.require_active(document)
    values: dict[str, Any] = dict(fields)
    tag_ids = values.pop("tag_ids", None)
    changes = differing(document, values)
    if document.is_final and {"title", "type_id"} & changes.keys():
        raise ValidationError(_("A signed or void document is never changed."), code="document_final")
    if {"owner_id", "team_id"} & changes.keys():
        access.require(actor, "assign", document)
    owned_rows.owner_and_team(changes, actor=actor)
    _named_places(changes, actor=actor)
    are_tags_new = tag_ids is not None and _set_tags(document, _named_tags(tag_ids, actor=actor))
    if changes or are_tags_new:
        write(document, changes, actor=actor)
        events.publish_document(events.DOCUMENT_CHANGED, document.pk, actor_id=actor.pk)
    return document


@transaction.atomic
def add_version(
    document_id: int, content: Content, *, actor: User, expected_version: int | None = None
) -> DocumentVersion:
    """
    Add a content as the document's latest version; the one that it has already adds nothing.

    What was decided about the content before is decided anew: see `approvals.content_changed`.

    :raises DoesNotExist: the document is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: "archived", "stale", "document_final", "checked_out" (by somebody else), "out_to_sign", or
        the document's type does not take such contents ("type_refused", "too_large")
    """
    document = taking_versions(document_id, actor=actor, expected_version=expected_version)
    current = document.current_version
    if current is not None and current.blob_id == content.blob.pk:
        return current
    version = _append(document, content, actor=actor)
    approvals.content_changed(document, version, actor=actor)
    events.publish_document(events.DOCUMENT_VERSION_ADDED, document.pk, actor_id=actor.pk)
    return version


@transaction.atomic
def archive_document(document_id: int, *, actor: User, expected_version: int | None = None) -> Document:
    """
    Put a document into the trash.

    :raises DoesNotExist: the document is out of sight
    :raises PermissionDenied: the actor may not archive it
    :raises ValidationError: "archived", "stale", "checked_out" (by somebody else), "on_hold", "in_review", "out_to_sign"
    """
    document = owned_rows.locked(
        Document, document_id, actor=actor, action="archive", expected_version=expected_version
    )
    if document.has_legal_hold:
        raise ValidationError(_("This document is on legal hold and stays where it is."), code="on_hold")
    require_not_checked_out(document, actor=actor)
    approvals.require_not_in_review(document)
    signing.require_not_out(document)
    owned_rows.archive(document, actor=actor)
    events.publish_document(events.DOCUMENT_ARCHIVED, document.pk, actor_id=actor.pk)
    return document


@transaction.atomic
def restore_document(document_id: int, *, actor: User, expected_version: int | None = None) -> Document:
    """
    Take a document out of the trash; out of a folder that is still there, it comes back without one.

    :raises DoesNotExist: the document is out of sight
    :raises PermissionDenied: the actor may not restore it
    :raises ValidationError: "not_archived", "stale"
    """
    document = owned_rows.locked(
        Document, document_id, actor=actor, action="archive", expected_version=expected_version
    )
    owned_rows.restore(document, actor=actor)
    if document.folder is not None and document.folder.archived_at is not None:
        write(document, {"folder": None}, actor=actor)
    events.publish_document(events.DOCUMENT_RESTORED, document.pk, actor_id=actor.pk)
    return document


@transaction.atomic
def link_document(document_id: int, target: Target, *, actor: User) -> DocumentLink:
    """
    Let a document belong to a business object as well; asking twice is asking once.

    :raises DoesNotExist: the document is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: "archived", or there is no such object for the actor ("not_found")
    """
    document = owned_rows.locked(Document, document_id, actor=actor, action="change")
    owned_rows.require_active(document)
    row = _target(target, actor=actor)
    known = document.links.filter(
        target_type=ContentType.objects.get_for_model(row), target_id=row.pk, role=target.role
    ).first()
    if known is not None:
        return known
    link = _link(document, target, row, actor=actor)
    events.publish_document(events.DOCUMENT_CHANGED, document.pk, actor_id=actor.pk)
    return link


@transaction.atomic
def unlink_document(document_id: int, link_id: int, *, actor: User) -> None:
    """
    Let a document no longer belong to an object. Neither of them changes.

    :raises DoesNotExist: the document is out of sight, or has no such link
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: "archived"
    """
    document = owned_rows.locked(Document, document_id, actor=actor, action="change")
    owned_rows.require_active(document)
    document.links.get(pk=link_id).delete()
    events.publish_document(events.DOCUMENT_CHANGED, document.pk, actor_id=actor.pk)


def taking_versions(document_id: int, *, actor: User, expected_version: int | None = None) -> Document:
    """
    Lock a document to which the actor may add a version.

    :raises DoesNotExist: the document is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: "archived", "stale", "document_final", "checked_out" (by somebody else), "out_to_sign"
    """
    document = owned_rows.locked(
        Document, document_id, actor=actor, action="change", expected_version=expected_version
    )
    owned_rows.require_active(document)
    if document.is_final:
        raise ValidationError(_("A signed or void document is never changed."), code="document_final")
    require_not_checked_out(document, actor=actor)
    signing.require_not_out(document)
    return document


def require_not_checked_out(document: Document, *, actor: User) -> None:
    """Insist that nobody else works on a document. :raises ValidationError: somebody does ("checked_out")"""
    if document.is_checked_out and document.checked_out_by_id != actor.pk:
        raise ValidationError(
            _("%(name)s works on this document until %(until)s."),
            code="checked_out",
            params={"name": document.checked_out_by, "until": document.checked_out_until},
        )


def _append(document: Document, content: Content, *, actor: User) -> DocumentVersion:
    """Write the next version of a locked document and make it the current one."""
    _require_fit(document.type, content.blob)
    last = document.versions.aggregate(last=models.Max("number"))["last"] or 0
    version = DocumentVersion(
        document=document,
        number=last + 1,
        blob=content.blob,
        file_name=safe_file_name(content.file_name),
        source=content.source,
        comment=content.comment,
        created_by=actor,
    )
    with refusals():
        version.save(force_insert=True)
    write(document, {"current_version": version}, actor=actor)
    return version


def _require_fit(kind: DocumentType, blob: Blob) -> None:
    if kind.allowed_types and blob.content_type not in kind.allowed_types:
        raise ValidationError(
            _("A document of the type “%(type)s” is not a file of this kind (%(content)s)."),
            code="type_refused",
            params={"type": kind.name, "content": blob.content_type},
        )
    require_size(kind, blob.size)


def require_size(kind: DocumentType, size: int) -> None:
    """Insist that documents of a type may be so large. :raises ValidationError: they may not ("too_large")"""
    if kind.max_size is not None and size > kind.max_size:
        raise ValidationError(
            _("A document of the type “%(type)s” has at most %(size)s bytes."),
            code="too_large",
            params={"type": kind.name, "size": kind.max_size},
        )


def _target(target: Target, *, actor: User) -> models.Model:
    """Return the object that a target names. :raises ValidationError: the actor sees no such object"""
    app_label, _dot, name = target.model.partition(".")
    missing = refusal("targets", _("There is no such row, or you may not see it."), code="not_found")
    try:
        model = ContentType.objects.get_by_natural_key(app_label, name).model_class()
    except ObjectDoesNotExist:
        raise missing from None
    if model is None or not isinstance(getattr(model, "access", None), Rule):
        raise missing
    row = model._base_manager.filter(access.scope(actor, "view", model), pk=target.pk).first()
    if row is None:
        raise missing
    return row


def _owners_of(rows: Sequence[models.Model], actor: User) -> dict[str, Any]:
    owner_id, team_id = (getattr(rows[0], name, None) if rows else None for name in ("owner_id", "team_id"))
    if owner_id is None and team_id is None:
        return {"owner_id": actor.pk}
    return {"owner_id": owner_id, "team_id": team_id}


def _link(document: Document, target: Target, row: models.Model, *, actor: User) -> DocumentLink:
    link = DocumentLink(
        document=document,
        target_type=ContentType.objects.get_for_model(row),
        target_id=row.pk,
        role=target.role,
        target_name=str(row)[:NAME_LENGTH],
        created_by=actor,
    )
    with refusals():
        link.save(force_insert=True)
    return link


def _named_places(values: dict[str, Any], *, actor: User) -> None:
    owned_rows.named(Folder, values.get("folder_id"), actor=actor, field="folder")
    owned_rows.named(DocumentType, values.get("type_id"), actor=actor, field="type")


def _named_tags(tag_ids: Sequence[int], *, actor: User) -> list[Tag]:
    ids = set(tag_ids)
    tags = list(Tag.objects.visible_to(actor).filter(pk__in=ids))
    if len(tags) != len(ids):
        raise refusal("tags", _("There is no such tag."), code="not_found")
    return tags


def _set_tags(document: Document, tags: Sequence[Tag]) -> bool:
    wanted = {tag.pk for tag in tags}
    if wanted == set(document.tags.values_list("pk", flat=True)):
        return False
    document.tags.set(wanted)
    return True
