"""Processes of the platform that a test starts, watches and kills: web, worker, relay, beat."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from config.local.keep import die_with_parent
from config.local.redis import free_port
from tests.support.nursery import Forked, nursery_for

ROOT = Path(__file__).resolve().parents[2]
# A process starts in two seconds, and in half a minute where everything else starts as well.
START_SECONDS = 120.0


@dataclass
class Running:
    """One process with its output in a file; its whole session ends with it."""

    name: str
    popen: subprocess.Popen[bytes] | Forked
    log: Path

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def is_alive(self) -> bool:
        return self.popen.poll() is None

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """Send SIGKILL to the process and everything it started."""
        children = self._children()
        self.popen.kill()
        self.popen.wait(10)
        for process in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        await_end(children, within=10)

    def terminate(self, within: float = 10) -> int:
        """Ask to end, kill what has not; return the exit code."""
        children = self._children()
        self.popen.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(within)
        except subprocess.TimeoutExpired:
            self.popen.kill()
        for process in await_end(children, within=1):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        return self.popen.wait(10)

    def wait(self, within: float = 30) -> int:
        """Wait for the end, as after a fail point, and return the exit code (-9 for SIGKILL)."""
        try:
            return self.popen.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"{self.name} still runs after {within} s:\n{self.output()[-3000:]}"
            ) from None

    def await_line(self, text: str, within: float = START_SECONDS) -> None:
        """Wait until the output says something."""
        self.await_true(lambda: text in self.output(), f"{text!r} in the output", within)

    def await_true(self, condition: Callable[[], object], what: str, within: float = START_SECONDS) -> None:
        deadline = time.monotonic() + within
        while not condition():
            if not self.is_alive:
                raise AssertionError(f"{self.name} ended before there was {what}:\n{self.output()[-3000:]}")
            if time.monotonic() > deadline:
                raise AssertionError(f"No {what} of {self.name} in {within} s:\n{self.output()[-3000:]}")
            time.sleep(0.02)

    def _children(self) -> list[psutil.Process]:
        # Without the process itself: waiting for it here would take its exit code from `popen`.
        try:
            return psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []


def await_end(processes: list[psutil.Process], within: float) -> list[psutil.Process]:
    """
    Wait until processes that are not our children have ended; return those that have not.

    Orphans stay in the table of processes until the machine's first one takes notice, which may take it seconds.
    """
    deadline = time.monotonic() + within
    while (alive := [each for each in processes if _is_at_work(each)]) and time.monotonic() < deadline:
        time.sleep(0.005)
    return alive


def _is_at_work(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@dataclass
class Server(Running):
    """A running web process."""

    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.url}/healthz/", timeout=10).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True


@dataclass
class Processes:
    """
    Starts processes of the platform against this test's database and Redis.

    Each method takes environment variables for the new process as keywords: `worker(ARTEL_FAILPOINT="…")`.
    """

    environment: Mapping[str, str]
    directory: Path
    started: list[Running] = field(default_factory=list)

    def web(self, *, port: int | None = None, **env: str) -> Server:
        """Start a web process with sockets, and return when it answers."""
        port = port or free_port()
        arguments = ["-m", "uvicorn", "config.asgi:application", "--host", "127.0.0.1", "--port", str(port),
                     "--ws", "websockets-sansio", "--ws-per-message-deflate", "false", "--no-access-log",
                     "--timeout-graceful-shutdown", "2"]  # fmt: skip
        running = self._start("web", arguments, env)
        server = Server(running.name, running.popen, running.log, port=port)
        server.await_true(server.answers, "answer")
        return server

    def worker(self, *, concurrency: int = 1, is_awaited: bool = True, **env: str) -> Running:
        """Start a Celery worker, and return when it takes tasks."""
        arguments = ["-m", "celery", "-A", "config", "worker", "--pool", "prefork", "-c", str(concurrency),
                     "--loglevel", "INFO", "--without-gossip", "--without-mingle"]  # fmt: skip
        running = self._start("worker", arguments, env)
        if is_awaited:
            running.await_line(" ready.")
        return running

    def beat(self, **env: str) -> Running:
        schedule = self.directory / f"beat-{len(self.started)}"
        arguments = [
            "-m",
            "celery",
            "-A",
            "config",
            "beat",
            "--schedule",
            str(schedule),
            "--loglevel",
            "INFO",
        ]
        running = self._start("beat", arguments, env)
        running.await_line("beat: Starting")
        return running

    def relay(self, **env: str) -> Running:
        return self.manage("relay", **env)

    def manage(self, *arguments: str, **env: str) -> Running:
        """Start a management command in the background."""
        return self._start(arguments[0], [str(ROOT / "manage.py"), *arguments], env)

    def stop(self) -> None:
        for running in self.started:
            running.kill()

    def complaints(self) -> str:
        """Return what each process has said from its last traceback on, for the message of a test that fails."""
        said = ((running.name, running.output().rpartition("Traceback")) for running in self.started)
        return "\n".join(f"{name}: {sign}{rest[-3000:]}" for name, (_before, sign, rest) in said if sign)

    def _start(self, name: str, arguments: list[str], env: Mapping[str, str]) -> Running:
        log = self.directory / f"{name}-{len(self.started)}.log"
        # The system checks have a run of their own (`tests.checks`), and take two seconds of each worker's start.
        environment = {**os.environ, "CELERY_SKIP_CHECKS": "1", **self.environment, **env}
        popen: subprocess.Popen[bytes] | Forked
        if nursery := nursery_for(arguments, environment):
            log.touch()
            popen = nursery.fork(arguments, environment, log)
        else:
            popen = _loaded(arguments, environment, log)
        running = Running(name, popen, log)
        self.started.append(running)
        return running


def _loaded(arguments: list[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGKILL),
        )


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def browser_arguments() -> dict[str, Any]:
    """Return how Chromium is started: inside a container, and without a word to the outside."""
    return {
        "args": ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking",
                 "--disable-component-update", "--disable-sync"],
    }  # fmt: skip
