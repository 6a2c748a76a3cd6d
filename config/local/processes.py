"""Starting processes that do not outlive whoever started them, and ending them."""

import contextlib
import os
import pwd
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TypedDict

import psutil

from config.local.keep import die_with_parent


class Identity(TypedDict, total=False):
    """Who a process runs as, in the words of `subprocess`; empty for "as who starts it"."""

    user: int
    group: int
    extra_groups: list[int]


def server_identity() -> Identity:
    """Choose whom PostgreSQL runs as: it refuses root, so root lends it to `nobody`."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam("nobody")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def spawn(
    command: Sequence[str | Path],
    *,
    log: IO[bytes],
    env: Mapping[str, str] | None = None,
    identity: Identity | None = None,
    tied: signal.Signals | None = None,
) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own; `tied` is the signal it gets when this process is gone."""
    return subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd="/",
        env=dict(env) if env is not None else None,
        start_new_session=True,
        preexec_fn=die_with_parent(tied) if tied else None,
        **(identity or {}),
    )


def find(pid: int, *, name: str, argument: str) -> psutil.Process | None:
    """
    Find the process of a pid file, unless the number has gone to somebody else meanwhile.

    :param argument: what one of its command line's arguments must contain
    """
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        if name in process.name() and any(argument in part for part in process.cmdline()):
            return process
    return None


def end(process: psutil.Process, signum: signal.Signals, *, within: float) -> None:
    """Ask a process to end, and kill it when it has not within that many seconds."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(signum)
        try:
            process.wait(within)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(5)


def open_path(path: Path) -> None:
    """Let `nobody` pass through the directories above a path: the server of root runs as that user."""
    for directory in path.resolve().parents:
        mode = directory.stat().st_mode
        if not mode & 0o001:
            directory.chmod(mode | 0o001)
