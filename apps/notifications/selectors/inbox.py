"""Somebody's inbox as they read it: in words of their language, grouped by what things are about."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.notifications.models import Mute, Notification, Verdict
from apps.notifications.targets import Target, targets_of
from apps.notifications.telling.kinds import kind_of


@dataclass(frozen=True)
class Item:
    """One notification in words. :ivar target: what it is about, as far as its reader still sees it"""

    row: Notification
    icon: str
    title: str
    target: Target | None


@dataclass(frozen=True)
class Group:
    """Notifications about one thing, the newest first."""

    target: Target | None
    items: list[Item]

    @property
    def unread(self) -> int:
        return sum(item.row.read_at is None for item in self.items)

    @property
    def ids(self) -> str:
        return ",".join(str(item.row.pk) for item in self.items)


def items_of(rows: Iterable[Notification], *, reader: User) -> list[Item]:
    """Write notifications in words: one query for each kind of things that they are about."""
    found = list(rows)
    keys = {
        (row.target_type_id, row.target_id)
        for row in found
        if row.target_type_id is not None and row.target_id is not None
    }
    targets = targets_of(keys, reader=reader)
    return [_item(row, targets) for row in found]


def _item(row: Notification, targets: dict[tuple[int, int], Target]) -> Item:
    kind = kind_of(row.kind)
    target = None
    if row.target_type_id is not None and row.target_id is not None:
        target = targets.get((row.target_type_id, row.target_id))
    who = row.actor.name if row.actor is not None else _("Somebody")
    what = f"“{target.name}”" if target is not None else _("something that you do not see any more")
    if kind is None:
        return Item(row, "info", _("Something happened of which this version does not know."), target)
    return Item(row, kind.icon, kind.title(who, what, row.details), target)


def groups_of(items: Sequence[Item]) -> list[Group]:
    """Put together what is about the same thing; groups stand in the order of their newest."""
    order: dict[Any, list[Item]] = {}
    for item in items:
        row = item.row
        key = (row.target_type_id, row.target_id) if row.target_id is not None else ("", row.pk)
        order.setdefault(key, []).append(item)
    return [Group(found[0].target, found) for found in order.values()]


def mutes_of(actor: User) -> list[tuple[Mute, Target | None]]:
    """List what somebody has muted, with what they still see of it."""
    rows = list(Mute.objects.filter(user=actor).order_by("-pk"))
    targets = targets_of([(row.target_type_id, row.target_id) for row in rows], reader=actor)
    return [(row, targets.get((row.target_type_id, row.target_id))) for row in rows]


def verdicts_about(rows: QuerySet[Verdict]) -> list[tuple[Verdict, str]]:
    """Return reasons with the rule that each comes from, as a sentence."""
    found = []
    for _cause, some in groupby(rows.select_related("user"), key=lambda row: row.cause):
        for verdict in some:
            kind = kind_of(verdict.kind)
            found.append((verdict, str(kind.label) if kind is not None else verdict.kind))
    return found
