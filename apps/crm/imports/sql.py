"""Statements of the engine, composed from literals and the policy's own conditions: a set is one statement."""

from typing import Any

import psycopg
from django.core.exceptions import EmptyResultSet
from django.db import connection, models
from psycopg import sql


def literal(value: Any) -> str:
    """Write a value as an SQL literal, quoted by the driver."""
    connection.ensure_connection()
    return sql.Literal(value).as_string(connection.connection)


def inline(queryset: "models.QuerySet[Any, Any]") -> str:
    """Return a queryset as a subquery with its parameters written in, for use inside a larger statement."""
    try:
        statement, params = queryset.query.sql_with_params()
    except EmptyResultSet:
        return "select null::bigint, null::text where false"
    connection.ensure_connection()
    return psycopg.ClientCursor(connection.connection).mogrify(statement, params)


def run(statement: str) -> int:
    """Execute a statement without parameters; returns how many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return int(cursor.rowcount)


def fetch(statement: str) -> list[tuple[Any, ...]]:
    """Execute a query without parameters and return its rows."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def default_of(field: "models.Field[Any, Any]") -> str | None:
    """Return what a new row has in a column unless something is said; None where the database fills it in."""
    if field.generated or field.primary_key or field.has_db_default():
        return None
    if getattr(field, "auto_now_add", False) or getattr(field, "auto_now", False):
        return "now()"
    value = field.get_default()
    if value is None and not field.null and field.empty_strings_allowed:
        value = ""
    return literal(value)
