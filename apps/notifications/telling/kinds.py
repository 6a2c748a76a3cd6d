"""
The kinds of notifications, each as a rule that reads as a sentence: when something happens, who is told, about what.

An app above adds its own from its ready():

    register(Kind("invoice.paid", "payments", _("An invoice of yours was paid"), (INVOICE_PAID,), who=…, about=…))
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.db import models
from django.utils.functional import Promise

from apps.events.models import Event
from apps.events.registry import Fact

# As what somebody is thought of: "owner", "assignee", "watcher"; and who that is.
Candidate = tuple[int, str]


@dataclass(frozen=True)
class Kind:
    """
    One kind of notification.

    :param code: stable, for programs
    :param icon: a name among the Material Symbols
    :param label: the rule as a sentence, for people
    :param facts: what sets it off; none for what the clock does
    :param who: lists who is thought of when a fact comes, as what
    :param about: says which row that is about: ("crm.deal", 42)
    :param details: keys and numbers that the words are made of; no names
    :param title: says it to its reader, given who did it, what it is about and the details
    :param tells_self: also whoever did it themselves
    :param is_sent: leaves the inbox for other channels unless somebody says otherwise
    :param escalates: lists who is told when nobody has looked at it for long, given what it is about and the details
    :param deeds: what its buttons do, by their names among `services.deeds`
    """

    code: str
    icon: str
    label: str | Promise
    title: Callable[[str, str, dict[str, object]], str]
    facts: tuple[Fact, ...] = ()
    who: Callable[[Event], Iterable[Candidate]] = lambda event: ()
    about: Callable[[Event], tuple[str, int] | None] = lambda event: None
    details: Callable[[Event], dict[str, object]] = lambda event: {}
    tells_self: bool = False
    is_sent: bool = True
    deeds: tuple[str, ...] = ()
    escalates: Callable[[models.Model | None, dict[str, object]], Iterable[Candidate]] | None = None


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Make a kind of notifications known."""
    _kinds[kind.code] = kind


def kinds() -> list[Kind]:
    """List the kinds, in the order in which their apps have said so."""
    return list(_kinds.values())


def kind_of(code: str) -> Kind | None:
    """Return a kind by its code; None for one that is no longer known."""
    return _kinds.get(code)


def kinds_for(event_type: str) -> list[Kind]:
    """List the kinds that a type of facts sets off."""
    return [kind for kind in _kinds.values() if any(fact.type == event_type for fact in kind.facts)]
