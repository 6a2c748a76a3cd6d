"""
What papers can be about: apps above offer their rows as facts, under names that templates use.

An app registers a source in its `ready()`; papers know of its rows nothing but what the source tells, to whom the
policy lets see it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import models
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import User
from apps.documents.declarations import Type


@dataclass(frozen=True)
class Fact:
    """One thing that a source tells: "deal.title"."""

    name: str
    label: str | Promise
    type: Type = Type.TEXT


@dataclass(frozen=True)
class Source:
    """
    A kind of rows that papers can be about.

    :ivar key: the model's label, "crm.deal"
    :ivar facts: what it tells, each by its name
    :ivar has_lines: it also tells `lines` (of :class:`apps.documents.amounts.Line`), whose totals papers show
    :ivar resolve: returns the facts of a row, nested by name, within what the person may see; amounts of money are
        :class:`apps.documents.amounts.Money`, and "currency" says in which the lines are. Raises DoesNotExist.
    """

    key: str
    label: str | Promise
    facts: tuple[Fact, ...]
    has_lines: bool
    resolve: Callable[[User, int], Mapping[str, Any]]

    @property
    def model(self) -> type[models.Model]:
        return apps.get_model(self.key)

    def names(self) -> set[str]:
        """Return every name that a template may use."""
        names = set()
        for fact in self.facts:
            names.add(fact.name)
            if fact.type == Type.MONEY:
                names.add(f"{fact.name}_in_words")
        return names


_sources: dict[str, Source] = {}


def register_source(
    key: str,
    label: str | Promise,
    *,
    facts: Sequence[Fact],
    resolve: Callable[[User, int], Mapping[str, Any]],
    has_lines: bool = False,
) -> None:
    """Let papers be about the rows of a model; called from an AppConfig's ready()."""
    _sources[key] = Source(key, label, tuple(facts), has_lines, resolve)


def source_of(key: str) -> Source:
    """Return a source. :raises ValidationError: there is none of that name ("unknown_source")"""
    if key not in _sources:
        raise ValidationError(
            {"source": ValidationError(_("Papers cannot be about this."), code="unknown_source")}
        )
    return _sources[key]


def sources() -> list[Source]:
    """Return what papers can be about, in the order in which apps said so."""
    return list(_sources.values())


def facts_of(key: str, pk: int, *, actor: User) -> Mapping[str, Any]:
    """
    Return the facts of a row that `actor` sees.

    :raises ValidationError: there is no such row for them ("not_found")
    """
    try:
        return source_of(key).resolve(actor, pk)
    except ObjectDoesNotExist:
        raise ValidationError(
            {"target": ValidationError(_("There is no such row, or you may not see it."), code="not_found")}
        ) from None


def latest_rows(key: str, *, actor: User, count: int) -> list[models.Model]:
    """Return the latest rows that somebody may make papers about, the newest first."""
    model = source_of(key).model
    rows = model._base_manager.filter(access.scope(actor, "view", model))
    if any(f.name == "archived_at" for f in model._meta.concrete_fields):
        rows = rows.filter(archived_at=None)
    return list(rows.order_by("-pk")[:count])
