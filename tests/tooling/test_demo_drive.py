"""When the demo has a Google Drive of its own, and that it never has one where somebody named another."""

import socket
from pathlib import Path

import pytest

from config.local.demo_drive import is_wanted, settings_of
from config.local.home import Home


def test_a_local_installation_has_one() -> None:
    assert is_wanted({})
    assert is_wanted({"ARTEL_DEMO_DRIVE": "on"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ARTEL_DEMO_DRIVE", "off"),
        ("ARTEL_DEMO_DRIVE", "0"),
        ("DATABASE_URL", "postgresql://somewhere/else"),
        ("GOOGLE_DRIVE_API_ROOT", "https://www.googleapis.com/"),
        ("GOOGLE_DRIVE_KEY_FILE", "/run/secrets/robot.json"),
        ("DJANGO_SETTINGS_MODULE", "config.settings.production"),
    ],
)
def test_nobody_elses_drive_is_replaced(name: str, value: str) -> None:
    assert not is_wanted({name: value})


def test_there_is_none_without_the_tests(tmp_path: Path) -> None:
    assert not is_wanted({}, tmp_path / "nowhere")


def test_its_port_stays_and_gives_way_when_it_is_taken(tmp_path: Path) -> None:
    home = Home(tmp_path)
    first = settings_of(home, 8000)
    assert first["GOOGLE_DRIVE_WEBHOOK_BASE"] == "http://127.0.0.1:8000"
    assert settings_of(home, 8000) == first
    port = int(first["ARTEL_DEMO_DRIVE_PORT"])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert settings_of(home, 8000)["ARTEL_DEMO_DRIVE_PORT"] != str(port)
