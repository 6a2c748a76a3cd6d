"""A request that came and the answer that goes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from tests.fakes.drive.model import BLOCK, Blob
from tests.fakes.drive.refusals import Refusal
from tests.fakes.drive.schema import Operation


@dataclass
class Request:
    """What a client sent; its body is read at most once, and block by block where it may be large."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    stream: IO[bytes]
    length: int
    # Found while it is answered.
    name: str = ""
    operation: Operation | None = None
    values: dict[str, str] = field(default_factory=dict)
    is_upload: bool = False
    viewer: str = ""
    # What it said beside a content, for the journal.
    said: dict[str, Any] | None = None
    # Of a chunk of an upload: how many bytes of it a fault lets through.
    lets_through: int | None = None
    # Whether a fault flips bits in what arrives.
    is_damaged: bool = False

    def blocks(self) -> Iterator[bytes]:
        """Yield what is left of the body."""
        while self.length > 0:
            block = self.stream.read(min(BLOCK, self.length))
            if not block:
                raise ConnectionError("the client went away within its request")
            self.length -= len(block)
            yield block

    def taken(self, content: bytes) -> bytes:
        """Return bytes of a content as they arrive where a fault may damage them."""
        return content[:-1] + bytes([content[-1] ^ 1]) if self.is_damaged and content else content

    def body(self) -> bytes:
        return b"".join(self.blocks())

    def json(self) -> dict[str, Any]:
        """
        Read the body as an object.

        :raises Refusal: it is none
        """
        self.said = parsed(self.body())
        return self.said

    def is_set(self, name: str) -> bool:
        return self.params.get(name) == "true"


def parsed(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text or b"{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Refusal(400, "parseError", "Parse Error")
    return found


@dataclass
class Reply:
    """What is answered: an object, bytes, or a part of a blob."""

    status: int = 200
    value: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    data: bytes | None = None
    blob: Blob | None = None
    start: int = 0
    stop: int = 0

    def parts(self) -> Iterator[bytes]:
        if self.blob is not None:
            yield from self.blob.parts(self.start, self.stop)
        else:
            yield self.data or b""

    def seal(self) -> int:
        """Turn an object into bytes; return how many bytes are answered."""
        if self.blob is not None:
            return self.stop - self.start
        if self.data is None and self.value is not None:
            self.data = json.dumps(self.value).encode()
            self.headers.setdefault("Content-Type", "application/json; charset=UTF-8")
        return len(self.data or b"")
