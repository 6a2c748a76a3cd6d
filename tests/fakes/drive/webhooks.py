"""Posting to channels, as Google does: from a thread of its own, more than once, and never reliably."""

import contextlib
import http.client
import queue
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from urllib.parse import urlsplit

from tests.fakes.drive.model import Channel
from tests.fakes.drive.store import Store

OK = {102, 200, 201, 202, 204}
TRIED_AGAIN = {500, 502, 503, 504}
ATTEMPTS = 4
# Google takes minutes; a test has none.
BACK_OFF_SECONDS = 0.02
# The fake speaks to this machine only.
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True)
class Post:
    """One message to a channel, as it was sent; `status` 0 where nobody answered."""

    channel_id: str
    number: int
    state: str
    address: str
    headers: dict[str, str]
    status: int
    at: datetime


class Webhooks:
    """Sends the messages of all channels, in order."""

    def __init__(self, store: Store, *, seed: int = 0) -> None:
        self.store = store
        self.posts: list[Post] = []
        # How many messages are lost on the way from now on.
        self.lost = 0
        self._random = random.Random(seed)
        self._queue: queue.Queue[tuple[Channel, int, str] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="fake drive webhooks", daemon=True)
        store.listeners.append(self.heard)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._queue.put(None)
        self._thread.join()

    def heard(self, log: str, file_id: str) -> None:
        """Tell the channels of a log, or of a file, that something changed."""
        now = self.store.clock.now()
        for channel in list(self.store.channels.values()):
            is_meant = channel.file_id == file_id if channel.file_id else channel.log == log
            if is_meant and channel.expires > now:
                # Numbers grow and are not consecutive.
                channel.number += self._random.randint(1, 3)
                self._queue.put((channel, channel.number, "change"))

    def greet(self, channel: Channel) -> None:
        """Send the first message of a new channel."""
        self._queue.put((channel, 1, "sync"))

    def flush(self) -> None:
        """Wait until every message so far has been sent or lost."""
        self._queue.join()

    @contextlib.contextmanager
    def losing_all(self) -> Iterator[None]:
        """Lose every message meanwhile."""
        before, self.lost = self.lost, 1 << 30
        yield
        self.flush()
        self.lost = before

    def _run(self) -> None:
        while (message := self._queue.get()) is not None:
            try:
                self._deliver(*message)
            finally:
                self._queue.task_done()

    def _deliver(self, channel: Channel, number: int, state: str) -> None:
        if self.lost > 0:
            self.lost -= 1
            return
        headers = _headers(channel, number, state)
        for attempt in range(ATTEMPTS):
            status = _post(channel, headers)
            now = self.store.clock.now()
            self.posts.append(Post(channel.id, number, state, channel.address, headers, status, now))
            if status not in TRIED_AGAIN:
                return
            threading.Event().wait(BACK_OFF_SECONDS * 2**attempt)


def _headers(channel: Channel, number: int, state: str) -> dict[str, str]:
    headers = {
        "Content-Type": "application/json; utf-8",
        "User-Agent": "APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)",
        "X-Goog-Channel-ID": channel.id,
        "X-Goog-Message-Number": str(number),
        "X-Goog-Resource-ID": channel.resource_id,
        "X-Goog-Resource-State": state,
        "X-Goog-Resource-URI": channel.resource_uri,
        "X-Goog-Channel-Expiration": format_datetime(channel.expires, usegmt=True),
    }
    return headers if channel.token is None else {**headers, "X-Goog-Channel-Token": channel.token}


def _post(channel: Channel, headers: dict[str, str]) -> int:
    where = urlsplit(channel.address)
    if where.hostname not in LOOPBACK or where.scheme != "http":
        return 0
    body = b'{"kind": "drive#changes"}' if channel.payload else b""
    connection = http.client.HTTPConnection(where.hostname, where.port or 80, timeout=10)
    try:
        connection.request("POST", f"{where.path}?{where.query}".rstrip("?"), body, headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
