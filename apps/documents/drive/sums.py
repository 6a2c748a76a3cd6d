"""Contents on their way: what is sent with its known sums, and what arrives, block by block."""

import hashlib
import re
from dataclasses import dataclass
from typing import BinaryIO, Self

from apps.documents.drive.errors import Corrupt, Invalid, Transient
from apps.documents.drive.remote import RemoteFile

BLOCK = 1 << 20
_MIME = re.compile(r"[!-~]+/[ -~]+")


@dataclass(frozen=True)
class Content:
    """
    What a file is to hold: a stream that can seek, read from its beginning, with its known size and MD5.

    :raises Invalid: its type is none
    """

    stream: BinaryIO
    size: int
    md5: str
    mime: str = "application/octet-stream"

    def __post_init__(self) -> None:
        # It becomes a header, and people choose it.
        if not _MIME.fullmatch(self.mime):
            raise Invalid("this is no type of a content", reason="mime")

    @classmethod
    def of(cls, stream: BinaryIO, mime: str = "application/octet-stream") -> Self:
        """Measure a stream by reading it once."""
        stream.seek(0)
        size, total = 0, hashlib.md5(usedforsecurity=False)
        while block := stream.read(BLOCK):
            size += len(block)
            total.update(block)
        return cls(stream, size, total.hexdigest(), mime)

    def is_in(self, file: RemoteFile) -> bool:
        """Return whether a file of Drive holds it; a few files there have no MD5."""
        return file.size == self.size and file.md5 in {self.md5, None}


class Sink:
    """
    Where a content goes as it arrives.

    :param most: bytes it may have; what is longer is not the expected content
    :param expected: bytes it has, None where nobody knows before the answer tells
    """

    def __init__(self, into: BinaryIO, most: int, expected: int | None) -> None:
        self.into = into
        self.most = most
        self.expected = expected
        self.size = 0
        # The only sum that Drive tells of every file; it protects from accidents, not from people.
        self._sum = hashlib.md5(usedforsecurity=False)
        self._announced: int | None = None

    def begin(self, first: int, length: int | None) -> None:
        """
        Be ready for bytes from `first` on, so many of them as an answer says; None where it does not.

        :raises Corrupt: these are not the bytes that were asked for
        """
        if first == 0:
            self.restart()
        self._announced = None if length is None else first + length
        if first != self.size or (self.expected is not None and self._announced not in {None, self.expected}):
            raise Corrupt("something else than the content is answered", reason="notContent")

    def restart(self) -> None:
        """Forget what has arrived."""
        self.into.seek(0)
        self.into.truncate()
        self.size = 0
        self._sum = hashlib.md5(usedforsecurity=False)

    def take(self, block: bytes) -> None:
        """
        Add what arrived.

        :raises Corrupt: it is more than there may be
        """
        if self.size + len(block) > self.most:
            self.restart()
            raise Corrupt(f"more than {self.most} bytes arrive")
        self.into.write(block)
        self._sum.update(block)
        self.size += len(block)

    def check_end(self) -> None:
        """
        See that all of it is here.

        :raises Transient: it was cut off
        """
        expected = self._announced if self.expected is None else self.expected
        if expected is not None and self.size != expected:
            raise Transient(f"{self.size} of {expected} bytes have arrived", reason="cutOff")

    def md5(self) -> str:
        return self._sum.hexdigest()
