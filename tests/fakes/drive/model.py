"""What a Drive holds: accounts, shared drives, items with their contents, logs of changes, channels."""

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

FOLDER = "application/vnd.google-apps.folder"
SHORTCUT = "application/vnd.google-apps.shortcut"
NATIVE = "application/vnd.google-apps."
# In a shared drive; what a role may, those after it may too.
ROLES = ("reader", "commenter", "writer", "fileOrganizer", "organizer", "owner")
BLOCK = 1 << 20


def new_id(first: str = "1", length: int = 33) -> str:
    return first + secrets.token_urlsafe(length)[: length - 1]


@dataclass
class Blob:
    """Bytes with their sums, in memory when they are few and in a file when they are many."""

    size: int
    md5: str
    sha1: str
    sha256: str
    data: bytes | None = None
    path: Path | None = None

    def parts(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from `start` to before `stop`, in blocks."""
        stop = self.size if stop is None else stop
        if self.data is not None:
            yield self.data[start:stop]
            return
        assert self.path is not None
        with self.path.open("rb") as file:
            file.seek(start)
            while start < stop and (block := file.read(min(BLOCK, stop - start))):
                start += len(block)
                yield block

    def bytes(self) -> bytes:
        return b"".join(self.parts())


class BlobStore:
    """Takes contents in; beyond `in_memory` bytes they go to files of a directory."""

    def __init__(self, directory: Path, in_memory: int = BLOCK) -> None:
        self.directory = directory
        self.in_memory = in_memory

    def blob(self, data: bytes) -> Blob:
        writer = self.writer()
        writer.write(data)
        return writer.finish()

    def writer(self) -> "BlobWriter":
        return BlobWriter(self)


class BlobWriter:
    """Takes bytes as they come and makes a blob of them."""

    def __init__(self, store: BlobStore) -> None:
        self.store = store
        self.size = 0
        self._sums = [
            hashlib.md5(usedforsecurity=False),
            hashlib.sha1(usedforsecurity=False),
            hashlib.sha256(),
        ]
        self._data = bytearray()
        self._path: Path | None = None
        self._file: IO[bytes] | None = None

    def write(self, block: bytes) -> None:
        self.size += len(block)
        for total in self._sums:
            total.update(block)
        if self._file is None and self.size <= self.store.in_memory:
            self._data += block
            return
        if self._file is None:
            self._path = self.store.directory / secrets.token_hex(16)
            self._file = self._path.open("wb")
            self._file.write(self._data)
            self._data.clear()
        self._file.write(block)

    def finish(self) -> Blob:
        md5, sha1, sha256 = (total.hexdigest() for total in self._sums)
        if self._file is None:
            return Blob(self.size, md5, sha1, sha256, data=bytes(self._data))
        self._file.close()
        return Blob(self.size, md5, sha1, sha256, path=self._path)

    def discard(self) -> None:
        if self._file is not None and self._path is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)


@dataclass
class Account:
    """Somebody who may ask: a service account with a key, or a person."""

    email: str
    name: str
    root_id: str
    is_service: bool = False
    key_id: str = ""
    public_key: str = ""
    # Bytes; None is unlimited. A service account owns nothing.
    limit: int | None = None
    # For whom a service account may speak.
    subjects: set[str] = field(default_factory=set)

    @property
    def permission_id(self) -> str:
        return str(int(hashlib.sha256(self.email.encode()).hexdigest()[:15], 16)).zfill(20)


@dataclass
class SharedDrive:
    """A shared drive; its root folder has its own id."""

    id: str
    name: str
    created: datetime
    members: dict[str, str] = field(default_factory=dict)
    item_limit: int = 500_000
    # Bytes that all of it may take; None is no limit.
    limit: int | None = None
    hidden_by: set[str] = field(default_factory=set)
    request_id: str = ""


@dataclass
class Revision:
    """One content of a file, current while `superseded` is None."""

    id: str
    modified: datetime
    by: str
    mime: str
    blob: Blob | None
    name: str
    keep_forever: bool = False
    superseded: datetime | None = None


@dataclass
class Item:
    """A file, folder, shortcut or document of Google's own."""

    id: str
    name: str
    mime: str
    parent: str | None
    created: datetime
    modified: datetime
    by: str
    # The shared drive it lies in, or who owns it.
    drive_id: str | None = None
    owner: str | None = None
    version: int = 1
    explicitly_trashed: bool = False
    trashed_at: datetime | None = None
    trashed_by: str | None = None
    description: str | None = None
    starred_by: set[str] = field(default_factory=set)
    properties: dict[str, str] = field(default_factory=dict)
    app_properties: dict[str, str] = field(default_factory=dict)
    permissions: dict[str, dict[str, Any]] = field(default_factory=dict)
    revisions: list[Revision] = field(default_factory=list)
    target_id: str | None = None
    # Accounts that it was taken away from, although they are members of its drive.
    hidden_from: set[str] = field(default_factory=set)
    # Requests of lists that do not show it yet.
    unlisted_for: int = 0
    without_md5: bool = False

    @property
    def is_folder(self) -> bool:
        return self.mime == FOLDER

    @property
    def is_native(self) -> bool:
        return self.mime.startswith(NATIVE)

    @property
    def head(self) -> Revision | None:
        return self.revisions[-1] if self.revisions else None

    @property
    def blob(self) -> Blob | None:
        return self.head.blob if self.head and not self.is_native else None


@dataclass
class Entry:
    """What a log says of one item or of the drive itself: only its last change, by its place in the log."""

    seq: int
    time: datetime
    file_id: str | None
    removed: bool = False
    drive_id: str | None = None


@dataclass
class Channel:
    """A channel that is posted to until it expires or is stopped."""

    id: str
    resource_id: str
    resource_uri: str
    address: str
    token: str | None
    expires: datetime
    # Of which log, or of which file.
    log: str
    file_id: str | None
    by: str
    number: int = 1
    payload: bool = False


@dataclass
class Session:
    """An upload that can be resumed; `finished` keeps its answer for who asks again."""

    id: str
    operation: str
    file_id: str | None
    params: dict[str, str]
    metadata: dict[str, Any]
    mime: str
    by: str
    expires: datetime
    total: int | None
    status_when_expired: int = 404
    finished: str | None = None
    received: int = 0
