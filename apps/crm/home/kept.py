"""
Figures that are kept for a while, so that a million deals are summed up once for everybody who sees the same.

What is kept is what the database returned, never a page; whose it is, is part of its name. Redis may lose it at
any time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.utils import timezone

from apps.accounts import access
from apps.accounts.models import User
from apps.crm.models import Deal

# Younger than this, figures are as good as new: seconds.
FRESH_SECONDS = 10
# What is older than this is not shown any more, not even while it is being counted anew.
KEPT_SECONDS = 3600
# Whoever counts has died if it took longer than this; then somebody else may begin.
BUSY_SECONDS = 60
# Raise it with the shape of what is kept, so that no version of the program reads another's.
_SHAPE = 1


@dataclass(frozen=True)
class Kept:
    """Rows, and when they were counted."""

    rows: Any
    at: datetime

    @property
    def is_fresh(self) -> bool:
        return timezone.now() - self.at < timedelta(seconds=FRESH_SECONDS)


def peek(name: str, actor: User) -> Kept | None:
    """Return what is kept for those who see the same deals, whatever its age."""
    found = cache.get(_key(name, actor))
    return Kept(*found) if found else None


def counted(name: str, actor: User, count: Callable[[], Any]) -> Kept | None:
    """
    Return fresh figures, counted now unless somebody has just done so.

    :return: older ones, or None, while somebody else is counting
    """
    kept = peek(name, actor)
    if kept is not None and kept.is_fresh:
        return kept
    busy = f"{_key(name, actor)}:busy"
    if not cache.add(busy, 1, BUSY_SECONDS):
        return kept
    try:
        at = timezone.now()
        rows = count()
        cache.set(_key(name, actor), (rows, at), KEPT_SECONDS)
    finally:
        cache.delete(busy)
    return Kept(rows, at)


def _key(name: str, actor: User) -> str:
    """Name figures by whose rows they are of, and by the day and zone that say which days they are of."""
    reach = access.reach_key(actor, "view", Deal)
    zone = timezone.get_current_timezone()
    return f"home:{_SHAPE}:{name}:{reach}:{zone}:{timezone.localdate()}"
