"""Somebody chooses between two contents; whatever is chosen stands on both sides, and both are kept."""

import pytest
from django.core.exceptions import ObjectDoesNotExist, ValidationError

from apps.documents.models import Document, DriveBinding, DriveConflict
from apps.documents.services.drive import bindings, conflicts
from tests.accounts.factories import make_member, make_team
from tests.documents.drive_sync.world import World

pytestmark = pytest.mark.django_db


def edited_on_both_sides(world: World) -> tuple[Document, DriveConflict]:
    document = world.write(b"one")
    world.settle()
    world.edit(document, b"ours")
    world.fake.person.edit(world.item(document).id, b"theirs")
    world.settle()
    [conflict] = world.conflicts()
    return document, conflict


@pytest.mark.parametrize(("choice", "content"), [("OURS", b"ours"), ("THEIRS", b"theirs")])
def test_what_is_chosen_stands_on_both_sides(world: World, choice: str, content: bytes) -> None:
    document, conflict = edited_on_both_sides(world)
    resolved = conflicts.resolve_conflict(conflict.pk, actor=world.admin, choice=choice)
    assert (resolved.state, resolved.resolution, resolved.resolved_by) == ("RESOLVED", choice, world.admin)
    world.settle()
    world.assert_in_step(document)
    assert world.content(document) == content
    assert world.contents() >= {b"one", b"ours", b"theirs"}
    world.assert_quiet()
    with pytest.raises(ValidationError) as refused:
        conflicts.resolve_conflict(conflict.pk, actor=world.admin, choice=choice)
    assert refused.value.code == "resolved"


@pytest.mark.parametrize("choice", ["OURS", "THEIRS"])
def test_edited_here_and_trashed_there(world: World, choice: str) -> None:
    document = world.write(b"one")
    world.settle()
    world.edit(document, b"two")
    world.fake.person.trash(world.item(document).id)
    world.settle()
    [conflict] = world.conflicts()
    conflicts.resolve_conflict(conflict.pk, actor=world.admin, choice=choice)
    world.settle()
    document.refresh_from_db()
    if choice == "OURS":
        world.assert_in_step(document)
        assert world.content(document) == b"two"
    else:
        assert document.archived_at is not None
    world.assert_quiet()


def test_trashed_here_and_edited_there(world: World) -> None:
    document = world.write(b"one")
    world.settle()
    world.trash(document)
    world.fake.person.edit(world.item(document).id, b"theirs")
    world.settle()
    [conflict] = world.conflicts()
    conflicts.resolve_conflict(conflict.pk, actor=world.admin, choice="OURS")
    world.settle()
    assert world.binding(document).state == DriveBinding.State.LOCAL_DELETED
    assert world.fake.store.is_trashed(world.item(document))


def test_a_signed_document_is_not_replaced_by_a_choice(world: World) -> None:
    document = world.write(b"signed")
    world.settle()
    Document.objects.filter(pk=document.pk).update(status="SIGNED")
    world.fake.person.edit(world.item(document).id, b"changed")
    world.settle()
    [conflict] = world.conflicts()
    with pytest.raises(ValidationError) as refused:
        conflicts.resolve_conflict(conflict.pk, actor=world.admin, choice="THEIRS")
    assert refused.value.code == "document_final"
    assert world.content(document) == b"signed"


def test_somebody_elses_conflict_is_none(world: World) -> None:
    _document, conflict = edited_on_both_sides(world)
    seller = make_member(make_team("South"), "salesperson", "seller")
    with pytest.raises(ObjectDoesNotExist):
        conflicts.resolve_conflict(conflict.pk, actor=seller, choice="OURS")
    with pytest.raises(ObjectDoesNotExist):
        bindings.sync_now(world.binding(conflict.document).pk, actor=seller)


def test_a_document_that_is_detached_goes_its_own_way_and_comes_back(world: World) -> None:
    document = world.write(b"one")
    world.settle()
    bindings.detach(world.binding(document).pk, actor=world.admin)
    world.edit(document, b"ours")
    world.fake.person.edit(world.item(document).id, b"theirs")
    world.settle()
    assert world.content(document) == b"ours"
    assert world.item(document).blob is not None
    assert world.fake.person.read(world.item(document).id) == b"theirs"
    bindings.put_into_root(document.pk, world.root_id, actor=world.admin)
    world.settle()
    assert world.contents() >= {b"ours", b"theirs"}
    assert len(world.conflicts()) == 1
    world.assert_in_step(document)
