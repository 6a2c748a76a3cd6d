"""What one change set did, and to how many rows of which models."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL

from apps.accounts.models import User
from apps.history.models import Blanked, Change, ChangeSet
from apps.history.nets import Net, fold
from apps.history.selectors import creations
from apps.history.tracking import Tracked, parents_first


@dataclass
class Touched:
    """How many rows of one model a change set created, changed and deleted."""

    label: str
    created: int = 0
    changed: int = 0
    deleted: int = 0
    ops: set[str] = field(default_factory=set)

    @property
    def total(self) -> int:
        return self.created + self.changed + self.deleted


# By the first and the last of a row's operations in the order of the letters: D < I < U.
_COUNTED = {"DD": "deleted", "DU": "deleted", "II": "created", "IU": "created", "UU": "changed"}
_COUNT = """
    select model, first || last, count(*) from (
        select model, min(op) as first, max(op) as last from history_change
        where change_set_id = %s group by model, row_id
    ) as rows group by model, first, last
"""


def touched(change_set_id: int) -> list[Touched]:
    """
    Count what a change set touched, by model, what others point at first.

    A row that was created and then changed counts as created, one that was created and deleted not at all.
    """
    found: dict[str, Touched] = {}
    unchanged = creations.counts(change_set_id)
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [change_set_id])
        for model, ops, count in cursor.fetchall():
            entry = found.setdefault(model, Touched(model))
            entry.ops |= set(ops)
            if ops in _COUNTED:
                name = _COUNTED[ops]
                setattr(entry, name, getattr(entry, name) + count)
    for model, count in unchanged.items():
        entry = found.setdefault(model, Touched(model))
        entry.ops.add("I")
        entry.created += count
    order = {tracked.label: place for place, tracked in enumerate(parents_first())}
    return sorted(found.values(), key=lambda entry: (order.get(entry.label, len(order)), entry.label))


def row_ids(change_set_id: int, label: str, after: str, limit: int) -> list[str]:
    """
    Return the next rows of one model that a change set touched: first those that it created many at a time, by
    their numbers, then the others in the order of their texts. What is done to rows meanwhile changes no order.
    """
    found: list[str] = []
    if not after or creations.among(change_set_id, label, [after]):
        found = creations.row_ids(change_set_id, label, int(after or 0), limit)
        after = ""
    while len(found) < limit:
        rows = Change.objects.filter(change_set=change_set_id, model=label, row_id__gt=after)
        others = list(rows.order_by("row_id").values_list("row_id", flat=True).distinct()[:limit])
        known = creations.among(change_set_id, label, others)
        found += [row_id for row_id in others if row_id not in known][: limit - len(found)]
        if len(others) < limit:
            break
        after = others[-1]
    return found


def nets(change_set_id: int, tracked: Tracked, ids: Sequence[str]) -> list[Net]:
    """Return what a change set did to some rows of a model in the end."""
    created = creations.of_rows(change_set_id, tracked, ids)
    changes = Change.objects.filter(one_of("row_id", ids), change_set=change_set_id, model=tracked.label)
    return fold(_recorded(created, changes), tracked.following())


def nets_about(change_set_id: int, tracked: Tracked, wholes: Sequence[str]) -> list[Net]:
    """
    Return what a change set did to the parts of some rows.

    :param wholes: as in "crm.deal:42"
    """
    created = creations.of_parts(change_set_id, tracked, wholes)
    changes = Change.objects.filter(one_of("about", wholes), change_set=change_set_id, model=tracked.label)
    return fold(_recorded(created, changes), tracked.following())


def one_of(column: str, values: Sequence[Any]) -> RawSQL:
    """
    Return the condition that a column is one of many values, as one parameter: a thousand take longer to be put
    into a statement than to be looked up.
    """
    return RawSQL(f"{column} = any(%s)", [list(values)], output_field=BooleanField())  # noqa: S611 - names only


class _Row(NamedTuple):
    row_id: str
    id: int
    about: str
    op: str
    old: dict[str, Any] | None
    new: dict[str, Any] | None


def _recorded(created: Sequence[creations.Created], changes: QuerySet[Change]) -> Iterator[_Row]:
    """Yield changes in the order in which they are summed up, without the cost of a model for each."""
    columns = ("row_id", "id", "about", "op", "old", "new")
    written = (_Row(*row) for row in changes.order_by("row_id", "id").values_list(*columns))
    if not created:
        return written
    unwritten = (_Row(one.row_id, one.id, one.about, "I", None, one.new) for one in created)
    by_place = {row[:2]: row for row in (*unwritten, *written)}
    return (by_place[place] for place in sorted(by_place))


def created_in(change_set_id: int, abouts: Sequence[str]) -> set[str]:
    """Return those of some rows ("crm.deal:42") that the change set itself created."""
    wanted = set(abouts)
    by_model: dict[str, list[str]] = {}
    for about in wanted:
        model, _colon, row_id = about.partition(":")
        by_model.setdefault(model, []).append(row_id)
    found: set[str] = set()
    for model, ids in by_model.items():
        rows = Change.objects.filter(change_set=change_set_id, model=model, row_id__in=ids, op="I")
        created = {*rows.values_list("row_id", flat=True), *creations.among(change_set_id, model, ids)}
        found |= {f"{model}:{row_id}" for row_id in created}
    return found


def visible(change_sets: Sequence[ChangeSet], *, actor: User) -> set[int]:
    """Return those of some sets that somebody may see as a whole: their own, and what the policy shows them."""
    own = {one.pk for one in change_sets if one.actor_id == actor.pk}
    others = [one.pk for one in change_sets if one.pk not in own]
    rows = ChangeSet.objects.visible_to(actor).filter(pk__in=others)
    return own | set(rows.values_list("pk", flat=True))


def is_empty(change_set: ChangeSet) -> bool:
    """Tell whether nothing is kept of what the set did."""
    return not (change_set.changes.exists() or change_set.creations.exists())


def is_blanked(change_set: ChangeSet) -> bool:
    """Tell whether all that the set changed belongs to rows whose former values were erased."""
    others = change_set.changes.exclude(about__in=Blanked.objects.values("about"))
    return not (change_set.creations.exists() or others.exists())
