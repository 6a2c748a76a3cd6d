"""A RabbitMQ for tests: a node of its own on free ports, which can be killed and started again over the same data."""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import amqp

from config.local.keep import die_with_parent
from config.local.redis import free_port

# Not the wrapper of Debian's package, which becomes another user first.
_PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_START_SECONDS = 120.0


def is_installed() -> bool:
    return _PROGRAM.exists()


@dataclass
class RabbitServer:
    """One node with its data in a directory."""

    directory: Path
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None
    _names: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._name = f"artel{self.port}@localhost"
        # Nodes know each other by it, and read it from the home directory alone.
        cookie = self.directory / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(16))
        cookie.chmod(0o400)
        self._ports = {"dist": free_port(), "epmd": free_port()}

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def start(self) -> None:
        """Start the node and wait until it takes connections. :raises TimeoutError: it does not"""
        if self._names is None:
            # The node would start one that outlives it.
            self._names = self._run("epmd", "-address", "127.0.0.1", "-port", str(self._ports["epmd"]))
        self._process = self._run(str(_PROGRAM))
        until = time.monotonic() + _START_SECONDS
        while not self._answers():
            if time.monotonic() > until or self._process.poll() is not None:
                raise TimeoutError((self.directory / "log").read_text()[-2000:])
            time.sleep(0.1)

    def kill(self) -> None:
        """Send SIGKILL to the node, as when the machine loses its power."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End the node, and remove its data."""
        self.kill()
        if self._names is not None:
            self._names.kill()
            self._names.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _run(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.directory / "log").open("ab") as log:
            return subprocess.Popen(
                command,
                env=self._environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGKILL),
            )

    def _answers(self) -> bool:
        try:
            connection = amqp.Connection(f"127.0.0.1:{self.port}", connect_timeout=2, read_timeout=5)
            connection.connect()
            connection.close()
        except (OSError, amqp.AMQPError):
            return False
        return True

    def _environment(self) -> dict[str, str]:
        here = str(self.directory)
        config = self.directory / "rabbitmq.conf"
        config.write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\nloopback_users = none\ndisk_free_limit.absolute = 1MB\n"
        )
        return os.environ | {
            "HOME": here,
            "RABBITMQ_NODENAME": self._name,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._ports["dist"]),
            "ERL_EPMD_PORT": str(self._ports["epmd"]),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": f"{here}/mnesia",
            "RABBITMQ_LOG_BASE": f"{here}/logs",
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{here}/enabled_plugins",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1",
        }
