"""Translations compiled by Babel, so that nobody needs gettext to run the platform."""

from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po


def compile_messages(directory: Path) -> list[Path]:
    """Compile every .po that is newer than its .mo; return what was compiled."""
    compiled = []
    for source in sorted(directory.glob("*/LC_MESSAGES/*.po")):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        with source.open("rb") as lines:
            catalog = read_po(lines, locale=source.parts[-3])
        draft = target.with_suffix(".mo.new")
        with draft.open("wb") as output:
            write_mo(output, catalog)
        # Renamed when whole: a process that starts meanwhile reads the old one or the new one.
        draft.replace(target)
        compiled.append(target)
    return compiled
