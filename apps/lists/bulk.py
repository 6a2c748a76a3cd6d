"""
What may be changed of many rows at once: declared by the app that owns the model, from its AppConfig's ready().

An operation is one service of the owner app for many rows. It asks the policy for each, validates, publishes and
refuses exactly as its sibling for one row does; how fast it is about it, is its own business.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Any

from django import forms
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from apps.accounts import access
from apps.accounts.models import User
from apps.common.templatetags.artel import number

# Ten times as much, and ten years, is more than anybody means.
_MOST_PERCENT = 1000
_MOST_DAYS = 3660


class How(StrEnum):
    """In which way something is changed."""

    SET = "set"
    CLEAR = "clear"
    ADD = "add"
    REMOVE = "remove"
    PERCENT = "percent"
    SHIFT = "shift"
    DO = "do"


@dataclass(frozen=True)
class Way:
    """
    One way of changing something.

    :param field: makes the field in which a person says the value, offering only what they may see; None for none
    """

    how: How
    label: str | Promise
    field: Callable[[User], forms.Field] | None = None


@dataclass(frozen=True)
class Chosen:
    """What a person has chosen of one change: the way, and the value, a row where one is named."""

    how: str
    value: Any = None


# {key of a change: what was chosen}
Choice = Mapping[str, Chosen]
# {primary key: why it was refused}
Refusals = Mapping[Any, Exception]


@dataclass(frozen=True)
class Change:
    """
    One thing that can be changed.

    :param key: the model's field, or the name of a deed ("win")
    :param relation: the model's field among whose rows is chosen, where they are too many for a list
    :param relation_of: the model of that field, where it is another one
    """

    key: str
    label: str | Promise
    ways: tuple[Way, ...]
    relation: str = ""
    relation_of: type[models.Model] | None = None

    @property
    def is_deed(self) -> bool:
        """Tell whether it is done or not, as winning a deal is, rather than written into a field."""
        return any(way.how == How.DO for way in self.ways)

    def way(self, how: str) -> Way:
        """:raises KeyError: it cannot be changed in this way"""
        return {str(way.how): way for way in self.ways}[how]


@dataclass(frozen=True)
class Operation:
    """
    One service of the owner app for many rows, and what it can be told to change.

    :param run: changes rows inside the caller's transaction: (primary keys, what was chosen, actor=, face=); returns
        which it refused. It neither changes those, nor those where nothing differs.
    :param action: what the policy is asked for each row
    :param at_once: how many rows are given to `run`, and locked, at a time: about half a second's work
    :param further: lists what else it can be told to change, where that is for people to arrange; asked each time
    """

    changes: tuple[Change, ...]
    run: Callable[..., Refusals]
    action: str = "change"
    at_once: int = 1_000
    further: Callable[[], Sequence[Change]] | None = None

    def offered(self) -> tuple[Change, ...]:
        """Return all that it can be told to change just now."""
        return self.changes if self.further is None else (*self.changes, *self.further())


@dataclass(frozen=True)
class Bulk:
    """
    What may be changed of many rows of a model.

    :param action: what the policy is asked when rows are chosen
    :param counted: says so many rows in words: "3 deals"
    """

    model: type[models.Model]
    operations: tuple[Operation, ...]
    action: str
    counted: Callable[[int], str]

    @property
    def changes(self) -> dict[str, Change]:
        return {change.key: change for operation in self.operations for change in operation.offered()}

    def named(self, keys: Iterable[str]) -> dict[str, Change]:
        """Return the changes of these keys that are known; what people arrange is asked for only where one is theirs."""
        wanted = set(keys)
        found = {
            change.key: change
            for operation in self.operations
            for change in operation.changes
            if change.key in wanted
        }
        if wanted - found.keys():
            found = {key: change for key, change in self.changes.items() if key in wanted}
        return found

    def at_once(self, keys: Iterable[str]) -> int:
        """Return how many rows are changed in one transaction where these changes are chosen."""
        chosen = set(keys)
        return min(
            operation.at_once
            for operation in self.operations
            if chosen & {change.key for change in operation.offered()}
        )

    def offered_to(self, actor: User) -> list[Change]:
        """List what somebody may change of rows of this model at all."""
        return [
            change
            for operation in self.operations
            if access.can_any(actor, operation.action, self.model)
            for change in operation.offered()
        ]


_registry: dict[str, Bulk] = {}


def register(
    model: type[models.Model],
    operations: Sequence[Operation],
    *,
    action: str = "change",
    counted: Callable[[int], str] | None = None,
) -> None:
    """Let rows of a model be changed in bulk; operations are done in this order."""
    label = model._meta.label_lower
    _registry[label] = Bulk(model, tuple(operations), action, counted or _counted_rows)


def _counted_rows(count: int) -> str:
    return ngettext("%(count)s row", "%(count)s rows", count) % {"count": number(count)}


def bulk_of(label: str) -> Bulk:
    """Return what was declared for "crm.deal". :raises KeyError: nothing was"""
    return _registry[label]


def is_registered(model: type[models.Model]) -> bool:
    return model._meta.label_lower in _registry


def one_by_one(service: Callable[..., object], keys: Iterable[Any], **given: Any) -> Refusals:
    """Do to each row what the service for one does; return which it refused. For what takes along more than the row."""
    return each_by(lambda key: service(key, **given), keys)


def each_by(do: Callable[[Any], object], keys: Iterable[Any]) -> Refusals:
    """Do something to each of some keys by itself; return which were refused."""
    refused: dict[Any, Exception] = {}
    for key in keys:
        try:
            with transaction.atomic():
                do(key)
        except (PermissionDenied, ValidationError, ObjectDoesNotExist) as error:
            refused[key] = error
    return refused


# Declaring


def column(
    model: type[models.Model],
    name: str,
    *,
    rows: Callable[[User], models.QuerySet[Any]] | None = None,
    is_required: bool = False,
) -> Change:
    """
    Declare a model's field: set, cleared where it may be empty, raised by percents, shifted by days, tags added.

    :param rows: the rows offered for a relation; those in sight that are not in the trash where None
    """
    field: Any = model._meta.get_field(name)
    if field.many_to_many:
        return Change(name, field.verbose_name, _links(field), name)
    value = _one_of(rows or _visible(field.related_model)) if field.is_relation else _plain(field)
    ways = [Way(How.SET, _("set to"), value)]
    if isinstance(field, models.DecimalField):
        ways.append(Way(How.PERCENT, _("change by percent"), percent))
    if isinstance(field, models.DateField):
        ways.append(Way(How.SHIFT, _("shift by days"), days))
    if field.blank and not is_required:
        ways.append(Way(How.CLEAR, _("make empty")))
    return Change(name, field.verbose_name, tuple(ways), name if field.is_relation else "")


def deed(
    key: str,
    label: str | Promise,
    field: Callable[[User], forms.Field] | None = None,
    how_label: str | Promise = "",
) -> Change:
    """Declare something that is done to a row, with at most one thing to say."""
    return Change(key, label, (Way(How.DO, how_label or label, field),))


def one_of(rows: Callable[[User], models.QuerySet[Any]]) -> Callable[[User], forms.Field]:
    """Return a field in which one of some rows is chosen."""
    return _one_of(rows)


def _one_of(rows: Callable[[User], models.QuerySet[Any]]) -> Callable[[User], forms.Field]:
    return lambda actor: forms.ModelChoiceField(rows(actor))


def _visible(model: type[models.Model]) -> Callable[[User], models.QuerySet[Any]]:
    def rows(actor: User) -> models.QuerySet[Any]:
        found = model._default_manager.filter(access.scope(actor, "view", model))
        has_trash = any(f.name == "archived_at" for f in model._meta.concrete_fields)
        return found.filter(archived_at=None) if has_trash else found

    return rows


def _plain(field: Any) -> Callable[[User], forms.Field]:
    def made(actor: User) -> forms.Field:
        # An empty value is what "make empty" is for.
        found: forms.Field = field.formfield(required=True, validators=field.validators)
        found.initial = None
        return found

    return made


def _links(field: Any) -> tuple[Way, ...]:
    def some(actor: User) -> forms.Field:
        return forms.ModelMultipleChoiceField(_visible(field.related_model)(actor))

    return (Way(How.ADD, _("add"), some), Way(How.REMOVE, _("remove"), some))


def percent(actor: User) -> forms.Field:
    """Return the field in which is said by how many percents."""
    return forms.DecimalField(
        max_digits=7,
        decimal_places=2,
        validators=[MinValueValidator(Decimal(-100)), MaxValueValidator(Decimal(_MOST_PERCENT))],
        help_text=_("10 raises by a tenth, −10 lowers by one."),
    )


def days(actor: User) -> forms.Field:
    """Return the field in which is said by how many days."""
    return forms.IntegerField(
        min_value=-_MOST_DAYS, max_value=_MOST_DAYS, help_text=_("7 is a week later, −7 a week earlier.")
    )


# Arithmetic


def new_values(row: models.Model, choice: Choice, names: Iterable[str]) -> dict[str, Any]:
    """
    Return what a row's columns become by what was chosen, by attribute ("owner_id"); what has no value keeps none.

    :raises ValidationError: it cannot become that, under the field
    """
    found = {}
    for name in names:
        if name in choice:
            field: Any = row._meta.get_field(name)
            found[field.attname] = _became(field, getattr(row, field.attname), choice[name])
    return found


def _became(field: Any, value: Any, chosen: Chosen) -> Any:
    if chosen.how == How.CLEAR:
        return None if field.null else ""
    if chosen.how == How.SET:
        return chosen.value.pk if isinstance(chosen.value, models.Model) else chosen.value
    if value is None:
        return None
    if chosen.how == How.PERCENT:
        exact = value * (100 + chosen.value) / 100
        return exact.quantize(Decimal(1).scaleb(-field.decimal_places), ROUND_HALF_UP)
    try:
        return value + timedelta(days=chosen.value)
    except OverflowError as error:
        raise ValidationError({field.name: _("There is no such date.")}, code="bad_date") from error
