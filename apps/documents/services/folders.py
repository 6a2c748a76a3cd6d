"""What happens to folders."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypedDict, Unpack

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access, owned_rows
from apps.accounts.models import User
from apps.accounts.rows import differing, put, refusals, write, write_many
from apps.documents import events
from apps.documents.models import Document, Folder

# So many documents go to the trash with their folder at once: a second's work. More are chosen in the list.
MOST_AT_ONCE = 1_000


class FolderFields(TypedDict, total=False):
    """What people write on a folder; relations by id. Without owner and team it is common to all."""

    name: str
    parent_id: int | None
    owner_id: int | None
    team_id: int | None


@transaction.atomic
def create_folder(*, actor: User, **fields: Unpack[FolderFields]) -> Folder:
    """
    Make a folder; it is the actor's own unless an owner is named.

    :raises PermissionDenied: the actor may not make such a folder
    :raises ValidationError: a value is refused, or there is one of this name ("folder_name_unique")
    """
    access.require(actor, "add", Folder)
    values: dict[str, Any] = {"owner_id": actor.pk, **fields}
    owned_rows.owner_and_team(values, actor=actor)
    owned_rows.named(Folder, values.get("parent_id"), actor=actor, field="parent")
    folder = owned_rows.insert(Folder(**values), actor=actor)
    events.publish_folders(events.FOLDER_CREATED, [folder.pk], actor_id=actor.pk)
    return folder


@transaction.atomic
def change_folder(
    folder_id: int, *, actor: User, expected_version: int | None = None, **fields: Unpack[FolderFields]
) -> Folder:
    """
    Rename a folder, move it, or give it to somebody else; what is not named stays.

    :raises DoesNotExist: the folder is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: a value is refused, "archived", "stale", "folder_name_unique", or it would lie in itself
        ("folder_cycle")
    """
    folder = owned_rows.locked(
        Folder, folder_id, actor=actor, action="change", expected_version=expected_version
    )
    owned_rows.require_active(folder)
    changes: dict[str, Any] = differing(folder, dict(fields))
    owned_rows.owner_and_team(changes, actor=actor)
    owned_rows.named(Folder, changes.get("parent_id"), actor=actor, field="parent")
    if changes:
        write(folder, changes, actor=actor)
        events.publish_folders(events.FOLDER_CHANGED, [folder.pk], actor_id=actor.pk)
    return folder


@transaction.atomic
def archive_folder(
    folder_id: int, *, actor: User, with_content: bool = False, expected_version: int | None = None
) -> Folder:
    """
    Put a folder into the trash, if it is empty or all that lies in it may go there too.

    :raises DoesNotExist: the folder is out of sight
    :raises PermissionDenied: the actor may not archive it
    :raises ValidationError: "archived", "stale", "folder_not_empty", or something in it is not the actor's to archive
        ("folder_out_of_reach"), is on legal hold ("on_hold"), somebody works on it ("checked_out"), or it is too much
        ("folder_too_large")
    """
    folder = owned_rows.locked(
        Folder, folder_id, actor=actor, action="archive", expected_version=expected_version
    )
    owned_rows.require_active(folder)
    inner = Folder.objects.filter(pk__in=subtree([folder.pk]) - {folder.pk}, archived_at=None)
    inside = Document.objects.filter(Q(folder=folder) | Q(folder__in=inner), archived_at=None)
    if not with_content and (inner.exists() or inside.exists()):
        raise ValidationError(
            _(
                "There is something in this folder. Move it elsewhere, or to the trash together with the folder."
            ),
            code="folder_not_empty",
        )
    at = timezone.now()
    documents = _may_go(list(inside.select_for_update(of=("self",), no_key=True)[: MOST_AT_ONCE + 1]), actor)
    folders = list(inner.select_for_update(no_key=True))
    _require_reach(Folder, folders, actor)
    _set_archived(documents, at, actor)
    _set_archived([folder, *folders], at, actor)
    events.publish_documents(
        events.DOCUMENT_ARCHIVED, [document.pk for document in documents], actor_id=actor.pk
    )
    gone = [each.pk for each in (folder, *folders)]
    events.publish_folders(events.FOLDER_ARCHIVED, gone, actor_id=actor.pk)
    folder.refresh_from_db()
    return folder


@transaction.atomic
def restore_folder(folder_id: int, *, actor: User, expected_version: int | None = None) -> Folder:
    """
    Take a folder out of the trash, with all that went there with it.

    :raises DoesNotExist: the folder is out of sight
    :raises PermissionDenied: the actor may not restore it
    :raises ValidationError: "not_archived", "stale", the folder around it is in the trash ("parent_archived"), or there
        is another of its name by now ("folder_name_unique")
    """
    folder = owned_rows.locked(
        Folder, folder_id, actor=actor, action="archive", expected_version=expected_version
    )
    at = folder.archived_at
    if at is None:
        raise ValidationError(_("This is not in the trash."), code="not_archived")
    if folder.parent is not None and folder.parent.archived_at is not None:
        raise ValidationError(
            _("The folder in which it lay is in the trash. Restore that one first."), code="parent_archived"
        )
    ids = subtree([folder.pk])
    reached = Folder.objects.visible_to(actor, "archive").filter(pk__in=ids, archived_at=at)
    folders = list(reached.exclude(pk=folder.pk).select_for_update(of=("self",), no_key=True))
    inside = Document.objects.visible_to(actor, "archive").filter(folder__in=ids, archived_at=at)
    documents = list(inside.select_for_update(of=("self",), no_key=True))
    _set_archived([folder, *folders], None, actor)
    _set_archived(documents, None, actor)
    events.publish_documents(
        events.DOCUMENT_RESTORED, [document.pk for document in documents], actor_id=actor.pk
    )
    back = [each.pk for each in (folder, *folders)]
    events.publish_folders(events.FOLDER_RESTORED, back, actor_id=actor.pk)
    folder.refresh_from_db()
    return folder


def subtree(folder_ids: Iterable[int]) -> set[int]:
    """Return the keys of folders and of all that lie in them, however deep, whoever sees them."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            with recursive below (id) as (
                select id from documents_folder where id = any(%s)
                union
                select f.id from documents_folder f join below b on f.parent_id = b.id
            )
            select id from below""",
            [list(folder_ids)],
        )
        return {pk for (pk,) in cursor.fetchall()}


def _may_go(documents: list[Document], actor: User) -> list[Document]:
    """Insist that all of some documents may go to the trash."""
    if len(documents) > MOST_AT_ONCE:
        raise ValidationError(
            _("More than %(most)s documents lie in it. Move them to the trash in the list first."),
            code="folder_too_large",
            params={"most": MOST_AT_ONCE},
        )
    _require_reach(Document, documents, actor)
    if any(document.has_legal_hold for document in documents):
        raise ValidationError(_("A document in it is on legal hold and stays where it is."), code="on_hold")
    if any(each.is_checked_out and each.checked_out_by_id != actor.pk for each in documents):
        raise ValidationError(_("Somebody works on a document in it."), code="checked_out")
    return documents


def _require_reach(model: type[Any], rows: list[Any], actor: User) -> None:
    keys = [row.pk for row in rows]
    if keys and model.objects.visible_to(actor, "archive").filter(pk__in=keys).count() < len(keys):
        raise ValidationError(
            _("Something lies in it that you may not move to the trash."), code="folder_out_of_reach"
        )


def _set_archived(rows: Iterable[Any], at: datetime | None, actor: User) -> None:
    for row in rows:
        put(row, {"archived_at": at})
    with refusals():
        write_many([(row, ["archived_at"]) for row in rows], actor=actor)
