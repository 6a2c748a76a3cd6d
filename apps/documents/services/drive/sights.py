"""What each side shows of a document, in the shapes that the decision table compares, and noted where it is new."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.utils import timezone

from apps.documents.drive.decisions import Decision, Direction, Life, Side, Terms, decide
from apps.documents.drive.naming import drive_name
from apps.documents.drive.remote import RemoteFile
from apps.documents.models import Document, DocumentVersion, DriveAccount, DriveBinding, DriveRoot, SyncTask

# What of a binding Drive tells, and what both sides agreed on.
REMOTE = [
    *[
        "remote_md5",
        "remote_size",
        "remote_name",
        "remote_parent_id",
        "remote_is_trashed",
        "remote_is_missing",
    ],
    *["remote_revision_id", "remote_version", "remote_user", "remote_seen_at", "web_view_link"],
    *["vanished_at", "is_vanishing_judged", "proven_gone_at"],
]
BASE = [
    *["agreed_at", "base_version", "base_md5", "base_size", "base_name", "base_local_name", "base_parent_id"],
    *["base_is_trashed", "base_revision_id"],
]
_FIXED = {Document.Status.APPROVED, Document.Status.SIGNED, Document.Status.VOID}


@dataclass(frozen=True)
class Sight:
    """A binding as it stands now, with all that decides about it."""

    task: SyncTask
    binding: DriveBinding

    @property
    def document(self) -> Document:
        return self.binding.document

    @property
    def version(self) -> DocumentVersion | None:
        return self.document.current_version

    @property
    def pushing(self) -> DocumentVersion:
        """The version that is, or may be, on its way there."""
        version = self.binding.pushing_version
        if version is None:
            raise LookupError(f"nothing of binding {self.binding.pk} is on its way")
        return version

    @property
    def root(self) -> DriveRoot:
        return self.binding.root

    @property
    def account(self) -> DriveAccount:
        return self.binding.root.account

    @property
    def file_id(self) -> str:
        return self.binding.drive_file_id or ""

    @property
    def local_name(self) -> str:
        """What the document's file is to be called in Drive."""
        return drive_name(self.document.title, self.version.file_name if self.version else "")

    @property
    def decision(self) -> Decision:
        return decide(base_of(self.binding), self.local(), remote_of(self.binding), self.terms())

    def local(self) -> Side:
        binding, version = self.binding, self.version
        name = self.local_name
        return Side(
            life=Life.LIVE if self.document.archived_at is None else Life.TRASHED,
            # A document whose content is not here yet has not changed it.
            md5=bytes(version.blob.md5).hex() if version else binding.base_md5,
            size=version.blob.size if version else binding.base_size,
            # What nobody renamed here is called what it is called there, though none here could be called so.
            name=binding.base_name if name == binding.base_local_name else name,
            parent=binding.parent_id or binding.base_parent_id,
        )

    def terms(self) -> Terms:
        is_fixed = self.document.status in _FIXED
        return Terms(
            direction=Direction(self.root.direction),
            is_fixed=is_fixed,
            follows_trash=self.root.follows_trash and not is_fixed and not self.document.has_legal_hold,
            is_proven=self.binding.proven_gone_at is not None,
        )


def base_of(binding: DriveBinding) -> Side:
    return Side(
        life=Life.TRASHED if binding.base_is_trashed else Life.LIVE,
        md5=binding.base_md5,
        size=binding.base_size,
        name=binding.base_name,
        parent=binding.base_parent_id,
    )


def remote_of(binding: DriveBinding) -> Side:
    life = Life.TRASHED if binding.remote_is_trashed else Life.LIVE
    return Side(
        life=Life.MISSING if binding.remote_is_missing else life,
        md5=binding.remote_md5,
        size=binding.remote_size,
        name=binding.remote_name,
        parent=binding.remote_parent_id,
    )


