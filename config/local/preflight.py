"""What has to be true before a start; each refusal is one line that says what to do."""

import os
import shutil
import socket
import sys

from config.local.home import Home
from config.local.refusal import Refusal

NEEDED_BYTES = 1000 * 1000 * 1000
OLDEST_PYTHON = (3, 11)


def check_python(version: tuple[int, ...] = sys.version_info[:3]) -> None:
    if version < OLDEST_PYTHON:
        found = ".".join(map(str, version))
        raise Refusal(f"Python 3.11 or newer is needed, this is {found}; say PYTHON=/path/to/python3.")


def port_of_environment() -> int:
    """
    Return the port to listen on.

    :raises Refusal: PORT is not one
    """
    text = os.environ.get("PORT") or "8000"
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise Refusal(f"PORT is {text!r}, but has to be a number from 1 to 65535.")
    return int(text)


def check_port(port: int) -> None:
    with socket.socket() as probe:
        # A connection of the previous run that is not forgotten yet does not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except PermissionError:
            raise Refusal(
                f"Port {port} is for the administrator only; choose another: make run PORT=8001"
            ) from None
        except OSError:
            raise Refusal(
                f"Port {port} is taken; stop what listens there or choose another: make run PORT=8001"
            ) from None


def check_disk(home: Home) -> None:
    free = shutil.disk_usage(home.path).free
    if free < NEEDED_BYTES:
        raise Refusal(
            f"1 GB of disk space is needed in {home.path}, there are {free // 10**6} MB; "
            "free some or set ARTEL_HOME to another disk."
        )


def check_all(home: Home) -> int:
    """
    Check everything that can be known before a server is started; return the port.

    :raises Refusal: at the first thing that is not as it has to be
    """
    check_python()
    port = port_of_environment()
    check_port(port)
    home.make()
    check_disk(home)
    return port
