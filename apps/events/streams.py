"""
Streams: numbered things that somebody watches live, read from PostgreSQL from the watcher's last number on.

An app registers a source for a prefix ("job" serves "job:42"). Redis carries only pokes ("job:42 has moved"):
a watcher who missed one catches up at the next heartbeat.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from django.contrib.auth.base_user import AbstractBaseUser


@dataclass(frozen=True)
class StreamEvent:
    """One thing that happened in a stream, numbered without gaps."""

    seq: int
    data: dict[str, Any]


class StreamSource(Protocol):
    """What a stream is read from; every method runs in a thread and may query."""

    def may_watch(self, actor: AbstractBaseUser, key: str) -> bool:
        """Tell whether `actor` may watch the stream `key` (what follows the colon; "" without one)."""

    def head(self, key: str) -> tuple[str, int]:
        """Return the epoch (a new one makes watchers start over) and the last number given."""

    def read(self, key: str, after: int, limit: int) -> list[StreamEvent]:
        """Return at most `limit` events after number `after`, in order; none also when they are gone."""

    def state(self, key: str) -> tuple[int, dict[str, Any]]:
        """Return a number and the whole state as of it, for a watcher who is too far behind."""


_sources: dict[str, StreamSource] = {}


def register(prefix: str, source: StreamSource) -> None:
    """Serve the streams "prefix:…" from `source`; called from an AppConfig's ready()."""
    _sources[prefix] = source


def source_of(stream: str) -> tuple[StreamSource, str]:
    """Return the source of a stream and the key within it. :raises KeyError: no app serves such streams"""
    prefix, _colon, key = stream.partition(":")
    return _sources[prefix], key


def prefixes() -> list[str]:
    """List the kinds of streams there are."""
    return sorted(_sources)
