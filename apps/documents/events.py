"""The facts of documents, and the one place that says what each tells: the document as it is after the change."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Q

from apps.documents.models import (
    Approval,
    ApprovalStep,
    Document,
    DocumentLink,
    DriveBinding,
    DriveConflict,
    DriveRoot,
    Folder,
    ShareLink,
    SignatureRequest,
)
from apps.events.services import Fact, publish, publish_many
from apps.events.wakeup import poke_stream

DOCUMENT_CREATED = Fact("documents.document.created.v1")
DOCUMENT_CHANGED = Fact("documents.document.changed.v1")
DOCUMENT_VERSION_ADDED = Fact("documents.document.version_added.v1")
DOCUMENT_ARCHIVED = Fact("documents.document.archived.v1")
DOCUMENT_RESTORED = Fact("documents.document.restored.v1")
SHARE_LINK_CREATED = Fact("documents.share_link.created.v1")
SHARE_LINK_REVOKED = Fact("documents.share_link.revoked.v1")
DOCUMENT_CHECKED_OUT = Fact("documents.document.checked_out.v1")
DOCUMENT_CHECKED_IN = Fact("documents.document.checked_in.v1")
DOCUMENT_HELD = Fact("documents.document.held.v1")
DOCUMENT_RELEASED = Fact("documents.document.released.v1")
DOCUMENT_VOIDED = Fact("documents.document.voided.v1")
DOCUMENT_DELETED = Fact("documents.document.deleted.v1")
FOLDER_CREATED = Fact("documents.folder.created.v1")
FOLDER_CHANGED = Fact("documents.folder.changed.v1")
FOLDER_ARCHIVED = Fact("documents.folder.archived.v1")
FOLDER_RESTORED = Fact("documents.folder.restored.v1")
DOCUMENT_SIGNED = Fact("documents.document.signed.v1")
# Somebody is asked: at the beginning, when it is the next one's turn, and when it was given to somebody else.
APPROVAL_REQUESTED = Fact("documents.approval.requested.v1")
APPROVAL_DECIDED = Fact("documents.approval.decided.v1")
APPROVAL_COMPLETED = Fact("documents.approval.completed.v1")
APPROVAL_OVERDUE = Fact("documents.approval.overdue.v1")
SIGNATURE_REQUESTED = Fact("documents.signature.requested.v1")
SIGNATURE_VIEWED = Fact("documents.signature.viewed.v1")
SIGNATURE_ACCEPTED = Fact("documents.signature.accepted.v1")
SIGNATURE_DECLINED = Fact("documents.signature.declined.v1")
SIGNATURE_CANCELLED = Fact("documents.signature.cancelled.v1")
SIGNATURE_COMPLETED = Fact("documents.signature.completed.v1")
SIGNATURE_EXPIRED = Fact("documents.signature.expired.v1")
DRIVE_SYNCED = Fact("documents.drive.synced.v1")
DRIVE_CONFLICT = Fact("documents.drive.conflict.v1")
DRIVE_ROOT_PAUSED = Fact("documents.drive.root_paused.v1")

FACTS = [value for value in globals().values() if isinstance(value, Fact)]

_COLUMNS = [
    *["id", "number", "title", "status", "has_legal_hold", "retain_until_date", "archived_at", "version"],
    *["external_source", "external_id", "type_id", "type__name", "type__code", "folder_id", "folder__name"],
    *["owner_id", "owner__name", "team_id", "team__name", "current_version__number"],
    *["current_version__file_name", "current_version__source", "current_version__blob__size"],
    *["current_version__blob__sha256", "current_version__blob__content_type"],
]
_FOLDER_RELATIONS = ["parent_id", "parent__name", "owner_id", "owner__name", "team_id", "team__name"]
_TAGS = ArrayAgg("tags__name", filter=Q(tags__isnull=False), default=[], order_by="tags__name")


def document_snapshots(document_ids: Iterable[int]) -> list[tuple[int, dict[str, Any]]]:
    """Return (id, snapshot) of each document as it stands in the database: two queries, whatever their number."""
    ids = list(document_ids)
    rows = Document.objects.filter(pk__in=ids).values(*_COLUMNS, tag_names=_TAGS)
    links: dict[int, list[dict[str, Any]]] = {}
    found = DocumentLink.objects.filter(document_id__in=ids).order_by("id")
    for link in found.select_related("target_type"):
        links.setdefault(link.document_id, []).append(
            {
                "type": f"{link.target_type.app_label}.{link.target_type.model}",
                "id": link.target_id,
                "role": link.role,
                "name": link.target_name,
            }
        )
    return [(row["id"], _snapshot(row, links.get(row["id"], []))) for row in rows]


def _snapshot(row: Mapping[str, Any], links: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        **{name: row[name] for name in _COLUMNS[:10]},
        "type": {"id": row["type_id"], "code": row["type__code"], "name": row["type__name"]},
        "folder": _named(row, "folder"),
        "owner": _named(row, "owner"),
        "team": _named(row, "team"),
        "tags": row["tag_names"],
        "links": links,
        "content": _content(row),
    }


def _named(row: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    pk = row[f"{name}_id"]
    return None if pk is None else {"id": pk, "name": row[f"{name}__name"]}


def _content(row: Mapping[str, Any]) -> dict[str, Any] | None:
    number = row["current_version__number"]
    if number is None:
        return None
    return {
        "version": number,
        "file_name": row["current_version__file_name"],
        "source": row["current_version__source"],
        "size": row["current_version__blob__size"],
        "content_type": row["current_version__blob__content_type"],
        "sha256": bytes(row["current_version__blob__sha256"]).hex(),
    }


def publish_document(fact: Fact, document_id: int, *, actor_id: int, **more: Any) -> None:
    """
    Tell a fact of one document.

    :param more: what this kind of fact says beside the document, as why it is void
    """
    for pk, snapshot in document_snapshots([document_id]):
        publish(fact, pk, snapshot | more, actor_id=actor_id)
    tell_watchers(document_id)


def tell_watchers(*document_ids: int) -> None:
    """Have the pages that show these documents look anew, once the current transaction has committed."""
    for pk in document_ids:
        poke_stream(f"document:{pk}")


def publish_share_link(fact: Fact, link: ShareLink, *, actor_id: int) -> None:
    """Tell a fact of a share link; nothing by which it could be opened."""
    data = {
        "id": link.pk,
        "document_id": link.document_id,
        "version_id": link.version_id,
        "bundle_id": link.bundle_id,
        "note": link.note,
        "has_password": link.has_password,
        "max_downloads": link.max_downloads,
        "downloads": link.downloads,
        "expires_at": link.expires_at,
        "revoked_at": link.revoked_at,
    }
    publish(fact, link.pk, data, actor_id=actor_id)
    if link.document_id is not None:
        tell_watchers(link.document_id)


def publish_documents(fact: Fact, document_ids: Iterable[int], *, actor_id: int) -> None:
    """Tell the same fact of many documents."""
    told = document_snapshots(document_ids)
    publish_many(fact, told, actor_id=actor_id)
    tell_watchers(*(pk for pk, _snapshot in told))


def publish_folders(fact: Fact, folder_ids: Iterable[int], *, actor_id: int) -> None:
    """Tell a fact of folders."""
    columns = ["id", "name", "archived_at", "version", *_FOLDER_RELATIONS]
    rows = Folder.objects.filter(pk__in=list(folder_ids)).values(*columns)
    told = [
        (
            row["id"],
            {
                **{name: row[name] for name in columns[:4]},
                **{name: _named(row, name) for name in ("parent", "owner", "team")},
            },
        )
        for row in rows
    ]
    publish_many(fact, told, actor_id=actor_id)


def publish_approval(
    fact: Fact, approval: Approval, *, actor_id: int, steps: Iterable[ApprovalStep] = ()
) -> None:
    """
    Tell a fact of one approval.

    :param steps: those that the fact is about: who is asked, who has decided, who is late
    """
    told = approval.steps.select_related("assignee", "team", "role", "decided_by").order_by("place", "id")
    data = {
        "id": approval.pk,
        "state": approval.state,
        "note": approval.note,
        "reason": approval.reason,
        "requested_by": _person(approval.created_by),
        "document_version": approval.document_version.number,
        "document": dict(document_snapshots([approval.document_id]))[approval.document_id],
        "steps": [_step(step) for step in told],
        "about": [step.pk for step in steps],
    }
    publish(fact, approval.pk, data, actor_id=actor_id)
    tell_watchers(approval.document_id)


def _step(step: ApprovalStep) -> dict[str, Any]:
    return {
        "id": step.pk,
        "place": step.place,
        "state": step.state,
        "assignee": _person(step.assignee),
        "team": _person(step.team),
        "role": _person(step.role),
        "due_at": step.due_at,
        "decided_at": step.decided_at,
        "decided_by": _person(step.decided_by),
        "comment": step.comment,
    }


def _person(row: Any) -> dict[str, Any] | None:
    return None if row is None else {"id": row.pk, "name": row.name}


def publish_signature(
    fact: Fact, request: SignatureRequest, *, actor_id: int, recipient_id: int | None = None
) -> None:
    """
    Tell a fact of one signature request; never what opens its links.

    :param recipient_id: whom the fact is about, where it is about one of them
    """
    recipients = request.recipients.order_by("place", "id")
    data = {
        "id": request.pk,
        "state": request.state,
        "reason": request.reason,
        "expires_at": request.expires_at,
        "requested_by": _person(request.created_by),
        "document_version": request.document_version.number,
        "sha256": request.digest,
        "document": dict(document_snapshots([request.document_id]))[request.document_id],
        "recipients": [
            {
                "id": each.pk,
                "place": each.place,
                "name": each.name,
                "email": each.email,
                "state": each.state,
                "decided_at": each.decided_at,
                "reason": each.reason,
            }
            for each in recipients
        ],
        "recipient_id": recipient_id,
    }
    publish(fact, request.pk, data, actor_id=actor_id)
    tell_watchers(request.document_id)


# Google Drive


def publish_root(fact: Fact, root: DriveRoot, *, actor_id: int) -> None:
    """Tell a fact of a folder of Drive."""
    data = {
        "id": root.pk,
        "name": root.name,
        "state": root.state,
        "reason": root.reason,
        "note": root.note,
        "account": root.account.client_email,
    }
    publish(fact, root.pk, data, actor_id=actor_id)


def publish_synced(bindings: Iterable[DriveBinding], *, actor_id: int) -> None:
    """Tell that documents are in step with Drive: what both sides hold now."""
    told = [(binding.document_id, _synced(binding)) for binding in bindings]
    publish_many(DRIVE_SYNCED, told, actor_id=actor_id)
    tell_watchers(*(pk for pk, _data in told))


def _synced(binding: DriveBinding) -> dict[str, Any]:
    return {
        "document": {"id": binding.document_id, "title": binding.document.title},
        "root": {"id": binding.root_id, "name": binding.root.name},
        "drive_file_id": binding.drive_file_id,
        "web_view_link": binding.web_view_link,
        "name": binding.base_name,
        "md5": binding.base_md5,
        "size": binding.base_size,
        "version": binding.base_version.number if binding.base_version else None,
        "is_trashed": binding.base_is_trashed,
    }


def publish_conflict(conflict: DriveConflict, *, actor_id: int) -> None:
    """Tell that a document was changed on both sides."""
    data = {
        "id": conflict.pk,
        "document": {"id": conflict.document_id, "title": conflict.document.title},
        "kind": conflict.kind,
        "who": conflict.who,
        "ours": conflict.ours.number if conflict.ours else None,
        "theirs": {"document_id": conflict.theirs.document_id, "version": conflict.theirs.number}
        if conflict.theirs
        else None,
    }
    publish(DRIVE_CONFLICT, conflict.document_id, data, actor_id=actor_id)
    tell_watchers(conflict.document_id)
