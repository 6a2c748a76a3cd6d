"""
One POST to somebody else's machine, which may be slow, endless, lying, or our own in disguise.

httpcore speaks HTTP; what is ours is the network below it. It looks a name up once, refuses what must not be called,
connects to that very address (the certificate is still held against the name), and counts time and bytes for the whole
exchange, headers too. Redirects are not followed, and nothing in the environment (proxies) is asked.
"""

import logging
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpcore
from django.conf import settings

from apps.notifications.models import WebhookDelivery
from apps.notifications.webhooks.addresses import RefusedAddress, UnknownName, look_up

logger = logging.getLogger(__name__)

Error = WebhookDelivery.Error
# As much of an answer as is kept, for people to read.
_KEPT = 2048
# As much as is read at all, headers included.
_MOST = 65_536
_GONE = 410


@dataclass(frozen=True)
class Outcome:
    """
    How a call ended.

    :param error: what went wrong; empty where it was taken
    :param retry_after: seconds for which the other side wants to be left in peace
    """

    error: str = ""
    code: int | None = None
    response: str = ""
    duration_ms: int = 0
    retry_after: int | None = None

    @property
    def is_gone(self) -> bool:
        return self.code == _GONE


class _TooMuch(Exception):
    """The answer is larger than anybody reads."""


class _Meter:
    """What is left of the time and the bytes of one exchange."""

    def __init__(self) -> None:
        self.ends_at: float = time.monotonic() + settings.WEBHOOK_TIMEOUT_SECONDS
        self.bytes = _MOST

    def left(self) -> float:
        seconds = self.ends_at - time.monotonic()
        if seconds <= 0:
            raise httpcore.ReadTimeout("the whole exchange took too long")
        return seconds

    def count(self, received: bytes) -> bytes:
        self.bytes -= len(received)
        if self.bytes < 0:
            raise _TooMuch
        return received


class _Stream(httpcore.NetworkStream):
    """A connection of which every read and write is measured."""

    def __init__(self, inner: httpcore.NetworkStream, meter: _Meter) -> None:
        self._inner, self._meter = inner, meter

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._meter.count(self._inner.read(max_bytes, self._meter.left()))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._meter.left())

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, self._meter.left()), self._meter)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Network(httpcore.NetworkBackend):
    """Connects to what a name leads to, if that may be called."""

    def __init__(self, meter: _Meter) -> None:
        self._inner, self._meter = httpcore.SyncBackend(), meter

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = look_up(host, port)
        for place, address in enumerate(addresses):
            try:
                # What does not answer leaves time for the next.
                seconds = self._meter.left() / (len(addresses) - place)
                stream = self._inner.connect_tcp(address, port, seconds, None, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if place == len(addresses) - 1:
                    raise
            else:
                return _Stream(stream, self._meter)
        raise UnknownName(host)


def call(url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
    """Send a body to an address and say how that ended; raises nothing that the other side can cause."""
    began = time.monotonic()
    try:
        outcome = _exchange(url, headers, body)
    except RefusedAddress:
        outcome = Outcome(Error.REFUSED_ADDRESS)
    except UnknownName:
        outcome = Outcome(Error.NO_ADDRESS)
    except httpcore.TimeoutException:
        outcome = Outcome(Error.TOO_SLOW)
    except httpcore.ConnectError as error:
        is_distrust = isinstance(error.__cause__, ssl.SSLError) or "certificate" in str(error).lower()
        outcome = Outcome(Error.NO_TRUST if is_distrust else Error.NO_CONNECTION)
    except _TooMuch:
        outcome = Outcome(Error.TOO_LARGE)
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError, ValueError):
        outcome = Outcome(Error.BROKEN)
    return Outcome(
        outcome.error,
        outcome.code,
        outcome.response,
        round((time.monotonic() - began) * 1000),
        outcome.retry_after,
    )


def _exchange(url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
    meter = _Meter()
    sent = {"Content-Length": str(len(body)), "Accept-Encoding": "identity", "Connection": "close", **headers}
    with (
        httpcore.ConnectionPool(
            network_backend=_Network(meter), ssl_context=_trust(), max_keepalive_connections=0
        ) as pool,
        pool.stream("POST", url, headers=list(sent.items()), content=body) as response,
    ):
        text = _beginning(response).decode(errors="replace").replace("\0", "␀")
        return Outcome(_judged(response.status), response.status, text, retry_after=_retry_after(response))


def _beginning(response: httpcore.Response) -> bytes:
    """Return the beginning of an answer; by then its code has said all that counts, whatever becomes of the rest."""
    kept = b""
    try:
        for chunk in response.iter_stream():
            kept += chunk
            if len(kept) >= _KEPT:
                break
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, _TooMuch) as error:
        logger.debug("the rest of an answer was not read: %s", type(error).__name__)
    return kept[:_KEPT]


def _judged(code: int) -> str:
    if 200 <= code < 300:
        return ""
    return Error.REDIRECT if 300 <= code < 400 else Error.STATUS


def _retry_after(response: httpcore.Response) -> int | None:
    for name, value in response.headers:
        if name.lower() == b"retry-after" and value.isdigit() and len(value) < 7:
            return int(value)
    return None


@cache
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()
