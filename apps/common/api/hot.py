"""
Rows as JSON that PostgreSQL writes, from the serializer that describes them.

A serializer and the queryset behind it say all there is to say: which columns, through which relations, in which form.
REST framework reads them for the schema and for what is written; `Shape` makes an SQL expression of the same two, so
that nothing is declared twice and the two cannot differ. What a field would do in Python and SQL cannot is refused
when the shape is made, never at a request.

Names in the SQL are those of models, columns and fields: nobody's input. Values are always parameters.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from django.db.models import Prefetch, QuerySet
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.relations import ManyRelatedField, PrimaryKeyRelatedField

# What JSON says of a column is what these say of its value.
_AS_IT_IS = (
    serializers.IntegerField,
    serializers.BigIntegerField,
    serializers.CharField,
    serializers.EmailField,
    serializers.BooleanField,
    serializers.ChoiceField,
    serializers.DateField,
    serializers.ReadOnlyField,
)
# Python leaves out the microseconds where there are none; times are told in UTC.
_TIME = "replace(to_char({0} at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), '.000000Z', 'Z')"
_ROW = "a"
Columns = Callable[[str], str]


class JsonText(HttpResponse):
    """JSON as it came from the database, sent on unread."""

    def __init__(self, text: bytes, **kwargs: Any) -> None:
        super().__init__(text, content_type="application/json", **kwargs)

    @cached_property
    def data(self) -> Any:
        """What was written, for those who look into a response."""
        return json.loads(self.content)


@dataclass(frozen=True)
class Selection:
    """Which rows: a SELECT of all columns of a model's table without an order; none at all where `sql` is empty."""

    sql: str
    params: tuple[Any, ...] = ()
    is_steady: bool = False

    @classmethod
    def of(cls, rows: QuerySet[Any], *, is_steady: bool = False) -> Self:
        """
        Write a queryset down.

        :param is_steady: its plan is as good for other values, so that PostgreSQL may keep it
        """
        try:
            sql, params = rows.select_related(None).order_by().query.sql_with_params()
        except EmptyResultSet:
            return cls("")
        return cls(sql, tuple(params), is_steady)


@dataclass
class Window:
    """
    Takes down which page the paginator wants, in place of a queryset, and reads it.

    :ivar text: the rows of the page, newest first, with commas between them
    """

    shape: "Shape"
    selection: Selection
    text: bytes = b""
    _is_backwards: bool = False
    _after: str | None = None

    def order_by(self, key: str) -> Self:
        self._is_backwards = not key.startswith("-")
        return self

    def filter(self, **position: str) -> Self:
        (self._after,) = position.values()
        return self

    def __getitem__(self, rows: slice) -> list[dict[str, int]]:
        after = None if self._after is None else int(self._after)
        keys, self.text = self.shape.page(
            self.selection,
            after=after,
            skipped=rows.start,
            size=rows.stop - rows.start,
            is_backwards=self._is_backwards,
        )
        return [{"pk": key} for key in keys]


class Shape:
    """How rows of a queryset look through a serializer; the fields that it has now."""

    def __init__(self, serializer: Any, queryset: QuerySet[Any]) -> None:
        self._body = _Body(queryset, _ROW)
        for name, each in serializer.fields.items():
            if not each.write_only:
                self._body.add(name, each)
        model = queryset.model
        self._key = _quoted(model._meta.pk.column)
        has_version = any(f.name == "version" for f in model._meta.concrete_fields)
        self._version = f"{_ROW}.version" if has_version else "null"

    def page(
        self, selection: Selection, *, after: int | None, skipped: int, size: int, is_backwards: bool
    ) -> tuple[list[int], bytes]:
        """
        Read a page: up to `size` keys, in the order asked for, and the rows of all but the last as text, newest
        first. The last key only tells that there is more.
        """
        if not selection.sql:
            return [], b""
        order, sign = ("asc", ">") if is_backwards else ("desc", "<")
        bound, params = ("", ()) if after is None else (f" where {self._key} {sign} %s", (after,))
        # Numbers of rows stand in the text: a plan that is kept without knowing them expects a tenth of the table.
        page = f"select * from ({selection.sql}) s{bound} order by {self._key} {order} limit {size:d} offset {skipped:d}"
        keys = f"select array_agg({self._key} order by {self._key} {order}) from page"
        rows = (
            f"select {self._body.columns}"
            f" from (select * from page order by {self._key} {order} limit {size - 1:d}) {_ROW}{self._body.joined}"
            f" order by {_ROW}.{self._key} desc"
        )
        # No statement that begins with "with": that may write, and history would open a transaction for it.
        sql = (
            f"select keys, rows from (with page as ({page}) select ({keys}) as keys,"
            f" (select string_agg(row_to_json(r)::text, ',') from ({rows}) r) as rows) found"
        )
        found = _fetch(sql, (*selection.params, *params), selection)
        return found[0] or [], found[1] or b""

    def one(self, selection: Selection, pk: int) -> tuple[int | None, bytes] | None:
        """Return the version and the text of one row; None where the selection has no such row."""
        if not selection.sql:
            return None
        sql = (
            f"select {self._version}, (select row_to_json(r)::text from (select {self._body.columns}) r)"
            f" from ({selection.sql}) {_ROW}{self._body.joined} where {_ROW}.{self._key} = %s"
        )
        found: tuple[int | None, bytes] | None = _fetch(sql, (*selection.params, pk), selection)
        return found


