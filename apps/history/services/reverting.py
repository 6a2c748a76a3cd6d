"""
Taking back what a change set did to some rows of one model.

A row is put back only where its columns are what the set made of them. What is in the way sets that row aside, never
its neighbors: a chunk that the database refuses is halved until the one row is found.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import DataError, IntegrityError, models, transaction
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import User
from apps.accounts.scoping import Rule
from apps.common.constraints import words_of
from apps.history import maps, rows
from apps.history.models import Conflict
from apps.history.nets import Kind, Net
from apps.history.rows import Row
from apps.history.selectors import sets
from apps.history.services.blanking import blanked_among
from apps.history.tracking import Reverted, Tracked, parts_of

Why = Conflict.Kind
ERASED = _("This is about somebody who was erased: what it said before is not kept, and not put back.")


@dataclass(frozen=True)
class Blocked:
    """A row that was left alone, and why."""

    row_id: str
    kind: str
    detail: str = ""


@dataclass
class Outcome:
    """What became of some rows: how many were put back, left for good, and which wait for a decision."""

    reverted: int = 0
    kept: int = 0
    blocked: list[Blocked] = field(default_factory=list)


class OutOfReach(Exception):
    """A restored row would not be the actor's to change."""


def revert(
    change_set_id: int,
    tracked: Tracked,
    kind: Kind,
    ids: Sequence[str],
    *,
    actor: User,
    is_rehearsal: bool = False,
) -> Outcome:
    """
    Put back those of some rows with which the change set dealt in one way: created, changed or deleted them.

    :param is_rehearsal: look only; what the database would refuse is not known then
    """
    nets = [net for net in sets.nets(change_set_id, tracked, ids) if net.kind == kind]
    outcome = Outcome()
    nets = _leave_erased(nets, outcome)
    if kind == Kind.CREATED:
        nets = _leave_parts(change_set_id, tracked, nets, outcome)
    if not nets:
        return outcome
    current = rows.read(tracked, [net.row_id for net in nets], is_locked=not is_rehearsal)
    reach = permitted(tracked, nets, actor)
    fit = [net for net in nets if _is_fit(tracked, net, current.get(net.row_id), reach, outcome)]
    parts = (
        created_parts(change_set_id, tracked, fit, is_locked=not is_rehearsal) if kind == Kind.CREATED else {}
    )
    fit = [net for net in fit if _are_parts_fit(net, parts, outcome)]
    if is_rehearsal:
        outcome.reverted = len(fit)
        return outcome
    refused = attempt(fit, lambda some: put_back(tracked, some, current, parts, actor))
    outcome.reverted = len(fit) - len(refused)
    outcome.blocked += refused
    return outcome


# What is in the way


def _leave_erased(nets: list[Net], outcome: Outcome) -> list[Net]:
    """Leave out rows of people who were erased, whose former values are gone."""
    erased = blanked_among([net.about for net in nets])
    outcome.blocked += [Blocked(net.row_id, Why.REFUSED, str(ERASED)) for net in nets if net.about in erased]
    return [net for net in nets if net.about not in erased]


def _leave_parts(change_set_id: int, tracked: Tracked, nets: list[Net], outcome: Outcome) -> list[Net]:
    """Leave out created parts that go together with their whole, and those that never go without it."""
    if not tracked.part_of:
        return nets
    with_whole = sets.created_in(change_set_id, [net.about for net in nets])
    alone = [net for net in nets if net.about not in with_whole]
    if tracked.is_append_only:
        outcome.kept += len(alone)
        return []
    return alone


def _is_fit(tracked: Tracked, net: Net, now: Row | None, reach: Collection[str], outcome: Outcome) -> bool:
    """Tell whether a row can be put back; otherwise note why not, unless it is as it was before already."""
    if is_as_before(tracked, net, now):
        return False
    kind = _obstacle(tracked, net, now)
    if kind is None and net.row_id not in reach:
        kind = Why.FORBIDDEN
    if kind is not None:
        outcome.blocked.append(Blocked(net.row_id, kind))
    return kind is None


def is_as_before(tracked: Tracked, net: Net, now: Row | None) -> bool:
    """Tell whether a row is, in what the set changed, what it was before the set."""
    if net.kind == Kind.CREATED:
        return now is None
    if now is None or net.kind == Kind.DELETED:
        return False
    whole, by_key = _halves(tracked, net.before)
    return not differing(whole, now) and all(
        maps.is_as_before(before, net.after.get(column), now.get(column)) for column, before in by_key.items()
    )


