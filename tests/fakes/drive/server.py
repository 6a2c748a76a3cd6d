"""The HTTP side: one thread per connection, answers in one piece, faults where the script says."""

import gzip
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, Any, cast
from urllib.parse import parse_qsl, urlsplit

from tests.fakes.drive import meters, schema
from tests.fakes.drive.api import HANDLERS
from tests.fakes.drive.api.context import Context
from tests.fakes.drive.exchange import Reply, Request
from tests.fakes.drive.faults import Fault, Faults, Kind
from tests.fakes.drive.journal import Call, Journal
from tests.fakes.drive.login import LoginRefusal, Logins
from tests.fakes.drive.meters import Meters
from tests.fakes.drive.refusals import Refusal, rate_limited

logger = logging.getLogger(__name__)
HTML = b"<!DOCTYPE html><html><head><title>Sorry</title></head><body>Please try again later.</body></html>"
# Bytes of an answer.
LEAST_PACKED = 1024
_SECRET_HEADERS = {"authorization", "cookie"}


class Dropped(Exception):
    """The connection is closed in place of an answer."""


@dataclass
class Desk:
    """All that answers requests; one for all threads."""

    context: Context
    logins: Logins
    faults: Faults
    journal: Journal
    meters: Meters
    # Whether each answer is compared with Google's description; what differs stands in `problems`.
    validates: bool
    problems: list[str]
    # Called after each request that may have changed something.
    changed: Callable[[], None]

    def reply(self, request: Request) -> Reply:
        """
        Answer a request, as the script of faults would have it.

        :raises Dropped: by not answering
        """
        at = self.context.store.clock.now()
        cost, fault, status = (0, 0), None, 0
        try:
            self._name(request)
            cost = meters.cost(request)
            fault = self.faults.meet(request)
            reply = self._faulty(request, fault, cost)
            status = reply.status
        except Refusal as refusal:
            status = refusal.status
            reply = _refusal(refusal)
        finally:
            self._note(request, at, fault, status, cost)
        return reply

    def _note(
        self, request: Request, at: datetime, fault: Fault | None, status: int, cost: tuple[int, int]
    ) -> None:
        headers = {name: text for name, text in request.headers.items() if name not in _SECRET_HEADERS}
        self.journal.add(
            Call(
                at=at,
                name=request.name,
                method=request.method,
                path=request.path,
                params=request.params,
                headers=headers,
                viewer=request.viewer,
                said=request.said,
                status=status,
                units=cost[0],
                writes=cost[1],
                fault=fault.kind.value if fault else "",
            )
        )
        if request.method != "GET" or request.name == "files.generateIds":
            self.changed()

    def _name(self, request: Request) -> None:
        if request.path == "/token":
            request.name = "token"
            return
        if _is_part(request):
            request.name, request.is_upload = _part_name(request), True
            return
        override = request.headers.get("x-http-method-override")
        if override:
            request.method = override
            request.params = dict(parse_qsl(request.body().decode(), keep_blank_values=True))
        operation, request.values, request.is_upload = schema.route(request.method, request.path)
        request.operation, request.name = operation, operation.name

    def _faulty(self, request: Request, fault: Fault | None, cost: tuple[int, int]) -> Reply:
        if fault is None:
            return self._answer(request, cost)
        _before(fault, request)
        try:
            reply = self._answer(request, cost)
        except Refusal as refusal:
            reply = _refusal(refusal)
        return _after(fault, request, reply)

    def _answer(self, request: Request, cost: tuple[int, int]) -> Reply:
        if request.name == "token":
            return self._login(request)
        if not request.name.startswith("upload."):
            self._admit(request, *cost)
        handler = HANDLERS.get(request.name)
        if handler is None:
            raise Refusal(501, "notImplemented", f"This fake of Google Drive does not do {request.name}.")
        reply = handler(self.context, request)
        if self.validates and reply.value is not None and request.operation is not None:
            self._validate(request, reply)
        return reply

    def _admit(self, request: Request, units: int, writes: int) -> None:
        request.viewer = self.logins.email_of(request.headers.get("authorization", ""))
        assert request.operation is not None
        upload_only = {"uploadType", "upload_id"} if request.is_upload else set()
        plain = {name: value for name, value in request.params.items() if name not in upload_only}
        request.params = {**request.params, **schema.checked(request.operation, plain)}
        self.meters.spend(request.viewer, units, writes)

    def _login(self, request: Request) -> Reply:
        form = dict(parse_qsl(request.body().decode()))
        try:
            return Reply(value=self.logins.grant(form, f"{self.context.base}/token"))
        except LoginRefusal as refusal:
            return Reply(400, value=refusal.body)

    def _validate(self, request: Request, reply: Reply) -> None:
        assert request.operation is not None
        if request.operation.response is None:
            found = [f"{request.name} answers {reply.value!r}"]
        else:
            described = {"$ref": request.operation.response}
            found = schema.differences(reply.value, described, request.name)
        if found:
            self.problems.extend(found)
            raise Refusal(500, "internalError", "; ".join(found))


def _refusal(refusal: Refusal) -> Reply:
    return Reply(refusal.status, value=refusal.body, headers=refusal.headers)


def _is_part(request: Request) -> bool:
    return request.path.startswith("/upload/") and "upload_id" in request.params


