"""Where the files of exports are: in the default storage, in a directory each."""

import hashlib
from datetime import timedelta
from typing import IO

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import default_storage

from apps.lists.models import Export

_BLOCK = 1 << 20


def kept_for() -> timedelta:
    """Return how long a file can be downloaded."""
    return timedelta(hours=settings.EXPORT_KEPT_HOURS)


def keep_file(export: Export, file: IO[bytes]) -> None:
    """
    Store the finished file, and note its name, size and digest on the export without saving it.

    What a worker that died has left in its place is removed first.
    """
    remove_files(export)
    digest = hashlib.sha256()
    size = 0
    file.seek(0)
    while block := file.read(_BLOCK):
        digest.update(block)
        size += len(block)
    file.seek(0)
    name = f"{_directory(export)}/{export.model_label.replace('.', '-')}.{export.format}"
    export.storage_name = default_storage.save(name, File(file))
    export.size = size
    export.sha256 = digest.hexdigest()


def remove_files(export: Export) -> None:
    """Remove whatever is stored for an export."""
    directory = _directory(export)
    try:
        _directories, names = default_storage.listdir(directory)
    except FileNotFoundError:
        return
    for name in names:
        default_storage.delete(f"{directory}/{name}")
    # Of use where directories are things of their own; elsewhere it means nothing.
    default_storage.delete(directory)


def _directory(export: Export) -> str:
    return f"exports/{export.created_at:%Y/%m}/{export.uid}"
