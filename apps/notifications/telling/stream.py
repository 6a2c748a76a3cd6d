"""The stream "inbox:42": what comes into somebody's inbox, and what becomes of it there. One's own alone."""

from typing import Any, cast

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import translation

from apps.accounts.models import User
from apps.events.streams import StreamEvent
from apps.notifications.models import Inbox, InboxEvent, Notification
from apps.notifications.selectors.inbox import items_of
from apps.notifications.services.inbox import unread_count

_LONGEST = 18


class InboxStream:
    """Serves inboxes to their owners. Implements :class:`apps.events.streams.StreamSource`."""

    def may_watch(self, actor: AbstractBaseUser, key: str) -> bool:
        if not key.isascii() or not key.isdecimal() or len(key) > _LONGEST:
            return False
        return int(key) == cast(User, actor).pk

    def head(self, key: str) -> tuple[str, int]:
        """Numbers never begin anew: the row goes with its owner alone."""
        found = Inbox.objects.filter(user=int(key)).values_list("seq", flat=True).first()
        return "inbox", found or 0

    def read(self, key: str, after: int, limit: int) -> list[StreamEvent]:
        steps = list(
            InboxEvent.objects.filter(user=int(key), seq__gt=after)
            .select_related("notification__actor")
            .order_by("seq")[:limit]
        )
        if not steps:
            return []
        owner = User.objects.get(pk=int(key))
        told = _in_words([step.notification for step in steps if step.is_new and step.notification], owner)
        unread = unread_count(owner)
        return [
            StreamEvent(step.seq, {"unread": unread, "notification": told.get(step.notification_id)})
            for step in steps
        ]

    def state(self, key: str) -> tuple[int, dict[str, Any]]:
        _epoch, seq = self.head(key)
        return seq, {"unread": unread_count(User.objects.get(pk=int(key)))}


def _in_words(rows: list[Notification], owner: User) -> dict[int | None, dict[str, Any]]:
    """Say what is new in its owner's language, as far as they see what it is about now."""
    with translation.override(owner.locale or translation.get_language()):
        return {
            item.row.pk: {
                "id": item.row.pk,
                "kind": item.row.kind,
                "title": item.title,
                "url": "" if item.target is None else item.target.url,
            }
            for item in items_of(rows, reader=owner)
        }
