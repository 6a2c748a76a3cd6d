"""
Rows for reading: model instances made without `__init__`, one object for each related row however often it comes.

A page of a hundred deals takes a hundred deals, six stages and a few colleagues, not three hundred instances of a
hundred columns. The instances are whole otherwise: methods, relations, prefetching, columns that are fetched when they
are asked for. Signals of instances being made are not sent.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from django.db import models
from django.db.models import QuerySet
from django.db.models.base import ModelState
from django.db.models.query import BaseIterable

M = TypeVar("M", bound=models.Model)
Row = tuple[Any, ...]


def lean(queryset: QuerySet[M]) -> QuerySet[M]:
    """Return the queryset made to read rows that are only looked at."""
    rows: Any = queryset.all()
    rows._iterable_class = _LeanIterable
    return rows  # type: ignore[no-any-return]


class _LeanIterable(BaseIterable):  # type: ignore[type-arg]
    """Makes the instances of a queryset."""

    def __iter__(self) -> Iterator[Any]:
        queryset: Any = self.queryset
        compiler = queryset.query.get_compiler(using=queryset.db)
        found = compiler.execute_sql(chunked_fetch=False)
        info = compiler.klass_info
        make = _maker(info, compiler.select, queryset.db)
        relations = [
            _relation(one, compiler.select, queryset.db) for one in info.get("related_klass_infos", [])
        ]
        annotations = list(compiler.annotation_col_map.items())
        known = queryset._known_related_objects
        for row in compiler.results_iter(found):
            instance = make(row)
            for fill in relations:
                fill(instance, row)
            for name, place in annotations:
                setattr(instance, name, row[place])
            for field, objects in known.items():
                _relate(instance, field, objects)
            yield instance


def _relate(instance: Any, field: Any, objects: dict[Any, Any]) -> None:
    """Give a row what it was found through, as `company.deals.all()` does."""
    if not field.is_cached(instance):
        other = objects.get(getattr(instance, field.attname))
        if other is not None:
            setattr(instance, field.name, other)


def _maker(info: dict[str, Any], select: Any, using: str) -> Callable[[Row], Any]:
    model = info["model"]
    places = info["select_fields"]
    first, last = places[0], places[-1] + 1
    names = [select[place][0].target.attname for place in range(first, last)]

    def make(row: Row) -> Any:
        instance = model.__new__(model)
        instance.__dict__.update(zip(names, row[first:last], strict=True))
        state = ModelState()
        state.db, state.adding = using, False
        instance._state = state
        return instance

    return make


def _relation(info: dict[str, Any], select: Any, using: str) -> Callable[[Any, Row], None]:
    """Return what gives a row its related row, and that one its own."""
    make = _maker(info, select, using)
    further = [_relation(one, select, using) for one in info.get("related_klass_infos", [])]
    key_name = info["model"]._meta.pk.attname
    key = next(place for place in info["select_fields"] if select[place][0].target.attname == key_name)
    set_local, set_remote = info["local_setter"], info["remote_setter"]
    made: dict[Any, Any] = {}

    def fill(instance: Any, row: Row) -> None:
        pk = row[key]
        if pk is None:
            set_local(instance, None)
            return
        other = made.get(pk)
        if other is None:
            other = made[pk] = make(row)
            for one in further:
                one(other, row)
        set_local(instance, other)
        set_remote(other, instance)

    return fill
