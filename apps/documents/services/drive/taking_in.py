"""Files that people put into Drive become documents."""

from django.db import transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.documents import events
from apps.documents.drive.client import Gone, RemoteFile
from apps.documents.drive.gate import client_of
from apps.documents.drive.naming import drive_name, title_of
from apps.documents.drive.places import label_of, place_of, text_of
from apps.documents.models import (
    Blob,
    Document,
    DocumentType,
    DocumentVersion,
    DriveBinding,
    DriveFolder,
    DriveRoot,
    SyncTask,
)
from apps.documents.services import documents
from apps.documents.services.documents import Content, DocumentFields, Target
from apps.documents.services.drive import changes, queue
from apps.documents.services.drive.contents import incoming, kept
from apps.documents.services.drive.sights import agree_on_content, agree_on_name, agree_on_parent, note_remote
from apps.documents.services.drive.syncing import require_small
from apps.events.failpoints import failpoint


def take_in(task: SyncTask) -> None:
    """
    Make a document of a file that somebody put into a root, unless there is one; be done with the task.

    :raises DriveError: Drive did not give it
    :raises Blocked: it is too large
    :raises LostLease: somebody else does it by now
    """
    root = queue.root_of(task)
    try:
        file = client_of(root.account).get(task.drive_file_id)
    except Gone:
        file = None
    blob = None
    is_new = file is not None and _is_new(root, file)
    if file is not None and is_new and not file.is_native:
        require_small(file.size or 0)
        blob = _fetched(root, file)
    with transaction.atomic():
        queue.hold(task)
        if file is not None and is_new and _is_new(root, file):
            _take(root, file, blob)
        queue.finish(task)
    failpoint("drive.taken_in")


def _is_new(root: DriveRoot, file: RemoteFile) -> bool:
    is_known = DriveBinding.objects.filter(root=root, drive_file_id=file.id).exists()
    return not is_known and changes.is_for_us(file) and not queue.is_to_be_erased(root, file.id)


def _fetched(root: DriveRoot, file: RemoteFile) -> Blob | None:
    """Fetch a file; None where Drive knows no sum that it could be verified by, so that it is only linked to."""
    if file.md5 is None or file.size is None:
        return None
    with incoming() as content:
        client_of(root.account).download(file.id, content, md5=file.md5, size=file.size)
        return kept(content)


def _take(root: DriveRoot, file: RemoteFile, blob: Blob | None) -> None:
    document = _document(root, file, blob)
    binding = DriveBinding(document=document, root=root, drive_file_id=file.id)
    note_remote(binding, file)
    version = document.current_version
    agree_on_content(binding, version)
    agree_on_name(binding, drive_name(document.title, version.file_name if version else ""))
    agree_on_parent(binding)
    binding.place = text_of(place_of(document))
    binding.folder = DriveFolder.objects.filter(root=root, drive_file_id=binding.parent_id).first()
    binding.agreed_at = timezone.now()
    binding.state = DriveBinding.State.SYNCED if blob is not None else DriveBinding.State.LINK_ONLY
    binding.save()
    events.publish_synced([binding], actor_id=User.objects.system().pk)


def _document(root: DriveRoot, file: RemoteFile, blob: Blob | None) -> Document:
    folder = DriveFolder.objects.filter(root=root, drive_file_id__in=file.parents).first()
    label = label_of(folder.owner_type) if folder is not None else ""
    targets, folder_id = [], None
    if folder is not None and label == "documents.folder":
        folder_id = folder.owner_id
    elif folder is not None:
        targets = [Target(label, folder.owner_id)]
    content = Content(blob, file.name, DocumentVersion.Source.DRIVE) if blob is not None else None
    fields: DocumentFields = {
        "type_id": DocumentType.objects.get(code="file").pk,
        "title": title_of(file.name, file.name),
        "folder_id": folder_id,
    }
    if not targets:
        # Whoever sees the drive sees it there: here it is everybody's who sees documents at all.
        fields["owner_id"] = fields["team_id"] = None
    return documents.create_document(actor=User.objects.system(), content=content, targets=targets, **fields)
