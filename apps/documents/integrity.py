"""
What `verify_documents` looks for: each room of the app adds its own checks.

A check looks and yields what is wrong; how that is called, and whether it can be mended without loss, stands beside it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.utils.functional import Promise


@dataclass(frozen=True)
class Found:
    """
    One thing that is not as it should be.

    :param kind: the key of a :class:`Wrong` of the check that yields it
    :param subject: what it is about, as `mend` finds it again; at most 300 characters
    :param facts: what the sentence says of it, JSON-serializable
    """

    kind: str
    subject: str
    facts: Mapping[str, Any] = field(default_factory=dict)


class Look(Protocol):
    """What a check is told, and tells of itself."""

    is_deep: bool

    def count(self, what: str, number: int = 1) -> None:
        """Count what was looked at, as in "contents"; says also that the check still goes on."""


@dataclass(frozen=True)
class Wrong:
    """
    A way in which something can be wrong.

    :param label: names all of the kind, as in "Contents that are gone"
    :param sentence: says one, with the names of its facts and `subject`
    :param mend: puts one right without losing anything, and tells whether it was still wrong; None where a person has
        to decide. It is called outside of transactions and asks again whether it is still so.
    """

    key: str
    label: str | Promise
    sentence: str | Promise
    mend: Callable[[str], bool] | None = None


@dataclass(frozen=True)
class Check:
    """Something that is looked at, outside of transactions, for what is wrong with it."""

    key: str
    find: Callable[[Look], Iterator[Found]]
    kinds: tuple[Wrong, ...]


_checks: dict[str, Check] = {}
_kinds: dict[str, Wrong] = {}


def add_check(check: Check) -> None:
    """Have something looked at by every `verify_documents`; called from an AppConfig's ready()."""
    _checks[check.key] = check
    _kinds.update({wrong.key: wrong for wrong in check.kinds})


def checks() -> list[Check]:
    """Return what is looked at, in the order in which it was added."""
    return list(_checks.values())


def kind_of(key: str) -> Wrong | None:
    """Return a way of being wrong; None where the room that knew it is gone."""
    return _kinds.get(key)
