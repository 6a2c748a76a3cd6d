"""Changing a chunk of rows by the owner app's services, each row wholly or not at all, and saying what became of it."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DataError, IntegrityError, connection, models, transaction
from django.utils.translation import gettext as _

from apps.accounts import access
from apps.accounts.models import User
from apps.common.constraints import name_of, words_of
from apps.history import maps
from apps.history.tracking import tracked
from apps.lists.bulk import Bulk, Choice, Operation
from apps.lists.models import BulkRow

Verdict = BulkRow.Verdict
_REFUSALS = (IntegrityError, DataError, ValidationError, PermissionDenied, ObjectDoesNotExist)
# What follows every change, and what no person wrote.
_FOLLOWING = {"version", "updated_at", "updated_by", "created_at", "created_by"}
# By field: the old value and the new one.
Values = dict[str, list[Any]]


@dataclass
class Fate:
    """What became of one row, or would."""

    verdict: str
    version: int | None = None
    values: Values | None = None
    reason: str = ""


@dataclass
class Plan:
    """What was rehearsed for a row."""

    version: int | None
    values: Values


@dataclass
class Work:
    """
    One chunk of rows to be changed.

    :param plans: what was rehearsed for each row; rows that are not as they were, or would become something else, are
        left alone. None while rehearsing.
    """

    bulk: Bulk
    choice: Choice
    actor: User
    face: str
    plans: Mapping[Any, Plan] | None = None
    fates: dict[Any, Fate] = field(default_factory=dict)

    def run(self, keys: Sequence[Any]) -> dict[Any, Fate]:
        """Change rows inside the caller's transaction, and return what became of each."""
        versions = self._lock(keys)
        for key in keys:
            if key not in versions:
                self.fates[key] = Fate(Verdict.GONE)
            elif self.plans is not None and versions[key] != self.plans[key].version:
                self.fates[key] = Fate(Verdict.MOVED)
        self._do([key for key in keys if key not in self.fates])
        for key, version in versions.items():
            self.fates[key].version = version
        return self.fates

    def _lock(self, keys: Sequence[Any]) -> dict[Any, int | None]:
        """Lock what the actor sees of some rows, in the order in which every service does; return their versions."""
        model = self.bulk.model
        rows = model._base_manager.filter(access.scope(self.actor, "view", model), pk__in=keys)
        locked = rows.select_for_update(of=("self",), no_key=True).order_by("pk")
        if any(f.name == "version" for f in model._meta.concrete_fields):
            return dict(locked.values_list("pk", "version"))
        return dict.fromkeys(locked.values_list("pk", flat=True))

    def _do(self, keys: list[Any]) -> None:
        """Change rows; halve them around what the database refuses until the refused rows stand alone."""
        if not keys:
            return
        try:
            with transaction.atomic():
                self._do_together(keys)
                # Foreign keys are checked at commit unless told otherwise; a rehearsal never commits.
                with connection.cursor() as cursor:
                    cursor.execute("set constraints all immediate")
                    cursor.execute("set constraints all deferred")
        except _LeftOut as left_out:
            self.fates |= left_out.fates
            self._do([key for key in keys if key not in left_out.fates])
        except _REFUSALS as error:
            if len(keys) == 1:
                self.fates[keys[0]] = Fate(Verdict.REFUSED, reason=reason_of(error))
                return
            middle = len(keys) // 2
            self._do(keys[:middle])
            self._do(keys[middle:])

    def _do_together(self, keys: list[Any]) -> None:
        """:raises _LeftOut: a row that was changed already has to be left alone; everything is to be taken back"""
        before = self._look(keys)
        refused: dict[Any, Fate] = {}
        has_changed = False
        for operation in self.bulk.operations:
            chosen = {c.key: self.choice[c.key] for c in operation.offered() if c.key in self.choice}
            if not chosen:
                continue
            new = self._run(operation, [key for key in keys if key not in refused], chosen)
            if new and has_changed:
                raise _LeftOut(refused | new)
            refused |= new
            has_changed = True
        left = [key for key in keys if key not in refused]
        fates = self._compare(before, self._look(left), left)
        strayed = {
            key: Fate(Verdict.MOVED) for key, fate in fates.items() if not self._is_as_planned(key, fate)
        }
        if strayed:
            raise _LeftOut(refused | strayed)
        self.fates |= refused | fates

    def _run(self, operation: Operation, keys: list[Any], chosen: Choice) -> dict[Any, Fate]:
        refusals = operation.run(keys, chosen, actor=self.actor, face=self.face)
        return {key: Fate(Verdict.REFUSED, reason=reason_of(error)) for key, error in refusals.items()}

    def _compare(
        self, before: Mapping[Any, Any], after: Mapping[Any, Any], keys: list[Any]
    ) -> dict[Any, Fate]:
        fates = {}
        for key in keys:
            was, now = maps.spread(before[key], self.mapped), maps.spread(after[key], self.mapped)
            differing = set(maps.changed_keys(was, now))
            values = {
                name: _as_json([was.get(name), now.get(name)]) for name in {**was, **now} if name in differing
            }
            fates[key] = Fate(Verdict.CHANGED, values=values) if values else Fate(Verdict.SAME)
        return fates

    def _is_as_planned(self, key: Any, fate: Fate) -> bool:
        return self.plans is None or self._essence(fate.values) == self._essence(self.plans[key].values)

    @cached_property
    def mapped(self) -> Collection[str]:
        """The columns that hold an object, of which each key is a thing of its own."""
        known = tracked(self.bulk.model._meta.label_lower)
        return known.maps if known else ()

    @cached_property
    def moments(self) -> set[str]:
        columns = self.bulk.model._meta.concrete_fields
        return {f.name for f in columns if isinstance(f, models.DateTimeField)}

    def _essence(self, values: Values | None) -> dict[str, Any]:
        """Return what a rehearsal foretells: everything but the moment."""
        return {
            name: new is not None if name in self.moments else new
            for name, (_old, new) in (values or {}).items()
        }

    def _look(self, keys: Sequence[Any]) -> dict[Any, dict[str, Any]]:
        """Return what rows hold: one query, and one more per many-to-many field."""
        model = self.bulk.model
        names = [
            f.name
            for f in model._meta.concrete_fields
            if f.name not in _FOLLOWING and not f.primary_key and not f.generated
        ]
        found = {row.pop("pk"): row for row in model._base_manager.filter(pk__in=keys).values("pk", *names)}
        for relation in model._meta.local_many_to_many:
            for row in found.values():
                row[relation.name] = []
            through: Any = relation.remote_field.through
            source, target = f"{relation.m2m_field_name()}_id", f"{relation.m2m_reverse_field_name()}_id"
            links = through._base_manager.filter(**{f"{source}__in": keys}).order_by(target)
            for key, linked in links.values_list(source, target):
                found[key][relation.name].append(linked)
        return found


def _as_json(values: list[Any]) -> list[Any]:
    """Return values as the plan keeps them."""
    plain: list[Any] = json.loads(json.dumps(values, cls=DjangoJSONEncoder))
    return plain


class _LeftOut(Exception):
    """Rows have to be left alone that were changed in the meantime: everything is done again without them."""

    def __init__(self, fates: dict[Any, Fate]) -> None:
        super().__init__(len(fates))
        self.fates = fates


def reason_of(error: Exception) -> str:
    """Return why a row was refused; never the database's own text, which may quote others' rows."""
    if isinstance(error, ValidationError):
        return " ".join(error.messages)[:500]
    if isinstance(error, IntegrityError):
        return words_of(name_of(error))[:500]
    if isinstance(error, PermissionDenied):
        return _("You may not do this to it.")
    if isinstance(error, ObjectDoesNotExist):
        return _("It is not there any more, or you may not see it.")
    return _("A value does not fit its column.")
