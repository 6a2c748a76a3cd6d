"""Names of files as they come from outside: made harmless, and short enough for every file system and Drive."""

import unicodedata
from pathlib import PurePosixPath

# Bytes in UTF-8: what Linux, macOS and Google Drive take.
LONGEST = 255
# Forbidden on one system or another, or read as a path.
_FORBIDDEN = dict.fromkeys(map(ord, '/\\:*?"<>|'), "_")
# What a name must not have: controls, and marks that turn the direction of reading ("fdp.exe" shown as "exe.pdf").
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
# Joins letters and emoji into one, and so is part of honest names.
_JOINER = "\u200d"
# No device of Windows, whatever the ending.
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{at}" for port in ("com", "lpt") for at in range(1, 10))}


def safe_file_name(name: str, *, fallback: str = "file") -> str:
    """
    Return a name that no system reads as anything but a name.

    The ending stays when the name has to be cut; what is not there or only dots becomes `fallback`.
    """
    # What stands before the last separator is a path of the sender's.
    name = name.replace("\\", "/").rsplit("/", 1)[-1]
    name = unicodedata.normalize("NFC", name)
    name = "".join(sign for sign in name if sign == _JOINER or unicodedata.category(sign) not in _UNSEEN)
    name = name.translate(_FORBIDDEN).strip(" .")
    if not name.strip("_" + _JOINER):
        name = fallback
    if name.split(".", 1)[0].lower() in _DEVICES:
        name = f"_{name}"
    return _cut(name)


def numbered(name: str, number: int) -> str:
    """Return a harmless name with a number before its ending, cut to what a name may have."""
    suffix, mark = _ending(name), f" ({number})"
    return _shortened(name.removesuffix(suffix), LONGEST - len(f"{mark}{suffix}".encode())) + mark + suffix


def _cut(name: str) -> str:
    if len(name.encode()) <= LONGEST:
        return name
    suffix = _ending(name)
    return _shortened(name.removesuffix(suffix), LONGEST - len(suffix.encode())) + suffix


def _ending(name: str) -> str:
    """Return what tells the kind of a file: short, or else part of the name."""
    suffix = PurePosixPath(name).suffix
    return suffix if len(suffix.encode()) <= 16 else ""


def _shortened(stem: str, room: int) -> str:
    return stem.encode()[:room].decode(errors="ignore").rstrip(" ." + _JOINER)
