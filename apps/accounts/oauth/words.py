"""What applications may ask for, in words that the person who is asked understands."""

from collections.abc import Iterable
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.scopes import ALL, OFFLINE, OPENID, READ

_WORDS: dict[str, Any] = {
    OPENID: _("know that it is you"),
    "profile": _("see your name, language and time zone"),
    "email": _("see your e-mail address"),
    OFFLINE: _("do all this also while you are away"),
    READ: _("see whatever you may see"),
    ALL: _("do whatever you may do"),
}


def all_scopes() -> dict[str, Any]:
    """Return every scope there is, with what it means."""
    return _WORDS | {name: capfirst(access.label_of(name)) for name in access.all_permissions()}


def in_words(scopes: Iterable[str]) -> list[Any]:
    """Say what an application may do, the person's own particulars first."""
    known = all_scopes()
    wanted = set(scopes)
    ordered = [name for name in known if name in wanted and name != OFFLINE]
    # What it says of "all this" comes last.
    return [known[name] for name in [*ordered, *([OFFLINE] if OFFLINE in wanted else [])]]
