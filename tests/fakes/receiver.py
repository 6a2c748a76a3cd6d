"""A system that is told facts by webhooks, on a real socket: it does as it is told to, and remembers what it was told."""

import socket
import ssl
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Answer:
    """
    What becomes of one request.

    :param wait: held back until this is set
    :param is_dropped: the connection is closed without a word
    :param endless: bytes of answer that follow, without an end being announced
    :param drips: the answer comes byte by byte, one every so many seconds, until nobody listens
    """

    code: int = 204
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: threading.Event | None = None
    is_dropped: bool = False
    endless: int = 0
    drips: float = 0.0


@dataclass(frozen=True)
class Request:
    """What came in."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """The server: answers as scripted, then as usual."""

    server: ThreadingHTTPServer
    scheme: str = "http"
    requests: list[Request] = field(default_factory=list)
    script: deque[Answer] = field(default_factory=deque)
    usual: Answer = Answer()
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hook"

    def ids(self) -> list[str]:
        return [request.headers["webhook-id"] for request in self.requests]


class _Handler(BaseHTTPRequestHandler):
    receiver: Receiver

    def do_POST(self) -> None:
        receiver = self.receiver
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        with receiver.lock:
            receiver.at_once += 1
            receiver.most_at_once = max(receiver.most_at_once, receiver.at_once)
            answer = receiver.script.popleft() if receiver.script else receiver.usual
            receiver.requests.append(Request(self.path, headers, body))
        try:
            self._answer(answer)
        except OSError:
            # Whoever asked has gone, which some tests are about.
            self.close_connection = True
        finally:
            with receiver.lock:
                receiver.at_once -= 1

    def do_GET(self) -> None:
        with self.receiver.lock:
            self.receiver.requests.append(Request(self.path, {"followed": "redirect"}, b""))
        self.send_response(200)
        self.end_headers()

    def _answer(self, answer: Answer) -> None:
        while answer.wait is not None and not answer.wait.wait(0.05) and not self.receiver.stopped.is_set():
            continue
        if answer.is_dropped:
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(answer.code)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if not answer.endless and not answer.drips:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)
        for _part in range(answer.endless // 65_536):
            self.wfile.write(b"x" * 65_536)
        while answer.drips and not self.receiver.stopped.wait(answer.drips):
            self.wfile.write(b"x")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


@contextmanager
def running(certificate: str = "") -> Iterator[Receiver]:
    """Serve on a free port of this machine; with a certificate (a file with its key), by TLS."""
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    receiver = Receiver(server, "https" if certificate else "http")
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    handler.receiver = receiver  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
