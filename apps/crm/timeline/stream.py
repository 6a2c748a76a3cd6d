"""
The streams "deal:42", "company:7" and "person:3": that a timeline has moved, and nothing of what stands there.

Each page asks for what is new as who looks at it.
"""

from typing import Any, cast

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models

from apps.accounts import access
from apps.accounts.models import User
from apps.crm.services.timelines import number_changes
from apps.events.streams import StreamEvent

# Numbers never begin anew: they go with the row.
_EPOCH = "timeline"
# As many digits as a key of a row may have.
_LONGEST = 18


class TimelineStream:
    """
    Serves the timelines of one kind of rows. Implements :class:`apps.events.streams.StreamSource`.

    :param model: whoever sees a row of it may watch its timeline
    """

    def __init__(self, model: type[models.Model]) -> None:
        self.model = model

    def may_watch(self, actor: AbstractBaseUser, key: str) -> bool:
        if not key.isascii() or not key.isdecimal() or len(key) > _LONGEST:
            return False
        condition = access.scope(cast(User, actor), "view", self.model)
        return bool(self.model._base_manager.filter(condition, pk=int(key)).exists())

    def head(self, key: str) -> tuple[str, int]:
        """Return epoch and last number, once what is new has got its number."""
        return _EPOCH, number_changes(f"{self.model._meta.model_name}:{int(key)}")

    def read(self, key: str, after: int, limit: int) -> list[StreamEvent]:
        _epoch, head = self.head(key)
        # A number says no more than that something is new, so there is nothing to keep.
        return [StreamEvent(seq, {}) for seq in range(after + 1, min(head, after + limit) + 1)]

    def state(self, key: str) -> tuple[int, dict[str, Any]]:
        """There is nothing to tell but that it has moved."""
        _epoch, seq = self.head(key)
        return seq, {}
