"""
What to do about a file that lives in two places: the decision table of the sync, without Django and without Drive.

Three sights of a file are compared: `base`, which both sides last agreed on, and what each of them shows now. Content
goes by MD5 and size, never by time. Name, folder and trash are decided each for itself.
"""

from dataclasses import dataclass
from enum import StrEnum


class Life(StrEnum):
    """Whether a file is there. A file that is missing is not proven to be deleted."""

    LIVE = "LIVE"
    TRASHED = "TRASHED"
    MISSING = "MISSING"


class Direction(StrEnum):
    """Which way changes travel."""

    BOTH = "BOTH"
    PUSH = "PUSH"
    PULL = "PULL"


class Fate(StrEnum):
    """
    What happens to the file as a whole.

    KEEP leaves it as it is though the sides differ. GONE knows that it was deleted there, RECREATE makes it anew under
    another id. UNSURE has still to prove that. REVIVE takes it out of our trash because somebody edited it there.
    """

    NONE = "NONE"
    AGREE = "AGREE"
    TRASH = "TRASH"
    UNTRASH = "UNTRASH"
    ARCHIVE = "ARCHIVE"
    RESTORE = "RESTORE"
    REVIVE = "REVIVE"
    CONFLICT = "CONFLICT"
    KEEP = "KEEP"
    UNSURE = "UNSURE"
    GONE = "GONE"
    RECREATE = "RECREATE"


class Content(StrEnum):
    """
    What happens to the content.

    CONFLICT takes theirs as the next version, with ours before it. ASIDE keeps theirs as a document of its own, because
    ours is not to change.
    """

    NONE = "NONE"
    AGREE = "AGREE"
    PUSH = "PUSH"
    PULL = "PULL"
    CONFLICT = "CONFLICT"
    ASIDE = "ASIDE"


class Field(StrEnum):
    """What happens to the name, or to the folder."""

    NONE = "NONE"
    AGREE = "AGREE"
    PUSH = "PUSH"
    PULL = "PULL"


@dataclass(frozen=True, slots=True)
class Side:
    """One sight of a file; `md5` is empty where it has no bytes of its own."""

    life: Life = Life.LIVE
    md5: str = ""
    size: int = 0
    name: str = ""
    parent: str = ""

    @property
    def content(self) -> tuple[str, int]:
        return self.md5, self.size


@dataclass(frozen=True, slots=True)
class Terms:
    """
    What holds for a file, whatever happened to it.

    :param is_fixed: the platform's content and title stay as they are: it is approved, signed or void
    :param follows_trash: what is trashed there goes to the trash here
    :param is_proven: it is proven that a missing file was deleted
    """

    direction: Direction = Direction.BOTH
    is_fixed: bool = False
    follows_trash: bool = True
    is_proven: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, one thing after another: the fate first, and the rest only while the file is there on both sides."""

    fate: Fate = Fate.NONE
    content: Content = Content.NONE
    name: Field = Field.NONE
    parent: Field = Field.NONE

    @property
    def is_quiet(self) -> bool:
        """Nothing is to be done or to be noted."""
        return self == _NOTHING

    @property
    def writes_there(self) -> bool:
        """Drive is to be changed."""
        return (
            self.fate in {Fate.TRASH, Fate.UNTRASH, Fate.RECREATE}
            or self.content is Content.PUSH
            or Field.PUSH in {self.name, self.parent}
        )


_NOTHING = Decision()


def decide(base: Side, local: Side, remote: Side, terms: Terms) -> Decision:
    """Return what brings the two sides of a file together."""
    fate = _fate(base, local, remote, terms)
    if fate is not Fate.NONE:
        return Decision(fate=_directed(fate, terms.direction))
    if local.life is not Life.LIVE:
        return _NOTHING
    return Decision(
        content=_content(base, local, remote, terms),
        name=_field(base.name, local.name, remote.name, terms),
        # A signed document may lie elsewhere; only what it says is fixed.
        parent=_field(base.parent, local.parent, remote.parent, Terms(terms.direction)),
    )


def _fate(base: Side, local: Side, remote: Side, terms: Terms) -> Fate:
    if remote.life is Life.MISSING:
        return _fate_of_missing(base, local, terms)
    if local.life is remote.life:
        return Fate.NONE if base.life is local.life else Fate.AGREE
    if local.life is Life.LIVE:
        return _fate_of_trashed_there(base, local, terms)
    return _fate_of_trashed_here(base, remote)


def _fate_of_missing(base: Side, local: Side, terms: Terms) -> Fate:
    if local.life is not Life.LIVE:
        return Fate.NONE
    if not terms.is_proven:
        return Fate.UNSURE
    return Fate.RECREATE if local.content != base.content else Fate.GONE


def _fate_of_trashed_there(base: Side, local: Side, terms: Terms) -> Fate:
    if base.life is Life.TRASHED:
        # Somebody took it out of the trash here.
        return Fate.UNTRASH
    if local.content != base.content:
        return Fate.CONFLICT
    return Fate.ARCHIVE if terms.follows_trash else Fate.KEEP


def _fate_of_trashed_here(base: Side, remote: Side) -> Fate:
    if base.life is Life.TRASHED:
        return Fate.RESTORE
    return Fate.REVIVE if remote.content != base.content else Fate.TRASH


_FATES_THERE = {Fate.TRASH, Fate.UNTRASH, Fate.RECREATE}
_FATES_HERE = {Fate.ARCHIVE, Fate.RESTORE}


def _directed(fate: Fate, direction: Direction) -> Fate:
    if direction is Direction.PULL and fate in _FATES_THERE:
        return Fate.KEEP
    if direction is Direction.PUSH and fate in _FATES_HERE:
        return Fate.KEEP
    # What somebody still works on there is kept here, before our trash reaches it there.
    return fate


def _content(base: Side, local: Side, remote: Side, terms: Terms) -> Content:
    is_changed_here, is_changed_there = local.content != base.content, remote.content != base.content
    if not is_changed_there:
        is_pushed = is_changed_here and terms.direction is not Direction.PULL
        return Content.PUSH if is_pushed else Content.NONE
    if local.content == remote.content:
        return Content.AGREE
    if not is_changed_here:
        if terms.direction is Direction.PUSH:
            return Content.NONE
        return Content.ASIDE if terms.is_fixed else Content.PULL
    if terms.is_fixed or terms.direction is Direction.PUSH:
        return Content.ASIDE
    return Content.CONFLICT


def _field(base: str, local: str, remote: str, terms: Terms) -> Field:
    if local == remote:
        return Field.NONE if base == local else Field.AGREE
    if local == base and not terms.is_fixed:
        wanted = Field.PULL
    elif remote == base or terms.direction is not Direction.PULL:
        # Where both changed it, the platform's stands: a name is not work that is lost.
        wanted = Field.PUSH
    else:
        wanted = Field.PULL
    forbidden = {Direction.PUSH: Field.PULL, Direction.PULL: Field.PUSH}.get(terms.direction)
    return Field.NONE if wanted is forbidden else wanted
