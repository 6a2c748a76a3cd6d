"""
What messages say: the platform's own words, and those that administrators write in their place.

A text names what it is written with: {{ title }}. That is all it can: there is no program in it, so that nothing but
these few words can be read and nobody is kept waiting by one.
"""

import re
from collections.abc import Mapping

from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.notifications.models import Channel

# The kind of what holds many notifications.
DIGEST = "digest"
# What texts may name, in words for whoever writes them.
NAMES: dict[str, str | Promise] = {
    "title": _("what has happened, as the inbox says it"),
    "name": _("who reads it"),
    "who": _("who did it"),
    "what": _("what it is about"),
    "why": _("the rule by which the person is told"),
}
DIGEST_NAMES: dict[str, str | Promise] = {
    "name": _("who reads it"),
    "count": _("how much there is"),
    "list": _("what has happened, a line for each"),
}
_NAMED = re.compile(r"\{\{\s*([a-z_]+)\s*\}\}")
_BRACES = re.compile(r"\{\{|\}\}|\{%|%\}")


def names_for(kind: str) -> Mapping[str, str | Promise]:
    """Return what texts of a kind may name."""
    return DIGEST_NAMES if kind == DIGEST else NAMES


def built_in(kind: str, channel: str) -> tuple[str | Promise, str | Promise]:
    """Return the subject and text that the platform comes with."""
    if kind == DIGEST:
        return _("Your digest: {{ count }}"), _("{{ name }}, this has happened:\n\n{{ list }}")
    if channel == Channel.EMAIL:
        return "{{ title }}", _("{{ title }}.\n\nWhy you read this: {{ why }}.")
    return "{{ title }}", "{{ title }}"


def check_text(text: str, kind: str) -> None:
    """
    Refuse a text that names what is not there.

    :raises ValidationError: "unknown_name", or braces that name nothing ("bad_braces")
    """
    for name in _NAMED.findall(text):
        if name not in names_for(kind):
            raise ValidationError(
                _("There is no “%(name)s” here. There are: %(names)s."),
                code="unknown_name",
                params={"name": name, "names": ", ".join(names_for(kind))},
            )
    if _BRACES.search(_NAMED.sub("", text)):
        raise ValidationError(
            _("A name stands between two braces on each side: {{ title }}."), code="bad_braces"
        )


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return a text with what it names; what it cannot name stays empty."""
    return _NAMED.sub(lambda found: values.get(found[1], ""), text).strip()
