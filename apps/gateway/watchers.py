"""One end of a stream: who watches, what they have seen, and what waits to be sent to them, within bounds."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from apps.accounts.models import User

# Who is this far behind does not read: their socket is closed, and they catch up when they come back.
MAX_WAITING = 2_000
MAX_WAITING_BYTES = 2 * 1024 * 1024

TOO_SLOW = 4408


class Gone(Exception):
    """Nothing more will come. :ivar code: the code with which a socket is to be closed"""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Watcher:
    """
    Somebody who watches streams over one connection.

    :param who: reads anew who is on the other end, None once they may not be; runs in a thread
    :param actor: who they were found to be when the connection was opened
    """

    def __init__(self, who: Callable[[], User | None], actor: User) -> None:
        self.who = who
        self.actor = actor
        # The last number seen, or on its way, of each stream watched.
        self.positions: dict[str, int] = {}
        self.checked_at = time.monotonic()
        self._waiting: deque[tuple[str, str]] = deque()
        self._bytes = 0
        self._something = asyncio.Event()
        self._over = asyncio.Event()
        self._gone: int | None = None

    @property
    def claims(self) -> dict[str, Any]:
        """What their access token says; nothing where they came without one."""
        return self.actor.claims or {}

    @property
    def is_gone(self) -> bool:
        return self._gone is not None

    def put(self, text: str, place: str = "") -> None:
        """
        Queue a message; one too many ends the connection instead.

        :param place: "epoch,number" of the stream that the message leads up to, for who comes back with it
        """
        if self._gone is not None:
            return
        self._waiting.append((text, place))
        self._bytes += len(text)
        if len(self._waiting) > MAX_WAITING or self._bytes > MAX_WAITING_BYTES:
            self.dismiss(TOO_SLOW)
        self._something.set()

    def put_event(self, stream: str, epoch: str, seq: int, text: str) -> None:
        """Queue an event of a stream, unless they have it."""
        seen = self.positions.get(stream)
        if seen is not None and seq > seen:
            self.positions[stream] = seq
            self.put(text, f"{epoch},{seq}")

    def dismiss(self, code: int) -> None:
        """End the connection; what still waits is forgotten."""
        if self._gone is None:
            self._gone = code
            self._waiting.clear()
            self._something.set()
            self._over.set()

    async def next(self) -> tuple[str, str]:
        """
        Wait for the next message, and return it with the place it leads up to.

        :raises Gone: there will be none
        """
        while not self._waiting:
            if self._gone is not None:
                raise Gone(self._gone)
            self._something.clear()
            await self._something.wait()
        text, place = self._waiting.popleft()
        self._bytes -= len(text)
        return text, place

    async def gone(self) -> int:
        """Wait until the connection is to end, and return the code."""
        await self._over.wait()
        return self._gone or 0
