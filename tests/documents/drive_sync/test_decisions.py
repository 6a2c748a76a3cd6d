"""The decision table: row by row as it is meant, and in all its cells what must never happen."""

from itertools import product

import pytest

from apps.documents.drive.decisions import (
    Content,
    Decision,
    Direction,
    Fate,
    Field,
    Life,
    Side,
    Terms,
    decide,
)

BASE = Side(md5="a", size=1, name="n", parent="p")


def side(text: str = "", life: Life = Life.LIVE, name: str = "n", parent: str = "p") -> Side:
    return Side(life, text or "a", 1, name, parent)


TRASHED, MISSING, LIVE = Life.TRASHED, Life.MISSING, Life.LIVE


@pytest.mark.parametrize(
    ("local", "remote", "decided"),
    [
        # Rows of local: as agreed; changed; trashed. Columns of remote: as agreed; changed; trashed; missing.
        (side(), side(), Decision()),
        (side(), side("b"), Decision(content=Content.PULL)),
        (side(), side(life=TRASHED), Decision(Fate.ARCHIVE)),
        (side(), side(life=MISSING), Decision(Fate.UNSURE)),
        (side("b"), side(), Decision(content=Content.PUSH)),
        (side("b"), side("b"), Decision(content=Content.AGREE)),
        (side("b"), side("c"), Decision(content=Content.CONFLICT)),
        (side("b"), side(life=TRASHED), Decision(Fate.CONFLICT)),
        (side("b"), side(life=MISSING), Decision(Fate.UNSURE)),
        (side(life=TRASHED), side(), Decision(Fate.TRASH)),
        (side(life=TRASHED), side("b"), Decision(Fate.REVIVE)),
        (side(life=TRASHED), side(life=TRASHED), Decision(Fate.AGREE)),
        (side(life=TRASHED), side(life=MISSING), Decision()),
    ],
)
def test_the_table(local: Side, remote: Side, decided: Decision) -> None:
    assert decide(BASE, local, remote, Terms()) == decided


@pytest.mark.parametrize(
    ("local", "remote", "fate"),
    [
        (LIVE, TRASHED, Fate.UNTRASH),
        (TRASHED, LIVE, Fate.RESTORE),
        (LIVE, LIVE, Fate.AGREE),
        (TRASHED, TRASHED, Fate.NONE),
    ],
)
def test_out_of_the_trash(local: Life, remote: Life, fate: Fate) -> None:
    base = side(life=TRASHED)
    assert decide(base, side(life=local), side(life=remote), Terms()).fate is fate


def test_what_is_proven_to_be_deleted() -> None:
    proven = Terms(is_proven=True)
    assert decide(BASE, side(), side(life=MISSING), proven).fate is Fate.GONE
    assert decide(BASE, side("b"), side(life=MISSING), proven).fate is Fate.RECREATE
    pulls = Terms(Direction.PULL, is_proven=True)
    assert decide(BASE, side("b"), side(life=MISSING), pulls).fate is Fate.KEEP


def test_what_is_signed_stays_and_theirs_is_kept_beside_it() -> None:
    fixed = Terms(is_fixed=True)
    assert decide(BASE, side(), side("b"), fixed).content is Content.ASIDE
    assert decide(BASE, side("c"), side("b"), fixed).content is Content.ASIDE
    assert decide(BASE, side(), side(name="x"), fixed).name is Field.PUSH
    assert decide(BASE, side(), side(parent="x"), fixed).parent is Field.PULL


def test_a_trash_that_is_not_followed() -> None:
    assert decide(BASE, side(), side(life=TRASHED), Terms(follows_trash=False)).fate is Fate.KEEP


@pytest.mark.parametrize(
    ("base", "local", "remote", "both", "pull", "push"),
    [
        ("n", "n", "n", Field.NONE, Field.NONE, Field.NONE),
        ("n", "m", "n", Field.PUSH, Field.NONE, Field.PUSH),
        ("n", "n", "m", Field.PULL, Field.PULL, Field.NONE),
        ("n", "m", "m", Field.AGREE, Field.AGREE, Field.AGREE),
        ("n", "m", "k", Field.PUSH, Field.PULL, Field.PUSH),
    ],
)
def test_names_and_folders_field_by_field(
    base: str, local: str, remote: str, both: Field, pull: Field, push: Field
) -> None:
    by_direction = {Direction.BOTH: both, Direction.PULL: pull, Direction.PUSH: push}
    for direction, wanted in by_direction.items():
        one, two, three = [side(name=name) for name in (base, local, remote)]
        assert decide(one, two, three, Terms(direction)).name is wanted
        one, two, three = [side(parent=name) for name in (base, local, remote)]
        assert decide(one, two, three, Terms(direction)).parent is wanted


def test_all_fields_are_decided_together() -> None:
    decided = decide(BASE, side(name="m"), side("b", parent="q"), Terms())
    assert decided == Decision(content=Content.PULL, name=Field.PUSH, parent=Field.PULL)


ALL = list(
    product(
        [side("a", life) for life in (LIVE, TRASHED)],
        [side(text, life, name) for text, life, name in product("ab", (LIVE, TRASHED), "nm")],
        [side(text, life, name) for text, life, name in product("abc", Life, "nk")],
        [
            Terms(direction, is_fixed, follows, is_proven)
            for direction in Direction
            for is_fixed, follows, is_proven in product((False, True), repeat=3)
        ],
    )
)


def test_every_cell_keeps_what_must_be_kept() -> None:
    for base, local, remote, terms in ALL:
        decided = decide(base, local, remote, terms)
        case = (base, local, remote, terms, decided)
        # A file that is out of sight never takes anything away here.
        if remote.life is MISSING:
            assert decided.fate not in {Fate.ARCHIVE, Fate.TRASH, Fate.RESTORE}, case
            assert decided.fate is not Fate.RECREATE or terms.is_proven, case
        # Nothing is written over theirs unless theirs is what was agreed on, or is kept first.
        if decided.content is Content.PUSH:
            assert remote.content == base.content, case
        # Ours is replaced only where it is what was agreed on, or becomes an earlier version.
        if decided.content is Content.PULL:
            assert local.content == base.content, case
            assert not terms.is_fixed, case
        # What was changed here since does not go to the trash because of theirs, nor the other way round.
        if decided.fate is Fate.ARCHIVE:
            assert local.content == base.content, case
        if decided.fate is Fate.TRASH:
            assert remote.content == base.content, case
        # One way is one way.
        if terms.direction is Direction.PULL:
            assert not decided.writes_there, case
        if terms.direction is Direction.PUSH:
            assert decided.fate not in {Fate.ARCHIVE, Fate.RESTORE}, case
            assert decided.content not in {Content.PULL, Content.CONFLICT}, case
        # Where both sides show the same as what was agreed on, nothing is done.
        if base == local == remote:
            assert decided.is_quiet, case
        # The fate goes first; the rest waits until the file is there on both sides.
        if decided.fate is not Fate.NONE:
            assert (decided.content, decided.name) == (Content.NONE, Field.NONE), case
