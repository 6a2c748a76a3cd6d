"""What jobs are called: kept as words and what stands in them, and said in the language of whoever reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db.models import Model
from django.utils.translation import gettext

from apps.common.lists.estimates import Count, counted

LONGEST = 200


@dataclass(frozen=True)
class Title:
    """
    What a job is called.

    :ivar text: English, marked for translation, with a place for each value: "Export: %(rows)s"
    :ivar values: what stands there, JSON-serializable; by :func:`kind`, :func:`number_of` and :func:`of_job`, what is
        itself translated
    """

    text: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def stored(self) -> dict[str, Any]:
        return {"text": self.text, "values": dict(self.values)}

    def __str__(self) -> str:
        return say(self.stored())


def kind(model: type[Model]) -> dict[str, Any]:
    """Stand for the name of a kind of rows: "deals"."""
    return {"model": model._meta.label_lower}


def number_of(model: type[Model], count: int) -> dict[str, Any]:
    """Stand for a number of rows: "40 deals"."""
    return {"model": model._meta.label_lower, "count": count}


def of_job(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Stand for the title of another job, as that keeps it: "Export: deals"."""
    return {"title": dict(stored)}


def say(stored: Mapping[str, Any]) -> str:
    """Say a title in the language that is active; "" for none."""
    if not stored:
        return ""
    values = {name: _said(value) for name, value in stored["values"].items()}
    return (gettext(stored["text"]) % values)[:LONGEST]


def _said(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "title" in value:
        return say(value["title"])
    try:
        opts = apps.get_model(value["model"])._meta
    except LookupError:
        # A kind of rows that is not there any more.
        return value["model"]
    if "count" in value:
        count = Count(value["count"], is_exact=True)
        return counted(count, str(opts.verbose_name), str(opts.verbose_name_plural))
    return str(opts.verbose_name_plural)
