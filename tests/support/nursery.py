"""
Processes that have loaded the platform already: each is forked from one that waits for that.

To load it takes seconds, and the tests start hundreds of processes. Where an environment comes a second time, a process
loads the platform under it, opens nothing, and forks at each word: what is born has no memory of another test.
"""

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from config.local.keep import PR_SET_PDEATHSIG, die_with_parent

ROOT = Path(__file__).resolve().parents[2]
# What is read when it is needed, and not when settings are loaded; and what pytest tells about itself.
READ_LATER = {"ARTEL_FAILPOINT", "DJANGO_ALLOW_ASYNC_UNSAFE", "PYTEST_CURRENT_TEST"}
# So many environments are kept loaded, at some 200 MiB each.
MOST = 4
# What a process of each kind loads at its start, or with the first thing that it is asked.
_LOADED = {
    "web": ["config.asgi", "config.urls", "uvicorn.main", "uvicorn.protocols.http.httptools_impl",
            "uvicorn.protocols.websockets.websockets_sansio_impl"],
    "work": ["config.celery", "celery.bin.celery", "celery.apps.worker", "celery.apps.beat", "celery.worker.consumer",
             "celery.concurrency.prefork", "kombu.transport.redis", "django.core.management"],
}  # fmt: skip


class Forked:
    """A process that a nursery has forked, with what `subprocess.Popen` says of one."""

    def __init__(self, nursery: "Nursery", pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._nursery = nursery

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._nursery.code_of(self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """
        Wait for its end; return its exit code, negative for a signal.

        :raises subprocess.TimeoutExpired: it still runs
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired([str(self.pid)], timeout or 0)
            time.sleep(0.005)
        return code

    def send_signal(self, signum: int) -> None:
        # Its number is not given to another before its end was told.
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signum)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Nursery:
    """One process that has loaded the platform, and what it says."""

    def __init__(self, kind: str, environment: Mapping[str, str]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, kind, str(theirs.fileno())],
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGKILL),
            )
        self._socket, self._lines = ours, ours.makefile("r")
        self._lock = threading.Lock()
        self._codes: dict[int, int] = {}

    def fork(self, arguments: list[str], environment: Mapping[str, str], log: Path) -> Forked:
        """Start `python ARGUMENTS…` with its output in a file."""
        said = {"arguments": arguments, "environment": dict(environment), "log": str(log)}
        with self._lock:
            self._socket.sendall(json.dumps(said).encode() + b"\n")
            while "born" not in (told := self._read()):
                pass
        return Forked(self, told["born"])

    def code_of(self, pid: int) -> int | None:
        """Return the exit code of a process that has ended."""
        with self._lock:
            while select.select([self._socket], [], [], 0)[0]:
                self._read()
        return self._codes.get(pid)

    def end(self) -> None:
        self._process.kill()
        self._process.wait(10)
        self._lines.close()
        self._socket.close()

    def _read(self) -> dict[str, Any]:
        line = self._lines.readline()
        if not line:
            raise AssertionError("a nursery has ended")
        told: dict[str, Any] = json.loads(line)
        if "ended" in told:
            self._codes[told["ended"]] = told["code"]
        return told


_met: set[tuple[str, frozenset[tuple[str, str]]]] = set()
_nurseries: dict[tuple[str, frozenset[tuple[str, str]]], Nursery] = {}


def nursery_for(arguments: list[str], environment: Mapping[str, str]) -> Nursery | None:
    """Return where such a process is born; None where its environment is met for the first time."""
    if not hasattr(os, "pidfd_open") or arguments[0] == "-c":
        return None
    kind = "web" if arguments[:2] == ["-m", "uvicorn"] else "work"
    lasting = {name: value for name, value in environment.items() if name not in READ_LATER}
    key = kind, frozenset(lasting.items())
    if key not in _nurseries:
        if key not in _met:
            _met.add(key)
            return None
        if len(_nurseries) >= MOST:
            return None
        _nurseries[key] = Nursery(kind, lasting)
    return _nurseries[key]


@atexit.register
def end_all() -> None:
    """End those that wait; what they have forked ends with them."""
    while _nurseries:
        _nurseries.popitem()[1].end()


# What runs in the process that waits


def main(kind: str, descriptor: int) -> None:
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    for name in _LOADED[kind]:
        importlib.import_module(name)
    if kind == "web":
        from django.urls import get_resolver

        get_resolver().url_patterns  # noqa: B018 - reads all addresses
    else:
        from config.celery import app

        app.loader.import_default_modules()
    gc.freeze()
    born = _serve(socket.socket(fileno=descriptor))
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.setsid()
    with open(born["log"], "ab") as log:  # noqa: PTH123 - a descriptor is what is wanted
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    os.environ.clear()
    os.environ.update(born["environment"])
    first, *rest = born["arguments"]
    if first == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [first, *rest]
        runpy.run_path(first, run_name="__main__")


def _serve(line: socket.socket) -> dict[str, Any]:
    """Fork at each word, and tell of each end; return what was said in the process that was born of it."""
    poller, children, heard = select.poll(), dict[int, int](), b""
    poller.register(line, select.POLLIN)
    while True:
        for descriptor, _event in poller.poll():
            if descriptor != line.fileno():
                poller.unregister(descriptor)
                pid, status = os.waitpid(children.pop(descriptor), 0)
                os.close(descriptor)
                _tell(line, ended=pid, code=os.waitstatus_to_exitcode(status))
                continue
            said = line.recv(1 << 16)
            if not said:
                sys.exit()
            *words, heard = (heard + said).split(b"\n")
            for word in words:
                pid = os.fork()
                if pid == 0:
                    for open_here in (line.detach(), *children):
                        os.close(open_here)
                    born: dict[str, Any] = json.loads(word)
                    return born
                child = os.pidfd_open(pid)
                children[child] = pid
                poller.register(child, select.POLLIN)
                _tell(line, born=pid)


def _tell(line: socket.socket, **told: int) -> None:
    line.sendall(json.dumps(told).encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
