"""
What stands around every page: the head, the menu, the keys. It is written once, and not for each page.

`{% remembered "a/template.html" site name=value … %}` keeps what a template has written, in this process, by the language
and the values it is given. The template sees these values and what the site's settings say, and nothing else of the page,
the request or the person: what it depends on is what it is kept by. Only the tokens of its forms are put in anew, and
texts that the tag marks so (`name=value|anew`): a search, an address. The template can only show
such a text: whether there is one is a value of its own.

Something new in the frame that differs by person or page is named at the tag, by a value that is equal only where what is
shown is equal. What differs by request (a message, a banner with minutes left) stands beside the tag and not inside.
"""

import re
import secrets
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import Any, NamedTuple

from django import template
from django.urls import get_script_prefix
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst
from django.utils.translation import get_language

register = template.Library()

# Each takes up to 20 KB: the menus of a few hundred people, wherever they are.
_MOST_REMEMBERED = 1000
# Stands around the name of what is put in anew; nobody can write it, for nobody knows it.
_MARK = secrets.token_hex(16)
_ANEW = re.compile(rf"{_MARK}(\w+){_MARK}")
_LINK = (
    "flex h-[38px] items-center -mx-3 px-3 rounded-default hover:text-primary-600 dark:hover:text-primary-500"
)
_ACTIVE = " active bg-base-100 font-semibold text-primary-600 dark:bg-white/[.06] dark:text-primary-500"
_ICON = '<span class="material-symbols-outlined md-18 mr-3 w-[18px]" aria-hidden="true">'


@dataclass(frozen=True, eq=False)
class Site:
    """What the settings of a site say to all of its pages; made once, and equal to itself alone."""

    context: Mapping[str, Any]


class Anew(NamedTuple):
    """A text that is put into what is remembered, escaped like any other."""

    text: Any


@register.filter
def anew(value: Any) -> Anew:
    """Mark a value as something that nothing is kept by."""
    return Anew(value)


@register.simple_tag(takes_context=True)
def remembered(context: template.Context, name: str, site: Site | str, **shown: Any) -> SafeString:
    """
    Write a part of the frame from nothing but the values it is given.

    :param site: what all pages share; empty on a page of no site
    """
    # The same object until the loader forgets it, as it does where a template is being changed.
    part = context.template.engine.get_template(name)  # type: ignore[union-attr]
    new = {key: value.text for key, value in shown.items() if type(value) is Anew}
    kept = tuple([(key, value) for key, value in shown.items() if type(value) is not Anew])
    named = (part, site, get_language(), get_script_prefix(), kept, tuple(new))
    # A site that is not ours may show what nothing can be kept by.
    pieces = _written(*named) if _is_key(named) else _written.__wrapped__(*named)
    if len(pieces) > 1:
        new["csrf_token"] = context.get("csrf_token", "")
    return filled(pieces, new)


def _is_key(values: Any) -> bool:
    try:
        hash(values)
    except TypeError:
        return False
    return True


@lru_cache(maxsize=_MOST_REMEMBERED)
def _written(
    part: template.Template,
    site: Site | str,
    _language: str | None,
    _prefix: str,
    kept: tuple[tuple[str, Hashable], ...],
    new: tuple[str, ...],
) -> tuple[str, ...]:
    """Return what a template writes, cut where something new comes; its name stands there."""
    everywhere = site.context if isinstance(site, Site) else {}
    marks = {name: mark(name) for name in ("csrf_token", *new)}
    return cut(part.render(template.Context({**everywhere, **dict(kept), **marks})))


def mark(name: str) -> SafeString:
    """Return what stands in a template's HTML where something new comes."""
    return mark_safe(f"{_MARK}{name}{_MARK}")  # noqa: S308 - a name of ours


def cut(html: str) -> tuple[str, ...]:
    """Cut HTML at its marks: a piece of it, a name, a piece of it, …"""
    return tuple(_ANEW.split(html))


def filled(pieces: tuple[str, ...], new: Mapping[str, Any]) -> SafeString:
    """Put texts in the places of their names, escaped."""
    texts = list(pieces)
    for place in range(1, len(texts), 2):
        texts[place] = conditional_escape(new[texts[place]])
    return mark_safe("".join(texts))  # noqa: S308 - a template has written it, around escaped texts


@register.simple_tag
def navigation_items(items: tuple[Any, ...]) -> SafeString:
    """Write the entries of a group of the sidebar."""
    return mark_safe("".join(_entry(item) for item in items))  # noqa: S308 - escaped


def _entry(item: Any) -> str:
    active, current = (_ACTIVE, ' aria-current="page"') if item.is_active else ("", "")
    icon = f"{_ICON}{escape(item.place.icon)}</span>"
    title = escape(capfirst(str(item.place.title)))
    return f'<li><a href="{escape(item.place.url)}" class="{_LINK}{active}"{current}>{icon}<span>{title}</span></a></li>'
