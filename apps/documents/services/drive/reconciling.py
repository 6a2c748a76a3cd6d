"""
Comparing everything in Drive with what the platform knows: the net under a log that may miss something.

What a listing does not show is asked for one by one, for lists lag behind; what is then not there disappeared.
"""

import logging
from collections.abc import Iterable, Iterator
from itertools import islice

from django.db import transaction
from django.utils import timezone

from apps.documents.drive.client import Change, Gone, RemoteFile
from apps.documents.drive.gate import client_of
from apps.documents.drive.naming import LONGEST_TITLE, drive_name
from apps.documents.drive.places import kind_of, label_of
from apps.documents.models import DriveBinding, DriveFolder, DriveRoot, SyncTask
from apps.documents.services.drive import changes, proving, queue, stopping
from apps.documents.services.drive.sights import REMOTE, instance_of, note_missing

logger = logging.getLogger(__name__)

State = DriveBinding.State
_PAGE = 500


def reconcile(task: SyncTask) -> None:
    """
    Compare a root with Drive and be done with the task.

    :raises DriveError: Drive does not show it, or does not answer
    :raises LostLease: somebody else does it by now
    """
    root = queue.root_of(task)
    proving.see_root(root)
    # The log is read from before this listing on.
    changes.cursor_of(root)
    seen = _compare_listing(task, root)
    _ask_for_unseen(task, root, seen)
    with transaction.atomic():
        queue.hold(task)
        stopping.judge_vanished(root.pk)
        _want_unsettled(root)
        DriveRoot.objects.filter(pk=root.pk).update(reconciled_at=timezone.now())
        queue.finish(task)
    _rename_folders(root)


def _compare_listing(task: SyncTask, root: DriveRoot) -> set[str]:
    seen: set[str] = set()
    duplicates: list[str] = []
    listing = client_of(root.account).list_drive(root.drive_id or None)
    for page in _pages(listing):
        seen |= {file.id for file in page}
        with transaction.atomic():
            queue.hold(task)
            shown = [Change(file.id, removed=False, file=file, time=None) for file in page]
            changes.apply_files([root], shown)
        duplicates += _duplicates(root, page)
    if duplicates:
        logger.warning(
            "Drive holds more than one file for a document in root %s: %s", root.pk, duplicates[:20]
        )
    DriveRoot.objects.filter(pk=root.pk).update(duplicates_found=len(duplicates))
    return seen


def _pages(listing: Iterable[RemoteFile]) -> Iterator[list[RemoteFile]]:
    rest = iter(listing)
    while page := list(islice(rest, _PAGE)):
        yield page


def _duplicates(root: DriveRoot, page: list[RemoteFile]) -> list[str]:
    """Return the files that bear a document's mark and are not its file."""
    ours = {
        file.id: file.app_properties["doc"]
        for file in page
        if file.app_properties.get("inst") == instance_of(root.account)
        and file.app_properties.get("doc", "").isdigit()
        and not file.trashed
    }
    known = dict(
        DriveBinding.objects.filter(root=root, document_id__in=set(ours.values())).values_list(
            "document_id", "drive_file_id"
        )
    )
    return [pk for pk, document in ours.items() if known.get(int(document)) not in {None, pk}]


def _ask_for_unseen(task: SyncTask, root: DriveRoot, seen: set[str]) -> None:
    rows = DriveBinding.objects.filter(root=root, agreed_at__isnull=False, remote_is_missing=False)
    unseen = [
        binding
        for binding in rows.exclude(state=State.DETACHED).order_by("pk").iterator()
        if binding.drive_file_id not in seen
    ]
    # A listing that shows so little shows nothing of the truth; to ask for each would only take long.
    if len(unseen) <= stopping.breaker_limit(root):
        unseen = [binding for binding in unseen if not _is_there(task, root, binding)]
    with transaction.atomic():
        queue.hold(task)
        for binding in unseen:
            note_missing(binding)
        DriveBinding.objects.bulk_update(unseen, REMOTE, batch_size=200)


def _is_there(task: SyncTask, root: DriveRoot, binding: DriveBinding) -> bool:
    try:
        file = client_of(root.account).get(str(binding.drive_file_id))
    except Gone:
        return False
    with transaction.atomic():
        queue.hold(task)
        shown = [Change(file.id, removed=False, file=file, time=None)]
        changes.apply_files([root], shown)
    return True


def _want_unsettled(root: DriveRoot) -> None:
    """Have everything looked at that is not at rest: also what stopped, for what stood in its way may be gone."""
    at_rest = [State.SYNCED, State.LOCAL_DELETED, State.LINK_ONLY, State.DETACHED]
    unsettled = DriveBinding.objects.filter(root=root, vanished_at=None).exclude(state__in=at_rest)
    unsettled = unsettled.exclude(reason="id_collision")
    queue.want_bindings(unsettled.values_list("pk", flat=True))


def _rename_folders(root: DriveRoot) -> None:
    """Call folders by what their objects are called by now; they are found by their identifiers."""
    client = client_of(root.account)
    for folder in DriveFolder.objects.filter(root=root, state=DriveFolder.State.READY).select_related(
        "owner_type"
    ):
        kind = kind_of(label_of(folder.owner_type))
        name = kind.name(folder.owner_id) if kind is not None else None
        wanted = drive_name(name)[:LONGEST_TITLE] if name else folder.name
        if wanted != folder.name:
            client.update_metadata(folder.drive_file_id, name=wanted)
            DriveFolder.objects.filter(pk=folder.pk).update(name=wanted)
