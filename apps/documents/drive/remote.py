"""What stands in Google Drive, as values of our own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

FOLDER = "application/vnd.google-apps.folder"
SHORTCUT = "application/vnd.google-apps.shortcut"
# Everything under it has no bytes of its own: documents, tables, forms, folders, shortcuts.
_NATIVE = "application/vnd.google-apps."


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """
    A file or folder as Drive shows it to one account.

    `version` grows with every change, even an invisible one: it orders two sights of a file and says nothing of content.
    `md5`, `size` and `head_revision_id` are those of files with bytes of their own; None otherwise.
    `trashed` also holds when a folder above was trashed; `is_explicitly_trashed` tells.
    """

    id: str
    name: str
    mime: str
    parents: tuple[str, ...]
    version: int
    trashed: bool
    is_explicitly_trashed: bool = False
    md5: str | None = None
    size: int | None = None
    head_revision_id: str | None = None
    app_properties: Mapping[str, str] = field(default_factory=dict)
    drive_id: str | None = None
    created_time: datetime | None = None
    modified_time: datetime | None = None
    last_modifying_user: str = ""
    web_view_link: str = ""
    shortcut_target_id: str | None = None

    @property
    def is_folder(self) -> bool:
        return self.mime == FOLDER

    @property
    def is_native(self) -> bool:
        """Whether it is a document, table or the like of Google's own, which can only be exported."""
        return self.mime.startswith(_NATIVE) and self.mime not in {FOLDER, SHORTCUT}


@dataclass(frozen=True, slots=True)
class Change:
    """
    The present state of one item that changed, or `file` None where the account does not see it any more.

    `drive_id` stands alone when the shared drive itself changed; `removed` then says that it is out of sight.
    """

    file_id: str | None
    removed: bool
    file: RemoteFile | None
    time: datetime | None
    drive_id: str | None = None


@dataclass(frozen=True, slots=True)
class ChangePage:
    """One page of a drive's log; `token` is what to store with its effects, whether it is the last page or not."""

    changes: tuple[Change, ...]
    token: str
    is_last: bool


@dataclass(frozen=True, slots=True)
class Revision:
    """One content that a file had; MD5 and size are those of files with bytes of their own."""

    id: str
    modified_time: datetime | None
    md5: str | None
    size: int | None
    mime: str
    keep_forever: bool
    last_modifying_user: str


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel that Drive posts to until `expires_at`, which may be sooner than what was asked for."""

    id: str
    resource_id: str
    resource_uri: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SharedDrive:
    """A shared drive that the account is a member of, and what it may do there."""

    id: str
    name: str
    can_add_children: bool
    can_trash_children: bool
    can_delete_children: bool
    is_hidden: bool = False


@dataclass(frozen=True, slots=True)
class About:
    """Who the account is and how much room it has, in bytes; `limit` None says unlimited, 0 that it may own nothing."""

    email: str
    display_name: str
    limit: int | None
    usage: int
    largest_upload: int


@dataclass(frozen=True, slots=True)
class Probe:
    """
    What a trial of a folder has shown; a trial that fails is a `DriveError`.

    `drive` is None where the folder lies in somebody's own Drive. `can_delete` is only so for organizers, and not needed.
    """

    drive: SharedDrive | None
    folder: RemoteFile
    can_delete: bool
