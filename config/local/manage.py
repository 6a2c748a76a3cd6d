"""Django's command line against the local servers, which are started for as long as the command takes."""

import os
import subprocess
import sys
from collections.abc import Sequence

from config.local.home import ROOT, Home, start_services, stop_services
from config.local.refusal import Refusal


def manage(home: Home, arguments: Sequence[str]) -> int:
    """
    Run `manage.py` with the settings of the local installation; return its exit code.

    :raises Refusal: a server does not start
    """
    home.make()
    try:
        lock = home.lock()
    except Refusal:
        # `make run` is up and keeps the servers.
        return _run(home, arguments)
    with lock:
        try:
            return _run(home, arguments)
        finally:
            stop_services(home)


def _run(home: Home, arguments: Sequence[str]) -> int:
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    return subprocess.run(command, env={**os.environ, **start_services(home)}, check=False).returncode
