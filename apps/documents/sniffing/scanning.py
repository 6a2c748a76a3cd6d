"""Looking for bytes in files of any size, a piece at a time."""

import re
from collections.abc import Iterator
from typing import IO

from apps.documents.storage import CHUNK

# What is looked for is shorter than this, so that nothing is missed between two pieces.
_OVERLAP = 256


def pieces_of(file: IO[bytes], most: int) -> Iterator[tuple[int, bytes]]:
    """
    Yield where they begin, and pieces of at most so many bytes of a file, each with the end of the one before.

    Whoever gets them may read elsewhere in the file meanwhile.
    """
    last, at = b"", 0
    while at < most:
        file.seek(at)
        piece = file.read(min(CHUNK, most - at))
        if not piece:
            return
        yield at - len(last), last + piece
        at += len(piece)
        last = piece[-_OVERLAP:]


def found_in(file: IO[bytes], marks: dict[str, re.Pattern[bytes]], most: int) -> set[str]:
    """Return which marks are within the first bytes of a file."""
    found: set[str] = set()
    for _start, piece in pieces_of(file, most):
        found |= {name for name, mark in marks.items() if name not in found and mark.search(piece)}
        if len(found) == len(marks):
            break
    return found


def size_of(file: IO[bytes]) -> int:
    """Return how many bytes a file has."""
    return file.seek(0, 2)


def head_of(file: IO[bytes], length: int) -> bytes:
    """Return the first bytes of a file."""
    file.seek(0)
    return file.read(length)


def tail_of(file: IO[bytes], length: int) -> bytes:
    """Return the last bytes of a file."""
    file.seek(max(0, size_of(file) - length))
    return file.read(length)
