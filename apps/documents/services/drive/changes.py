"""
Reading the log of a drive: the effects of a page and the token after it are one transaction.

A page that is read again changes nothing: what is not newer is stale, and what both sides agreed on is an echo.
"""

from collections.abc import Iterable

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from apps.documents.drive.client import Change, ChangePage, Gone
from apps.documents.drive.gate import client_of
from apps.documents.drive.remote import RemoteFile
from apps.documents.models import ChangeCursor, DriveBinding, DriveFolder, DriveRoot, SyncTask
from apps.documents.services.drive import queue, stopping
from apps.documents.services.drive.sights import (
    REMOTE,
    base_of,
    note_missing,
    note_remote,
    remote_of,
)
from apps.events.failpoints import failpoint

State = DriveBinding.State
_LOCK = "select pg_try_advisory_xact_lock(hashtext('documents_drive'), %s)"
# Whatever these show changes nothing by itself.
_DEAF = {State.DETACHED}


def cursor_of(root: DriveRoot) -> ChangeCursor:
    """
    Return how far the log of a root's drive has been read; it begins before anything was listed.

    Called outside of transactions.
    """
    known = ChangeCursor.objects.filter(account=root.account, drive_id=root.drive_id).first()
    if known is not None:
        return known
    token = client_of(root.account).start_page_token(root.drive_id or None)
    cursor, _is_new = ChangeCursor.objects.get_or_create(
        account=root.account, drive_id=root.drive_id, defaults={"page_token": token}
    )
    return cursor


def pull_changes(task: SyncTask) -> None:
    """
    Read the log of a drive to its end and be done with the task.

    :raises DriveError: Drive did not answer; what was read before stays
    :raises LostLease: somebody else reads it by now
    """
    cursor = ChangeCursor.objects.select_related("account").get(tasks=task)
    wished, token = cursor.dirty_seq, cursor.page_token
    try:
        for page in client_of(cursor.account).changes(cursor.drive_id or None, token):
            failpoint("drive.page_fetched")
            if not _applied(task, cursor, token, page):
                # Another puller was faster with this page; the next reading begins where that one is.
                break
            failpoint("drive.page_applied")
            token = page.token
    except Gone as error:
        # No listing and no log: that proves nothing about the files.
        for root in _roots(cursor):
            stopping.block(root.pk, error)
        raise
    _end(task, cursor, wished)


def _roots(cursor: ChangeCursor) -> list[DriveRoot]:
    return list(DriveRoot.objects.filter(account_id=cursor.account_id, drive_id=cursor.drive_id))


@transaction.atomic
def _applied(task: SyncTask, cursor: ChangeCursor, token: str, page: ChangePage) -> bool:
    queue.hold(task)
    with connection.cursor() as sql:
        sql.execute(_LOCK, [cursor.pk])
        [is_alone] = sql.fetchone()
    moved = ChangeCursor.objects.filter(pk=cursor.pk, page_token=token) if is_alone else None
    if moved is None or not moved.update(page_token=page.token, last_success_at=timezone.now()):
        return False
    roots = _roots(cursor)
    apply_files(roots, page.changes)
    # A listing shows what lies within; only the log leaves that out.
    _look_within_others(roots, {one.file_id: one.file for one in page.changes if one.file_id is not None})
    return True


@transaction.atomic
def _end(task: SyncTask, cursor: ChangeCursor, wished: int) -> None:
    """Judge what disappeared once all of it is known, and be done."""
    queue.hold(task)
    ChangeCursor.objects.filter(pk=cursor.pk, done_seq__lt=wished).update(done_seq=wished)
    ChangeCursor.objects.filter(pk=cursor.pk).update(last_success_at=timezone.now())
    for root in _roots(cursor):
        stopping.judge_vanished(root.pk)
    queue.finish(task)


# What a page shows


def apply_files(roots: list[DriveRoot], changes: Iterable[Change]) -> None:
    """Take over what Drive shows of files and folders, in the caller's transaction, and wish for what follows from it."""
    shown = {change.file_id: change.file for change in changes if change.file_id is not None}
    gone_drives = [change for change in changes if change.file_id is None and change.removed]
    for root in roots if gone_drives else []:
        stopping.block(root.pk, Gone("the account is no member of the drive any more", reason="driveGone"))
    known = _apply_to_bindings(roots, shown)
    known |= _apply_to_folders(roots, shown)
    for root in roots:
        _take_in_new(root, {pk: file for pk, file in shown.items() if pk not in known})


