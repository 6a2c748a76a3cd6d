"""`make run`: everything up, one line of each process after another, everything down."""

import multiprocessing
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from honcho.environ import parse_procfile
from honcho.manager import Manager
from honcho.process import Process

from config.local import demo_drive
from config.local.fingerprint import Fingerprint
from config.local.home import ROOT, Home, load_dotenv, start_services, stop_services
from config.local.keep import AFTER, die_with_parent
from config.local.preflight import check_all

KEEPER = Path(__file__).with_name("keep.py")
ANSWER_SECONDS = 120
# Answers people; all others start after it.
FIRST = "web"


class TiedProcess(Process):  # type: ignore[misc]
    """A process of honcho that goes with its manager, also when that is killed."""

    def run(self, *args: Any, **kwargs: Any) -> None:
        die_with_parent(signal.SIGKILL)()
        super().run(*args, **kwargs)


# Processes that have nothing to do unless the environment names their servers.
NEEDS = {"rabbitmq": "RABBITMQ_URL", "kafka": "KAFKA_BOOTSTRAP_SERVERS"}


class Supervisor(Manager):  # type: ignore[misc]
    """honcho's manager with a keeper around each line of the Procfile and a greeting when the web answers."""

    def __init__(self, environment: Mapping[str, str], home: Home, port: int) -> None:
        super().__init__()
        self._process_ctor = TiedProcess
        self.home = home
        self.port = port
        # Eight programs that load at once would each take as long as all of them: people wait for the first.
        self.answered = home.run / "answered"
        self.answered.unlink(missing_ok=True)
        later = {**environment, AFTER: str(self.answered)}
        for name in parse_procfile((ROOT / "Procfile").read_text()).processes:
            if name in NEEDS and not environment.get(NEEDS[name]):
                continue
            command = f"exec {shlex.quote(sys.executable)} {shlex.quote(str(KEEPER))} {name}"
            self.add_process(name, command, env=dict(environment if name == FIRST else later), cwd=str(ROOT))
        drive_port = environment.get("ARTEL_DEMO_DRIVE_PORT")
        if drive_port:
            command = f"exec {shlex.quote(sys.executable)} -m config.local.demo_drive {drive_port}"
            self.add_process("drive", command, env=later, cwd=str(ROOT))

    def _start(self) -> None:
        super()._start()
        # After the last fork: a forked thread would leave its locks behind.
        threading.Thread(target=self._greet, daemon=True).start()

    def _greet(self) -> None:
        if await_answer(self.port, ANSWER_SECONDS):
            print(greeting(self.home, self.port), flush=True)
            self.answered.touch()
        elif not self._terminating:
            print(
                f"artel: The web process does not answer on port {self.port}; see its lines above.",
                flush=True,
            )


def up() -> int:
    """
    Start everything, wait for Ctrl-C or SIGTERM, stop everything; return the exit code.

    :raises Refusal: something is not as it has to be
    """
    load_dotenv()
    home = Home.from_environment()
    port = check_all(home)
    signal.signal(signal.SIGTERM, leave)
    with home.lock():
        try:
            return run(home, port)
        except KeyboardInterrupt:
            return 0
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            stop_services(home)


def run(home: Home, port: int) -> int:
    started_at = time.monotonic()
    print(f"Artel starts in {home.path}", flush=True)
    environment = {**os.environ, **start_services(home), "PORT": str(port), "PYTHONUNBUFFERED": "1"}
    if demo_drive.is_wanted(os.environ):
        environment |= demo_drive.settings_of(home, port)
    # In a container everything runs as root; that Celery finds it unwise helps nobody there.
    environment.setdefault("PYTHONWARNINGS", "ignore:You're running the worker with superuser privileges")
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
    fingerprint = Fingerprint(home)
    if not fingerprint.is_current():
        prepare = [sys.executable, "-m", "config.local", "prepare"]
        code = subprocess.run(prepare, cwd=ROOT, env=environment, check=False).returncode
        if code:
            return code
        fingerprint.write()
    print(f"Database and translations are ready after {time.monotonic() - started_at:.1f} s", flush=True)
    # honcho hands its processes a method of its own, which only fork passes on everywhere.
    multiprocessing.set_start_method("fork", force=True)
    supervisor = Supervisor(environment, home, port)
    supervisor.loop()
    was_asked = supervisor.returncode in {128 + signal.SIGINT, 128 + signal.SIGTERM}
    return 0 if was_asked else 1


def leave(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def await_answer(port: int, seconds: float) -> bool:
    """Wait until the web process answers anything at all."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/accounts/login/", timeout=5).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            time.sleep(0.1)
        else:
            return True
    return False


def greeting(home: Home, port: int) -> str:
    lines = ["", f"Artel answers at http://127.0.0.1:{port}/   (Ctrl-C stops it)"]
    if home.demo_logins.exists():
        lines += ["", f"Demo logins, made for this machine and kept in {home.demo_logins}:"]
        lines += [f"  {line}" for line in home.demo_logins.read_text().splitlines()]
    return "\n".join([*lines, ""])
