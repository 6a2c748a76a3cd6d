"""One exchange with a provider: so long and so much and no more, and a plain word about how it went. No Django here."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpcore

from apps.payments.providers.interface import NoAnswer

_MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Response:
    """What a provider answered: a status below 500, and a JSON object."""

    status: int
    body: dict[str, Any]


def call(
    method: str,
    url: str,
    *,
    headers: Sequence[tuple[str, str]],
    content: bytes | None = None,
    seconds: float,
) -> Response:
    """
    Ask a provider and read what it answers.

    :param seconds: for the whole exchange
    :raises NoAnswer: it did not answer in time, or answers that it does not know itself (500 and above, 429, no JSON)
    """
    deadline = time.monotonic() + seconds
    timeout = dict.fromkeys(("connect", "read", "write", "pool"), seconds)
    body = bytearray()
    try:
        with (
            httpcore.ConnectionPool() as pool,
            pool.stream(
                method,
                url,
                headers=[("User-Agent", "Artel"), ("Accept", "application/json"), *headers],
                content=content,
                extensions={"timeout": timeout},
            ) as response,
        ):
            status = int(response.status)
            for part in response.iter_stream():
                body += part
                if len(body) > _MOST_BYTES:
                    raise NoAnswer("too_large")
                if time.monotonic() > deadline:
                    raise NoAnswer("timeout")
    except httpcore.TimeoutException as error:
        raise NoAnswer("timeout") from error
    except (
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.UnsupportedProtocol,
        OSError,
    ) as error:
        raise NoAnswer("unreachable") from error
    if status >= 500 or status == 429:
        raise NoAnswer(f"status_{status}")
    return Response(status, _object(bytes(body)))


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError as error:
        raise NoAnswer("no_json") from error
    if not isinstance(found, dict):
        raise NoAnswer("no_json")
    return found


def text(document: Mapping[str, Any], *path: str) -> str:
    """Return a text deep in a document; empty where there is none."""
    found: Any = document
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, str) else ""


def whole(document: Mapping[str, Any], *path: str) -> int:
    """Return a whole number deep in a document; 0 where there is none."""
    found: Any = document
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, int) and not isinstance(found, bool) else 0


def part(document: Mapping[str, Any], *path: str) -> dict[str, Any]:
    """Return a document within a document; an empty one where there is none."""
    found: Any = document
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, dict) else {}
