"""What a document is called in Drive, and what a file there is called here."""

import unicodedata
from pathlib import PurePosixPath

LONGEST_TITLE = 300
# Bytes in UTF-8: what the file systems of those take who synchronize Drive to their machines.
_LONGEST_NAME = 255
# An ending is short; whatever is longer is part of the name.
_LONGEST_SUFFIX = 16
# Controls and what is not a character at all; Drive shows them as nothing.
_UNSEEN = {"Cc", "Cs", "Cn", "Zl", "Zp"}


def drive_name(title: str, file_name: str = "") -> str:
    """Return the name of a document's file in Drive: its title, with the ending of its content."""
    title = _seen(title)
    suffix = suffix_of(file_name)
    if suffix and title.lower().endswith(suffix.lower()):
        title = title[: -len(suffix)]
    stem = title.encode()[: _LONGEST_NAME - len(suffix.encode())].decode(errors="ignore").strip()
    return f"{stem or 'Untitled'}{suffix}"


def title_of(name: str, file_name: str = "") -> str:
    """Return the title of the document that a file of this name is, where its content is called `file_name`."""
    name, suffix = _seen(name), suffix_of(file_name)
    if suffix and name.lower().endswith(suffix.lower()):
        name = name[: -len(suffix)]
    return name.strip()[:LONGEST_TITLE] or "Untitled"


def suffix_of(file_name: str) -> str:
    suffix = PurePosixPath(file_name.replace("/", "_")).suffix
    return suffix if len(suffix.encode()) <= _LONGEST_SUFFIX else ""


def _seen(name: str) -> str:
    name = unicodedata.normalize("NFC", name)
    return "".join(sign for sign in name if unicodedata.category(sign) not in _UNSEEN).strip()