class _Body:
    """The columns of a serializer's fields over one table, and the joins that they need."""

    def __init__(self, queryset: QuerySet[Any], alias: str) -> None:
        self.model: type[models.Model] = queryset.model
        self.alias = alias
        lookups: Iterable[Any] = vars(queryset)["_prefetch_related_lookups"]
        self.prefetched = {
            each.to_attr or each.prefetch_through: each for each in lookups if isinstance(each, Prefetch)
        }
        self._columns: list[str] = []
        self._joins: dict[str, str] = {}

    @property
    def columns(self) -> str:
        return ", ".join(self._columns)

    @property
    def joined(self) -> str:
        return "".join(self._joins.values())

    def add(self, name: str, each: Any) -> None:
        """Write one field. :raises TypeError: SQL cannot say what it does"""
        self._columns.append(f"{self._expression(each)} as {_quoted(name)}")

    def _expression(self, each: Any) -> str:
        if hasattr(each, "in_sql"):
            return str(each.in_sql(self.column))
        if isinstance(each, serializers.ListSerializer):
            return self._nested(each)
        if isinstance(each, ManyRelatedField):
            return self._keys(each)
        is_plain = type(each) in _AS_IT_IS or _is_key(each) or _is_generated(each)
        if not is_plain and not isinstance(each, serializers.DateTimeField | serializers.DecimalField):
            raise TypeError(f"{each.field_name}: PostgreSQL cannot write a {type(each).__name__} by itself.")
        column = self.column(each.source)
        if is_plain:
            return column
        if isinstance(each, serializers.DateTimeField):
            return _TIME.format(column)
        self._require_scale(each)
        return f"{column}::text"

    def column(self, path: str) -> str:
        """Return the column that a source ("company.name") leads to, joining what lies on the way."""
        *steps, last = path.split(".")
        model, alias = self.model, self.alias
        for step in steps:
            relation: Any = model._meta.get_field(step)
            model, here = relation.related_model, alias
            alias = f"{here}_{step}"
            target = f"{alias}.{_quoted(model._meta.pk.column)}"
            self._joins[alias] = (
                f" left join {_quoted(model._meta.db_table)} {alias} on {target} = {here}.{_quoted(relation.column)}"
            )
        return f"{alias}.{_quoted(_field_of(model, last).column)}"

    def _require_scale(self, each: serializers.DecimalField) -> None:
        """The text of a numeric column has its own number of places, which has to be the field's."""
        column = _field_of(self.model, str(each.source))
        if getattr(column, "decimal_places", None) != each.decimal_places or each.normalize_output:
            raise TypeError(f"{each.field_name}: the column has other decimal places.")

    def _keys(self, each: ManyRelatedField) -> str:
        relation: Any = self.model._meta.get_field(str(each.source))
        table, own = _quoted(relation.m2m_db_table()), _quoted(relation.m2m_column_name())
        other = _quoted(relation.m2m_reverse_name())
        return f"array(select {other} from {table} where {own} = {self.alias}.{self._pk} order by 1)"

    def _nested(self, each: Any) -> str:
        """Write the parts of a row as a list, in the order and under the condition of their `Prefetch`."""
        prefetch = self.prefetched[each.source]
        relation: Any = self.model._meta.get_field(prefetch.prefetch_through)
        parts: Any = prefetch.queryset
        table = parts.model._meta.db_table
        # Under its own name, by which the condition of the queryset speaks of it.
        body = _Body(parts, table)
        for name, inner in each.child.fields.items():
            if not inner.write_only:
                body.add(name, inner)
        condition = f"{_quoted(table)}.{_quoted(relation.field.column)} = {self.alias}.{self._pk}"
        rows = (
            f"select {body.columns} from {_quoted(table)}{body.joined}"
            f" where {condition}{_condition(parts)} order by {_order(parts)}"
        )
        return f"array(select row_to_json(r) from ({rows}) r)"

    @property
    def _pk(self) -> str:
        return _quoted(self.model._meta.pk.column)


def _is_key(each: Any) -> bool:
    return isinstance(each, PrimaryKeyRelatedField) and each.pk_field is None and "." not in str(each.source)


def _is_generated(each: Any) -> bool:
    return isinstance(each, serializers.ModelField) and isinstance(each.model_field, models.GeneratedField)


def _condition(rows: QuerySet[Any]) -> str:
    """Return what a queryset asks of its rows. :raises TypeError: more than can be said without values and joins"""
    query = rows.query
    if not query.where:
        return ""
    text, params = query.where.as_sql(query.get_compiler(connection=connection), connection)
    if params or len(query.alias_map) > 1:
        raise TypeError(f"{rows.model._meta.label}: parts are chosen by plain conditions only.")
    return f" and {text}"


def _order(rows: QuerySet[Any]) -> str:
    """Return the order of a list of parts. :raises TypeError: it has none, so that the answer would change by itself"""
    names = [str(name) for name in rows.query.order_by]
    if not names:
        raise TypeError(f"{rows.model._meta.label}: a list of parts needs an order.")
    table = _quoted(rows.model._meta.db_table)
    return ", ".join(
        f"{table}.{_quoted(_field_of(rows.model, name.lstrip('-')).column)}"
        + (" desc" if name.startswith("-") else "")
        for name in names
    )


def _field_of(model: type[models.Model], name: str) -> Any:
    return model._meta.pk if name == "pk" else model._meta.get_field(name)


def _quoted(name: Any) -> str:
    return connection.ops.quote_name(name)


def _fetch(sql: str, params: tuple[Any, ...], selection: Selection) -> Any:
    here: Any = connections[DEFAULT_DB_ALIAS]
    return here.read_first(sql, params, is_kept=selection.is_steady)
