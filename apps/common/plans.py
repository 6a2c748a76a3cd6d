"""Statements whose plans PostgreSQL keeps."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper

# What all hot requests together ask, of a few people with rights of their own; the oldest make room for others.
_MOST = 400


@contextmanager
def kept_plans(connection: BaseDatabaseWrapper, *, is_wanted: bool = True) -> Iterator[None]:
    """
    Let PostgreSQL keep the plans of the statements within: for short ones, planning is half of the work.

    Not for searches, whose best plan depends on what is searched for; that is why it is off otherwise. Within, the
    connection is open: a cursor has been made.
    """
    raw: Any = connection.connection
    if not is_wanted or not settings.KEEP_PLANS or raw is None:
        yield
        return
    before, raw.prepare_threshold, raw.prepared_max = raw.prepare_threshold, 0, _MOST
    try:
        yield
    finally:
        raw.prepare_threshold = before
