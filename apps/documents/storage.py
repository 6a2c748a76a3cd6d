"""
Where contents lie: under their own digest, each whole or not there at all.

Both storages list what they hold, and copy within themselves what has come in pieces or by the sender's own hand; S3
also signs addresses to which a sender writes the parts of a file itself.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Protocol, cast

from django.core.files import File
from django.core.files.storage import FileSystemStorage, storages
from storages.backends.s3 import S3Storage

# Copied at a time: memory stays flat whatever the size of a file. Pieces of a MiB would leave holes between them that the
# process keeps: it grew by a tenth over a GiB.
CHUNK = 64 * 1024
# Begins the name of a file that is not whole yet.
_PARTIAL = ".part-"


@dataclass(frozen=True)
class Stored:
    """Something that lies in the storage; the size in bytes."""

    key: str
    size: int
    modified_at: datetime


@dataclass(frozen=True)
class Part:
    """A part of a multipart upload that has come; numbered from 1."""

    number: int
    size: int
    etag: str


class Contents(Protocol):
    """What the platform asks of the storage of contents."""

    def save(self, name: str, content: Any) -> str: ...

    def open(self, name: str, mode: str = "rb") -> Any: ...

    def exists(self, name: str) -> bool: ...

    def size(self, name: str) -> int: ...

    def delete(self, name: str) -> None: ...

    def copy_within(self, source: str, target: str) -> None:
        """Let what lies at one place lie at another too, without reading it here."""

    def stored(self, prefix: str) -> Iterator[Stored]:
        """Yield what lies under a prefix that ends with a slash."""


def contents() -> Contents:
    """Return the storage of contents."""
    return cast(Contents, storages["documents"])


def direct() -> "S3Contents | None":
    """Return the storage, where senders can write to it themselves."""
    storage = storages["documents"]
    return storage if isinstance(storage, S3Contents) else None


class DirectoryStorage(FileSystemStorage):
    """A directory in which a file appears only once all of it is on the disk."""

    def _save(self, name: str, content: "File[Any]") -> str:
        with self._appearing(name) as file:
            for chunk in content.chunks(CHUNK):
                file.write(chunk)
        return name

    def copy_within(self, source: str, target: str) -> None:
        """Let what lies at one place lie at another too."""
        with Path(self.path(source)).open("rb") as there, self._appearing(target) as file:
            shutil.copyfileobj(there, file, CHUNK)

    def delete(self, name: str) -> None:
        """Delete a file, and the directories that it leaves empty."""
        super().delete(name)
        top, above = Path(self.location), Path(self.path(name)).parent
        while above != top:
            try:
                above.rmdir()
            except OSError:
                # Something else lies there, or another process was faster.
                return
            above = above.parent

    def stored(self, prefix: str) -> Iterator[Stored]:
        """Yield what lies under a prefix, also what never became whole."""
        for directory, _names, files in os.walk(self.path(prefix)):
            for name in sorted(files):
                path = Path(directory, name)
                try:
                    facts = path.stat()
                except FileNotFoundError:
                    # Deleted, or become whole, since the directory was read.
                    continue
                key = path.relative_to(self.location).as_posix()
                yield Stored(key, facts.st_size, datetime.fromtimestamp(facts.st_mtime, UTC))

    def _appearing(self, name: str) -> "_Appearing":
        return _Appearing(Path(self.path(name)), self.file_permissions_mode)


class _Appearing:
    """A file that is written beside its place, and stands there once it is whole and on the disk."""

    def __init__(self, path: Path, mode: int | None) -> None:
        self.path, self.mode = path, mode

    def __enter__(self) -> IO[bytes]:
        handle, self.temporary = self._make()
        self.file = os.fdopen(handle, "wb")
        return self.file

    def _make(self) -> tuple[int, str]:
        while True:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                return tempfile.mkstemp(dir=self.path.parent, prefix=_PARTIAL)
            except FileNotFoundError:
                # Whoever deleted the last file of the directory took it away meanwhile.
                continue

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        temporary = Path(self.temporary)
        try:
            if kind is None:
                self.file.flush()
                os.fsync(self.file.fileno())
                if self.mode is not None:
                    temporary.chmod(self.mode)
                temporary.replace(self.path)
        finally:
            self.file.close()
            temporary.unlink(missing_ok=True)


class S3Contents(S3Storage):  # type: ignore[misc]  # it comes without types
    """A bucket of S3 or what speaks like it."""

    def copy_within(self, source: str, target: str) -> None:
        """Let what lies at one place lie at another too; the storage copies it by itself."""
        there = {"Bucket": self.bucket_name, "Key": self._normalize_name(source)}
        self.bucket.Object(self._normalize_name(target)).copy(there, Config=self.transfer_config)

    def stored(self, prefix: str) -> Iterator[Stored]:
        """Yield what lies under a prefix."""
        for found in self.bucket.objects.filter(Prefix=self._place(prefix)):
            yield Stored(found.key.removeprefix(self._place("")), found.size, found.last_modified)

    # What the sender writes by itself

    def begin_multipart(self, key: str) -> str:
        """Begin an upload in parts, and return its id."""
        answer = self._client.create_multipart_upload(**self._at(key), ContentType="application/octet-stream")
        return str(answer["UploadId"])

    def part_url(self, key: str, multipart_id: str, number: int, *, size: int, seconds: int) -> str:
        """
        Return an address that takes a PUT of one part, for so long, and of just this size.

        The size is among the signed headers: a longer body is refused by the storage.
        """
        values = self._at(key) | {"UploadId": multipart_id, "PartNumber": number, "ContentLength": size}
        return str(self._client.generate_presigned_url("upload_part", values, seconds, "PUT"))

    def parts_of(self, key: str, multipart_id: str) -> list[Part]:
        """
        Return the parts that have come, as the storage says.

        :raises FileNotFoundError: there is no such upload: it was completed or given up
        """
        pages = self._client.get_paginator("list_parts")
        try:
            return [
                Part(part["PartNumber"], part["Size"], part["ETag"])
                for page in pages.paginate(**self._at(key), UploadId=multipart_id)
                for part in page.get("Parts", ())
            ]
        except self._client.exceptions.NoSuchUpload as error:
            raise FileNotFoundError(key) from error

    def complete_multipart(self, key: str, multipart_id: str, parts: Sequence[Part]) -> None:
        """Put the parts together."""
        named = [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
        self._client.complete_multipart_upload(
            **self._at(key), UploadId=multipart_id, MultipartUpload={"Parts": named}
        )

    def abort_multipart(self, key: str, multipart_id: str) -> None:
        """Give an upload in parts up; asking again changes nothing."""
        try:
            self._client.abort_multipart_upload(**self._at(key), UploadId=multipart_id)
        except self._client.exceptions.NoSuchUpload:
            return

    def unfinished(self, prefix: str) -> Iterator[tuple[str, str, datetime]]:
        """Yield the key, the id and the beginning of every upload in parts that was not completed."""
        pages = self._client.get_paginator("list_multipart_uploads")
        for page in pages.paginate(Bucket=self.bucket_name, Prefix=self._place(prefix)):
            for each in page.get("Uploads", ()):
                key = each["Key"].removeprefix(self._place(""))
                yield key, each["UploadId"], each["Initiated"]

    @property
    def _client(self) -> Any:
        return self.connection.meta.client

    def _at(self, key: str) -> dict[str, Any]:
        return {"Bucket": self.bucket_name, "Key": self._normalize_name(key)}

    def _place(self, prefix: str) -> str:
        return f"{self.location.rstrip('/')}/{prefix}".lstrip("/")


def chunks_of(file: IO[bytes]) -> Iterator[bytes]:
    """Yield what is in a file, from where it stands, piece by piece."""
    while piece := file.read(CHUNK):
        yield piece
