"""The story of one row, and of one change set: who did what, when, from where, field by field, in words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from django.db import models
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.history import maps
from apps.history.models import Change, ChangeSet
from apps.history.nets import Kind, Net, fold
from apps.history.selectors import creations, sets
from apps.history.selectors.titles import part_name
from apps.history.selectors.words import NOTHING, Words
from apps.history.tracking import Tracked, tracked

# So many recorded changes make one page of a story.
PAGE = 200


@dataclass(frozen=True)
class Line:
    """One field's change, or one part's coming and going. An empty `old` or `new` says that there was nothing."""

    label: str
    old: str
    new: str
    is_part: bool = False


@dataclass(frozen=True)
class Entry:
    """What one change set did to one row and its parts."""

    change_set: ChangeSet
    who: str
    kind: Kind
    lines: list[Line]


@dataclass(frozen=True)
class Story:
    """
    A page of a row's history, the latest first.

    :param older: where the next page begins; None at the beginning of the story
    :param openable: the change sets among them that the reader may see as a whole, with what they are called
    """

    entries: list[Entry]
    older: int | None
    openable: set[int]


def story(row: models.Model, *, actor: User, before: int | None = None) -> Story:
    """
    Tell what happened to a row that the actor may see.

    :param before: where the page begins, as an earlier page's `older` says
    """
    model = type(row)
    page = latest(model._meta.label_lower, str(row.pk), before=before, limit=PAGE + 1)
    # The set at the page's end is told on the next one, unless it fills the page by itself.
    is_cut = len(page) > PAGE
    if is_cut:
        kept = [change for change in page if change.change_set_id != page[-1].change_set_id]
        page = kept or page[:PAGE]
    entries = _entries(page, model._meta.label_lower, actor)
    openable = sets.visible([entry.change_set for entry in entries], actor=actor)
    return Story(entries, page[-1].pk if is_cut else None, openable)


def latest(label: str, row_id: str, *, before: int | None = None, limit: int) -> list[Change]:
    """Return the latest changes that are told about a row, the last first."""
    created = creations.about(label, row_id, before=before, limit=limit)
    changes = Change.objects.filter(about=f"{label}:{row_id}").order_by("-id")
    if before is not None:
        changes = changes.filter(id__lt=before)
    found = {one.id: Change(op=Change.Op.INSERT, **one._asdict()) for one in created}
    found |= {change.pk: change for change in changes[:limit]}
    return [found[pk] for pk in sorted(found, reverse=True)[:limit]]


def _entries(changes: list[Change], label: str, actor: User) -> list[Entry]:
    words = Words(actor)
    found = []
    for change_set_id, of_set in groupby(changes, lambda change: change.change_set_id):
        found.append((change_set_id, _folded(of_set)))
    known = ChangeSet.objects.select_related("job", "reverts", "undo").in_bulk([pk for pk, _n in found])
    _announce(words, [nets for _pk, nets in found], known.values())
    entries = [_entry(words, known[pk], label, nets) for pk, nets in found if pk in known]
    return [entry for entry in entries if entry.lines or entry.kind != Kind.CHANGED]


def _folded(changes: Iterable[Change]) -> list[tuple[Tracked, Net]]:
    ordered = sorted(changes, key=lambda change: (change.model, change.row_id, change.pk))
    nets = []
    for label, of_model in groupby(ordered, lambda change: change.model):
        model = tracked(label)
        if model is not None:
            nets += [(model, net) for net in fold(of_model, model.following())]
    return nets


def _announce(
    words: Words, groups: Iterable[list[tuple[Tracked, Net]]], change_sets: Iterable[ChangeSet]
) -> None:
    for nets in groups:
        for model, net in nets:
            words.expect(model, net.before)
            words.expect(model, net.after)
            if model.has_own_rule:
                words.expect_row(model, net.row_id, net.about)
    for change_set in change_sets:
        expect_who(words, change_set)


def _entry(words: Words, change_set: ChangeSet, label: str, nets: list[tuple[Tracked, Net]]) -> Entry:
    kind = Kind.CHANGED
    lines: list[Line] = []
    for model, net in sorted(nets, key=lambda each: each[0].label != label):
        if model.label == label:
            kind = net.kind
            lines += row_lines(words, model, net)
        elif not model.is_append_only and _is_told(words, model, net):
            lines += _part_lines(words, model, net)
    return Entry(change_set, who(words, change_set), kind, lines)


def _is_told(words: Words, model: Tracked, net: Net) -> bool:
    """Tell whether a part may be told by its whole: one with rights of its own only to who may see it."""
    return not model.has_own_rule or words.is_row_visible(model, net.row_id, net.about)


def expect_who(words: Words, change_set: ChangeSet) -> None:
    """Announce who made a change set."""
    words.expect_key(User, change_set.actor_id)
    words.expect_key(User, change_set.impersonator_id)


def who(words: Words, change_set: ChangeSet) -> str:
    """Return who made a change set, both where one acted as the other, as far as the reader may know."""
    name = words.name(User, change_set.actor_id) if change_set.actor_id else _("The system")
    if change_set.impersonator_id is None:
        return name
    return _("%(impersonator)s as %(name)s") % {
        "impersonator": words.name(User, change_set.impersonator_id),
        "name": name,
    }


def row_lines(words: Words, model: Tracked, net: Net) -> list[Line]:
    """Return what became of a row, field by field; of a created or deleted one what was filled in."""
    fields = words.fields(model, net.before, net.after)
    before, after = maps.spread(net.before, model.maps), maps.spread(net.after, model.maps)
    lines = []
    for column, column_field in fields.items():
        if column not in before and column not in after:
            continue
        old = words.text(column_field, before.get(column))
        new = words.text(column_field, after.get(column))
        if old != new:
            lines.append(Line(capfirst(str(column_field.verbose_name)), _said(old), _said(new)))
    return lines


def _said(text: str) -> str:
    return "" if text == NOTHING else text


def _part_lines(words: Words, model: Tracked, net: Net) -> list[Line]:
    label = part_name(model)
    if net.kind == Kind.CREATED:
        return [Line(label, "", words.summary(model, net.after), is_part=True)]
    if net.kind == Kind.DELETED:
        return [Line(label, words.summary(model, net.before), "", is_part=True)]
    return [Line(f"{label}: {line.label}", line.old, line.new) for line in row_lines(words, model, net)]


def model_name(label: str) -> str:
    """Return what rows of a recorded model are called."""
    model = tracked(label)
    if model is None:
        return label
    return part_name(model) if model.is_link else capfirst(str(model.model._meta.verbose_name_plural))


@dataclass
class RowStory:
    """What a change set did to one row."""

    name: str
    row_id: str
    kind: Kind
    lines: list[Line]
    model: type[models.Model]
    url: str = ""


@dataclass
class ModelStory:
    """
    What a change set did to rows of one model.

    :param unseen: how many of the rows of this page the reader may not see
    """

    name: str
    touched: sets.Touched
    rows: list[RowStory] = field(default_factory=list)
    unseen: int = 0

    @property
    def more(self) -> int:
        """How many rows come after those that are shown."""
        return max(0, self.touched.total - len(self.rows) - self.unseen)


def told(change_set: ChangeSet, *, actor: User, limit: int = 20) -> list[ModelStory]:
    """Tell what a change set did, model by model, each with its first rows; rows only to who may see them."""
    found = []
    for touched in sets.touched(change_set.pk):
        model = tracked(touched.label)
        if model is None:
            found.append(ModelStory(touched.label, touched))
            continue
        ids = sets.row_ids(change_set.pk, touched.label, "", limit)
        found.append(_model_story(model, touched, sets.nets(change_set.pk, model, ids), actor))
    return found


def _model_story(model: Tracked, touched: sets.Touched, nets: Sequence[Net], actor: User) -> ModelStory:
    words = Words(actor)
    for net in nets:
        words.expect_row(model, net.row_id, net.about)
        words.expect(model, net.before)
        words.expect(model, net.after)
        if not model.part_of:
            words.expect_key(model.model, net.row_id)
    result = ModelStory(model_name(model.label), touched)
    for net in nets:
        if not words.is_row_visible(model, net.row_id, net.about):
            result.unseen += 1
            continue
        lines = row_lines(words, model, net) if net.kind == Kind.CHANGED else []
        shown = words.row_name(model, net.row_id, net.before | net.after)
        result.rows.append(RowStory(shown, net.row_id, net.kind, lines, model.model))
    return result
