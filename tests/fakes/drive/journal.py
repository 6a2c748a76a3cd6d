"""What was asked, in order."""

import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Call:
    """One request and how it ended; `status` 0 is a connection that was dropped."""

    at: datetime
    name: str
    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    viewer: str
    said: dict[str, Any] | None
    status: int
    units: int
    writes: int
    fault: str = ""


@dataclass
class Journal:
    """All calls since it was last cleared."""

    _calls: list[Call] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, call: Call) -> None:
        with self._lock:
            self._calls.append(call)

    def clear(self) -> None:
        with self._lock:
            self._calls.clear()

    def calls(self, name: str | None = None) -> list[Call]:
        """Return the calls of one name ("files.create"), or all."""
        with self._lock:
            return [call for call in self._calls if name in {None, call.name}]

    def writes(self) -> list[Call]:
        """Return the calls that were to change something."""
        return [call for call in self.calls() if call.writes]

    def units(self) -> int:
        return sum(call.units for call in self.calls())
