"""
Reading what strangers wrote: in a process of its own that has little time, little memory, no secrets and no network.

What parses files is written in C, and files are made to break it. Whatever happens there ends with that process: its
environment is empty, it works in an empty directory, and what it may use is limited by the kernel (`worker.py`). It is
no container: it runs as the same user. Who wants more puts the workers into one.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from django.conf import settings

from apps.documents.storage import chunks_of

_WORKER = Path(__file__).with_name("worker.py")
# What the worker says with its exit code; everything else is a file that broke it.
_REASONS = {10: "UNSUPPORTED", 11: "DAMAGED", 12: "PROTECTED", 13: "TOO_LARGE"}
_KILLED_FOR_TIME = -signal.SIGXCPU


class Refused(Exception):
    """Nothing came of a file. :ivar reason: as `Rendition.Reason` names it"""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Outcome:
    """
    What the process has made.

    :param facts: what it found out
    :param directory: where its files are, until the context ends
    """

    facts: dict[str, Any]
    directory: Path
    files: list[Path] = field(default_factory=list)


@contextmanager
def work(task: str, file: IO[bytes], **options: Any) -> Iterator[Outcome]:
    """
    Let the process do one of its tasks on a file.

    :param task: "picture", "pdf", "office" or "text"
    :param options: what the task is told besides
    :raises Refused: nothing came of it, and nothing would another time
    """
    with _seekable(file) as readable, tempfile.TemporaryDirectory(prefix="artel-") as place:
        facts = _run(task, readable, Path(place), options)
        # What only points at a file may point at one of ours.
        files = [path for path in Path(place).glob("out-*") if path.is_file() and not path.is_symlink()]
        yield Outcome(facts, Path(place), sorted(files))


def _run(task: str, file: IO[bytes], place: Path, options: dict[str, Any]) -> dict[str, Any]:
    told = {
        "memory": settings.DOCUMENTS_SANDBOX_MEMORY,
        "seconds": settings.DOCUMENTS_SANDBOX_SECONDS,
        "pixels": settings.DOCUMENTS_MAX_PIXELS,
        **options,
    }
    # Isolated: neither the environment nor the directory says what Python loads.
    command = [sys.executable, "-I", str(_WORKER), task, json.dumps(told)]
    try:
        code, said = run_apart(
            command, place, seconds=told["seconds"] + settings.DOCUMENTS_SANDBOX_GRACE, stdin=file
        )
    except subprocess.TimeoutExpired:
        raise Refused("TOO_SLOW") from None
    if code == _KILLED_FOR_TIME:
        raise Refused("TOO_SLOW")
    if code:
        raise Refused(_REASONS.get(code, "DAMAGED"))
    return _facts(said)


def run_apart(
    command: list[str], place: Path, *, seconds: float, stdin: IO[bytes] | int = subprocess.DEVNULL
) -> tuple[int, bytes]:
    """
    Run a process that is told nothing of ours, and end it with all that it has started.

    :param place: the directory that it works in
    :return: its exit code, and what it said
    :raises subprocess.TimeoutExpired: it was killed, after so many seconds
    """
    # What is not in here is not told: the settings' secrets, above all. At the proxy nobody listens.
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(place),
        "TMPDIR": str(place),
        "LANG": "C.UTF-8",
        **dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9"),
    }
    process = subprocess.Popen(
        command,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=place,
        env=environment,
        # A group of its own, so that nothing it has started outlives it.
        start_new_session=True,
    )
    try:
        said, _errors = process.communicate(timeout=seconds)
    finally:
        _end(process)
    return process.returncode, said


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill the process with all it has started, and reap it."""
    # All of them may have ended by themselves.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _facts(said: bytes) -> dict[str, Any]:
    try:
        facts = json.loads(said or b"{}")
    except ValueError:
        raise Refused("DAMAGED") from None
    return facts if isinstance(facts, dict) else {}


@contextmanager
def _seekable(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """Give a file that the kernel knows: one from far away is copied first."""
    inner = getattr(file, "file", file)
    try:
        inner.fileno()
    except (AttributeError, OSError):
        with tempfile.TemporaryFile() as copy:
            file.seek(0)
            for piece in chunks_of(file):
                copy.write(piece)
            copy.flush()
            copy.seek(0)
            yield copy
        return
    os.lseek(inner.fileno(), 0, os.SEEK_SET)
    yield inner