def _apply_to_bindings(roots: list[DriveRoot], shown: dict[str, RemoteFile | None]) -> set[str]:
    rows = DriveBinding.objects.filter(root__in=roots, drive_file_id__in=shown).order_by("pk")
    queue.lock_open(rows.values_list("pk", flat=True))
    bindings = list(rows.select_for_update(of=("self",)))
    moved: list[DriveBinding] = []
    wanted: list[int] = []
    for binding in bindings:
        file = shown[str(binding.drive_file_id)]
        before = remote_of(binding), binding.remote_revision_id, binding.vanished_at
        if file is None:
            note_missing(binding)
        elif not note_remote(binding, file):
            continue
        moved.append(binding)
        is_same = before == (remote_of(binding), binding.remote_revision_id, binding.vanished_at)
        # What vanished is looked at when all of it is known.
        if binding.vanished_at is None and binding.state not in _DEAF and not (is_same or _is_echo(binding)):
            wanted.append(binding.pk)
    DriveBinding.objects.bulk_update(moved, REMOTE, batch_size=200)
    queue.want_bindings(wanted)
    return {str(binding.drive_file_id) for binding in bindings}


def _is_echo(binding: DriveBinding) -> bool:
    """Tell whether Drive shows what both sides agreed on, as after our own writes."""
    is_agreed = binding.agreed_at is not None and binding.pushing_version_id is None
    return is_agreed and base_of(binding) == remote_of(binding) and binding.state == State.SYNCED


def _apply_to_folders(roots: list[DriveRoot], shown: dict[str, RemoteFile | None]) -> set[str]:
    folders = list(DriveFolder.objects.filter(root__in=roots, drive_file_id__in=shown).select_for_update())
    for folder in folders:
        file = shown[folder.drive_file_id]
        if file is not None and file.version < folder.remote_version:
            continue
        was_lost = folder.state == DriveFolder.State.LOST
        is_lost = file is None or file.trashed
        if file is not None:
            folder.remote_version = file.version
        if is_lost and not was_lost:
            folder.state = DriveFolder.State.LOST
        elif was_lost and not is_lost:
            folder.state = DriveFolder.State.READY
        folder.save(update_fields=["state", "remote_version"])
        if is_lost != was_lost:
            _look_within(folder)
    for root in roots:
        if root.folder_id in shown and _is_lost(shown[root.folder_id]):
            stopping.block(root.pk, Gone("the folder is in the trash or out of sight", reason="folderGone"))
    return {folder.drive_file_id for folder in folders}


def _look_within_others(roots: list[DriveRoot], shown: dict[str, RemoteFile | None]) -> None:
    """Have everything looked at where a folder of nobody's, in which documents lie, went to the trash or came back."""
    folders = {pk: file for pk, file in shown.items() if file is None or file.is_folder}
    for root in roots:
        within = DriveBinding.objects.filter(root=root, base_parent_id__in=folders)
        stands = within.values_list("base_parent_id", "remote_is_trashed", "remote_is_missing").distinct()
        if any(_is_lost(folders[pk]) != (is_trashed or is_missing) for pk, is_trashed, is_missing in stands):
            queue.want_of_root(SyncTask.Kind.RECONCILE, root)


def _is_lost(file: RemoteFile | None) -> bool:
    return file is None or file.trashed


def _look_within(folder: DriveFolder) -> None:
    """Have everything looked at that lies in a folder: the log says nothing of it when the folder is trashed."""
    queue.want_of_root(SyncTask.Kind.RECONCILE, folder.root)


# New files


def _take_in_new(root: DriveRoot, shown: dict[str, RemoteFile | None]) -> None:
    if root.direction == DriveRoot.Direction.PUSH:
        return
    candidates = {pk: file for pk, file in shown.items() if file is not None and is_for_us(file)}
    parents = {parent for file in candidates.values() for parent in file.parents}
    ours = set(
        DriveFolder.objects.filter(root=root, drive_file_id__in=parents).values_list(
            "drive_file_id", flat=True
        )
    ) | {root.folder_id}
    for pk, file in candidates.items():
        if ours & set(file.parents):
            queue.want_file(root, pk)


def is_for_us(file: RemoteFile) -> bool:
    """Tell whether somebody put a file there for the platform, rather than a program: this one or another."""
    return (
        not (file.trashed or file.is_folder or file.shortcut_target_id is not None)
        and "inst" not in file.app_properties
        and "artel" not in file.app_properties
    )


def mark_dirty(cursor_id: int) -> None:
    """Have the log of a drive read because something changed there, in the caller's transaction."""
    ChangeCursor.objects.filter(pk=cursor_id).update(dirty_seq=F("dirty_seq") + 1)
    queue.want_pull(ChangeCursor.objects.get(pk=cursor_id))
