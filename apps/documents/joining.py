"""Several things that lie in the storage, read as the one file that they are pieces of."""

import bisect
import errno
import io
from collections.abc import Sequence
from itertools import accumulate
from typing import IO, Any

from apps.documents.storage import contents


class Joined(io.RawIOBase):
    """A file that lies in pieces; one of them is open at a time."""

    def __init__(self, pieces: Sequence[tuple[str, int]]) -> None:
        """:param pieces: key and size of each, in their order"""
        super().__init__()
        self._keys = [key for key, _size in pieces]
        self._starts = [0, *accumulate(size for _key, size in pieces)]
        self._at = 0
        self._open: tuple[int, IO[bytes]] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}[whence]
        if base + offset < 0:
            # As files of the system refuse it, which is what readers of archives wait for.
            raise OSError(errno.EINVAL, "before the beginning")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        if self._at >= self._starts[-1]:
            return 0
        number = bisect.bisect_right(self._starts, self._at) - 1
        piece = self._piece(number)
        piece.seek(self._at - self._starts[number])
        read = piece.read(min(len(buffer), self._starts[number + 1] - self._at))
        if not read:
            raise EOFError(f"{self._keys[number]} is shorter than it was")
        buffer[: len(read)] = read
        self._at += len(read)
        return len(read)

    def close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None
        super().close()

    def _piece(self, number: int) -> IO[bytes]:
        if self._open is not None and self._open[0] == number:
            return self._open[1]
        if self._open is not None:
            self._open[1].close()
        self._open = number, contents().open(self._keys[number])
        return self._open[1]


def joined(pieces: Sequence[tuple[str, int]]) -> io.BufferedReader:
    """Open pieces as one file, seekable and buffered."""
    return io.BufferedReader(Joined(pieces), buffer_size=64 * 1024)
