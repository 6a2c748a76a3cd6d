"""Recorded values in a person's words, with the names of other rows only where that person may see them."""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.apps import apps
from django.db import models
from django.utils import formats, timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.text import Truncator, capfirst
from django.utils.translation import gettext as _

from apps.accounts import access
from apps.accounts.models import User
from apps.accounts.scoping import Rule
from apps.history.tracking import FOLLOWING, Tracked

NOTHING = "—"
# A note is told by its beginning.
_LONGEST = 280
_SIGNED = {*FOLLOWING, "created_at", "created_by_id"}
# Where a row that is gone may have had its name.
_NAMES = ("name", "title", "full_name", "given_name", "raw", "email")


def shown_fields(tracked: Tracked) -> "dict[str, models.Field[Any, Any]]":
    """Return the fields that people have a word for, by column; the others are the program's own."""
    return {
        column: field
        for column, field in tracked.fields().items()
        if column not in _SIGNED
        and column not in tracked.maps
        and not field.primary_key
        and (_has_words(field) or tracked.is_link)
    }


def _has_words(field: "models.Field[Any, Any]") -> bool:
    return getattr(field, "_verbose_name", None) is not None


class Words:
    """
    Says values for one reader. First everything that will be said is announced, so that the names of all other
    rows come with one query per model.
    """

    def __init__(self, actor: User) -> None:
        self._actor = actor
        self._wanted: dict[type[models.Model], set[str]] = {}
        self._names: dict[type[models.Model], dict[str, str]] = {}
        self._there: dict[type[models.Model], set[str]] = {}
        # The fields behind keys of maps, by model and column; None for a key that nobody knows.
        self._mapped: dict[tuple[str, str], dict[str, models.Field[Any, Any] | None]] = {}

    def fields(self, tracked: Tracked, *several: dict[str, Any]) -> "dict[str, models.Field[Any, Any]]":
        """Return the fields that people have a word for; of maps those behind some values' keys, by "column.key"."""
        found = shown_fields(tracked)
        for column in tracked.maps:
            keys = sorted({key for values in several for key in values.get(column) or ()})
            known = self._behind(tracked, column, keys)
            found |= {f"{column}.{key}": field for key in keys if (field := known[key]) is not None}
        return found

    def _behind(
        self, tracked: Tracked, column: str, keys: Iterable[str]
    ) -> "dict[str, models.Field[Any, Any] | None]":
        known = self._mapped.setdefault((tracked.label, column), {})
        unknown = [key for key in keys if key not in known]
        if unknown:
            known.update(dict.fromkeys(unknown))
            known.update(tracked.maps[column](unknown))
        return known

    # Announcing

    def expect(self, tracked: Tracked, values: dict[str, Any]) -> None:
        """Announce recorded values of a row."""
        for column, field in tracked.fields().items():
            value = values.get(column)
            if value is not None and isinstance(field.related_model, type):
                self.expect_key(field.related_model, value)
        for column in tracked.maps:
            held = values.get(column) or {}
            for key, inner in self._behind(tracked, column, held).items():
                if key in held and inner is not None and isinstance(inner.related_model, type):
                    self.expect_key(inner.related_model, held[key])

    def expect_key(self, model: type[models.Model], key: Any) -> None:
        if key is not None:
            self._wanted.setdefault(model, set()).add(str(key))

    def expect_row(self, tracked: Tracked, row_id: str, about: str) -> None:
        """Announce a row itself, or for what has no rights of its own the row it is told about."""
        self.expect_key(*self._judge(tracked, row_id, about))

    # Saying

    def name(self, model: type[models.Model], key: Any) -> str:
        """Return what the row with this key is called, if the reader may see it."""
        if key is None:
            return NOTHING
        self._look_up()
        known = self._names.get(model, {}).get(str(key))
        if known is not None:
            return known
        kind = capfirst(str(model._meta.verbose_name))
        if str(key) in self._there.get(model, set()):
            return _("%(kind)s (not yours to see)") % {"kind": kind}
        return _("%(kind)s (deleted)") % {"kind": kind}

    def known_name(self, model: type[models.Model], key: Any) -> str:
        """Return what a row is called; "" where it is gone or not the reader's to see."""
        self._look_up()
        return self._names.get(model, {}).get(str(key), "")

    def is_row_visible(self, tracked: Tracked, row_id: str, about: str) -> bool:
        """Tell whether the reader may see a row; one that is gone only if they would see any."""
        self._look_up()
        model, key = self._judge(tracked, row_id, about)
        if key in self._names.get(model, {}):
            return True
        is_gone = key not in self._there.get(model, set())
        return is_gone and sees_all(self._actor, model)

    def row_name(self, tracked: Tracked, row_id: str, values: dict[str, Any]) -> str:
        """Return what a row that the reader may see is called, or was."""
        # A part is called after what it links, which may be hidden: its own words say that one by one.
        known = "" if tracked.part_of else self._names.get(tracked.model, {}).get(row_id)
        if known:
            return known
        named = next((str(values[column]) for column in _NAMES if values.get(column)), "")
        return named or self.summary(tracked, values) or f"#{row_id}"

    def summary(self, tracked: Tracked, values: dict[str, Any]) -> str:
        """Return a part in one line: what it links to, and its values; a "yes" alone says nothing."""
        skipped = {column for _model, column in tracked.wholes()} | {tracked.key}
        told = [
            (field, values[column])
            for column, field in shown_fields(tracked).items()
            if column not in skipped and values.get(column) and values[column] is not True
        ]
        told.sort(key=lambda each: not each[0].is_relation)
        texts = [self.text(field, value) for field, value in told]
        return " · ".join(texts[:4])

    def text(self, field: "models.Field[Any, Any]", value: Any) -> str:
        """Return a recorded value in words."""
        if value is None or value in ("", []):
            return NOTHING
        if isinstance(field.related_model, type):
            return self.name(field.related_model, value)
        choices = dict(field.flatchoices) if field.choices else {}
        if choices and value in choices:
            return str(choices[value])
        return Truncator(_plain(field, value)).chars(_LONGEST)

    # Looking up

    def _judge(self, tracked: Tracked, row_id: str, about: str) -> tuple[type[models.Model], str]:
        if tracked.has_own_rule:
            return tracked.model, row_id
        label, _colon, whole_id = about.partition(":")
        return apps.get_model(label), whole_id

    def _look_up(self) -> None:
        for model, keys in self._wanted.items():
            rows = model._base_manager.filter(pk__in=keys)
            self._there.setdefault(model, set()).update(str(pk) for pk in rows.values_list("pk", flat=True))
            visible = rows.filter(_visible(self._actor, model))
            self._names.setdefault(model, {}).update({str(row.pk): str(row) for row in visible})
        self._wanted = {}


