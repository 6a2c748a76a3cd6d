"""
Keep one process of the `Procfile` running: `python config/local/keep.py NAME`.

honcho ends everything when one process ends; a keeper in between starts its process again instead. It reads
the command from the `Procfile` by name, so that its own command line does not look like the process that it
keeps, and runs as a script on the standard library alone: it must not load what the package `config` loads.
"""

import contextlib
import ctypes
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# PR_SET_PDEATHSIG of linux/prctl.h: the signal that the kernel sends when the parent is gone.
PR_SET_PDEATHSIG = 1
FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0
# A process that has lived this long had started well.
WELL = 10.0
# So many bad starts in a row are no accident: 0.1 + 0.2 + … + 5 s of waiting.
ATTEMPTS = 8
# Names a file: whoever is told of it starts when it is there, or after so many seconds.
AFTER = "ARTEL_AFTER"
LONGEST_WAIT = 60.0
# honcho kills a keeper five seconds after it has asked it to end.
GRACE = 4.0


def die_with_parent(signum: signal.Signals) -> Callable[[], None]:
    """Return a `preexec_fn` that ties the new process to its parent, where the kernel can (Linux)."""
    if not sys.platform.startswith("linux"):
        return lambda: None
    # Loaded before the fork: a library must not be looked for between fork and exec.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, signum, 0, 0, 0)


class Turn:
    """When a process may start: at once, or after the one that people wait for."""

    def __init__(self) -> None:
        self.file = os.environ.get(AFTER)
        self.deadline = time.monotonic() + LONGEST_WAIT

    def has_come(self) -> bool:
        """Tell whether the other has started, or has had its time."""
        return not self.file or Path(self.file).exists() or time.monotonic() > self.deadline


class Keeper:
    """Starts a command, starts it again when it dies, and ends it when told to."""

    def __init__(self, name: str, command: str, *, first_delay: float = FIRST_DELAY) -> None:
        self.name = name
        self.command = command
        self.first_delay = first_delay
        self.parent = os.getppid()
        self.was_told_to_stop = False
        # Signals also arrive as bytes, so that one wait serves them, the end of the child and the delays.
        self.inbox, outbox = os.pipe()
        os.set_blocking(outbox, False)
        signal.set_wakeup_fd(outbox, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def run(self) -> int:
        """Keep the command until told to stop; return the exit code of this process."""
        delay, bad_starts = self.first_delay, 0
        turn = Turn()
        self._wait_until(lambda: self._must_stop() or turn.has_come(), step=0.1)
        if self._must_stop():
            return 0
        while True:
            started_at = time.monotonic()
            code = self._run_once()
            if self._must_stop():
                return 0
            if time.monotonic() - started_at > WELL:
                delay, bad_starts = self.first_delay, 0
            bad_starts += 1
            if bad_starts == ATTEMPTS:
                self._say(f"ended with {describe(code)}, {ATTEMPTS} times in a row; giving up")
                return 1
            self._say(f"ended with {describe(code)}; starting it again")
            self._wait_until(self._must_stop, time.monotonic() + delay)
            delay = min(delay * 2, LONGEST_DELAY)

    def _run_once(self) -> int:
        # A group of its own, so that whatever it leaves behind can be found.
        child = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {self.command}"],
            process_group=0,
            preexec_fn=die_with_parent(signal.SIGTERM),
        )
        self._wait_until(lambda: self._must_stop() or child.poll() is not None)
        if child.poll() is None:
            child.terminate()
            self._wait_until(lambda: child.poll() is not None, time.monotonic() + GRACE)
        # The children of a killed process live on and hold its connections.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        return child.wait()

    def _wait_until(
        self, condition: Callable[[], bool], deadline: float = float("inf"), step: float = 1.0
    ) -> None:
        # A lost parent sends no signal where the kernel cannot: hence a look each second.
        while not condition() and (left := deadline - time.monotonic()) > 0:
            if select.select([self.inbox], [], [], min(left, step))[0]:
                os.read(self.inbox, 1024)

    def _must_stop(self) -> bool:
        return self.was_told_to_stop or os.getppid() != self.parent

    def _stop(self, *_: object) -> None:
        self.was_told_to_stop = True

    def _say(self, text: str) -> None:
        print(f"{self.name} {text}", flush=True)


def describe(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def command_of(name: str, procfile: Path) -> str:
    found = re.search(rf"^{re.escape(name)}:\s*(.+)$", procfile.read_text(), re.MULTILINE)
    if found is None:
        raise SystemExit(f"{procfile} has no line for {name}.")
    return found.group(1)


def main() -> int:
    die_with_parent(signal.SIGTERM)()
    name = sys.argv[1]
    procfile = Path(os.environ.get("PROCFILE") or ROOT / "Procfile")
    return Keeper(name, command_of(name, procfile)).run()


if __name__ == "__main__":
    raise SystemExit(main())
