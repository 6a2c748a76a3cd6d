"""The one socket, `/ws/`: it tells what moves, and takes no commands."""

import asyncio
import json
import time
from typing import Any
from urllib.parse import parse_qs

from channels.db import database_sync_to_async

from apps.accounts.faces.sockets import NOT_LOGGED_IN, ScopedConsumer, user_of_session
from apps.accounts.models import User
from apps.gateway import messages
from apps.gateway.hub import Since, hub
from apps.gateway.tickets import Holder, redeem_ticket
from apps.gateway.watchers import Gone, Watcher

MAX_MESSAGE_BYTES = 16 * 1024
MAX_STREAMS = 100
MAX_STREAM_NAME = 100
MAX_SOCKETS_PER_USER = 50
# Messages that a client may send at once, and how many more each second.
BURST, PER_SECOND = 20.0, 5.0
# How long a client that does not read is given to take the close itself.
CLOSE_SECONDS = 10

NOT_UNDERSTOOD = 4400
TOO_LARGE = 4413
TOO_MANY = 4429


class Malformed(Exception):
    """A message that is not in the protocol."""


class LiveConsumer(ScopedConsumer):
    """A socket and the watcher behind it."""

    # Pokes come through the hub: a channel of its own would cost each socket a subscription to Redis.
    channel_layer_alias = "none"

    watcher: Watcher | None = None
    _holder: Holder | None = None
    _sender: "asyncio.Task[None] | None" = None
    _allowance = BURST
    _heard_at = 0.0

    async def dispatch(self, message: dict[str, Any]) -> None:
        # Channels hops into a thread here to close old connections; the hub does that where they are used.
        handler = getattr(self, message["type"].replace(".", "_"))
        await handler(message)

    async def connect(self) -> None:
        """Open with a ticket, or as one of our own pages."""
        ticket = parse_qs(self.scope["query_string"].decode("latin-1")).get("ticket")
        if ticket is None:
            await super().connect()
            return
        self._holder = await database_sync_to_async(redeem_ticket)(ticket[0])
        await self.accept()
        if await self.still_welcome():
            await self.opened()

    async def still_welcome(self) -> bool:
        self.actor = await database_sync_to_async(self._who)()
        if self.actor is None:
            await self.close(NOT_LOGGED_IN)
        return self.actor is not None

    def _who(self) -> User | None:
        """Read anew who is on the other end."""
        return user_of_session(dict(self.scope)) if self._holder is None else self._holder.user()

    async def opened(self) -> None:
        if self.actor is None:
            return
        if hub().count_of(self.actor) >= MAX_SOCKETS_PER_USER:
            await self.close(TOO_MANY)
            return
        self.watcher = Watcher(self._who, self.actor)
        hub().join(self.watcher)
        self._sender = asyncio.create_task(self._send_all(self.watcher))

    async def disconnect(self, code: int) -> None:
        if self.watcher is not None:
            hub().leave(self.watcher)
        if self._sender is not None:
            self._sender.cancel()

    async def _send_all(self, watcher: Watcher) -> None:
        """Send what waits, at the client's pace, and close when it is over."""
        sending = asyncio.create_task(self._send_waiting(watcher))
        try:
            code = await watcher.gone()
        finally:
            sending.cancel()
        hub().leave(watcher)
        # A client that does not read does not take the close either; then the server's own time-outs end it.
        async with asyncio.timeout(CLOSE_SECONDS):
            await self.close(code)

    async def _send_waiting(self, watcher: Watcher) -> None:
        while True:
            try:
                text, _place = await watcher.next()
            except Gone:
                return
            await self.send(text_data=text)

    # What a client may say

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        watcher = self.watcher
        if watcher is None or watcher.is_gone:
            return
        if len(text_data or bytes_data or "") > MAX_MESSAGE_BYTES:
            watcher.dismiss(TOO_LARGE)
        elif not self._is_within_pace():
            watcher.dismiss(TOO_MANY)
        else:
            try:
                await self._obey(watcher, _parse(text_data))
            except Malformed as error:
                watcher.put(messages.error(str(error)))

    def _is_within_pace(self) -> bool:
        now = time.monotonic()
        self._allowance = min(BURST, self._allowance + (now - self._heard_at) * PER_SECOND) - 1
        self._heard_at = now
        return self._allowance >= 0

    async def _obey(self, watcher: Watcher, message: dict[str, Any]) -> None:
        match message.get("op"):
            case "hello":
                await self._watch(watcher, _streams_of(message.get("streams")))
            case "subscribe":
                await self._watch(watcher, {_name_of(message.get("stream")): _since(message)})
            case "unsubscribe":
                hub().unwatch(watcher, _name_of(message.get("stream")))
            case _:
                raise Malformed("unknown_op")

    async def _watch(self, watcher: Watcher, wanted: dict[str, Since]) -> None:
        if len(watcher.positions.keys() | wanted.keys()) > MAX_STREAMS:
            raise Malformed("too_many_streams")
        await hub().watch(watcher, wanted)


def _parse(text: str | None) -> dict[str, Any]:
    try:
        message = json.loads(text or "")
    except ValueError as error:
        raise Malformed("not_json") from error
    if not isinstance(message, dict):
        raise Malformed("not_an_object")
    return message


def _streams_of(streams: object) -> dict[str, Since]:
    if not isinstance(streams, dict):
        raise Malformed("no_streams")
    return {_name_of(name): _since(since) for name, since in streams.items()}


def _name_of(name: object) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= MAX_STREAM_NAME:
        raise Malformed("bad_stream")
    return name


def _since(since: object) -> Since:
    """Read what a client saw last of a stream."""
    if not isinstance(since, dict):
        raise Malformed("bad_position")
    epoch, seq = since.get("epoch", ""), since.get("seq", 0)
    # A bool is an int to Python, and a number beyond bigint an error to PostgreSQL.
    if not isinstance(epoch, str) or type(seq) is not int or not 0 <= seq < 2**63:
        raise Malformed("bad_position")
    return Since(epoch, seq)