def sights_of(tasks: Iterable[SyncTask]) -> list[Sight]:
    """Read the bindings of tasks as they stand now, in one query."""
    by_binding = {task.binding_id: task for task in tasks if task.binding_id is not None}
    rows = DriveBinding.objects.select_related(
        "document__current_version__blob", "root__account", "folder", "pushing_version__blob", "base_version"
    ).filter(pk__in=by_binding)
    return [Sight(by_binding[binding.pk], binding) for binding in rows.order_by("pk")]


def sight_of(task: SyncTask) -> Sight:
    """Read the binding of a task as it stands now."""
    [sight] = sights_of([task])
    return sight


def instance_of(account: DriveAccount) -> str:
    """Return what this installation calls itself in Drive; a copy of it under another name is another one."""
    name = f"{settings.GOOGLE_DRIVE_INSTANCE}:{account.instance}"
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def properties_of(binding: DriveBinding) -> dict[str, str]:
    """Return what a file in Drive bears of us, which nobody sees there."""
    return {"inst": instance_of(binding.root.account), "doc": str(binding.document_id)}


def note_remote(binding: DriveBinding, file: RemoteFile) -> bool:
    """Take over what Drive shows of a file, unless it is older than what is known; tell whether it is not."""
    if file.version < binding.remote_version:
        return False
    was_there = not (binding.remote_is_trashed or binding.remote_is_missing)
    binding.remote_md5 = md5_of(binding, file)
    binding.remote_size = file.size or 0
    binding.remote_name = file.name
    binding.remote_parent_id = file.parents[0] if file.parents else ""
    binding.remote_is_trashed, binding.remote_is_missing = file.trashed, False
    binding.remote_revision_id = file.head_revision_id or ""
    binding.remote_version = file.version
    binding.remote_user = file.last_modifying_user[:254]
    binding.remote_seen_at = timezone.now()
    binding.web_view_link = file.web_view_link[:500]
    binding.proven_gone_at = None
    _note_vanishing(binding, was_there=was_there)
    return True


def note_missing(binding: DriveBinding) -> None:
    """Take over that Drive does not show a file any more, which proves nothing."""
    was_there = not (binding.remote_is_trashed or binding.remote_is_missing)
    if not binding.remote_is_missing:
        binding.remote_seen_at = timezone.now()
    binding.remote_is_missing = True
    _note_vanishing(binding, was_there=was_there)


def md5_of(binding: DriveBinding, file: RemoteFile) -> str:
    """Return a file's MD5; where Drive tells none, something that stands for its content."""
    if file.md5 is not None:
        return file.md5
    if file.head_revision_id and file.head_revision_id == binding.base_revision_id:
        return binding.base_md5
    return f"?{file.head_revision_id or ''}"[:32]


def has_no_sum(binding: DriveBinding) -> bool:
    """Tell whether Drive has no MD5 of what it shows."""
    return binding.remote_md5.startswith("?")


def agree_on_content(binding: DriveBinding, version: DocumentVersion | None) -> None:
    """Write down that both sides hold what Drive shows, which is this version."""
    binding.base_md5, binding.base_size = binding.remote_md5, binding.remote_size
    binding.base_revision_id = binding.remote_revision_id
    binding.base_version = version


def agree_on_name(binding: DriveBinding, local_name: str) -> None:
    binding.base_name, binding.base_local_name = binding.remote_name, local_name[:300]


def agree_on_parent(binding: DriveBinding) -> None:
    binding.base_parent_id = binding.parent_id = binding.remote_parent_id


def _note_vanishing(binding: DriveBinding, *, was_there: bool) -> None:
    is_there = not (binding.remote_is_trashed or binding.remote_is_missing)
    if is_there:
        binding.vanished_at, binding.is_vanishing_judged = None, False
    elif was_there and not binding.base_is_trashed and binding.agreed_at is not None:
        binding.vanished_at, binding.is_vanishing_judged = timezone.now(), False
