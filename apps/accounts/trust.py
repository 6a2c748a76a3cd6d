"""Who came with a secret, as a process remembers it for half a second (API_KEY_TRUST_SECONDS)."""

import time
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models.base import ModelState

from apps.accounts.models import User

_MOST_TRUSTED = 2000


class Trusted:
    """Users by the secret that they came with; asking again is the caller's business."""

    def __init__(self) -> None:
        # Until when, in seconds of this process's clock, and what is known.
        self._known: dict[str, tuple[float, dict[str, Any]]] = {}

    def recall(self, name: str) -> User | None:
        """Return a copy of who came with this lately."""
        until, values = self._known.get(name, (0.0, {}))
        if time.monotonic() >= until:
            return None
        user = User.__new__(User)
        user.__dict__.update(values, _state=ModelState())
        user._state.adding, user._state.db = False, connection.alias
        return user

    def keep(self, name: str, user: User, *, asked_at: float) -> None:
        """
        Remember who came with this.

        :param asked_at: when the database was asked, by this process's clock
        """
        if len(self._known) >= _MOST_TRUSTED:
            self._known.clear()
        values = {name: value for name, value in user.__dict__.items() if name != "_state"}
        self._known[name] = asked_at + settings.API_KEY_TRUST_SECONDS, values

    def forget(self) -> None:
        """Ask about everybody again."""
        self._known.clear()
