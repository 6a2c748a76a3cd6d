"""What is wrong before a start is said in one line, and nothing is started."""

import os
import re
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from config.local.home import Home
from config.local.preflight import check_all, check_disk, check_port, check_python, port_of_environment
from config.local.refusal import Refusal

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def local(command: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "config.local", command],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.base", **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_an_old_python_is_named() -> None:
    with pytest.raises(Refusal, match=r"3\.11 or newer is needed, this is 3\.9\.2"):
        check_python((3, 9, 2))


@pytest.mark.parametrize("port", ["web", "0", "65536", "-1", "80 80", "²"])
def test_a_port_that_is_none_is_refused(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", port)
    with pytest.raises(Refusal, match="PORT is"):
        port_of_environment()


def test_the_port_is_8000_unless_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORT", raising=False)
    assert port_of_environment() == 8000


def test_a_taken_port_is_refused_with_a_way_out(taken_port: int) -> None:
    with pytest.raises(Refusal, match=f"Port {taken_port} is taken.*make run PORT="):
        check_port(taken_port)


def test_a_full_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage(NamedTuple):
        free: int

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(free=12_345_678))
    with pytest.raises(Refusal, match="there are 12 MB"):
        check_disk(Home(tmp_path))


def test_a_home_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    # A file in the way stops root as well, which permissions do not.
    (tmp_path / "file").touch()
    with pytest.raises(Refusal, match="is not writable"):
        Home(tmp_path / "file" / "home").make()


def test_a_second_start_in_the_same_home_is_refused(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.make()
    with home.lock(), pytest.raises(Refusal, match=f"already runs.*process {os.getpid()}"):
        home.lock()
    home.lock().close()


def test_the_key_is_made_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    home = Home(tmp_path)
    key = home.secret_key()
    assert len(key) >= 50
    assert home.secret_key() == key
    assert stat.S_IMODE((tmp_path / "secret-key").stat().st_mode) == 0o600


def test_all_is_well_in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "20001")
    monkeypatch.setattr("config.local.preflight.check_port", lambda port: None)
    assert check_all(Home(tmp_path / "home")) == 20001


def test_a_refusal_is_one_line_and_an_exit_code(taken_port: int, tmp_path: Path) -> None:
    result = local("preflight", PORT=str(taken_port), ARTEL_HOME=str(tmp_path))
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        f"artel: Port {taken_port} is taken; stop what listens there or choose another: make run PORT=8001"
    ]


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"TIME_ZONE": "Mars/Olympus"}, "A setting is missing or wrong: .*Mars/Olympus"),
        ({"IMPORT_MAX_BYTES": "much"}, "A setting is missing or wrong: .*"),
        ({"SECRET_KEY_FILE": "/nowhere/key"}, "A setting is missing or wrong: .*/nowhere/key"),
        ({"LANGUAGE_CODE": "xx"}, "A setting is missing or wrong: .*language xx"),
        ({"DEFAULT_FROM_EMAIL_FILE": "/"}, "A setting is missing or wrong: .*"),
        ({"DATABASE_URL": "postgresql://a@127.0.0.1:1/a"}, "The database of DATABASE_URL cannot be reached"),
        ({"REDIS_URL": "redis://127.0.0.1:1/0"}, "The Redis of REDIS_URL cannot be reached"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_setting_is_one_line(env: dict[str, str], said: str) -> None:
    result = local("prepare", **env)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert re.match(f"artel: {said}", line), line
