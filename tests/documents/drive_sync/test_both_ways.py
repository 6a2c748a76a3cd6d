"""What one does on one side arrives on the other."""

import pytest

from apps.documents.models import Document, DocumentVersion, DriveBinding
from apps.documents.services.documents import Target
from apps.events.models import Event
from tests.documents.drive_sync.world import World
from tests.documents.factories import make_folder

pytestmark = pytest.mark.django_db


def test_a_new_document_arrives_in_drive(world: World) -> None:
    document = world.write(b"one", "Notes", "notes.txt")
    world.settle()
    world.assert_in_step(document)
    assert world.item(document).name == "Notes.txt"
    assert [item.name for item in world.live()] == ["Notes.txt"]
    assert Event.objects.filter(type="documents.drive.synced.v1").count() == 1
    world.assert_quiet()


def test_a_new_version_arrives_as_a_revision(world: World) -> None:
    document = world.write(b"one")
    world.settle()
    world.edit(document, b"two")
    world.settle()
    world.assert_in_step(document)
    held = [one.blob.bytes() for one in world.item(document).revisions if one.blob is not None]
    assert held == [b"one", b"two"]
    world.assert_quiet()


def test_an_edit_there_becomes_a_version(world: World) -> None:
    document = world.write(b"one")
    world.settle()
    world.fake.person.edit(world.item(document).id, b"two")
    world.settle()
    world.assert_in_step(document)
    version = document.versions.get(number=2)
    assert version.source == DocumentVersion.Source.DRIVE
    assert world.content(document) == b"two"
    assert world.conflicts() == []
    world.assert_quiet()


def test_a_file_that_somebody_puts_there_becomes_a_document(world: World) -> None:
    world.fake.person.upload(world.folder.id, "Plan.txt", b"plan")
    world.settle()
    document = Document.objects.get()
    assert (document.title, document.owner, document.team) == ("Plan", None, None)
    assert world.content(document) == b"plan"
    world.assert_in_step(document)
    world.assert_quiet()
    assert Document.objects.count() == 1


def test_a_name_travels_both_ways(world: World) -> None:
    document = world.write(title="First")
    world.settle()
    world.rename(document, "Second")
    world.settle()
    assert world.item(document).name == "Second.txt"
    world.fake.person.rename(world.item(document).id, "Third.txt")
    world.settle()
    document.refresh_from_db()
    assert document.title == "Third"
    world.assert_in_step(document)
    world.assert_quiet()


def test_the_trash_travels_both_ways(world: World) -> None:
    document = world.write()
    world.settle()
    world.trash(document)
    world.settle()
    assert world.fake.store.is_trashed(world.item(document))
    assert world.binding(document).state == DriveBinding.State.LOCAL_DELETED
    world.restore(document)
    world.settle()
    world.assert_in_step(document)
    world.fake.person.trash(world.item(document).id)
    world.settle()
    document.refresh_from_db()
    assert document.archived_at is not None
    world.fake.person.restore(world.item(document).id)
    world.settle()
    world.assert_in_step(document)
    world.assert_quiet()


def test_a_deal_has_a_folder_in_its_companys(world: World) -> None:
    deal = world.deal()
    document = world.write_for(deal)
    second = world.write_for(deal, b"second", "Second")
    world.settle()
    [folder] = world.folders(f"{deal.number} {deal.title}")
    assert world.item(document).parent == world.item(second).parent == folder.id
    assert folder.parent is not None
    above = world.fake.person.file(folder.parent)
    assert above.name == str(deal.company)
    assert above.parent == world.folder.id
    world.assert_in_step(document)
    world.assert_quiet()


def test_a_file_that_is_put_into_a_deals_folder_belongs_to_the_deal(world: World) -> None:
    deal = world.deal()
    document = world.write_for(deal)
    world.settle()
    parent = world.item(document).parent
    assert parent is not None
    world.fake.person.upload(parent, "Draft.txt", b"draft")
    world.settle()
    draft = Document.objects.get(title="Draft")
    assert draft.links.get().target_id == deal.pk
    world.assert_quiet()


def test_a_document_that_moves_here_moves_there(world: World) -> None:
    document = world.write()
    world.settle()
    from apps.documents.services import documents

    folder = make_folder("Contracts", parent=make_folder("Legal"))
    documents.change_document(document.pk, actor=world.admin, folder_id=folder.pk)
    world.settle()
    [there] = world.folders("Contracts")
    assert world.item(document).parent == there.id
    world.assert_in_step(document)
    world.assert_quiet()


def test_a_file_that_moves_there_moves_here(world: World) -> None:
    one, two = make_folder("One"), make_folder("Two")
    document, other = world.write(folder_id=one.pk), world.write(b"x", "Other", folder_id=two.pk)
    world.settle()
    target = world.item(other).parent
    assert target is not None
    world.fake.person.move(world.item(document).id, target)
    world.settle()
    document.refresh_from_db()
    assert document.folder == two
    world.assert_in_step(document)
    # Somewhere that nothing here stands for: it stays there.
    elsewhere = world.fake.person.create_folder(world.folder.id, "Elsewhere")
    world.fake.person.move(world.item(document).id, elsewhere.id)
    world.settle()
    assert world.item(document).parent == elsewhere.id
    world.assert_in_step(document)
    world.assert_quiet()


def test_a_file_that_moves_into_a_deals_folder_belongs_to_the_deal_too(world: World) -> None:
    deal = world.deal()
    brief, document = world.write_for(deal), world.write()
    world.settle()
    target = world.item(brief).parent
    assert target is not None
    world.fake.person.move(world.item(document).id, target)
    world.settle()
    assert document.links.get().target_id == deal.pk
    world.assert_in_step(document)
    world.assert_quiet()


def test_only_what_belongs_somewhere_goes_there(world: World) -> None:
    from apps.documents.models import DriveRoot

    DriveRoot.objects.update(takes="LINKED")
    alone = world.write()
    world.settle()
    assert not DriveBinding.objects.exists()
    from apps.documents.services import documents

    documents.link_document(alone.pk, Target("crm.deal", world.deal().pk), actor=world.admin)
    world.settle()
    world.assert_in_step(alone)


def test_one_way_to_drive(world: World) -> None:
    from apps.documents.models import DriveRoot

    DriveRoot.objects.update(direction="PUSH")
    document = world.write(b"one")
    world.settle()
    world.fake.person.edit(world.item(document).id, b"theirs")
    world.settle()
    assert world.content(document) == b"one"
    # Ours goes over theirs only once theirs is kept.
    world.edit(document, b"two")
    world.settle()
    world.assert_in_step(document)
    assert world.content(document) == b"two"
    assert b"theirs" in world.contents()
    world.assert_quiet()


def test_one_way_from_drive(world: World) -> None:
    from apps.documents.models import DriveRoot

    DriveRoot.objects.update(direction="PULL")
    world.write(b"ours")
    item = world.fake.person.upload(world.folder.id, "Plan.txt", b"plan")
    world.settle()
    taken = Document.objects.get(title="Plan")
    world.edit(taken, b"mine")
    world.settle()
    assert item.blob is not None
    assert item.blob.bytes() == b"plan"
    assert len(world.live()) == 1
    world.assert_quiet()
