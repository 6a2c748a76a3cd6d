"""What goes wrong, and when: a script that a test writes."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from tests.fakes.drive.exchange import Request


class Kind(StrEnum):
    """
    Ways to fail.

    BEFORE and AFTER answer with an error, before anything happened or after all did; DROP_BEFORE and DROP_AFTER close
    the connection in place of an answer. DELAY waits first. CORRUPT flips bits in what is answered, CUT ends it in the
    middle; DAMAGE flips bits in a content that arrives. THROTTLE asks for patience. HTML is a page of some proxy with
    status 200. SHORT takes only a part of a chunk in. CALL does something in between, before the effect, CALL_AFTER
    after it.
    """

    BEFORE = "before"
    AFTER = "after"
    DROP_BEFORE = "drop_before"
    DROP_AFTER = "drop_after"
    DELAY = "delay"
    CORRUPT = "corrupt"
    DAMAGE = "damage"
    CUT = "cut"
    THROTTLE = "throttle"
    HTML = "html"
    SHORT = "short"
    CALL = "call"
    CALL_AFTER = "call_after"


@dataclass
class Fault:
    """One line of the script: which requests it meets, and how they fail."""

    kind: Kind
    name: str = "*"
    method: str = "*"
    path: str = "*"
    # Only those of the requests it fits, counted from 1; empty is each of them.
    nth: frozenset[int] = frozenset()
    # Only so many of a hundred of them, chosen by `seed`.
    fraction: float = 1.0
    # How often at most; None is always.
    times: int | None = None
    seed: int = 0
    status: int = 503
    reason: str = "backendError"
    # What "Retry-After" says.
    wait: int | None = None
    # How long DELAY waits.
    seconds: float = 0.0
    # How many bytes of a chunk SHORT takes in.
    size: int = 0
    call: Callable[[Request], None] | None = None
    seen: int = 0
    hits: int = 0
    _random: random.Random = field(default_factory=random.Random, repr=False)

    def __post_init__(self) -> None:
        self._random.seed(self.seed)

    def meets(self, request: Request) -> bool:
        fits = (
            fnmatchcase(request.name, self.name)
            and fnmatchcase(request.method, self.method)
            and fnmatchcase(request.path, self.path)
        )
        if not fits:
            return False
        self.seen += 1
        is_chosen = (not self.nth or self.seen in self.nth) and self._random.random() < self.fraction
        if not is_chosen or (self.times is not None and self.hits >= self.times):
            return False
        self.hits += 1
        return True


class Faults:
    """The script; the first line that meets a request decides."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, kind: Kind | str, name: str = "*", *, nth: int | set[int] = 0, **more: object) -> Fault:
        """
        Let requests fail: `add("after", "files.create", nth=1)`, `add("drop_after", fraction=0.1, seed=7)`.

        The names are those of Drive's description ("files.get"), and "token", "upload.chunk", "upload.status".
        """
        chosen = frozenset({nth} if isinstance(nth, int) else nth) - {0}
        fault = Fault(Kind(kind), name, nth=chosen, **more)  # type: ignore[arg-type]
        with self._lock:
            self._faults.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        with self._lock:
            self._faults.remove(fault)

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def meet(self, request: Request) -> Fault | None:
        with self._lock:
            return next((fault for fault in self._faults if fault.meets(request)), None)
