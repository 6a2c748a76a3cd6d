"""What stands in the way of putting a row back: before, as it was set then, and now."""

import hashlib
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.history import exact, maps, rows
from apps.history.models import Conflict
from apps.history.nets import Kind, Net
from apps.history.rows import Row
from apps.history.selectors import sets
from apps.history.selectors.words import Words
from apps.history.tracking import Tracked, tracked


@dataclass(frozen=True)
class Side:
    """One column of a row three times, in words."""

    column: str
    label: str
    before: str
    then: str
    now: str
    is_changed_since: bool


@dataclass(frozen=True)
class Shown:
    """
    A conflict as somebody sees it.

    :param digest: what the row was when it was looked at; handed back with the decision
    :param is_visible: whether the actor may see the row; its name and values are empty otherwise
    """

    conflict: Conflict
    kind_name: str
    name: str
    sides: list[Side]
    digest: str
    is_visible: bool
    can_put_back: bool
    is_creation: bool


def subject(conflict: Conflict) -> tuple[Tracked, Net]:
    """
    Return the model of a conflict's row and what the undone set did to it.

    :raises ValidationError: that is not known any more (code "forgotten")
    """
    model = tracked(conflict.model)
    found = sets.nets(conflict.undo.change_set_id, model, [conflict.row_id]) if model else []
    if model is None or not found:
        raise ValidationError(_("What was changed here is no longer kept."), code="forgotten")
    return model, found[0]


def locked(model: Tracked, net: Net) -> Row | None:
    """Lock the row and return it as it is now."""
    return rows.read(model, [net.row_id], is_locked=True).get(net.row_id)


def digest(net: Net, now: Row | None) -> str:
    """Return a mark of what the row is now, in the columns that the set changed."""
    columns = sorted(net.before or net.after)
    values = None if now is None else [now.get(column) for column in columns]
    return hashlib.sha256(exact.dumps(values).encode()).hexdigest()[:16]


def show(conflicts: list[Conflict], *, actor: User) -> list[Shown]:
    """Tell what is in the way, each row only to who may see it."""
    found = []
    for conflict in conflicts:
        model, net = subject(conflict)
        now = rows.read(model, [net.row_id]).get(net.row_id)
        found.append((conflict, model, net, now))
    words = Words(actor)
    for _conflict, model, net, now in found:
        words.expect_row(model, net.row_id, net.about)
        for values in (net.before, net.after, now or {}):
            words.expect(model, values)
    return [_shown(words, *each) for each in found]


def _shown(words: Words, conflict: Conflict, model: Tracked, net: Net, now: Row | None) -> Shown:
    is_visible = words.is_row_visible(model, net.row_id, net.about)
    return Shown(
        conflict=conflict,
        kind_name=capfirst(str(model.model._meta.verbose_name)),
        name=words.row_name(model, net.row_id, now or net.before or net.after) if is_visible else "",
        sides=_sides(words, model, net, now) if is_visible else [],
        digest=digest(net, now),
        is_visible=is_visible,
        can_put_back=is_visible and (now is None) is (net.kind == Kind.DELETED),
        is_creation=net.kind == Kind.CREATED,
    )


def _touched(model: Tracked, net: Net) -> set[str]:
    """Return the columns that a set has changed or deleted, of maps the keys."""
    if net.kind != Kind.CHANGED:
        return set(maps.spread(net.before, model.maps))
    return {
        name
        for column in net.before
        for name in (
            [f"{column}.{key}" for key in maps.changed_keys(net.before[column], net.after.get(column))]
            if column in model.maps
            else [column]
        )
    }


def _sides(words: Words, model: Tracked, net: Net, now: Row | None) -> list[Side]:
    before_all, after_all = maps.spread(net.before, model.maps), maps.spread(net.after, model.maps)
    now_all = maps.spread(now or {}, model.maps)
    touched = _touched(model, net)
    sides = []
    for column, field in words.fields(model, net.before, net.after, now or {}).items():
        then, is_now = after_all.get(column), now_all.get(column)
        is_changed_since = now is not None and (column in after_all or column in touched) and is_now != then
        # Of a created row only what was changed since is worth a line.
        if column in touched or (net.kind == Kind.CREATED and is_changed_since):
            before = words.text(field, before_all.get(column))
            texts = (before, words.text(field, then), words.text(field, is_now))
            sides.append(Side(column, capfirst(str(field.verbose_name)), *texts, is_changed_since))
    return sides
