"""The backend's entrance, under the name that Django looks for."""

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """
    Looks at the socket of a kept connection instead of asking the server whether it is still there.

    A server that ended, or was restarted, has closed its side, and that can be read without asking: 3 µs in place of a
    round trip, which is a third of a short request. Whatever else is there to be read leads to Django's own question.
    """

    def is_usable(self) -> bool:
        raw = self.connection
        if raw is None or raw.closed:
            return False
        poll = select.poll()
        poll.register(raw.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
        return not poll.poll(0) or super().is_usable()
