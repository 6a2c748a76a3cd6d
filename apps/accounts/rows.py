"""What every service does the same way: find and lock a row for somebody, write it, say who did it."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, TypeVar

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, connection, connections, models, transaction
from django.db.models import signals
from django.db.models.expressions import DatabaseDefault
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import User
from apps.common.constraints import name_of, words_of
from apps.common.models import Stamped, Versioned

_Model = TypeVar("_Model", bound=models.Model)


def locked(
    model: type[_Model],
    pk: int,
    *,
    actor: User,
    action: str,
    expected_version: int | None = None,
    lets_point: bool = False,
) -> _Model:
    """
    Lock a row that `actor` sees and may do `action` to, as the policy says once the lock is held.

    :param lets_point: whoever only points a new row at this one, as a deal at its company, does not wait
    :raises DoesNotExist: the row is out of the actor's sight, or there is none
    :raises PermissionDenied: the actor sees it and may not do this
    :raises ValidationError: somebody else was faster (code "stale")
    """
    rows = model._base_manager.filter(access.scope(actor, "view", model))
    row = rows.select_for_update(of=("self",), no_key=lets_point).get(pk=pk)
    access.require(actor, action, row)
    if expected_version is not None and isinstance(row, Versioned) and row.version != expected_version:
        raise ValidationError(
            _("Somebody else has changed this meanwhile. Reload it and try again."), code="stale"
        )
    return row


def refusal(field: str, message: Any, *, code: str, **params: Any) -> ValidationError:
    """Return a refusal that belongs to one field."""
    return ValidationError({field: ValidationError(message, code=code, params=params)})


def insert(row: _Model, *, actor: User) -> _Model:
    """
    Insert a row in the actor's name; that they may is the caller's to check.

    :raises ValidationError: a field or a constraint refuses it
    """
    prepare(row, actor=actor)
    with refusals():
        save_new(row)
    return row


def prepare(row: models.Model, *, actor: User) -> None:
    """
    Put a new row into the actor's name.

    :raises ValidationError: a field refuses it
    """
    if isinstance(row, Stamped):
        row.created_by = row.updated_by = actor
    _clean(row, exclude=set())


def save_new(row: models.Model) -> None:
    """
    Insert a row as `save` does, by a statement that is written once for each model.

    For a model of many columns, writing it takes Django longer than PostgreSQL takes to insert the row.
    """
    model = type(row)
    listeners = (signals.pre_save, signals.post_save)
    is_plain = model.save is models.Model.save and not model._meta.parents
    if not is_plain or any(signal.has_listeners(model) for signal in listeners):
        row.save(force_insert=True)
        return
    insertion = insertion_of(row)
    with connection.cursor() as cursor:
        cursor.execute(f"{insertion.sql} returning {', '.join(insertion.given)}", insertion.values)
        insertion.take(row, cursor.fetchone())


@dataclass(frozen=True)
class Insertion:
    """
    The statement that inserts a row, for whoever does more in the same one.

    :ivar given: the columns that the database gives a value by itself
    """

    sql: str
    values: list[Any]
    given: list[str]
    attributes: list[str]

    def take(self, row: models.Model, given: Sequence[Any]) -> None:
        """Let the row be the one that was inserted, with what the database gave to it."""
        for attribute, value in zip(self.attributes, given, strict=True):
            setattr(row, attribute, value)
        row._state.adding, row._state.db = False, connection.alias


def insertion_of(row: models.Model, **expressions: str) -> Insertion:
    """
    Return how a row is inserted.

    :param expressions: SQL in place of the values of columns
    """
    columns, values = [], []
    # Not the proxy, which looks for the thread's connection again with each value.
    here = connections[connection.alias]
    for field in _written_fields(type(row)):
        if field.column in expressions:
            continue
        value = field.pre_save(row, add=True)
        # What the database gives by itself.
        if isinstance(value, DatabaseDefault) or (field.primary_key and value is None):
            continue
        columns.append(field.column)
        values.append(field.get_db_prep_save(value, here))
    sql, given, attributes = _insert_of(type(row), tuple(columns), tuple(expressions.items()))
    return Insertion(sql, values, given, attributes)


@cache
def _written_fields(model: type[models.Model]) -> list[Any]:
    return [field for field in model._meta.local_concrete_fields if not field.generated]


@lru_cache(512)
def _insert_of(
    model: type[models.Model], columns: tuple[str, ...], expressions: tuple[tuple[str, str], ...]
) -> tuple[str, list[str], list[str]]:
    """Return the statement for these columns, the columns that it leaves to the database, and their attributes."""
    meta, quote = model._meta, connection.ops.quote_name
    written = dict.fromkeys(columns, "%s") | dict(expressions)
    given = [f for f in meta.local_concrete_fields if f.primary_key or f.generated or f.column not in written]
    names, places = ", ".join(map(quote, written)), ", ".join(written.values())
    # Names of our own models' tables and columns; the values are parameters.
    sql = f"insert into {quote(meta.db_table)} ({names}) values ({places})"  # noqa: S608
    return sql, [quote(str(f.column)) for f in given], [f.attname for f in given]


def write(row: _Model, values: dict[str, Any], *, actor: User) -> _Model:
    """
    Set `values` on a locked row, count its version on, and save just that.

    :raises PermissionDenied: it would become somebody else's, and is only shared with the actor
    :raises ValidationError: a field or a constraint refuses it
    """
    require_lasting([row], values, actor=actor)
    put(row, values)
    saved = {*values}
    if isinstance(row, Versioned):
        row.version += 1
        saved.add("version")
    if isinstance(row, Stamped):
        row.updated_by = actor
        saved |= {"updated_by", "updated_at"}
    with refusals():
        row.save(update_fields=saved)
    return row


def require_lasting(found: Collection[models.Model], names: Collection[str], *, actor: User) -> None:
    """
    Insist that whoever changes whose rows are reaches them by a role: what is shared for a while is not taken for good.

    :param names: what is about to change, by field or column
    :raises PermissionDenied: one of the rows is only shared with the actor
    """
    if not found or not access.has_shares(actor):
        return
    model = type(next(iter(found)))
    rule = getattr(model, "access", None)
    deciding = (
        {name for path in (rule.owner, rule.team) if path for name in (path, f"{path}_id")} if rule else set()
    )
    if not deciding.intersection(names):
        return
    keys = [row.pk for row in found]
    theirs = model._base_manager.filter(access.scope_by_role(actor, "change", model), pk__in=keys)
    if theirs.count() < len(keys):
        raise PermissionDenied(_("This is only shared with you: whose it is, others say."))


def put(row: models.Model, values: dict[str, Any]) -> None:
    """
    Set values on a row without saving it.

    :raises ValidationError: a field refuses one
    """
    for name, value in values.items():
        setattr(row, name, value)
    _clean(
        row, exclude={f.name for f in row._meta.concrete_fields if not {f.name, f.attname} & values.keys()}
    )


def write_many(rows: Iterable[tuple[models.Model, Collection[str]]], *, actor: User) -> None:
    """
    Save columns of many locked rows of one model as :func:`put` has set them, and count their versions on.

    One statement per set of columns, whatever the number of rows.

    :param rows: pairs of a row and the columns that differ, by attribute ("owner_id")
    :raises PermissionDenied: one would become somebody else's, and is only shared with the actor
    :raises IntegrityError: a constraint refuses one of them, and so all
    """
    by_columns: dict[tuple[str, ...], list[models.Model]] = {}
    for row, names in rows:
        by_columns.setdefault(tuple(sorted(names)), []).append(row)
    for names, some in by_columns.items():
        require_lasting(some, names, actor=actor)
        _update_many(some, names, actor)


def _update_many(rows: list[models.Model], names: tuple[str, ...], actor: User) -> None:
    sets: list[str] = []
    params: list[Any] = []
    if isinstance(rows[0], Versioned):
        sets.append("version = t.version + 1")
    if isinstance(rows[0], Stamped):
        sets.append("updated_at = %s, updated_by_id = %s")
        params += [timezone.now(), actor.pk]
    set_columns(rows, names, also=sets, params=params)


def set_columns(
    rows: Sequence[models.Model],
    names: Sequence[str],
    *,
    also: Sequence[str] = (),
    params: Sequence[Any] = (),
) -> None:
    """
    Save columns of many rows of one model in one statement, as they stand in memory; for machinery that nobody edits.

    :param names: of columns, by attribute ("owner_id")
    :param also: further assignments of our own, with their parameters
    """
    meta = rows[0]._meta
    fields: list[Any] = [next(f for f in meta.concrete_fields if f.attname == name) for name in names]
    sets = [*(f'"{f.column}" = n.c{at}' for at, f in enumerate(fields)), *also]
    arrays = ", ".join(f"%s::{_array_type(f)}[]" for f in [meta.pk, *fields])
    columns = ", ".join(["id", *(f"c{at}" for at in range(len(fields)))])
    # Names of our own models' tables and columns; the values are parameters.
    update = (
        f'update "{meta.db_table}" t set {", ".join(sets)} '  # noqa: S608
        f'from unnest({arrays}) n({columns}) where t."{meta.pk.column}" = n.id'
    )
    keys = [row.pk for row in rows]
    values = [[f.get_db_prep_save(getattr(row, f.attname), connection) for row in rows] for f in fields]
    with connection.cursor() as cursor:
        cursor.execute(update, [*params, keys, *values])


def _array_type(field: Any) -> str:
    """Return the type to send a column's values as: text is not cut to its column's length on the way."""
    return "text" if isinstance(field, models.CharField) else str(field.rel_db_type(connection))


def differing(row: models.Model, values: dict[str, Any]) -> dict[str, Any]:
    """Return those of `values` that differ from what the row holds."""
    return {name: value for name, value in values.items() if getattr(row, name) != value}


def _clean(row: models.Model, *, exclude: set[str]) -> None:
    """
    Ask the fields' own validators; relations were looked up, and constraints are the database's to judge.
    """
    relations = {f.name for f in row._meta.concrete_fields if f.is_relation}
    row.clean_fields(exclude=exclude | relations)
    row.clean()


@contextmanager
def refusals() -> Iterator[None]:
    """
    Turn the database's refusal into the words of the constraint that refused, with its name as the code.
    """
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        name = name_of(error)
        raise ValidationError(words_of(name), code=name or "conflict") from error
