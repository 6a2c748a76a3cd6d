"""What fake payment providers share: a real HTTP server, keys under which things are done once, and bad days."""

import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar


class Fault(StrEnum):
    """What becomes of one request."""

    LATE = "late"
    # Done, and nobody is told.
    ERROR_AFTER = "error after success"
    NEVER_AFTER = "done, and no answer ever"
    DROPPED_AFTER = "done, and the line is cut"
    # Not done.
    ERROR_BEFORE = "error"
    NEVER_BEFORE = "no answer ever, and not done"
    BUSY = "too many requests"
    GARBAGE = "a page instead of JSON"


_AFTER = {Fault.LATE, Fault.ERROR_AFTER, Fault.NEVER_AFTER, Fault.DROPPED_AFTER}


@dataclass(frozen=True)
class Message:
    """A webhook as it is sent."""

    type: str
    body: bytes
    headers: dict[str, str]


class Problem(Exception):
    """An answer that is an error. :ivar body: as the provider writes it"""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        self.status, self.body = status, body
        super().__init__(status)


@dataclass
class FakeProvider:
    """
    A provider that is in a bad mood as often as it is told to be.

    :ivar faults: of the requests to come, one each; None is a good one
    :ivar lateness: seconds that a late answer takes
    :ivar messages: webhooks that it would send by now, in their order
    """

    url: str = ""
    faults: deque[Fault | None] = field(default_factory=deque)
    lateness: float = 0.3
    messages: list[Message] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    lock: threading.RLock = field(default_factory=threading.RLock)
    # By key: what was asked, and what was answered.
    done: dict[str, tuple[bytes, int, dict[str, Any]]] = field(default_factory=dict)
    count: int = 0

    key_header = "Idempotency-Key"

    def number(self) -> int:
        self.count += 1
        return self.count

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, dict[str, Any]]:
        """Do what is asked, once under a key."""
        with self.lock:
            self.requests.append((method, path.partition("?")[0]))
            try:
                self.require_key(headers)
                key = headers.get(self.key_header, "") if method == "POST" else ""
                if key and key in self.done:
                    known, status, answer = self.done[key]
                    if known != body:
                        raise self.other_body()
                    return status, answer
                answer = self.route(method, path, headers, body)
            except Problem as problem:
                return problem.status, problem.body
            # As it stands now, which goes on.
            answer = json.loads(json.dumps(answer))
            if key:
                self.done[key] = (body, 200, answer)
            return 200, answer

    def require_key(self, headers: Any) -> None:
        raise NotImplementedError

    def other_body(self) -> Problem:
        raise NotImplementedError

    def route(self, method: str, path: str, headers: Any, body: bytes) -> dict[str, Any]:
        raise NotImplementedError


class _Handler(BaseHTTPRequestHandler):
    fake: FakeProvider

    def do_GET(self) -> None:
        self._do("GET")

    def do_POST(self) -> None:
        self._do("POST")

    def _do(self, method: str) -> None:
        fake = self.fake
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with fake.lock:
            fault = fake.faults.popleft() if fake.faults else None
        status, answer = 500, {"error": {"type": "api_error"}, "code": "internal_server_error"}
        if fault is None or fault in _AFTER:
            done, said = fake.answer(method, self.path, self.headers, body)
            if fault in (None, Fault.LATE):
                status, answer = done, said
        if fault == Fault.BUSY:
            status = 429
        if fault in (Fault.NEVER_AFTER, Fault.NEVER_BEFORE):
            fake.stopped.wait(30)
        if fault == Fault.LATE:
            time.sleep(fake.lateness)
        if fault in (Fault.NEVER_AFTER, Fault.NEVER_BEFORE, Fault.DROPPED_AFTER):
            self.close_connection = True
            return
        text = b"<html>Bad gateway</html>" if fault == Fault.GARBAGE else json.dumps(answer).encode()
        try:
            self.send_response(200 if fault == Fault.GARBAGE else status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
        except OSError:
            # Whoever asked has gone: this is what a late answer comes to.
            self.close_connection = True

    def log_message(self, *args: Any) -> None:
        """Say nothing: tests ask what was asked."""


_Fake = TypeVar("_Fake", bound=FakeProvider)


@contextmanager
def serving(fake: _Fake) -> Iterator[_Fake]:
    """Serve a fake for as long as the context is open."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"fake": fake}))
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()
