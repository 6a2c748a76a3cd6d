"""When a root stops by itself, and says so: nothing of it is done until it is well again, or somebody looked."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.documents import events
from apps.documents.drive.errors import DriveError
from apps.documents.models import DriveBinding, DriveRoot
from apps.documents.services.drive import queue


@transaction.atomic
def stop(root_id: int, *, state: DriveRoot.State, reason: str, note: str, actor: User) -> None:
    """Pause or block a root that is in step; one that is stopped already keeps its first reason."""
    root = DriveRoot.objects.select_for_update().get(pk=root_id)
    if root.state != DriveRoot.State.ACTIVE:
        return
    root.state, root.reason, root.note = state, reason[:64], note[:500]
    root.stopped_at = timezone.now()
    root.version += 1
    root.save(update_fields=["state", "reason", "note", "stopped_at", "version", "updated_at"])
    events.publish_root(events.DRIVE_ROOT_PAUSED, root, actor_id=actor.pk)


def block(root_id: int, error: DriveError) -> None:
    """Block a root because of what Drive said; a probe that works lets it go on."""
    stop(
        root_id,
        state=DriveRoot.State.BLOCKED,
        reason=error.reason or type(error).__name__,
        note=str(error.words),
        actor=User.objects.system(),
    )


def block_account(account_id: int, error: DriveError) -> None:
    """Block all roots of an account whose key is refused."""
    for root_id in DriveRoot.objects.filter(account_id=account_id).values_list("pk", flat=True):
        block(root_id, error)


@transaction.atomic
def judge_vanished(root_id: int) -> bool:
    """
    Look at what disappeared from a root lately, before anything is done about it; tell whether it goes on.

    More than the breaker lets through pause the root: a drive that shows nothing is not a drive that is empty.
    """
    root = DriveRoot.objects.select_for_update().get(pk=root_id)
    pending = list(
        DriveBinding.objects.filter(
            root=root, vanished_at__isnull=False, is_vanishing_judged=False
        ).values_list("pk", flat=True)
    )
    if not pending:
        return root.state == DriveRoot.State.ACTIVE
    vanished, limit = count_vanished(root), breaker_limit(root)
    if vanished > limit:
        note = _(
            "%(count)s files have disappeared from Drive, more than %(limit)s. Nothing was done about it."
        ) % {
            "count": vanished,
            "limit": limit,
        }
        actor = User.objects.system()
        stop(root_id, state=DriveRoot.State.PAUSED, reason="mass_change", note=note, actor=actor)
        return False
    accept_vanished(root)
    return root.state == DriveRoot.State.ACTIVE


def accept_vanished(root: DriveRoot) -> None:
    """Let what disappeared from a root have its consequences."""
    pending = DriveBinding.objects.filter(root=root, vanished_at__isnull=False, is_vanishing_judged=False)
    ids = list(pending.values_list("pk", flat=True))
    # Tasks before bindings, as workers lock them.
    queue.want_bindings(ids)
    pending.update(is_vanishing_judged=True)


def count_vanished(root: DriveRoot) -> int:
    """Count what disappeared from a root within the window, whatever was done about it."""
    since = timezone.now() - timedelta(minutes=settings.GOOGLE_DRIVE_BREAKER_MINUTES)
    return DriveBinding.objects.filter(root=root, vanished_at__gte=since).count()


def breaker_limit(root: DriveRoot) -> int:
    """Return how many files may disappear from a root within the window."""
    live = DriveBinding.objects.filter(root=root, agreed_at__isnull=False, base_is_trashed=False).count()
    least: int = settings.GOOGLE_DRIVE_BREAKER_FILES
    return max(least, int(live * settings.GOOGLE_DRIVE_BREAKER_SHARE))
