"""
The cards beside the timeline on the pages of deals, companies and people.

An app whose things belong there registers a card from its ready(), or from its admin module:

    register_card(Deal, "invoices", _invoices_card, order=60, title=_("Invoices"), is_deferred=True)

where the function takes the row and the request, and returns a rendered card, or None where there is nothing to show
to this person.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.functional import Promise
from django.utils.safestring import SafeString

Make = Callable[[Any, HttpRequest], SafeString | None]


@dataclass(frozen=True)
class Card:
    """
    One card of a kind of page.

    :ivar order: cards with lower numbers stand above; ours are 10, 20, … 90
    :ivar title: what stands there until a deferred card has come
    :ivar is_deferred: it takes a while, or asks much: the page comes first, and the card after it
    """

    name: str
    make: Make
    order: int
    title: str | Promise = ""
    is_deferred: bool = False


_cards: dict[type[models.Model], dict[str, Card]] = {}


def register_card(
    page: type[models.Model],
    name: str,
    make: Make,
    *,
    order: int,
    title: str | Promise = "",
    is_deferred: bool = False,
) -> None:
    """
    Put a card on the pages of `page`; the same name again puts another in its place.

    :param name: a slug, which is a part of the address of a deferred card
    """
    if is_deferred and not title:
        raise ValueError(f"The deferred card {name} needs a title to stand there first")
    _cards.setdefault(page, {})[name] = Card(name, make, order, title, is_deferred)


def card_of(page: type[models.Model], name: str) -> Card | None:
    """Return a card of a kind of page by its name."""
    return _cards.get(page, {}).get(name)


def cards_of(page: type[models.Model]) -> list[Card]:
    """List the cards of a kind of page from top to bottom."""
    return sorted(_cards.get(page, {}).values(), key=lambda card: (card.order, card.name))


def render_card(request: HttpRequest, template: str, context: dict[str, Any]) -> SafeString:
    """Render a card from a template."""
    return render_to_string(template, context, request=request)
