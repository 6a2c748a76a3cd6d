"""Whether a file that Drive does not show was deleted: only where everything else is shown, and for long enough."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from apps.documents.drive.client import DriveError, Gone, Later, LoginRefused
from apps.documents.drive.gate import client_of
from apps.documents.models import DriveRoot
from apps.documents.services.drive import stopping
from apps.documents.services.drive.sights import Sight


def prove(sight: Sight) -> None:
    """
    Take it as proven that a missing file was deleted, once it has been missing long enough and its root is all there.

    :raises DriveError: the root is not, and is blocked
    """
    binding = sight.binding
    see_root(sight.root)
    since = binding.remote_seen_at or timezone.now()
    if timezone.now() - since >= timedelta(seconds=settings.GOOGLE_DRIVE_PROOF_SECONDS):
        binding.proven_gone_at = timezone.now()


def see_root(root: DriveRoot) -> None:
    """
    See that Drive shows a root: the drive, its folder, and the file that is always there.

    :raises DriveError: it does not
    """
    client = client_of(root.account)
    try:
        if root.drive_id:
            client.drive(root.drive_id)
        folder = client.get(root.folder_id)
        sentinel = client.get(root.sentinel_id) if root.sentinel_id else None
    except Later:
        raise
    except LoginRefused as error:
        stopping.block_account(root.account_id, error)
        raise
    except DriveError as error:
        stopping.block(root.pk, error)
        raise
    if folder.trashed or (sentinel is not None and sentinel.trashed):
        trashed = Gone("the folder is in the trash", reason="folderTrashed")
        stopping.block(root.pk, trashed)
        raise trashed
