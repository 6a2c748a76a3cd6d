"""A Bot API on a real socket: it takes messages, floods back where too many come, and blocks as it is told to."""

import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "42:secret"


@dataclass
class Telegram:
    """The server, what came in, and when."""

    server: ThreadingHTTPServer
    # (moment, chat, what was sent), of what was taken.
    taken: list[tuple[float, int, dict[str, Any]]] = field(default_factory=list)
    # Answers to the next messages: (status, description, parameters); None drops the connection after it was taken.
    script: deque[tuple[int, str, dict[str, Any]] | None] = field(default_factory=deque)
    blocked: set[int] = field(default_factory=set)
    # So many a second in all, before it answers with a flood; 0 for no limit.
    per_second: int = 0
    floods: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def texts(self, chat: int) -> list[str]:
        return [str(said["text"]) for _at, to, said in self.taken if to == chat]

    def most_in(self, seconds: float, chat: int | None = None) -> int:
        """Return how many came at most in any stretch of so many seconds."""
        moments = sorted(at for at, to, _said in self.taken if chat is None or to == chat)
        return max(
            (sum(1 for other in moments if at <= other < at + seconds) for at in moments),
            default=0,
        )

    def judge(self, said: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        """Take a message or refuse it; None where the connection is to break after it was taken."""
        chat, now = int(said["chat_id"]), time.monotonic()
        with self.lock:
            answer = self.script.popleft() if self.script else (200, "", {})
            if answer is not None and answer[0] != 200:
                return answer[0], {"ok": False, "description": answer[1], "parameters": answer[2]}
            if chat in self.blocked:
                return 403, {"ok": False, "description": "Forbidden: bot was blocked by the user"}
            lately = sum(1 for at, _to, _said in self.taken if at > now - 1)
            if self.per_second and lately >= self.per_second:
                self.floods += 1
                return 429, {
                    "ok": False,
                    "description": "Too Many Requests",
                    "parameters": {"retry_after": 1},
                }
            self.taken.append((now, chat, said))
            return None if answer is None else (200, {"ok": True, "result": {"message_id": len(self.taken)}})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    telegram: Telegram

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.path == f"/bot{TOKEN}/sendMessage"
        judged = self.telegram.judge(json.loads(body))
        if judged is None:
            self.close_connection = True
            return
        status, answer = judged
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


@contextmanager
def running() -> Iterator[Telegram]:
    """Serve on a free port of this machine."""
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    telegram = Telegram(server)
    handler.telegram = telegram  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield telegram
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
