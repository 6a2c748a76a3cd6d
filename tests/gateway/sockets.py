"""A client of the socket, as plain as the protocol is."""

import json
import time
from dataclasses import dataclass, field
from typing import Any

from django.test import Client
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from apps.accounts.models import User
from tests.support.processes import Server

Message = dict[str, Any]


@dataclass
class Socket:
    """One open socket."""

    connection: ClientConnection

    def say(self, **message: Any) -> None:
        self.connection.send(json.dumps(message))

    def hello(self, **streams: Any) -> None:
        """Say hello; `job_42=…` stands for the stream job:42."""
        self.say(op="hello", streams={name.replace("_", ":", 1): since for name, since in streams.items()})

    def next(self, within: float = 10) -> Message:
        message: Message = json.loads(self.connection.recv(timeout=within))
        return message

    def next_of(self, *ops: str, within: float = 10) -> Message:
        """Return the next message of these kinds, past any others."""
        deadline = time.monotonic() + within
        while True:
            message = self.next(max(deadline - time.monotonic(), 0))
            if message["op"] in ops:
                return message

    def events_to(self, seq: int) -> list[Message]:
        """Return the events up to number `seq`."""
        events = [self.next_of("event")]
        while events[-1]["seq"] < seq:
            events.append(self.next_of("event"))
        return events

    def await_close(self, within: float = 10) -> int | None:
        """Read on until the server closes, and return its code."""
        deadline = time.monotonic() + within
        try:
            while True:
                self.connection.recv(timeout=max(deadline - time.monotonic(), 0))
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None


@dataclass
class Door:
    """Opens sockets of a server."""

    server: Server
    opened: list[Socket] = field(default_factory=list)

    def cookie(self, user: User) -> str:
        """Log a user in and return the cookie."""
        client = Client()
        client.force_login(user)
        return f"sessionid={client.cookies['sessionid'].value}"

    def open(
        self,
        user: User | None = None,
        *,
        cookie: str = "",
        origin: str | None = "",
        query: str = "",
        **options: Any,
    ) -> Socket:
        """Open a socket as a page of ours does, unless told otherwise."""
        if user is not None:
            cookie = self.cookie(user)
        headers = {"Cookie": cookie} if cookie else {}
        shown: Any = self.server.url if origin == "" else origin
        connection = connect(
            f"{self.server.ws_url}/ws/{query}",
            additional_headers=headers,
            origin=shown,
            compression=None,
            legacy=True,
            **options,
        )
        socket = Socket(connection)
        self.opened.append(socket)
        return socket

    def close_all(self) -> None:
        for socket in self.opened:
            socket.connection.close_timeout = 0.1
            socket.connection.close()