def _part_name(request: Request) -> str:
    if request.method == "DELETE":
        return "upload.cancel"
    is_question = request.headers.get("content-range", "").startswith("bytes */")
    return "upload.status" if is_question else "upload.chunk"


def _before(fault: Fault, request: Request) -> None:
    """
    Do what a fault does before the effect.

    :raises Refusal: it answers in place of the effect
    :raises Dropped: it does not even answer
    """
    if fault.kind is Kind.BEFORE:
        raise Refusal(fault.status, fault.reason, "Backend Error", headers=_wait(fault))
    if fault.kind is Kind.THROTTLE:
        status = fault.status if fault.status in {403, 429} else 403
        reason = "userRateLimitExceeded" if fault.reason == "backendError" else fault.reason
        raise rate_limited(reason, status=status, wait=fault.wait)
    if fault.kind is Kind.DROP_BEFORE:
        raise Dropped
    if fault.kind is Kind.DELAY:
        time.sleep(fault.seconds)
    elif fault.kind is Kind.SHORT:
        request.lets_through = fault.size
    elif fault.kind is Kind.DAMAGE:
        request.is_damaged = True
    elif fault.kind is Kind.CALL and fault.call is not None:
        fault.call(request)


def _after(fault: Fault, request: Request, reply: Reply) -> Reply:
    """
    Do to an answer what a fault does after the effect.

    :raises Dropped: it keeps the answer
    """
    if fault.kind is Kind.AFTER:
        error = Refusal(fault.status, fault.reason, "Backend Error")
        return Reply(error.status, value=error.body, headers=_wait(fault))
    if fault.kind is Kind.DROP_AFTER:
        raise Dropped
    if fault.kind is Kind.HTML:
        return Reply(200, headers={"Content-Type": "text/html; charset=UTF-8"}, data=HTML)
    if fault.kind is Kind.CORRUPT and reply.status < 300:
        reply.seal()
        data = bytearray(b"".join(reply.parts()))
        if data:
            data[len(data) // 2] ^= 0xFF
        reply.blob, reply.data = None, bytes(data)
    elif fault.kind is Kind.CUT:
        reply.headers["X-Cut"] = "1"
    elif fault.kind is Kind.CALL_AFTER and fault.call is not None:
        fault.call(request)
    return reply


def _wait(fault: Fault) -> dict[str, str]:
    return {} if fault.wait is None else {"Retry-After": str(fault.wait)}


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: "Server"
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def _go(self) -> None:
        try:
            self._answer()
        except (Dropped, ConnectionError, TimeoutError):
            self.close_connection = True
            self._hang_up()

    # The names that the standard library looks for.
    do_DELETE = do_GET = do_PATCH = do_POST = do_PUT = _go  # noqa: N815

    def _answer(self) -> None:
        where = urlsplit(self.path)
        request = Request(
            method=self.command,
            path=where.path,
            params=dict(parse_qsl(where.query, keep_blank_values=True)),
            headers={name.lower(): text for name, text in self.headers.items()},
            stream=cast("IO[bytes]", self.rfile),
            length=int(self.headers.get("Content-Length") or 0),
        )
        reply = self.server.own(request) or self.server.desk.reply(request)
        # What nobody read would be taken for the next request.
        for _ in request.blocks():
            pass
        self._send(_packed(request, reply))

    def _send(self, reply: Reply) -> None:
        size = reply.seal()
        is_cut = reply.headers.pop("X-Cut", None) is not None
        lines = [f"HTTP/1.1 {reply.status} {_phrase(reply.status)}", f"Date: {formatdate(usegmt=True)}"]
        lines += [f"{name}: {text}" for name, text in reply.headers.items()]
        if reply.status != HTTPStatus.NO_CONTENT:
            lines.append(f"Content-Length: {size}")
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        for part in _parts(reply, size // 2 if is_cut else size):
            self.wfile.write(part)
        self.wfile.flush()
        if is_cut:
            raise Dropped

    def _hang_up(self) -> None:
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            logger.debug("the other side was quicker to hang up")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        logger.debug(format, *args)


def _packed(request: Request, reply: Reply) -> Reply:
    """Return a long object packed, as Google does for who says that they unpack it."""
    if reply.value is None or "gzip" not in request.headers.get("accept-encoding", ""):
        return reply
    if reply.seal() >= LEAST_PACKED and reply.data is not None:
        reply.data = gzip.compress(reply.data, compresslevel=1)
        reply.headers["Content-Encoding"] = "gzip"
    return reply


def _phrase(status: int) -> str:
    return (
        "Resume Incomplete"
        if status == 308
        else next((one.phrase for one in HTTPStatus if one == status), "Unknown")
    )


def _parts(reply: Reply, size: int) -> Iterator[bytes]:
    for part in reply.parts():
        yield part[:size]
        size -= len(part)
        if size <= 0:
            return


class Server(ThreadingHTTPServer):
    """Listens on this machine only."""

    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(self, port: int, own: Callable[[Request], Reply | None]) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.desk: Desk
        # Answers what is not Drive's interface: its pages, and orders from other processes.
        self.own = own
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        with self._guard:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Close every connection, as a restart would."""
        with self._guard:
            still = list(self._open)
        for connection in still:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                logger.debug("it was closed already")

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)
