"""Uploads in parts, which go on where they stopped: after an error, and in another process."""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from apps.documents.drive.answers import error_of
from apps.documents.drive.costs import Cost
from apps.documents.drive.errors import Gone, Invalid, Later, Transient
from apps.documents.drive.sums import Content

if TYPE_CHECKING:
    from apps.documents.drive.transport import Transport

# A multiple of 256 KiB, as Drive wants it; a part is held in memory.
PART = 8 << 20
_PART = Cost("upload.chunk", 0)
_STATUS = Cost("upload.status", 0)
# An upload that expires so often does not end.
_MOST_SESSIONS = 3


@dataclass(frozen=True)
class Prepared:
    """A request as the library makes it, to be sent again and again with other words."""

    uri: str
    method: str
    headers: Mapping[str, str]
    body: str

    def saying(self, meant: Mapping[str, Any]) -> Self:
        """Return the same request with another body."""
        return replace(self, body=json.dumps(meant))


class Upload:
    """
    One content on its way.

    :param cost: what the beginning of a session costs
    :param request: the library's request that would say the same of a file without a content
    :param session: the address of an earlier one to go on with
    :param on_session: hears the address of each new one before its first byte is sent
    """

    def __init__(
        self,
        transport: "Transport",
        cost: Cost,
        request: Any,
        content: Content,
        session: str | None,
        on_session: Callable[[str], None] | None,
    ) -> None:
        self.transport = transport
        self.content = content
        self._cost = cost
        self._request = request
        self._session = session
        self._on_session = on_session
        self._is_new = False

    def run(self) -> dict[str, Any]:
        """
        Upload all of it; return the resource that Drive made of it.

        :raises DriveError: it does not work
        """
        for _ in range(_MOST_SESSIONS):
            if self._session is None:
                self._session = self._opened()
                self._is_new = True
            try:
                return self._sent(self._session)
            except Gone:
                # It has expired, with what had arrived.
                self._session = None
        raise Transient("the upload expires again and again", reason="sessionExpired")

    def _opened(self) -> str:
        request = self._request
        address = _address(self.transport, request, "resumable")
        headers = {
            **request.headers,
            "x-upload-content-type": self.content.mime,
            "x-upload-content-length": str(self.content.size),
        }

        def begin() -> str:
            response, content = self.transport.send(address, request.method, request.body.encode(), headers)
            if response.status != 200 or "location" not in response:
                raise error_of(response.status, content, response)
            return str(response["location"])

        session = self.transport.insist(self._cost, begin)
        self._check_place(session)
        if self._on_session is not None:
            self._on_session(session)
        return session

    def _check_place(self, session: str) -> None:
        """
        See that an upload goes where everything goes.

        :raises Invalid: it would go elsewhere
        """
        if urlsplit(session)[:2] != urlsplit(self.transport.account.api_root)[:2]:
            raise Invalid("an upload was to go to another address", reason="foreignSession")

    def _sent(self, session: str) -> dict[str, Any]:
        """Send part after part; ask what has arrived after each error, and at first when it is not new."""
        self._check_place(session)
        at: int | None = 0 if self._is_new else None
        self._is_new = False
        tries = 0
        while True:
            try:
                found = self._asked(session) if at is None else self._put(session, at)
            except Later as error:
                tries += 1
                self.transport.wait(error, tries)
                at = None
                continue
            if isinstance(found, dict):
                return found
            size = self.content.size
            if found >= size or (at is not None and found <= at):
                tries += 1
                self.transport.wait(Transient("nothing of a part arrives", reason="noProgress"), tries)
            elif at is not None:
                tries = 0
            # What has arrived whole and is not finished is asked about again.
            at = found if found < size or size == 0 else None

    def _put(self, session: str, at: int) -> int | dict[str, Any]:
        """Send one part; return how much has arrived then, or what Drive made of all of it."""
        self.content.stream.seek(at)
        part = self.content.stream.read(min(PART, self.content.size - at))
        if len(part) != min(PART, self.content.size - at):
            raise _changed()
        headers = {"Content-Length": str(len(part))}
        # An empty content has no range.
        if part:
            headers["Content-Range"] = f"bytes {at}-{at + len(part) - 1}/{self.content.size}"
        return self.transport.once(_PART, lambda: self._answer(session, part, headers))

    def _asked(self, session: str) -> int | dict[str, Any]:
        headers = {"Content-Length": "0", "Content-Range": f"bytes */{self.content.size}"}
        return self.transport.once(_STATUS, lambda: self._answer(session, b"", headers))

    def _answer(self, session: str, part: bytes, headers: Mapping[str, str]) -> int | dict[str, Any]:
        response, content = self.transport.send(session, "PUT", part, headers)
        if response.status == 308:
            # No range says that nothing has arrived.
            return int(response["range"].rpartition("-")[2]) + 1 if "range" in response else 0
        if response.status not in {200, 201}:
            raise error_of(response.status, content, response)
        return _resource(content)


def send_whole(transport: "Transport", cost: Cost, request: Any, content: Content) -> dict[str, Any]:
    """
    Upload a small content at once; return the resource that Drive made of it.

    :param request: the library's request that would say the same of a file without a content
    :raises DriveError: it does not work
    """
    content.stream.seek(0)
    data = content.stream.read(content.size + 1)
    if len(data) != content.size:
        raise _changed()
    boundary = secrets.token_hex(16)
    body = b"".join(
        (
            f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{request.body}\r\n".encode(),
            f"--{boundary}\r\nContent-Type: {content.mime}\r\n\r\n".encode(),
            data,
            f"\r\n--{boundary}--\r\n".encode(),
        )
    )
    address = _address(transport, request, "multipart")
    headers = {**request.headers, "content-type": f"multipart/related; boundary={boundary}"}

    def send() -> dict[str, Any]:
        response, answer = transport.send(address, request.method, body, headers)
        if response.status != 200:
            raise error_of(response.status, answer, response)
        return _resource(answer)

    return transport.insist(cost, send)


def _address(transport: "Transport", request: Any, kind: str) -> str:
    """Return where the library would send a request that has a content."""
    root = transport.account.api_root
    return f"{root}upload/{request.uri.removeprefix(root)}&uploadType={kind}"


def _changed() -> Invalid:
    return Invalid("the content has another size than it was said to have", reason="contentChanged")


def _resource(content: bytes) -> dict[str, Any]:
    found = json.loads(content)
    if not isinstance(found, dict):
        raise TypeError
    return found
