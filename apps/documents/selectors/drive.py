"""What pages about Google Drive read together: how a folder stands."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q

from apps.documents.models import ChangeCursor, DriveBinding, DriveConflict, DriveRoot, SyncTask, WatchChannel

State = DriveBinding.State
_WAITING = [
    *(State.RESERVING, State.PUSHING, State.PUSH_PENDING, State.PULL_PENDING),
    *(State.REMOTE_MISSING, State.REMOTE_TRASHED),
]


@dataclass(frozen=True)
class Health:
    """How a folder of Drive stands: its documents by state, what is waiting, and when it was last heard of."""

    in_step: int
    waiting: int
    stopped: int
    conflicts: int
    tasks: int
    erasing: int
    erasing_error: str
    last_read_at: datetime | None
    open_until: datetime | None


def health_of(root: DriveRoot) -> Health:
    """Return how a root stands: five queries, whatever the number of its documents."""
    counted = DriveBinding.objects.filter(root=root).aggregate(
        in_step=Count("pk", filter=Q(state__in=[State.SYNCED, State.LOCAL_DELETED, State.LINK_ONLY])),
        waiting=Count("pk", filter=Q(state__in=_WAITING)),
        stopped=Count("pk", filter=Q(state__in=[State.BLOCKED, State.REMOTE_GONE, State.CONFLICT])),
    )
    conflicts = DriveConflict.objects.filter(binding__root=root, state=DriveConflict.State.OPEN)
    tasks = SyncTask.objects.filter(root=root, state__in=[SyncTask.State.QUEUED, SyncTask.State.RUNNING])
    erased = tasks.filter(kind=SyncTask.Kind.ERASE)
    errors = list(erased.order_by("-attempts", "pk").values_list("error", flat=True))
    cursors = ChangeCursor.objects.filter(account_id=root.account_id, drive_id=root.drive_id)
    channels = WatchChannel.objects.filter(cursor__in=cursors, state=WatchChannel.State.ACTIVE)
    return Health(
        **counted,
        conflicts=conflicts.count(),
        tasks=tasks.count(),
        erasing=len(errors),
        erasing_error=next((error for error in errors if error), ""),
        last_read_at=cursors.values_list("last_success_at", flat=True).first(),
        open_until=channels.order_by("-expires_at").values_list("expires_at", flat=True).first(),
    )
