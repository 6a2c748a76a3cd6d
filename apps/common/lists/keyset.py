"""
Pages by key: a page begins behind the row that the last one ended with, wherever that row stands by now.

A page by number reads everything in front of it, and shows a row twice when another was inserted meanwhile. Here the
values of the last row are compared with an index, however far back it is. What makes it work for every order:

- An order is a list of columns, the last of them unique. Behind a row are the rows that equal it in the first columns
  and are behind it in the next: one range of an index each, read one after the other until the page is full. Where all
  columns go the same way, one comparison of rows (`(amount, id) < (…, …)`) covers them.
- Empty values stand last whichever way a column is sorted, unless the order says otherwise: who sorts by amount wants
  amounts. They are a range of their own, so that one plain index serves both ways.
- Backwards is the same with every column turned round.
"""

import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.core import signing
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.db.models.expressions import OrderBy
from django.db.models.lookups import IsNull

_SALT = "artel.lists"
# A cursor carries the values of one row; nobody's browser sends more than this back.
LONGEST = 4_000


class BadCursor(Exception):
    """A place in a list that was not given out for this list in this order."""


@dataclass(frozen=True)
class Column:
    """
    One column of an order.

    :ivar source: what is ordered by, as a queryset takes it
    :ivar name: where a row carries the value: an attribute of its own, or an annotation
    :ivar field: turns values into text and back
    """

    source: Any
    name: str
    field: Any
    is_annotated: bool
    is_descending: bool
    may_be_empty: bool
    is_empty_first: bool

    def reversed(self) -> "Column":
        return replace(self, is_descending=not self.is_descending, is_empty_first=not self.is_empty_first)

    def order_by(self, *, is_filled: bool) -> OrderBy:
        """Return what sorts by this column; where it has no empty values, a plain index does."""
        # PostgreSQL's own way: empty ones last when ascending, first when descending.
        if is_filled or not self.may_be_empty or self.is_empty_first == self.is_descending:
            return OrderBy(self.source, descending=self.is_descending)
        first, last = (True, None) if self.is_empty_first else (None, True)
        return OrderBy(self.source, descending=self.is_descending, nulls_first=first, nulls_last=last)

    @property
    def label(self) -> str:
        return f"{'-' if self.is_descending else ''}{self.name}{'^' if self.is_empty_first else ''}"


def columns_of(queryset: QuerySet[Any], ordering: Sequence[Any]) -> list[Column]:
    """
    Resolve an order: names as `order_by` takes them, or expressions; a relation is ordered by as Django does.

    What follows a column that is unique by itself says nothing more, and is left out.
    """
    found: list[Column] = []
    for part in ordering:
        for column in _resolve(queryset, part, len(found)):
            if all(column.name != known.name for known in found):
                found.append(column)
            if column.name == queryset.model._meta.pk.attname:
                return found
    raise ValueError("The last column of an order has to be the primary key.")


def _resolve(queryset: QuerySet[Any], part: Any, place: int) -> Iterator[Column]:
    if isinstance(part, str):
        yield from _by_path(queryset.model, part.removeprefix("-"), is_descending=part.startswith("-"))
        return
    order = part if isinstance(part, OrderBy) else part.asc()
    if isinstance(order.expression, F):
        for column in _by_path(queryset.model, _name_of(order.expression), is_descending=order.descending):
            yield replace(column, is_empty_first=bool(order.nulls_first))
        return
    resolved = order.expression.resolve_expression(queryset.query)
    yield Column(
        source=order.expression,
        name=f"order_{place}",
        field=resolved.output_field,
        is_annotated=True,
        is_descending=order.descending,
        may_be_empty=True,
        is_empty_first=bool(order.nulls_first),
    )


def _name_of(expression: Any) -> str:
    return str(expression.name)


