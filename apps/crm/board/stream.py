"""The stream "board:3": which deals of a pipeline have changed, by id. What they are by now is asked for by who may."""

from typing import Any, cast

from django.contrib.auth.base_user import AbstractBaseUser

from apps.accounts import access
from apps.accounts.models import User
from apps.crm.models import BoardChange, Deal, Pipeline
from apps.crm.services.boards import number_changes
from apps.events.streams import StreamEvent


class BoardStream:
    """Serves boards to their watchers. Implements :class:`apps.events.streams.StreamSource`."""

    def may_watch(self, actor: AbstractBaseUser, key: str) -> bool:
        """Whoever sees the pipeline and any deals may watch it: the ids of others' deals tell nothing."""
        user = cast(User, actor)
        if not key.isascii() or not key.isdecimal() or len(key) > 18:
            return False
        return (
            access.can_any(user, "view", Deal)
            and Pipeline.objects.visible_to(user).filter(pk=int(key)).exists()
        )

    def head(self, key: str) -> tuple[str, int]:
        """Return epoch and last number, once what is new has got its number."""
        return number_changes(int(key)) or ("gone", 0)

    def read(self, key: str, after: int, limit: int) -> list[StreamEvent]:
        self.head(key)
        changes = BoardChange.objects.filter(pipeline_id=int(key), seq__gt=after).order_by("seq")[:limit]
        return [
            StreamEvent(cast(int, change.seq), {"deals": change.deal_ids, "stages": change.stage_ids})
            for change in changes
        ]

    def state(self, key: str) -> tuple[int, dict[str, Any]]:
        """There is nothing to tell that everybody may see: the page reads its columns anew."""
        _epoch, seq = self.head(key)
        return seq, {}
