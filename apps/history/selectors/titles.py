"""What a change set did, in one line: for lists, and for jobs that undo it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.apps import apps
from django.db import connection
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.common.templatetags.artel import number
from apps.history.models import ChangeSet
from apps.history.selectors import creations, sets
from apps.history.selectors.words import Words, shown_fields
from apps.history.tracking import Tracked, tracked

# So many changes of a set are looked at: whoever changed more is told so.
LOOKED_AT = 200
# A line, not a list.
MOST_KINDS = 3
MOST_FIELDS = 3

_CHANGES = """
    select s.id, c.model, c.about, c.op, c.columns
    from unnest(%s::bigint[]) as s (id)
    cross join lateral (
        select model, row_id, about, op, array(select jsonb_object_keys(new) where op = 'U') as columns
        from history_change where change_set_id = s.id order by model, row_id limit %s
    ) as c
"""


@dataclass
class _Gist:
    """What a change set did to rows, each with the parts that are told by it."""

    ops: dict[str, set[str]] = field(default_factory=dict)
    columns: dict[tuple[str, str], None] = field(default_factory=dict)
    count: int = 0

    def add(self, model: str, about: str, op: str, columns: Sequence[str]) -> None:
        self.count += 1
        ops = self.ops.setdefault(about, set())
        # What becomes of a part is a change of its whole.
        ops.add(op if about.startswith(f"{model}:") else "U")
        for column in columns or [""]:
            self.columns[model, column] = None


def attach(change_sets: Iterable[ChangeSet], *, actor: User) -> None:
    """Give sets that say nothing themselves a `title` for one reader; a handful of queries for a whole page."""
    silent = [one for one in change_sets if not one.label]
    gists = _gists(silent)
    words = Words(actor)
    for gist in gists.values():
        if len(gist.ops) == 1:
            model, row_id = _whole(next(iter(gist.ops)))
            if model is not None:
                words.expect_key(model.model, row_id)
    for one in silent:
        gist = gists.get(one.pk, _Gist())
        one.title = _title(gist, words)  # type: ignore[attr-defined]
        one.is_vague = gist.count > LOOKED_AT  # type: ignore[attr-defined]


def in_short(change_set: ChangeSet) -> str:
    """Say what a set did without the name of any row; all of it is counted."""
    gist = _gists([change_set]).get(change_set.pk, _Gist())
    return _title(gist, None) if gist.count <= LOOKED_AT else _of_very_many(change_set)


def _of_very_many(change_set: ChangeSet) -> str:
    counts: dict[tuple[str, str], int] = {}
    for touched in sets.touched(change_set.pk):
        model = tracked(touched.label)
        # Parts are told by their wholes, unless they are all there is.
        if model is None or not (model.part_of or model.is_link):
            kind = _kind(f"{touched.label}:", plural=True)
            for op, count in (("I", touched.created), ("U", touched.changed), ("D", touched.deleted)):
                if count:
                    counts[kind, op] = count
    return _counted(counts) or _("Parts of other rows")


def _gists(change_sets: Sequence[ChangeSet]) -> dict[int, _Gist]:
    found: dict[int, _Gist] = {}
    if not change_sets:
        return found
    ids = [one.pk for one in change_sets]
    for pk, model in creations.sets_of(ids):
        rows = creations.row_ids(pk, model.label, 0, LOOKED_AT + 1)
        for one in creations.of_rows(pk, model, rows):
            found.setdefault(pk, _Gist()).add(model.label, one.about, "I", [])
    with connection.cursor() as cursor:
        cursor.execute(_CHANGES, [ids, LOOKED_AT + 1])
        for pk, model, about, op, columns in cursor.fetchall():
            found.setdefault(pk, _Gist()).add(model, about, op, columns)
    return found


def _whole(about: str) -> tuple[Tracked | None, str]:
    label, _colon, row_id = about.partition(":")
    return tracked(label), row_id


def _title(gist: _Gist, words: Words | None) -> str:
    if not gist.ops:
        return _("Nothing that is kept")
    if gist.count > LOOKED_AT:
        kinds = sorted({_kind(about, plural=True) for about in gist.ops})[:MOST_KINDS]
        return _("%(kinds)s: more than %(count)d changes") % {
            "kinds": ", ".join(kinds),
            "count": LOOKED_AT,
        }
    return _of_one(gist, words) if len(gist.ops) == 1 else _of_many(gist)


def _kind(about: str, *, plural: bool = False) -> str:
    # What is told about may be kept elsewhere, while its parts are kept here.
    label = about.partition(":")[0]
    try:
        opts = apps.get_model(label)._meta
    except LookupError:
        # Of a table that is gone by now.
        return label
    return capfirst(str(opts.verbose_name_plural if plural else opts.verbose_name))


def _of_one(gist: _Gist, words: Words | None) -> str:
    about, ops = next(iter(gist.ops.items()))
    model, row_id = _whole(about)
    name = words.known_name(model.model, row_id) if words is not None and model is not None else ""
    subject = _("%(kind)s “%(name)s”") % {"kind": _kind(about), "name": name} if name else _kind(about)
    if "D" in ops:
        return _("%(row)s: deleted") % {"row": subject}
    if "I" in ops:
        return _("%(row)s: created") % {"row": subject}
    return " · ".join(filter(None, [subject, _fields(gist)]))


def _fields(gist: _Gist) -> str:
    names: dict[str, None] = {}
    for label, column in gist.columns:
        model = tracked(label)
        shown = shown_fields(model).get(column) if model is not None else None
        if model is not None and (model.part_of or model.is_link):
            if not model.is_append_only:
                names[part_name(model).lower()] = None
        elif shown is not None:
            names[str(shown.verbose_name)] = None
        elif model is not None and column in model.maps:
            names[str(model.fields()[column].verbose_name)] = None
    listed = list(names)
    return ", ".join(listed[:MOST_FIELDS]) + (" …" if len(listed) > MOST_FIELDS else "")


def _of_many(gist: _Gist) -> str:
    counts: dict[tuple[str, str], int] = {}
    for about, ops in gist.ops.items():
        key = (_kind(about, plural=True), "D" if "D" in ops else "I" if "I" in ops else "U")
        counts[key] = counts.get(key, 0) + 1
    return _counted(counts)


def _counted(counts: dict[tuple[str, str], int]) -> str:
    done = {
        "I": _("%(kind)s: %(count)s created"),
        "D": _("%(kind)s: %(count)s deleted"),
        "U": _("%(kind)s: %(count)s changed"),
    }
    ordered = sorted(counts.items(), key=lambda each: -each[1])
    texts = [done[op] % {"kind": kind, "count": number(count)} for (kind, op), count in ordered[:MOST_KINDS]]
    return ", ".join(texts) + (" …" if len(ordered) > MOST_KINDS else "")


def part_name(model: Tracked) -> str:
    """Return what parts are called; a link is called like the field that makes it."""
    if model.is_link:
        whole = model.wholes()[0][0]
        for relation in whole._meta.many_to_many:
            if relation.remote_field.through is model.model:
                return capfirst(str(relation.verbose_name))
    return capfirst(str(model.model._meta.verbose_name))
