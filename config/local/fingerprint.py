"""Whether anything has changed since the last preparation: two seconds of a start that nothing else saves."""

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from config.local.home import ROOT, Home, is_set

# Whatever the preparation depends on: code and migrations, translations, packages, settings.
SOURCES = ["apps/**/*.py", "config/**/*.py", "locale/**/*.?o", "requirements/*.txt", ".env", ".env.example"]


class Fingerprint:
    """What an installation was prepared with, kept in its home."""

    def __init__(self, home: Home) -> None:
        self.file = home.path / "run" / "prepared"
        self.cluster = home.cluster().data / "PG_VERSION"

    def is_current(self) -> bool:
        """Tell whether the last preparation still holds; of a server of somebody else nobody knows."""
        is_embedded = not (is_set("DATABASE_URL") or is_set("REDIS_URL"))
        return is_embedded and self.file.exists() and self.file.read_text() == self._digest()

    def write(self) -> None:
        self.file.write_text(self._digest())

    def _digest(self) -> str:
        return hashlib.sha256("\n".join(self._facts()).encode()).hexdigest()

    def _facts(self) -> Iterator[str]:
        paths = [path for pattern in SOURCES for path in sorted(ROOT.glob(pattern))]
        for path in [*paths, self.cluster]:
            status = path.stat()
            yield f"{path} {status.st_mtime_ns} {status.st_size} {status.st_ino}"
        for name in setting_names(ROOT / ".env.example"):
            yield f"{name}={os.environ.get(name)} {os.environ.get(f'{name}_FILE')}"


def setting_names(example: Path) -> list[str]:
    """List the settings that the example explains."""
    return re.findall(r"^#?([A-Z][A-Z0-9_]+)=", example.read_text(), re.MULTILINE)