def _visible(actor: User, model: type[models.Model]) -> models.Q:
    if not isinstance(getattr(model, "access", None), Rule):
        return access.EVERYTHING if access.is_everything(actor) else access.NOTHING
    condition = access.scope(actor, "view", model)
    # People know their own name, whatever their roles.
    return (
        condition | models.Q(pk=actor.pk) if model is User and condition != access.EVERYTHING else condition
    )


def sees_all(actor: User, model: type[models.Model]) -> bool:
    """Tell whether no row of a model is hidden from somebody."""
    if not isinstance(getattr(model, "access", None), Rule):
        return access.is_everything(actor)
    return access.scope(actor, "view", model) == access.EVERYTHING


def _plain(field: "models.Field[Any, Any]", value: Any) -> str:
    if isinstance(field, models.DecimalField) and isinstance(value, str):
        # Within JSON, numbers that are to stay exact are text.
        value = Decimal(value)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, int | Decimal) and not isinstance(field, models.CharField):
        is_year = "year" in field.name
        return str(value) if is_year else formats.number_format(value, force_grouping=True)
    if isinstance(field, models.DateTimeField):
        moment = _moment(value)
        return formats.date_format(moment, "SHORT_DATETIME_FORMAT") if moment else str(value)
    if isinstance(field, models.DateField):
        day = _day(value)
        return formats.date_format(day, "SHORT_DATE_FORMAT") if day else str(value)
    return _listed(value) if isinstance(value, list) else str(value)


def _moment(value: Any) -> datetime | None:
    moment = parse_datetime(str(value))
    return timezone.localtime(moment) if moment is not None and timezone.is_aware(moment) else moment


def _day(value: Any) -> date | None:
    return parse_date(str(value))


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(map(str, values))
