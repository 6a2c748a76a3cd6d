"""What the tests of messages share: something to be told, addresses, and turns of the process that sends."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from django.utils import timezone

from apps.accounts.models import User
from apps.notifications.delivering.deliverer import Deliverer
from apps.notifications.models import Channel, ChannelAddress, Delivery, Notification, Task, Verdict
from apps.notifications.services import addresses, inbox, preferences
from apps.notifications.telling.kinds import kind_of

BELL = "task.due"


def notify(user: User, task: Task | None = None, kind: str = BELL) -> Notification:
    """Tell somebody of something."""
    found = kind_of(kind)
    assert found is not None
    cause = inbox.Cause(f"test:{kind}:{Notification.objects.count()}", target=task)
    (row,) = inbox.tell(found, [(user.pk, "assignee")], cause)
    return row


def ways(user: User) -> dict[str, str]:
    """Return what was decided about the channels of what somebody was told last."""
    found: dict[str, str] = Verdict.objects.filter(user=user).latest("pk").channels
    return found


def chat_of(user: User, chat: int) -> ChannelAddress:
    return addresses.link_chat(chat, actor=user)


def wants(user: User, channel: str, mode: str, kind: str = BELL) -> None:
    preferences.set_preferences({(kind, channel): mode}, actor=user)


def work(turns: int = 3, channels: list[str] | None = None) -> Deliverer:
    """Let the loop of the sending process turn a few times, and end what is under way."""
    deliverer = Deliverer(channels or list(Channel))
    with ThreadPoolExecutor(8) as pool:
        for _turn in range(turns):
            deliverer.turn(pool)
        deliverer.stop()
        while deliverer.under_way:
            deliverer.turn(pool)
    deliverer.feed.close()
    return deliverer


def work_until(condition: Callable[[], object], *, turns: int = 400) -> None:
    """Let the loop turn until something is so."""
    deliverer = Deliverer()
    try:
        with ThreadPoolExecutor(8) as pool:
            for _turn in range(turns):
                deliverer.turn(pool)
                if condition():
                    return
    finally:
        deliverer.feed.close()
    raise AssertionError(
        f"it never came to that: {list(Delivery.objects.values('channel', 'state', 'error', 'attempts'))}"
    )


def make_due() -> int:
    """Let the moment come for which everything waits."""
    return Delivery.objects.waiting().update(next_attempt_at=timezone.now() - timedelta(seconds=1))


def states() -> list[tuple[str, str, str]]:
    return list(Delivery.objects.order_by("pk").values_list("channel", "state", "error"))


def quiet_now(user: User, hours: float = 2) -> datetime:
    """Let it be quiet hours where somebody lives, since an hour ago; return when they are over."""
    now = timezone.now()
    ends = (now + timedelta(hours=hours)).replace(second=0, microsecond=0)
    preferences.set_quiet_time(
        actor=user,
        quiet_from=(now - timedelta(hours=1)).time().replace(second=0, microsecond=0),
        quiet_until=ends.time(),
        digest_at=ends.time(),
    )
    return ends
