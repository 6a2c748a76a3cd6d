"""Statements whose plans PostgreSQL keeps."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper

from apps.common.postgresql.base import MOST_PLANS


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
    before, raw.prepare_threshold, raw.prepared_max = raw.prepare_threshold, 0, MOST_PLANS
    try:
        yield
    finally:
        raw.prepare_threshold = before