def _halves(tracked: Tracked, values: Row) -> tuple[Row, Row]:
    """Return the columns that are compared as a whole, and those that are compared key by key."""
    by_key = {column: value for column, value in values.items() if column in tracked.maps}
    return {column: value for column, value in values.items() if column not in by_key}, by_key


def _obstacle(tracked: Tracked, net: Net, now: Row | None) -> str | None:
    if net.kind == Kind.DELETED:
        return None if now is None else Why.THERE
    if now is None:
        return Why.GONE
    columns = set(tracked.following())
    after = {column: value for column, value in net.after.items() if column not in columns}
    whole, by_key = _halves(tracked, after) if net.kind == Kind.CHANGED else (after, {})
    is_changed = differing(whole, now) or any(
        maps.is_changed_since(net.before.get(column), then, now.get(column))
        for column, then in by_key.items()
    )
    return Why.CHANGED if is_changed else None


def differing(values: Row, now: Row) -> list[str]:
    """Return the columns in which a row is not what it should be; columns that were dropped do not count."""
    return [column for column, value in values.items() if column in now and not _is_same(now[column], value)]


def _is_same(one: Any, other: Any) -> bool:
    # Python takes 1 for true; the database does not.
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)


def permitted(tracked: Tracked, nets: Sequence[Net], actor: User) -> set[str]:
    """
    Return the rows that the actor may change; a link between two rows belongs to the one it is told about.

    Rows that are gone count as permitted: what is restored is asked about afterwards.
    """
    if access.is_everything(actor):
        # Nobody turns their own account off, or takes their own rights away, by accident.
        own = str(actor.pk) if tracked.model is User else None
        return {net.row_id for net in nets} - {own}
    if tracked.is_guarded:
        return set()
    if isinstance(getattr(tracked.model, "access", None), Rule):
        gone = {net.row_id for net in nets if net.kind == Kind.DELETED}
        reached = gone | _within_reach(tracked.model, [net.row_id for net in nets], actor)
        return reached - _beyond_rights(tracked, nets, actor)
    return _with_permitted_whole(nets, actor)


def _beyond_rights(tracked: Tracked, nets: Sequence[Net], actor: User) -> set[str]:
    """Return the changed rows that need more than `change` to be put back, and more than the actor may."""
    needed: dict[str, list[str]] = {}
    for net in nets:
        if tracked.rights is not None and net.kind == Kind.CHANGED:
            for action in tracked.rights(net.before):
                needed.setdefault(action, []).append(net.row_id)
    beyond: set[str] = set()
    for action, ids in needed.items():
        beyond |= set(ids) - _within_reach(tracked.model, ids, actor, action)
    return beyond


def _with_permitted_whole(nets: Sequence[Net], actor: User) -> set[str]:
    by_model: dict[str, set[str]] = {}
    for net in nets:
        model, _colon, whole_id = net.about.partition(":")
        by_model.setdefault(model, set()).add(whole_id)
    wholes = {
        f"{label}:{whole_id}"
        for label, ids in by_model.items()
        for whole_id in _within_reach(apps.get_model(label), sorted(ids), actor)
    }
    return {net.row_id for net in nets if net.about in wholes}


def _within_reach(
    model: type[models.Model], ids: Sequence[str], actor: User, action: str = "change"
) -> set[str]:
    key = f'"{model._meta.db_table}"."{model._meta.pk.column}"'
    keys = [model._meta.pk.to_python(row_id) for row_id in ids]
    found = model._base_manager.filter(access.scope(actor, action, model), sets.one_of(key, keys))
    return {str(pk) for pk in found.values_list("pk", flat=True)}


def created_parts(
    change_set_id: int, tracked: Tracked, nets: Sequence[Net], *, is_locked: bool = True
) -> dict[str, list["_Part"]]:
    """Return what the set also created as parts of rows that it created, as it is now, by row."""
    found: dict[str, list[_Part]] = {}
    abouts = [f"{tracked.label}:{net.row_id}" for net in nets]
    for part in parts_of(tracked):
        created = [net for net in sets.nets_about(change_set_id, part, abouts) if net.kind == Kind.CREATED]
        current = rows.read(part, [net.row_id for net in created], is_locked=is_locked)
        for net in created:
            row_id = net.about.partition(":")[2]
            found.setdefault(row_id, []).append(_Part(part, net, current.get(net.row_id)))
    return found