def _by_path(
    model: type[models.Model], path: str, *, is_descending: bool, prefix: str = "", is_empty: bool = False
) -> Iterator[Column]:
    """Follow a path of names to the column at its end; a relation there leads on to its own order."""
    *steps, last = path.split(LOOKUP_SEP)
    for step in steps:
        relation: Any = model._meta.get_field(step)
        is_empty = is_empty or not relation.concrete or relation.null
        prefix, model = f"{prefix}{step}{LOOKUP_SEP}", relation.related_model
    field: Any = model._meta.pk if last == "pk" else model._meta.get_field(last)
    ordering = field.related_model._meta.ordering if field.is_relation and last != field.attname else ()
    if ordering:
        for part in ordering:
            is_turned = is_descending != part.startswith("-")
            yield from _by_path(
                field.related_model,
                part.removeprefix("-"),
                is_descending=is_turned,
                prefix=f"{prefix}{last}{LOOKUP_SEP}",
                is_empty=is_empty or field.null,
            )
        return
    yield Column(
        source=F(f"{prefix}{field.attname}"),
        name=f"order_{prefix}{field.attname}".replace(LOOKUP_SEP, "_") if prefix else field.attname,
        field=field.target_field if field.is_relation else field,
        is_annotated=bool(prefix),
        is_descending=is_descending,
        may_be_empty=is_empty or field.null,
        is_empty_first=False,
    )


class _Compared(models.Func):
    """`(a, b) > (1, 2)`: one comparison of rows, which one range of an index answers."""

    output_field = models.BooleanField()
    conditional = True

    def __init__(self, columns: Sequence[Column], values: Sequence[Any], operator: str) -> None:
        pairs = zip(columns, values, strict=True)
        bound = [models.Value(value, output_field=column.field) for column, value in pairs]
        super().__init__(*(column.source for column in columns), *bound)
        self.operator = operator

    def as_sql(  # type: ignore[override]
        self, compiler: Any, connection: Any, **context: Any
    ) -> tuple[str, tuple[Any, ...]]:
        parts, params = [], []
        for expression in self.source_expressions:
            sql, bound = compiler.compile(expression)
            parts.append(sql)
            params.extend(bound)
        half = len(parts) // 2
        return f"({', '.join(parts[:half])}) {self.operator} ({', '.join(parts[half:])})", tuple(params)


Values = Sequence[Any]


@dataclass(frozen=True)
class Range:
    """Rows that stand together: what they have in common, and what sorts them."""

    condition: Q
    order: list[OrderBy]


def _range(condition: Q, columns: Sequence[Column]) -> Range:
    # What a range begins with has either a value in all of its rows or in none.
    return Range(condition, [column.order_by(is_filled=place == 0) for place, column in enumerate(columns)])


def all_ranges(columns: Sequence[Column]) -> list[Range]:
    """Return the ranges that a whole list consists of."""
    first = columns[0]
    if not first.may_be_empty:
        return [_range(Q(), columns)]
    filled, empty = _range(_is_empty(first, is_empty=False), columns), _empty_range(columns)
    return [empty, filled] if first.is_empty_first else [filled, empty]


def ranges_behind(columns: Sequence[Column], values: Values) -> list[Range]:
    """Return the ranges of rows behind a row, in order; together they are all of them, and none twice."""
    if not columns:
        return []
    first, value = columns[0], values[0]
    if _are_one_way(columns, values):
        ranges = [_range(Q(_Compared(columns, values, "<" if first.is_descending else ">")), columns)]
    else:
        equal = _equals(first, value)
        ranges = [
            Range(equal & tail.condition, tail.order) for tail in ranges_behind(columns[1:], values[1:])
        ]
        if value is not None:
            further = Q(_Compared([first], [value], "<" if first.is_descending else ">"))
            ranges.append(_range(further, columns))
        elif first.is_empty_first:
            ranges.append(_range(_is_empty(first, is_empty=False), columns))
    if value is not None and first.may_be_empty and not first.is_empty_first:
        ranges.append(_empty_range(columns))
    return ranges


def _empty_range(columns: Sequence[Column]) -> Range:
    # Of the next column nothing is known: it has values in some of these rows, and in others none.
    order = [column.order_by(is_filled=False) for column in columns[1:]]
    return Range(_is_empty(columns[0], is_empty=True), order)


