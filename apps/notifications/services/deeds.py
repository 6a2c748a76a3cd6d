"""
Buttons in messages: a secret that does one thing, for one person, once, for a few days, and that Redis may forget.

Whoever opens the page only sees what would be done: programs that look at the links of letters do nothing by it.
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

import redis
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.digests import digest, new_secret
from apps.accounts.models import User
from apps.common.limits import connected
from apps.common.recurrence import zone_named
from apps.documents.models import Approval
from apps.documents.services.approvals import decide
from apps.notifications.models import Notification, Task
from apps.notifications.services.tasks import complete_task, snooze_task

logger = logging.getLogger(__name__)

_KEPT = timedelta(days=3)
_MORNING = time(9)


@dataclass(frozen=True)
class DeedKind:
    """
    One thing that a button does.

    :ivar label: what the button is called
    :ivar done: said when it is done
    :ivar key: says which row it is about
    :ivar name: says what that is called, as somebody sees it
    :ivar run: does it as somebody
    """

    label: str | Promise
    done: str | Promise
    key: Callable[[Notification], int | None]
    name: Callable[[int, User], str]
    run: Callable[[int, User], object]


@dataclass(frozen=True)
class Asked:
    """What a secret would do. :ivar question: "Done: “Call the bank”" """

    kind: DeedKind
    user: User
    pk: int
    name: str


class Forgotten(Exception):
    """Nobody knows of such a secret: it was used, its time is over, or Redis has lost it."""


def issue(row: Notification, name: str) -> str:
    """
    Return a secret that does one thing about a notification as its recipient; empty where there is nothing to do.

    :raises redis.RedisError: Redis does not answer
    """
    pk = DEEDS[name].key(row)
    if pk is None:
        return ""
    secret = new_secret()
    told = json.dumps({"user": row.recipient_id, "deed": name, "pk": pk})
    connected().set(_key(secret), told, px=_KEPT)
    return secret


def ask(secret: str) -> Asked:
    """
    Say what a secret would do, and leave it as it is.

    :raises Forgotten: nobody knows of it
    """
    try:
        return _asked(connected().get(_key(secret)))
    except redis.RedisError as error:
        raise Forgotten from error


def perform(secret: str) -> Asked:
    """
    Do what a secret is for, as who got it, and forget the secret before: whoever asks at the same time finds none.

    :raises Forgotten: nobody knows of it
    :raises PermissionDenied: the person may not do this by now
    :raises ValidationError: it cannot be done any more
    :raises ObjectDoesNotExist: it is out of the person's sight
    """
    try:
        asked = _asked(connected().getdel(_key(secret)))
    except redis.RedisError as error:
        raise Forgotten from error
    asked.kind.run(asked.pk, asked.user)
    return asked


def _asked(told: Any) -> Asked:
    if told is None:
        raise Forgotten
    said: Mapping[str, Any] = json.loads(told)
    kind = DEEDS.get(said["deed"])
    user = User.objects.filter(pk=said["user"], is_active=True).first()
    if kind is None or user is None:
        raise Forgotten
    try:
        return Asked(kind, user, said["pk"], kind.name(said["pk"], user))
    except ObjectDoesNotExist as error:
        raise Forgotten from error


def _key(secret: str) -> str:
    return f"artel:deed:{digest(secret)}"


def _task_of(row: Notification) -> int | None:
    return row.target_id if row.target_type is not None and row.target_type.model == "task" else None


def _task_name(pk: int, user: User) -> str:
    return str(Task.objects.visible_to(user).get(pk=pk))


def _snooze(pk: int, user: User) -> None:
    zone = zone_named(user.time_zone)
    morning = timezone.now().astimezone(zone).date() + timedelta(days=1)
    snooze_task(pk, until=datetime.combine(morning, _MORNING, zone), actor=user)


def _approval_of(row: Notification) -> int | None:
    found = row.details.get("approval")
    return found if isinstance(found, int) else None


def _approval_name(pk: int, user: User) -> str:
    return str(Approval.objects.visible_to(user).select_related("document").get(pk=pk).document)


def _approve(pk: int, user: User) -> None:
    approval = Approval.objects.visible_to(user).get(pk=pk)
    if not approval.steps.waiting().of(user).exists():
        raise ValidationError(_("You are not asked about this, or have decided already."), code="not_asked")
    decide(pk, is_approved=True, actor=user)


DEEDS = {
    "done": DeedKind(
        gettext_lazy("Done"),
        gettext_lazy("It is done."),
        _task_of,
        _task_name,
        lambda pk, user: complete_task(pk, actor=user),
    ),
    "snooze": DeedKind(
        gettext_lazy("Put off until tomorrow"),
        gettext_lazy("You are reminded of it tomorrow at nine."),
        _task_of,
        _task_name,
        _snooze,
    ),
    "approve": DeedKind(
        gettext_lazy("Approve"), gettext_lazy("You have approved it."), _approval_of, _approval_name, _approve
    ),
}
