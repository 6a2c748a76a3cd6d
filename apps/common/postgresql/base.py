"""The backend's entrance, under the name that Django looks for."""

import select
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db.backends.postgresql import base
from psycopg.abc import Buffer
from psycopg.adapt import Loader

# What all hot requests together ask, of a few people with rights of their own; the oldest make room for others.
MOST_PLANS = 400


class _Unread(Loader):
    """Leaves a text as the bytes that came: connections speak UTF-8, as JSON does."""

    def load(self, data: Buffer) -> bytes:
        return bytes(data)


class DatabaseWrapper(base.DatabaseWrapper):
    """
    Reads single rows on a shorter way, and looks at the socket of a kept connection instead of asking the server whether
    it is still there.

    A server that ended, or was restarted, has closed its side, and that can be read without asking: 3 µs in place of a
    round trip, which is a third of a short request. Whatever else is there to be read leads to Django's own question.
    """

    _reader: Any = None

    def read_first(self, sql: str, params: Sequence[Any], *, is_kept: bool) -> Any:
        """
        Return the first row that a SELECT finds, its texts as bytes.

        Outside of transactions, and where nobody counts queries, past Django's cursor, which takes as long as a short
        question: nothing of what it does is needed to read.

        :param is_kept: whether PostgreSQL keeps the plan
        """
        self.ensure_connection()
        raw: Any = self.connection
        before = raw.prepare_threshold
        if is_kept and settings.KEEP_PLANS:
            raw.prepare_threshold, raw.prepared_max = 0, MOST_PLANS
        try:
            if self.in_atomic_block or self.queries_logged:
                with self.cursor() as cursor:
                    cursor.adapters.register_loader("text", _Unread)
                    cursor.execute(sql, params)
                    return cursor.fetchone()
            with self.wrap_database_errors:
                return self._reader_of(raw).execute(sql, params).fetchone()
        finally:
            raw.prepare_threshold = before

    def _reader_of(self, raw: Any) -> Any:
        """Return a cursor of the connection that is used again: to make one takes longer than to ask."""
        if self._reader is None or self._reader.connection is not raw:
            self._reader = raw.cursor()
            self._reader.adapters.register_loader("text", _Unread)
        return self._reader

    def is_usable(self) -> bool:
        raw = self.connection
        if raw is None or raw.closed:
            return False
        poll = select.poll()
        poll.register(raw.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
        return not poll.poll(0) or super().is_usable()
