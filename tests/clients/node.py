"""openid-client as npm brings it, and the scripts that use it."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).parent / "openid"
_PACKAGES = ("package.json", "package-lock.json")
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "artel-tests"


def version() -> int:
    """Return the major version of Node.js; 0 where there is none that is new enough, or no npm."""
    if not (shutil.which("node") and shutil.which("npm")):
        return 0
    said = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True).stdout
    major = int(said.removeprefix("v").split(".")[0])
    return major if major >= 18 else 0


def installed() -> Path:
    """Return the directory of the packages of the lock file, which are fetched once and kept outside of the tree."""
    lock_file = (SCRIPTS / "package-lock.json").read_bytes()
    home = _CACHE / f"openid-{hashlib.sha256(lock_file).hexdigest()[:16]}"
    home.mkdir(parents=True, exist_ok=True)
    # Workers come at once; what was left half done has no mark.
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "complete").exists():
            for name in _PACKAGES:
                shutil.copy(SCRIPTS / name, home)
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=home, check=False, capture_output=True, text=True, timeout=150)
            assert done.returncode == 0, done.stdout + done.stderr
            (home / "complete").touch()
    return home / "node_modules"


@dataclass
class Script:
    """A script that is running: it says in lines of JSON what somebody is to open, and at its end what came of it."""

    popen: subprocess.Popen[str]

    def asked(self) -> str:
        """Return the address that somebody is to open."""
        return str(self._line()["open"])

    def answer(self, address: str) -> None:
        """Say where that has led."""
        assert self.popen.stdin is not None
        self.popen.stdin.write(address + "\n")
        self.popen.stdin.flush()

    def result(self) -> dict[str, Any]:
        result: dict[str, Any] = self._line()["result"]
        return result

    def _line(self) -> dict[str, Any]:
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        assert line, self.popen.communicate()[1]
        said: dict[str, Any] = json.loads(line)
        return said


@dataclass
class Node:
    """Node.js in a directory where scripts find the packages."""

    directory: Path
    version: int
    started: list[Script]

    def command(self, script: str) -> list[str]:
        # Node.js 18 has Web Crypto, but does not show it.
        options = ["--experimental-global-webcrypto"] if self.version < 20 else []
        return ["node", *options, script]

    def start(self, script: str, environment: Mapping[str, str]) -> Script:
        popen = subprocess.Popen(
            self.command(script),
            cwd=self.directory,
            env={"PATH": os.environ["PATH"], **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running = Script(popen)
        self.started.append(running)
        return running

    def stop(self) -> None:
        for script in self.started:
            with script.popen as popen:
                popen.kill()


def prepare(directory: Path) -> Node:
    """Lay scripts and packages beside each other, for modules are looked for beside who imports them."""
    for script in SCRIPTS.glob("*.mjs"):
        shutil.copy(script, directory)
    (directory / "node_modules").symlink_to(installed())
    return Node(directory, version(), [])