@dataclass(frozen=True)
class _Part:
    tracked: Tracked
    net: Net
    now: Row | None

    @property
    def is_untouched(self) -> bool:
        return _obstacle(self.tracked, self.net, self.now) is None


def _are_parts_fit(net: Net, parts: dict[str, list[_Part]], outcome: Outcome) -> bool:
    touched = [part for part in parts.get(net.row_id, []) if not part.is_untouched]
    if touched:
        names = sorted({str(part.tracked.model._meta.verbose_name_plural) for part in touched})
        outcome.blocked.append(Blocked(net.row_id, Why.CHANGED, capfirst(", ".join(names))))
    return not touched


# Putting back


def put_back(
    tracked: Tracked, nets: Sequence[Net], current: dict[str, Row], parts: dict[str, list[_Part]], actor: User
) -> None:
    """Write rows of one kind back as they were; raises what the database has against it."""
    kind = nets[0].kind
    if kind == Kind.CHANGED:
        rows.write(tracked, {net.row_id: _back(tracked, net, current[net.row_id]) for net in nets}, actor.pk)
    elif kind == Kind.DELETED:
        rows.insert(tracked, [net.before for net in nets])
        if len(_changeable_again(tracked, nets, actor)) < len(nets):
            raise OutOfReach
    else:
        _delete_with_parts(tracked, nets, parts)
    rows.settle()
    if tracked.reverted is not None:
        tracked.reverted([_reverted(tracked, net, current.get(net.row_id)) for net in nets], actor)


def _back(tracked: Tracked, net: Net, now: Row) -> Row:
    """Return the columns of a changed row to write; without those that were dropped since, of maps only the keys."""
    whole, by_key = _halves(tracked, {column: value for column, value in net.before.items() if column in now})
    return whole | {
        column: maps.put_back(before, net.after.get(column), now[column]) for column, before in by_key.items()
    }


def _changeable_again(tracked: Tracked, nets: Sequence[Net], actor: User) -> set[str]:
    restored = [Net(net.row_id, net.about, Kind.CHANGED) for net in nets]
    return permitted(tracked, restored, actor)


def _delete_with_parts(tracked: Tracked, nets: Sequence[Net], parts: dict[str, list[_Part]]) -> None:
    """In one transaction: what is append-only goes only together with its whole."""
    by_model: dict[str, tuple[Tracked, list[str]]] = {}
    for net in nets:
        for part in parts.get(net.row_id, []):
            by_model.setdefault(part.tracked.label, (part.tracked, []))[1].append(part.net.row_id)
    for part_model, ids in by_model.values():
        rows.delete(part_model, ids)
    rows.delete(tracked, [net.row_id for net in nets])


def _reverted(tracked: Tracked, net: Net, now: Row | None) -> Reverted:
    was = now or {}
    back = _back(tracked, net, was) if net.kind == Kind.CHANGED else net.before
    is_now = {} if net.kind == Kind.CREATED else was | back
    return Reverted(rows.key_of(tracked, net.row_id), was, is_now)


def attempt(nets: Sequence[Net], write: Callable[[Sequence[Net]], None]) -> list[Blocked]:
    """Write rows together, or by halves where the database refuses; return those that it refuses alone."""
    if not nets:
        return []
    try:
        with transaction.atomic():
            write(nets)
    except (IntegrityError, DataError, OutOfReach) as error:
        if len(nets) == 1:
            return [_refused(nets[0], error)]
        middle = len(nets) // 2
        return attempt(nets[:middle], write) + attempt(nets[middle:], write)
    return []


def _refused(net: Net, error: Exception) -> Blocked:
    if isinstance(error, OutOfReach):
        return Blocked(net.row_id, Why.FORBIDDEN)
    diagnosis = getattr(error.__cause__, "diag", None)
    is_referred = net.kind == Kind.CREATED and getattr(error.__cause__, "sqlstate", "") == "23503"
    if is_referred:
        return Blocked(net.row_id, Why.REFERRED, _named(getattr(diagnosis, "table_name", None)))
    constraint = getattr(diagnosis, "constraint_name", None) or ""
    return Blocked(net.row_id, Why.REFUSED, words_of(constraint)[:500])


def _named(table: str | None) -> str:
    """Return what the rows of a table are called."""
    for model in apps.get_models(include_auto_created=True):
        if model._meta.db_table == table:
            return capfirst(str(model._meta.verbose_name_plural))
    return ""
