"""What a call costs, and the limits of Google's quota, which are off until a test sets them."""

import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.fakes.drive.clock import Clock
from tests.fakes.drive.exchange import Request
from tests.fakes.drive.refusals import rate_limited

READ, LIST, DOWNLOAD, EDIT, OTHER = 5, 100, 200, 50, 5
_OTHER = {"files.generateIds", "changes.watch", "files.watch", "channels.stop", "changes.getStartPageToken"}
_FREE = {"token", "upload.chunk", "upload.status", "upload.cancel"}
_EDITS = {"create", "update", "delete", "copy", "emptyTrash", "hide", "unhide"}


def cost(request: Request) -> tuple[int, int]:
    """Return the quota units and the writes of a request, which knows its name by now."""
    verb = request.name.rpartition(".")[2]
    if request.name in _FREE:
        return 0, 0
    if request.name in _OTHER:
        return OTHER, 0
    if request.params.get("alt") == "media" or verb in {"export", "download"}:
        return DOWNLOAD, 0
    if verb in _EDITS:
        return EDIT, 1
    return (LIST if verb == "list" else READ), 0


@dataclass
class Limits:
    """How much one account may ask for; None is no limit."""

    units_per_minute: int | None = None
    units_per_day: int | None = None
    queries_per_minute: int | None = None
    # Sustained; a burst of as many is let through.
    writes_per_second: float | None = None
    # How Google refuses: 403 or 429.
    status: int = 403


@dataclass
class _Spent:
    units: deque[tuple[datetime, int]] = field(default_factory=deque)
    day: int = 0
    writes: float = 0.0
    written: datetime | None = None


class Meters:
    """Counts what each account asks for and refuses what is too much."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.limits = Limits()
        self.refused = 0
        self._spent: dict[str, _Spent] = {}
        self._lock = threading.Lock()

    def spend(self, email: str, units: int, writes: int) -> None:
        """
        Count a call.

        :raises Refusal: the account asks for too much
        """
        with self._lock:
            spent = self._spent.setdefault(email, _Spent())
            reason = self._excess(spent, units, writes)
            if reason:
                self.refused += 1
                raise rate_limited(reason, status=403 if reason.startswith("daily") else self.limits.status)
            now = self.clock.now()
            if self.limits.units_per_minute is not None or self.limits.queries_per_minute is not None:
                spent.units.append((now, units))
            spent.day += units
            if writes:
                spent.writes, spent.written = self._writes(spent, now) + writes, now

    def _excess(self, spent: _Spent, units: int, writes: int) -> str:
        limits, now = self.limits, self.clock.now()
        while spent.units and spent.units[0][0] <= now - timedelta(minutes=1):
            spent.units.popleft()
        if limits.units_per_day is not None and spent.day + units > limits.units_per_day:
            return "dailyLimitExceeded"
        spent_lately = sum(one for _, one in spent.units)
        if limits.units_per_minute is not None and spent_lately + units > limits.units_per_minute:
            return "userRateLimitExceeded"
        if limits.queries_per_minute is not None and len(spent.units) >= limits.queries_per_minute:
            return "rateLimitExceeded"
        rate = limits.writes_per_second
        # A little over, because clients and the fake do not look at the clock at the same moment.
        if writes and rate is not None and self._writes(spent, now) + writes > rate + 0.5:
            return "userRateLimitExceeded"
        return ""

    def _writes(self, spent: _Spent, now: datetime) -> float:
        """Return how full the bucket of writes is; it runs dry at the permitted rate."""
        if spent.written is None or self.limits.writes_per_second is None:
            return 0.0
        passed = (now - spent.written).total_seconds()
        return max(0.0, spent.writes - passed * self.limits.writes_per_second)
