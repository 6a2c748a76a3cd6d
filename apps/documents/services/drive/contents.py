"""Contents on their way between the storage and Drive."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.documents import kinds
from apps.documents.drive.client import Content
from apps.documents.models import Blob
from apps.documents.services import blobs

# Larger ones lie on the disk while they come.
_IN_MEMORY = 5 << 20


class ContentLost(ValidationError):
    """The storage does not hold what the database says it holds."""

    def __init__(self, blob: Blob) -> None:
        self.blob = blob
        super().__init__(
            _("The storage has lost this content, or holds another one in its place."), code="content_lost"
        )


class _Watched:
    """A file that is read, while somebody hears of each piece."""

    def __init__(self, file: BinaryIO, heard: Callable[[], None]) -> None:
        self._file = file
        self._heard = heard
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        self._heard()
        return self._file.read(size)


@contextmanager
def outgoing(blob: Blob, heard: Callable[[], None] | None = None) -> Iterator[Content]:
    """
    Open a content to be sent, once it is seen to be what it was when it came; the database is asked nothing.

    :param heard: called with each piece that is read
    :raises ContentLost: the storage holds no such content any more
    """
    try:
        opened = blobs.open_blob(blob)
    except FileNotFoundError as error:
        raise ContentLost(blob) from error
    with opened as file:
        stream = cast("BinaryIO", file if heard is None else _Watched(cast("BinaryIO", file), heard))
        content = Content.of(stream, blob.content_type)
        if (content.md5, content.size) != (bytes(blob.md5).hex(), blob.size):
            raise ContentLost(blob)
        yield content


def mark_lost(blob: Blob) -> None:
    """Write down that the storage does not hold a content, for whoever verifies it."""
    Blob.objects.filter(pk=blob.pk, missing_since=None).update(missing_since=timezone.now())


@contextmanager
def incoming() -> Iterator[BinaryIO]:
    """Open a place for a content that comes."""
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY, prefix="artel-drive-") as file:
        yield cast("BinaryIO", file)


def kept(file: BinaryIO) -> Blob:
    """Keep a content that came; called outside of transactions."""
    try:
        kind = kinds.examine(file, "")
    except ValidationError:
        # Nobody would be let to send it here; there it is already, so it is kept, and only ever downloaded.
        kind = kinds.Kind(kinds.UNKNOWN, kinds.label_of(kinds.UNKNOWN), frozenset({"unseen"}))
    return blobs.keep(file, content_type=kind.content_type, flags=kind.flags)