def _are_one_way(columns: Sequence[Column], values: Values) -> bool:
    return (
        len({column.is_descending for column in columns}) == 1
        and not any(column.may_be_empty for column in columns[1:])
        and None not in values
    )


def _equals(column: Column, value: Any) -> Q:
    return _is_empty(column, is_empty=True) if value is None else Q(_Compared([column], [value], "="))


def _is_empty(column: Column, *, is_empty: bool) -> Q:
    return Q(IsNull(column.source, is_empty))


@dataclass(frozen=True)
class Place:
    """Where a page is: at an end of the list, or behind (or in front of) a row with these values."""

    is_backward: bool = False
    values: tuple[Any, ...] | None = None


FIRST, LAST = Place(), Place(is_backward=True)
_LAST = "last"


def write_place(place: Place, columns: Sequence[Column]) -> str:
    """Put a place into words that an address carries, signed together with the order it belongs to."""
    if place == LAST:
        return _LAST
    texts = [None if value is None else _text(value) for value in place.values or ()]
    return signing.dumps([int(place.is_backward), _labels(columns), texts], salt=_SALT)


def read_place(text: str, columns: Sequence[Column]) -> Place:
    """:raises BadCursor: it was not given out for this order, or changed on its way"""
    if text in {"", "1"}:
        return FIRST
    if text == _LAST:
        return LAST
    if len(text) > LONGEST:
        raise BadCursor
    try:
        is_backward, labels, texts = signing.loads(text, salt=_SALT)
        if labels != _labels(columns) or len(texts) != len(columns):
            raise BadCursor
        values = [
            None if value is None else column.field.to_python(value)
            for column, value in zip(columns, texts, strict=True)
        ]
    except (signing.BadSignature, ValidationError, ValueError, TypeError, binascii.Error) as error:
        raise BadCursor from error
    return Place(bool(is_backward), tuple(values))


def _labels(columns: Sequence[Column]) -> str:
    return ",".join(column.label for column in columns)


def _text(value: Any) -> str:
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


@dataclass(frozen=True)
class Page:
    """Rows of one page, and the places of the others; None where there is none."""

    rows: list[Any]
    previous: Place | None
    next: Place | None

    @property
    def is_whole(self) -> bool:
        return self.previous is None and self.next is None


def read_page(queryset: QuerySet[Any], columns: Sequence[Column], place: Place, size: int) -> Page:
    """Read one page; each range of rows costs a query, and one or two nearly always suffice."""
    way = [column.reversed() for column in columns] if place.is_backward else list(columns)
    annotated = queryset.annotate(**{c.name: c.source for c in way if c.is_annotated})
    rows: list[Any] = []
    for part in all_ranges(way) if place.values is None else ranges_behind(way, place.values):
        found = annotated.filter(part.condition).order_by(*part.order)
        rows.extend(found[: size + 1 - len(rows)])
        if len(rows) > size:
            break
    has_more = len(rows) > size
    if place.is_backward and not rows and place.values is not None:
        # All in front has gone meanwhile: this is the beginning.
        return read_page(queryset, columns, FIRST, size)
    rows = rows[:size]
    if place.is_backward:
        rows.reverse()
    return Page(rows, *_neighbors(rows, columns, place, has_more=has_more))


def _neighbors(
    rows: list[Any], columns: Sequence[Column], place: Place, *, has_more: bool
) -> tuple[Place | None, Place | None]:
    if not rows:
        # Everything behind has gone; the way back is to the end.
        return (LAST if place.values is not None else None), None
    has_previous, has_next = place.values is not None, has_more
    if place.is_backward:
        has_previous, has_next = has_more, place.values is not None
    before = Place(is_backward=True, values=values_of(rows[0], columns))
    after = Place(is_backward=False, values=values_of(rows[-1], columns))
    return (before if has_previous else None), (after if has_next else None)


def values_of(row: Any, columns: Sequence[Column]) -> tuple[Any, ...]:
    """Return the values of a row that say where it stands."""
    return tuple(getattr(row, column.name) for column in columns)
