"""A keeper brings its process back, ends it when told to, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from honcho.environ import parse_procfile

from config.local.keep import AFTER, Turn, command_of
from config.local.supervisor import NEEDS
from tests.support.processes import await_end

ROOT = Path(__file__).resolve().parents[2]
# Writes down its number and that of a child of its own, and waits.
FAMILY = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
with open(sys.argv[1], "a") as out:
    print(os.getpid(), child.pid, file=out, flush=True)
time.sleep(600)
"""
LONELY = """
import os, sys, time
with open(sys.argv[1], "a") as out:
    print(os.getpid(), file=out, flush=True)
time.sleep(600)
"""
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + FAMILY
Keep = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[Keep]:
    """Start a keeper of a Python program, which finds a file for its numbers in its first argument."""
    started = []

    def start(program: str, **env: str) -> "subprocess.Popen[str]":
        (tmp_path / "program.py").write_text(program)
        (tmp_path / "Procfile").write_text(
            f"other: false\njob: {sys.executable} {tmp_path}/program.py {tmp_path}/numbers\n"
        )
        keeper = subprocess.Popen(
            [sys.executable, ROOT / "config" / "local" / "keep.py", "job"],
            env={**os.environ, "PROCFILE": str(tmp_path / "Procfile"), **env},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(keeper)
        return keeper

    yield start
    for keeper in started:
        keeper.terminate()
        keeper.communicate(timeout=10)


def numbers(directory: Path, start: int, within: float = 5) -> list[int]:
    """Wait for the numbers that the start with that number wrote down."""
    deadline = time.monotonic() + within
    file = directory / "numbers"
    while not (file.exists() and len(lines := file.read_text().splitlines()) > start):
        assert time.monotonic() < deadline, f"no start number {start} within {within} s"
        time.sleep(0.01)
    return [int(number) for number in lines[start].split()]


def await_gone(pids: list[int]) -> None:
    processes = []
    for pid in pids:
        try:
            processes.append(psutil.Process(pid))
        except psutil.NoSuchProcess:
            continue
    assert await_end(processes, within=8) == []


def test_a_killed_process_is_back(keep: Keep, tmp_path: Path) -> None:
    keep(FAMILY)
    first = numbers(tmp_path, 0)
    os.kill(first[0], signal.SIGKILL)
    second = numbers(tmp_path, 1, within=10)
    assert second[0] != first[0]
    await_gone(first)


def test_sigterm_ends_the_whole_family_and_is_a_success(keep: Keep, tmp_path: Path) -> None:
    keeper = keep(FAMILY)
    family = numbers(tmp_path, 0)
    keeper.terminate()
    assert keeper.wait(5) == 0
    await_gone(family)


def test_who_ignores_sigterm_is_killed_before_honcho_loses_patience(keep: Keep, tmp_path: Path) -> None:
    keeper = keep(STUBBORN)
    family = numbers(tmp_path, 0)
    keeper.terminate()
    assert keeper.wait(5) == 0
    await_gone(family)


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux tells of a killed parent at once"
)
def test_a_killed_keeper_leaves_no_process(keep: Keep, tmp_path: Path) -> None:
    keeper = keep(LONELY)
    first = numbers(tmp_path, 0)
    keeper.kill()
    keeper.wait(5)
    await_gone(first)


def test_a_process_waits_for_the_one_before_it(keep: Keep, tmp_path: Path) -> None:
    first = tmp_path / "answered"
    keep(LONELY, ARTEL_AFTER=str(first))
    time.sleep(1)
    assert not (tmp_path / "numbers").exists()
    first.touch()
    assert numbers(tmp_path, 0)


def test_who_waits_can_be_told_to_stop(keep: Keep, tmp_path: Path) -> None:
    keeper = keep(LONELY, ARTEL_AFTER=str(tmp_path / "never"))
    time.sleep(1)
    keeper.terminate()
    assert keeper.wait(2) == 0
    assert not (tmp_path / "numbers").exists()


def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(AFTER, str(tmp_path / "never"))
    turn = Turn()
    assert not turn.has_come()
    monkeypatch.setattr(turn, "deadline", time.monotonic() - 1)
    assert turn.has_come()


def test_a_process_that_never_starts_well_is_given_up() -> None:
    program = """
from config.local.keep import Keeper
raise SystemExit(Keeper("job", "sh -c 'exit 3'", first_delay=0.001).run())
"""
    keeper = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30
    )
    assert keeper.returncode == 1
    assert keeper.stdout.splitlines()[-1] == "job ended with exit code 3, 8 times in a row; giving up"


def test_the_procfile_names_the_processes() -> None:
    procfile = ROOT / "Procfile"
    names = ["web", "worker", "jobs", "beat", "relay", "webhooks", "deliver"]
    commands = [command_of(name, procfile).split()[0] for name in names]
    assert commands == ["uvicorn", "celery", "celery", "celery", "python", "python", "python"]
    # Whatever else there is runs where its server is named.
    assert set(parse_procfile(procfile.read_text()).processes) == {*names, *NEEDS}
    with pytest.raises(SystemExit, match="no line for nobody"):
        command_of("nobody", procfile)
