"""What somebody wants forgotten goes from Google Drive, too: written down with the deletion, and insisted on."""

import pytest

from apps.documents.models import Document, DriveBinding, DriveTombstone, SyncTask
from apps.documents.selectors import health_of
from apps.documents.services.drive import bindings, queue
from apps.documents.services.erasing import erase_documents, out_of_reach
from tests.documents.drive_sync.world import World
from tests.fakes.drive.model import Item

pytestmark = pytest.mark.django_db


def in_drive(world: World, title: str = "Passport of Anna") -> tuple[Document, Item]:
    document = world.write(b"secret", title=title)
    world.settle()
    return document, world.item(document)


def erase(world: World, document: Document) -> None:
    erase_documents([document.pk], actor=world.admin)
    assert not Document.objects.filter(pk=document.pk).exists()


def erasures() -> list[SyncTask]:
    return list(SyncTask.objects.filter(kind=SyncTask.Kind.ERASE))


def test_the_file_goes_after_its_document(world: World) -> None:
    document, item = in_drive(world)
    other, kept = in_drive(world, "Rules")
    erase(world, document)
    assert world.live() == [item, kept], "nothing is asked of Drive while the database writes"
    [task] = erasures()
    assert (task.state, task.drive_file_id) == ("QUEUED", item.id)
    assert health_of(world.root).erasing == 1
    assert DriveTombstone.objects.get(drive_file_id=item.id).document_id == document.pk
    world.settle()
    assert world.live() == [kept]
    assert [one.state for one in erasures()] == ["DONE"]
    assert health_of(world.root).erasing == 0
    assert list(Document.objects.all()) == [other], (
        "what is erased does not come back as a new file of somebody's"
    )
    world.assert_quiet()


def test_an_organizer_deletes_for_ever(world: World) -> None:
    document, item = in_drive(world)
    email = str(world.account.client_email)
    world.fake.person.set_role(world.drive.id, email, "organizer")
    erase(world, document)
    world.settle()
    assert item.id not in world.fake.store.items
    assert [one.state for one in erasures()] == ["DONE"]
    assert not Document.objects.exists()


def test_it_is_insisted_on_and_said_while_it_does_not_work(world: World) -> None:
    document, item = in_drive(world)
    world.fake.faults.add("before", "files.delete", status=400, reason="invalid")
    erase(world, document)
    world.work()
    [task] = erasures()
    assert (task.state, task.error_code) == ("QUEUED", "invalid")
    health = health_of(world.root)
    assert (health.erasing, bool(health.erasing_error)) == (1, True)
    assert world.live() == [item]
    world.fake.faults.clear()
    world.settle()
    assert world.live() == []
    assert [one.state for one in erasures()] == ["DONE"]


def test_an_edit_there_meanwhile_makes_no_document_of_it(world: World) -> None:
    document, item = in_drive(world)
    world.fake.faults.add("before", "files.delete", times=1, status=500)
    erase(world, document)
    world.fake.person.edit(item.id, b"secret, edited")
    world.poll()
    queue.want_file(world.root, item.id)
    SyncTask.objects.filter(kind=SyncTask.Kind.ERASE).update(next_run_at="2099-01-01T00:00Z")
    world.work()
    assert not Document.objects.exists()
    world.settle()
    assert world.live() == []
    assert not Document.objects.exists()


def test_it_waits_for_a_folder_that_is_paused(world: World) -> None:
    from apps.documents.services.drive import roots

    document, item = in_drive(world)
    roots.pause_root(world.root_id, actor=world.admin)
    erase(world, document)
    world.work()
    assert world.live() == [item]
    roots.resume_root(world.root_id, actor=world.admin)
    world.settle()
    assert world.live() == []


def test_what_is_not_ours_to_touch_keeps_the_document(world: World) -> None:
    document, item = in_drive(world)
    assert not Document.objects.filter(out_of_reach()).exists()
    bindings.detach(DriveBinding.objects.get().pk, actor=world.admin)
    assert list(Document.objects.filter(out_of_reach())) == [document]
    # Whoever deletes it all the same leaves the file there alone.
    erase(world, document)
    assert erasures() == []
    world.settle()
    assert item in world.live()
