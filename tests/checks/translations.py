"""Whether every text is translated, and every translation still has its text."""

import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ["en", "ru"]
# English is what the sources say: an empty translation stands for the text itself.
SOURCE_LANGUAGE = "en"
SOURCES = ["apps", "config", "templates", "locale", "manage.py"]


def has_gettext() -> bool:
    return shutil.which("xgettext") is not None


def incomplete(root: Path = ROOT) -> list[str]:
    """Name every text that is fuzzy or not translated."""
    problems = []
    for language in LANGUAGES:
        for message in _catalog(root, language):
            if not message.id:
                continue
            if message.fuzzy:
                problems.append(f"{language}: {_said(message)} is marked fuzzy")
            elif language != SOURCE_LANGUAGE and not _is_whole(message):
                problems.append(f"{language}: {_said(message)} is not translated")
    return problems


def differences(root: Path = ROOT) -> list[str]:
    """Name every text that the sources have and a catalog has not, and the reverse."""
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name)
        for source in SOURCES:
            origin = root / source
            if origin.is_dir():
                shutil.copytree(origin, copy / source, ignore=shutil.ignore_patterns("__pycache__", "*.mo"))
            elif origin.exists():
                shutil.copy(origin, copy / source)
        (copy / "locale").mkdir(exist_ok=True)
        collect(copy)
        problems = []
        for language in LANGUAGES:
            kept, collected = _texts(root, language), _texts(copy, language)
            problems += [
                f"{language}: {text!r} is not in the catalog; run make messages" for text in collected - kept
            ]
            problems += [f"{language}: {text!r} is in no source any more" for text in kept - collected]
    return sorted(problems)


def collect(root: Path) -> None:
    """Write the texts of the sources under a directory into its catalogs."""
    languages = [part for language in LANGUAGES for part in ("-l", language)]
    # The sources of the copy, but the settings and packages of this process: nothing of them is collected.
    subprocess.run(
        [sys.executable, "-m", "django", "makemessages", *languages, "--no-location", "--no-obsolete"],
        cwd=root,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "", "PYTHONPATH": ""},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    for language in LANGUAGES:
        catalog = _path(root, language)
        # The time of collecting would differ between any two changes, and keep them from being merged.
        lines = catalog.read_text().splitlines(keepends=True)
        catalog.write_text("".join(line for line in lines if not line.startswith('"POT-Creation-Date:')))


def _path(root: Path, language: str) -> Path:
    return root / "locale" / language / "LC_MESSAGES" / "django.po"


def _catalog(root: Path, language: str) -> Catalog:
    path = _path(root, language)
    if not path.exists():
        return read_po(io.BytesIO(b""), locale=language)
    with path.open("rb") as lines:
        return read_po(lines, locale=language)


def _texts(root: Path, language: str) -> set[tuple[str | None, str]]:
    return {(message.context, _said(message)) for message in _catalog(root, language) if message.id}


def _said(message: Message) -> str:
    return message.id if isinstance(message.id, str) else message.id[0]


def _is_whole(message: Message) -> bool:
    strings = [message.string] if isinstance(message.string, str) else list(message.string or [])
    return bool(strings) and all(strings)
