"""A start prepares again after every change that matters, and only then."""

from collections.abc import Callable
from pathlib import Path

import pytest

from config.local import fingerprint
from config.local.home import Home

Change = Callable[[Path, pytest.MonkeyPatch], object]


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> fingerprint.Fingerprint:
    for name in ["DATABASE_URL", "REDIS_URL", "LANGUAGE_CODE"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(fingerprint, "ROOT", tmp_path)
    home = Home(tmp_path / "home")
    home.make()
    for file in ["apps/crm/models.py", "requirements/base.txt", "home/postgresql/data/PG_VERSION"]:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("18")
    (tmp_path / ".env.example").write_text("# Language\n#LANGUAGE_CODE=en\n")
    found = fingerprint.Fingerprint(home)
    assert not found.is_current()
    found.write()
    return found


def test_nothing_changed_nothing_to_do(prepared: fingerprint.Fingerprint) -> None:
    assert prepared.is_current()


@pytest.mark.parametrize(
    "change",
    [
        lambda root, _: (root / "apps/crm/models.py").write_text("a field more"),
        lambda root, _: (root / "apps/crm/0002_more.py").touch(),
        lambda root, _: (root / ".env").write_text("LANGUAGE_CODE=ru"),
        lambda root, _: (root / "home/postgresql/data/PG_VERSION").write_text("18\n"),
        lambda _, patch: patch.setenv("LANGUAGE_CODE", "ru"),
        lambda _, patch: patch.setenv("DATABASE_URL", "postgresql://elsewhere/artel"),
    ],
    ids=["code", "migration", "dotenv", "cluster", "setting", "other server"],
)
def test_a_change_is_noticed(
    change: Change, prepared: fingerprint.Fingerprint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(tmp_path, monkeypatch)
    assert not prepared.is_current()
