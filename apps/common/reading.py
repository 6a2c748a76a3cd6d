"""Who reads a page, and when: asked once a page where thousands of values are written, not once a value."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime

from django.utils import timezone
from django.utils.translation import get_language


@dataclass(frozen=True)
class Reader:
    """The language and the day of whoever reads, and the moment."""

    language: str
    today: date
    now: datetime


_reader: ContextVar[Reader | None] = ContextVar("reader", default=None)


def reader() -> Reader:
    """Return who reads now."""
    return _reader.get() or Reader(get_language() or "", timezone.localdate(), timezone.now())


@contextmanager
def one_reader() -> Iterator[None]:
    """Write what follows for whoever reads now, without asking again for each value."""
    token = _reader.set(reader())
    try:
        yield
    finally:
        _reader.reset(token)
