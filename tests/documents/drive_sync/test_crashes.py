"""
A process dies at every step of every kind of work; the next one ends it, nothing is lost, and nothing stands twice.

Here death is an exception that nobody catches, which is quick; that it is the same by SIGKILL is shown with 300 uploads.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from apps.documents.models import Document
from apps.events import failpoints
from tests.documents.drive_sync.world import World

pytestmark = pytest.mark.django_db


class Death(BaseException):
    """What a SIGKILL is in a test: nobody handles it."""


@contextmanager
def dying_at(place: str, nth: int = 1) -> Iterator[list[str]]:
    """Let whoever passes a fail point for the nth time die there; tells which places were passed."""
    passed: list[str] = []
    with pytest.MonkeyPatch.context() as patch:

        def die(name: str) -> None:
            passed.append(name)
            if passed.count(place) == nth and name == place:
                raise Death

        patch.setattr(failpoints, "_pass", die)
        yield passed


def new(world: World) -> Document:
    return world.write(b"one")


def new_in_folder(world: World) -> Document:
    return world.write_for(world.deal())


def edited_here(world: World) -> Document:
    document = world.write(b"one")
    world.settle()
    world.edit(document, b"two")
    return document


def edited_there(world: World) -> Document:
    document = world.write(b"one")
    world.settle()
    world.fake.person.edit(world.item(document).id, b"two")
    return document


def edited_on_both_sides(world: World) -> Document:
    document = edited_there(world)
    world.edit(document, b"ours")
    return document


def renamed_here(world: World) -> Document:
    document = world.write(b"one")
    world.settle()
    world.rename(document, "Other")
    return document


def put_there(world: World) -> Document:
    world.fake.person.upload(world.folder.id, "Plan.txt", b"plan")
    return Document()


def trashed_here(world: World) -> Document:
    document = world.write(b"one")
    world.settle()
    world.trash(document)
    return document


def restored_here(world: World) -> Document:
    document = trashed_here(world)
    world.settle()
    world.restore(document)
    return document


def trashed_there(world: World) -> Document:
    document = world.write(b"one")
    world.settle()
    world.fake.person.trash(world.item(document).id)
    return document


STEPS = [
    (new, "drive.claimed"),
    (new, "drive.reserved"),
    (new, "drive.uploaded"),
    (new, "drive.recorded"),
    (new_in_folder, "drive.folder_made"),
    (new_in_folder, "drive.uploaded"),
    (edited_here, "drive.update_intended"),
    (edited_here, "drive.updated"),
    (edited_here, "drive.update_recorded"),
    (edited_there, "drive.page_fetched"),
    (edited_there, "drive.page_applied"),
    (edited_there, "drive.downloaded"),
    (edited_there, "drive.kept"),
    (edited_there, "drive.pulled"),
    (edited_on_both_sides, "drive.kept"),
    (edited_on_both_sides, "drive.pulled"),
    (renamed_here, "drive.renamed"),
    (put_there, "drive.taken_in"),
    (trashed_here, "drive.tombstone"),
    (trashed_here, "drive.trashed"),
    (restored_here, "drive.untrashed"),
    (trashed_there, "drive.archived"),
]


@pytest.mark.parametrize(("begin", "place"), STEPS)
def test_whoever_dies_is_followed_by_one_who_ends_it(
    world: World, begin: Callable[[World], Document], place: str
) -> None:
    begin(world)
    contents = world.contents()
    with dying_at(place) as passed, pytest.raises(Death):
        world.settle()
    assert place in passed
    world.forget_leases()
    world.settle()
    document = Document.objects.get()
    if document.archived_at is None:
        world.assert_in_step(document)
    else:
        assert world.fake.store.is_trashed(world.item(document))
    assert len([item for item in world.fake.store.items.values() if item.app_properties.get("doc")]) <= 1
    assert contents <= world.contents()
    world.assert_quiet()


def test_a_crash_and_an_edit_of_ours_before_the_next_try(world: World) -> None:
    document = world.write(b"one")
    with dying_at("drive.uploaded"), pytest.raises(Death):
        world.settle()
    world.edit(document, b"two")
    world.rename(document, "Renamed")
    world.forget_leases()
    world.settle()
    world.assert_in_step(document)
    assert world.item(document).name == "Renamed.txt"
    assert len(world.live()) == 1


def test_a_crash_and_an_edit_of_theirs_before_the_next_try(world: World) -> None:
    document = world.write(b"one")
    with dying_at("drive.uploaded"), pytest.raises(Death):
        world.settle()
    [item] = world.live()
    world.fake.person.edit(item.id, b"theirs")
    world.fake.person.rename(item.id, "Theirs.txt")
    world.forget_leases()
    world.settle()
    world.assert_in_step(document)
    assert world.content(document) == b"theirs"
    assert document.title == "Theirs"
    assert len(world.live()) == 1


def test_a_crash_in_an_update_and_an_edit_of_theirs_before_the_next_try(world: World) -> None:
    document = world.write(b"one")
    world.settle()
    world.edit(document, b"ours")
    with dying_at("drive.updated"), pytest.raises(Death):
        world.settle()
    world.fake.person.edit(world.item(document).id, b"theirs")
    world.forget_leases()
    world.settle()
    world.assert_in_step(document)
    # Theirs was made from ours, so that it is no conflict.
    assert world.content(document) == b"theirs"
    assert world.conflicts() == []


def test_a_crash_after_a_session_was_opened_goes_on_with_it(world: World) -> None:
    large = b"x" * (6 << 20)
    document = world.write(large)
    with dying_at("drive.session_stored"), pytest.raises(Death):
        world.settle()
    world.forget_leases()
    world.settle()
    world.assert_in_step(document)
    assert len(world.fake.journal.calls("files.create")) == 1
