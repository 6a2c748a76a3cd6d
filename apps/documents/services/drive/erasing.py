"""Files in Drive whose documents were deleted because somebody wants to be forgotten: they go there as well."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.documents.drive.client import Forbidden, Gone
from apps.documents.drive.decisions import Direction
from apps.documents.drive.gate import client_of
from apps.documents.models import DriveBinding, DriveTombstone, SyncTask
from apps.documents.services.drive import queue
from apps.events.failpoints import failpoint

State = DriveBinding.State


def out_of_reach() -> Q:
    """Return which bindings are of files that the platform does not touch, or no longer: people have to remove them."""
    is_theirs = Q(root__direction=Direction.PULL) | Q(state__in=[State.DETACHED, State.LINK_ONLY])
    return is_theirs & Q(drive_file_id__isnull=False) & ~Q(state=State.REMOTE_GONE)


def want_erased(document_ids: Iterable[int]) -> int:
    """
    Write down that the files of documents are to go from Drive; return how many.

    Called in the transaction that deletes the documents, before it does: the intent outlives them.
    """
    found = DriveBinding.objects.filter(document__in=document_ids, drive_file_id__isnull=False)
    rows = list(found.exclude(out_of_reach()).select_related("root").order_by("pk"))
    queue.lock_open(row.pk for row in rows)
    for row in rows:
        DriveTombstone.objects.get_or_create(
            root=row.root,
            drive_file_id=str(row.drive_file_id),
            defaults={"document_id": row.document_id},
        )
        # What somebody is about to send there right now arrives before its lease is over.
        is_moving = row.state in {State.RESERVING, State.PUSHING}
        wait = settings.GOOGLE_DRIVE_LEASE_SECONDS if is_moving else 0
        queue.want_erased(row.root, str(row.drive_file_id), due_at=timezone.now() + timedelta(seconds=wait))
    return len(rows)


def erase_file(task: SyncTask) -> None:
    """
    Delete a file from Drive for ever, or put it into the trash where the account may not delete; be done with the task.

    :raises DriveError: Drive did not do it
    :raises LostLease: somebody else does it by now
    """
    client = client_of(queue.root_of(task).account)
    try:
        client.delete(task.drive_file_id)
    except Forbidden:
        # Only organizers delete in a shared drive. Its trash is emptied after thirty days.
        with suppress(Gone):
            client.trash(task.drive_file_id)
    failpoint("drive.erased")
    with transaction.atomic():
        queue.hold(task)
        queue.finish(task)
