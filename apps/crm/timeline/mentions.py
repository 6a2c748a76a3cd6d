"""Colleagues named in a note as "@Anna Petrova"."""

import re
from collections.abc import Iterable
from typing import Any

from django.db.models import Q, QuerySet

from apps.accounts import access
from apps.accounts.models import User

# As many places of a note are looked at.
MOST = 20
# After the beginning of a word, so that the address of a mailbox names nobody.
_PLACE = re.compile(r"(?<![\w@.])@(?=(\w{2,}))")


def colleagues_of(actor: User, row: Any) -> QuerySet[User]:
    """Return whom somebody knows of: whom they may see, whoever is in a team of theirs, and whose the row is."""
    teams = actor.memberships.values("team")
    known = access.scope(actor, "view", User) | Q(
        pk__in=User.objects.filter(memberships__team__in=teams).values("pk")
    )
    if getattr(row, "owner_id", None):
        known |= Q(pk=row.owner_id)
    return User.objects.filter(known, is_active=True, kind=User.Kind.HUMAN)


def mentioned(text: str, *, actor: User, row: Any) -> list[User]:
    """Return the colleagues whose names stand in a text after an "@", the longest name that fits at each place."""
    places = [(match.end(), match.group(1)) for match in _PLACE.finditer(text)][:MOST]
    if not places:
        return []
    beginning = Q()
    for _end, word in places:
        beginning |= Q(name__istartswith=word)
    found = list(colleagues_of(actor, row).filter(beginning).order_by("pk")[: MOST * 5])
    named: dict[int, User] = {}
    for end, _word in places:
        for user in _longest(found, text[end : end + 200]):
            named[user.pk] = user
    return list(named.values())


def _longest(users: Iterable[User], rest: str) -> list[User]:
    fitting = [user for user in users if _stands(user.name, rest)]
    longest = max((len(user.name) for user in fitting), default=0)
    return [user for user in fitting if len(user.name) == longest]


def _stands(name: str, rest: str) -> bool:
    """Tell whether a text begins with a name, and not with a longer word."""
    if rest[: len(name)].casefold() != name.casefold():
        return False
    return not rest[len(name) : len(name) + 1].isalnum()
