"""
The Google Drive of the demo: the fake of the tests, where the tests are there and no other Drive is named.

As a program it runs the fake until it is told to stop, and has the demo's folder put into it the first time:
`python -m config.local.demo_drive PORT`.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from config.local.home import ROOT, Home, is_set
from config.local.keep import Turn, die_with_parent

FAKE = ROOT / "tests" / "fakes" / "drive"
# What names a Drive of somebody's own, or says that there is to be none.
_NAMED = ["GOOGLE_DRIVE_API_ROOT", "GOOGLE_DRIVE_KEY_FILE"]
_OFF = {"0", "off", "no", "false"}


def is_wanted(environment: Mapping[str, str], fake: Path = FAKE) -> bool:
    """Tell whether the demo has a Drive: its database is its own, and nobody named another Drive or none."""
    return (
        fake.is_dir()
        and environment.get("ARTEL_DEMO_DRIVE", "on").lower() not in _OFF
        and environment.get("DJANGO_SETTINGS_MODULE", "config.settings.base") == "config.settings.base"
        and not any(is_set(name, environment) for name in [*_NAMED, "DATABASE_URL"])
    )


def settings_of(home: Home, web_port: int) -> dict[str, str]:
    """Return the settings that point the platform at the demo's Drive."""
    port = _port(home)
    return {
        "GOOGLE_DRIVE_API_ROOT": f"http://127.0.0.1:{port}/",
        "GOOGLE_DRIVE_WEBHOOK_BASE": f"http://127.0.0.1:{web_port}",
        "ARTEL_DEMO_DRIVE_PORT": str(port),
    }


def _port(home: Home) -> int:
    """Return the port of the first start, as the addresses of files name it; a free one where it is taken."""
    path = home.path / "drive" / "port"
    path.parent.mkdir(exist_ok=True)
    known = int(path.read_text()) if path.exists() else 0
    for port in [known, 0]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found = int(probe.getsockname()[1])
            path.write_text(str(found))
            return found
    raise OSError("there is no free port")


def main(port: str) -> int:
    turn = Turn()
    while not turn.has_come():
        time.sleep(0.1)
    place = Home.from_environment().path / "drive"
    credentials = place / "robot.json"
    command = [sys.executable, "-m", "tests.fakes.drive", "--port", port]
    command += ["--state", str(place / "state"), "--credentials", str(credentials)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, cwd=ROOT, preexec_fn=die_with_parent(signal.SIGTERM)
    ) as fake:
        signal.signal(signal.SIGTERM, lambda *_: fake.terminate())
        told = fake.stdout.readline().decode() if fake.stdout else ""
        if told:
            # Whatever becomes of it, the fake goes on.
            manage = [sys.executable, "manage.py", "make_demo_drive", "--drive", told.strip()]
            subprocess.run(manage, cwd=ROOT, env=os.environ, check=False)
        return fake.wait()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
