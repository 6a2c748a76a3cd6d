"""What goes wrong with Drive, one by one: nothing is lost, nothing stands twice, and people are told why."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from apps.documents.models import (
    Blob,
    ChangeCursor,
    Document,
    DocumentVersion,
    DriveAccount,
    DriveBinding,
    DriveConflict,
    DriveRoot,
    SyncTask,
)
from apps.documents.services.drive import bindings, queue, roots, working
from apps.documents.storage import contents
from apps.events.models import Event
from tests.documents.drive_sync.world import World
from tests.fakes.drive import ROBOT

pytestmark = pytest.mark.django_db

State = DriveBinding.State


def assert_once(world: World, document: Document) -> None:
    """See that a document stands in Drive, and once."""
    world.settle()
    world.assert_in_step(document)
    assert len(world.live()) == 1
    world.assert_quiet()


def await_true(condition: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# Calls that fail


@pytest.mark.parametrize("kind", ["before", "after", "drop_before", "drop_after", "html", "cut", "corrupt"])
@pytest.mark.parametrize("name", ["files.create", "files.update"])
def test_an_upload_that_fails_before_or_after_its_effect(world: World, kind: str, name: str) -> None:
    document = world.write(b"one")
    if name == "files.update":
        world.settle()
        world.edit(document, b"two")
    fault = world.fake.faults.add(kind, name, nth={1, 2})
    assert_once(world, document)
    # An update that arrived is found there, and not sent again.
    assert fault.hits == (1 if name == "files.update" and kind not in {"before", "drop_before"} else 2)


def test_a_timeout_then_success(world: World, drive_settings: object) -> None:
    drive_settings.GOOGLE_DRIVE_TIMEOUT_SECONDS = 0.3  # type: ignore[attr-defined]
    document = world.write()
    world.fake.faults.add("delay", "files.create", nth=1, seconds=0.5)
    world.settle()
    await_true(lambda: len(world.fake.journal.calls("files.create")) == 2)
    assert_once(world, document)


def test_too_fast_three_times_then_well(world: World) -> None:
    document = world.write()
    fault = world.fake.faults.add("throttle", "files.create", times=3, status=403)
    world.hear()
    world.work()
    account = DriveAccount.objects.get()
    assert account.resting_until is not None
    assert account.resting_reason == "userRateLimitExceeded"
    assert_once(world, document)
    assert fault.hits == 3


def test_too_fast_with_a_wait_that_google_names(world: World) -> None:
    document = world.write()
    world.fake.faults.add("throttle", "files.create", nth=1, status=429, wait=45)
    world.hear()
    world.work()
    resting = DriveAccount.objects.get().resting_until
    assert resting is not None
    assert timedelta(seconds=40) < resting - timezone.now() <= timedelta(seconds=46)
    # Nothing is asked for meanwhile.
    world.fake.journal.clear()
    assert world.work() == 0
    assert world.fake.journal.calls() == []
    assert_once(world, document)


@pytest.mark.parametrize("reason", ["storageQuotaExceeded", "teamDriveFileLimitExceeded"])
def test_no_room_stops_and_says_so_and_does_not_loop(world: World, reason: str) -> None:
    document = world.write()
    world.write(b"two", "Other")
    fault = world.fake.faults.add("before", "files.create", status=403, reason=reason)
    world.hear()
    world.work()
    root = world.root
    assert (root.state, root.reason) == (DriveRoot.State.BLOCKED, reason)
    assert "room" in root.note
    assert Event.objects.filter(type="documents.drive.root_paused.v1").count() == 1
    hits = fault.hits
    for _round in range(3):
        SyncTask.objects.filter(state="QUEUED").update(next_run_at=timezone.now())
        world.work()
    # What was under way at the same moment met it too.
    assert fault.hits == hits <= settings.GOOGLE_DRIVE_UPLOADS_AT_ONCE
    # A probe that works lets it go on.
    world.fake.faults.clear()
    roots.want_probes()
    world.settle()
    world.assert_in_step(document)


def test_the_limit_of_the_day(world: World) -> None:
    document = world.write()
    world.fake.faults.add("before", "files.create", nth=1, status=403, reason="dailyLimitExceeded")
    world.hear()
    world.work()
    resting = DriveAccount.objects.get().resting_until
    assert resting is not None
    assert resting - timezone.now() > timedelta(minutes=50)
    assert_once(world, document)


@pytest.mark.parametrize("status", [404, 410])
def test_a_session_that_expires_in_the_middle(world: World, status: int) -> None:
    document = world.write(b"x" * (9 << 20))
    world.fake.faults.add("drop_before", "upload.chunk", nth=2)
    world.hear()
    world.work()
    assert SyncTask.objects.get(binding__document=document).session_uri
    world.fake.expire_sessions(status)
    assert_once(world, document)


@pytest.mark.parametrize("size", [1 << 18, 0])
def test_a_part_of_which_only_a_part_arrives(world: World, size: int) -> None:
    document = world.write(b"x" * (6 << 20))
    world.fake.faults.add("short", "upload.chunk", nth=1, size=size)
    assert_once(world, document)


def test_a_download_that_arrives_damaged(world: World) -> None:
    document = world.write()
    world.settle()
    world.fake.person.edit(world.item(document).id, b"theirs, and long enough to be damaged")
    fault = world.fake.faults.add("corrupt", "files.get", times=3)
    assert_once(world, document)
    assert fault.hits == 3


def test_a_page_of_some_proxy_is_never_kept_as_content(world: World) -> None:
    document = world.write()
    world.settle()
    world.fake.person.edit(world.item(document).id, b"theirs")
    world.fake.faults.add("html", "*", fraction=0.5, seed=3, times=12)
    assert_once(world, document)
    assert world.contents() == {b"one", b"theirs"}


def test_a_key_that_is_revoked_and_one_that_takes_its_place(world: World) -> None:
    document = world.write()
    world.fake.revoke_key()
    world.hear()
    world.work()
    assert world.root.state == DriveRoot.State.BLOCKED
    assert "key" in world.root.note
    import json

    key = json.dumps(world.fake.service_account())
    roots.change_key(world.account.pk, actor=world.admin, key=key)
    assert_once(world, document)


def test_a_clock_that_is_wrong(world: World) -> None:
    document = world.write()
    world.fake.expire_tokens()
    world.fake.logins.skew = 3600.0
    world.hear()
    world.work()
    assert world.root.state == DriveRoot.State.BLOCKED
    world.fake.logins.skew = 0.0
    roots.want_probes()
    assert_once(world, document)


# Workers


def test_a_task_that_is_delivered_twice(world: World) -> None:
    document = world.write()
    world.hear()
    world.work()
    world.work()
    world.hear()
    world.settle()
    assert len(world.fake.journal.calls("files.create")) == 1
    assert_once(world, document)


def test_a_worker_that_was_too_slow_writes_nothing(world: World) -> None:
    document = world.write()
    world.hear()
    slow = queue.claim(10)
    world.forget_leases()
    world.work()
    world.assert_in_step(document)
    synced = world.binding(document).updated_at
    working.run(slow)
    assert world.binding(document).updated_at == synced
    assert len(world.live()) == 1
    world.assert_quiet()


# The log


def test_a_page_that_is_read_again(world: World) -> None:
    document = world.write()
    world.settle()
    token = ChangeCursor.objects.get().page_token
    world.fake.person.edit(world.item(document).id, b"theirs")
    world.settle()
    versions = document.versions.count()
    ChangeCursor.objects.update(page_token=token)
    world.settle()
    assert document.versions.count() == versions == 2
    world.assert_quiet()


def test_a_change_that_stands_for_three(world: World) -> None:
    document = world.write()
    world.settle()
    for text in (b"a", b"b", b"c"):
        world.fake.person.edit(world.item(document).id, text)
    world.settle()
    assert world.content(document) == b"c"
    assert document.versions.count() == 2
    assert_once(world, document)


def test_a_sight_that_is_older_than_what_is_known(world: World) -> None:
    from apps.documents.drive.client import Change
    from apps.documents.drive.gate import client_of
    from apps.documents.services.drive import changes

    document = world.write()
    world.settle()
    old = client_of(world.account).get(world.item(document).id)
    world.fake.person.edit(world.item(document).id, b"theirs")
    world.settle()
    shown = [Change(old.id, removed=False, file=old, time=None)]
    changes.apply_files([world.root], shown)
    assert_once(world, document)
    assert world.content(document) == b"theirs"


def test_a_change_that_the_log_does_not_tell(world: World) -> None:
    document = world.write()
    world.settle()
    world.fake.person.edit(world.item(document).id, b"theirs")
    world.fake.forget_changes(world.drive.id, world.item(document).id)
    world.settle()
    assert world.content(document) == b"one"
    world.reconcile()
    assert world.content(document) == b"theirs"
    assert_once(world, document)


def test_the_echo_of_our_own_write(world: World) -> None:
    document = world.write()
    world.settle()
    world.edit(document, b"two")
    world.settle()
    world.fake.journal.clear()
    world.settle()
    assert {call.name for call in world.fake.journal.calls()} == {"changes.list"}
    assert document.versions.count() == 2


def test_a_change_that_nobody_sees(world: World) -> None:
    document = world.write()
    world.settle()
    world.fake.person.touch(world.item(document).id)
    world.fake.journal.clear()
    world.settle()
    assert {call.name for call in world.fake.journal.calls()} == {"changes.list"}
    assert_once(world, document)


def test_a_list_that_lags_behind(world: World) -> None:
    world.fake.store.search_lag = 3
    document = world.write()
    world.settle()
    world.reconcile()
    assert world.binding(document).state == State.SYNCED
    assert_once(world, document)


# Both at once


def test_an_edit_on_both_sides_keeps_both(world: World) -> None:
    document = world.write(b"one")
    world.settle()
    world.edit(document, b"ours")
    world.fake.person.edit(world.item(document).id, b"theirs")
    world.settle()
    assert world.content(document) == b"theirs"
    assert world.contents() >= {b"one", b"ours", b"theirs"}
    [conflict] = world.conflicts()
    assert conflict.kind == DriveConflict.Kind.EDITED
    assert conflict.ours is not None
    assert conflict.theirs is not None
    assert (conflict.ours.number, conflict.theirs.number) == (2, 3)
    assert Event.objects.filter(type="documents.drive.conflict.v1").count() == 1
    assert_once(world, document)


def test_the_same_edit_on_both_sides_is_none(world: World) -> None:
    document = world.write(b"one")
    world.settle()
    world.edit(document, b"same")
    world.fake.person.edit(world.item(document).id, b"same")
    world.fake.journal.clear()
    world.settle()
    assert world.conflicts() == []
    assert world.fake.journal.writes() == []
    assert_once(world, document)


def test_an_edit_there_while_we_write(world: World) -> None:
    document = world.write(b"one")
    world.settle()
    item = world.item(document)
    world.edit(document, b"ours")
    world.fake.faults.add(
        "call", "files.update", nth=1, call=lambda _request: world.fake.person.edit(item.id, b"theirs")
    )
    world.settle()
    assert world.content(document) == b"ours"
    [conflict] = world.conflicts()
    assert conflict.kind == DriveConflict.Kind.RACE
    assert conflict.theirs is not None
    assert world.content(conflict.theirs.document) == b"theirs"
    world.assert_in_step(document)
    world.assert_quiet()


def test_renamed_moved_and_edited_together(world: World) -> None:
    document = world.write(b"one")
    world.settle()
    item = world.item(document)
    elsewhere = world.fake.person.create_folder(world.folder.id, "Elsewhere")
    world.fake.person.rename(item.id, "Other.txt")
    world.fake.person.move(item.id, elsewhere.id)
    world.fake.person.edit(item.id, b"theirs")
    world.settle()
    document.refresh_from_db()
    assert (document.title, world.content(document)) == ("Other", b"theirs")
    assert item.parent == elsewhere.id
    assert_once(world, document)


def test_renamed_here_and_edited_there(world: World) -> None:
    document = world.write(b"one")
    world.settle()
    world.rename(document, "Ours")
    world.fake.person.edit(world.item(document).id, b"theirs")
    world.settle()
    assert (world.item(document).name, world.content(document)) == ("Ours.txt", b"theirs")
    assert world.conflicts() == []
    assert_once(world, document)


@pytest.mark.parametrize("status", ["APPROVED", "SIGNED"])
def test_what_is_signed_stays_as_it_is_and_the_edit_is_kept_beside_it(world: World, status: str) -> None:
    document = world.write(b"signed", "Contract")
    world.settle()
    Document.objects.filter(pk=document.pk).update(status=status)
    item = world.item(document)
    world.fake.person.edit(item.id, b"changed")
    world.fake.person.rename(item.id, "Changed.txt")
    world.settle()
    world.assert_in_step(document)
    assert (world.content(document), document.title) == (b"signed", "Contract")
    side = Document.objects.exclude(pk=document.pk).get()
    assert side.title.startswith("Contract (edited in Drive, ")
    assert world.content(side) == b"changed"
    [conflict] = world.conflicts()
    assert conflict.kind == DriveConflict.Kind.FIXED
    world.assert_quiet()


def test_edited_here_and_trashed_there(world: World) -> None:
    document = world.write(b"one")
    world.settle()
    world.edit(document, b"two")
    world.fake.person.trash(world.item(document).id)
    world.settle()
    document.refresh_from_db()
    assert document.archived_at is None
    assert world.binding(document).state == State.CONFLICT
    [conflict] = world.conflicts()
    assert conflict.kind == DriveConflict.Kind.TRASHED_THERE
    world.assert_quiet()


def test_trashed_here_and_edited_there(world: World) -> None:
    document = world.write(b"one")
    world.settle()
    world.trash(document)
    world.fake.person.edit(world.item(document).id, b"theirs")
    world.settle()
    assert world.content(document) == b"theirs"
    [conflict] = world.conflicts()
    assert conflict.kind == DriveConflict.Kind.TRASHED_HERE
    assert_once(world, document)


def test_somebody_works_on_it_here(world: World) -> None:
    document = world.write(b"one")
    world.settle()
    until = timezone.now() + timedelta(hours=1)
    Document.objects.update(checked_out_by=world.admin, checked_out_until=until)
    world.fake.person.edit(world.item(document).id, b"theirs")
    world.settle()
    assert world.content(document) == b"one"
    Document.objects.update(checked_out_by=None, checked_out_until=None)
    assert_once(world, document)
    assert world.content(document) == b"theirs"


# What disappears


def test_a_folder_that_is_trashed_and_restored(world: World) -> None:
    deal = world.deal()
    document = world.write_for(deal)
    world.settle()
    folder = world.item(document).parent
    assert folder is not None
    world.fake.person.trash(folder)
    world.settle()
    document.refresh_from_db()
    assert document.archived_at is not None
    # A document that comes meanwhile gets a folder that is not in the trash.
    other = world.write_for(deal, b"other", "Other")
    world.settle()
    world.assert_in_step(other)
    world.fake.person.restore(folder)
    world.settle()
    world.assert_in_step(document)
    world.assert_quiet()


def test_a_document_that_is_restored_here_leaves_a_folder_in_the_trash(world: World) -> None:
    document = world.write_for(world.deal())
    world.settle()
    folder = world.item(document).parent
    assert folder is not None
    world.fake.person.trash(folder)
    world.settle()
    world.restore(document)
    world.settle()
    world.assert_in_step(document)
    assert world.item(document).parent != folder
    world.assert_quiet()


def test_a_file_that_is_deleted_forever_deletes_nothing_here(world: World, drive_settings: object) -> None:
    document = world.write(b"one")
    world.settle()
    world.fake.person.delete_forever(world.item(document).id)
    world.settle()
    assert world.binding(document).state == State.REMOTE_MISSING
    document.refresh_from_db()
    assert document.archived_at is None
    drive_settings.GOOGLE_DRIVE_PROOF_SECONDS = 0  # type: ignore[attr-defined]
    world.settle()
    assert world.binding(document).state == State.REMOTE_GONE
    world.assert_quiet()
    # Whoever changes it here wants it there: under another id.
    before = world.binding(document).drive_file_id
    world.edit(document, b"two")
    assert_once(world, document)
    assert world.binding(document).drive_file_id != before


def test_access_to_one_file_that_is_taken_away_and_given_back(world: World) -> None:
    document = world.write(b"one")
    world.settle()
    item = world.item(document)
    world.fake.person.take_away_access(item.id, ROBOT)
    world.settle()
    assert world.binding(document).state == State.REMOTE_MISSING
    world.fake.person.give_back_access(item.id, ROBOT)
    assert_once(world, document)


def test_access_to_the_drive_that_is_lost(world: World) -> None:
    documents = [world.write(f"{number}".encode(), f"Paper {number}") for number in range(5)]
    world.settle()
    world.fake.person.take_away_drive(world.drive.id, ROBOT)
    world.poll()
    world.work()
    assert world.root.state == DriveRoot.State.BLOCKED
    assert not Document.objects.exclude(archived_at=None).exists()
    assert not DriveBinding.objects.exclude(state=State.SYNCED).exists()
    # A reconciliation would see an empty listing: it sees first that there is none.
    DriveRoot.objects.update(state="ACTIVE", reason="", note="", stopped_at=None)
    roots.want_reconciliation(world.root_id, actor=world.admin)
    world.work()
    assert world.root.state == DriveRoot.State.BLOCKED
    assert not DriveBinding.objects.exclude(state=State.SYNCED).exists()
    world.fake.person.set_role(world.drive.id, ROBOT, "fileOrganizer")
    roots.want_probes()
    world.settle()
    for document in documents:
        world.assert_in_step(document)
    world.assert_quiet()


def test_a_drive_that_is_removed(world: World) -> None:
    document = world.write()
    world.settle()
    world.fake.person.delete_drive(world.drive.id)
    world.poll()
    world.work()
    assert world.root.state == DriveRoot.State.BLOCKED
    document.refresh_from_db()
    assert document.archived_at is None


@pytest.mark.parametrize("how", ["trash", "delete_forever"])
def test_a_mass_disappearance_pauses_and_does_nothing(world: World, how: str) -> None:
    documents = [world.write(f"{number}".encode(), f"Paper {number}") for number in range(44)]
    world.settle()
    items = [world.item(document).id for document in documents]
    for item in items[:23]:
        getattr(world.fake.person, how)(item)
    world.poll()
    world.work()
    assert (world.root.state, world.root.reason) == (DriveRoot.State.PAUSED, "mass_change")
    assert "23" in world.root.note
    assert not Document.objects.exclude(archived_at=None).exists()
    # A probe that works does not resume what a person has to look at.
    roots.want_probes()
    world.work()
    assert world.root.state == DriveRoot.State.PAUSED
    roots.resume_root(world.root_id, actor=world.admin)
    world.settle()
    assert world.root.state == DriveRoot.State.ACTIVE
    archived = Document.objects.exclude(archived_at=None).count()
    assert archived == (23 if how == "trash" else 0)


def test_a_mass_disappearance_in_small_portions(world: World) -> None:
    documents = [world.write(f"{number}".encode(), f"Paper {number}") for number in range(30)]
    world.settle()
    for document in documents[:24]:
        world.fake.person.trash(world.item(document).id)
        world.poll()
        world.work()
    assert world.root.state == DriveRoot.State.PAUSED
    assert Document.objects.exclude(archived_at=None).count() <= 20


def test_two_installations_on_one_folder(world: World, drive_settings: object) -> None:
    document = world.write()
    world.settle()
    drive_settings.GOOGLE_DRIVE_INSTANCE = "a copy"  # type: ignore[attr-defined]
    assert not roots.probe_root(world.root)
    assert (world.root.state, world.root.reason) == (DriveRoot.State.BLOCKED, "foreignInstance")
    world.edit(document, b"of the copy")
    world.hear()
    world.fake.journal.clear()
    world.work()
    assert world.fake.journal.writes() == []


# What lies there


def test_one_name_twice_in_a_folder(world: World) -> None:
    one, two = world.write(b"one", "Same"), world.write(b"two", "Same")
    world.settle()
    for document in (one, two):
        world.assert_in_step(document)
    assert [item.name for item in world.live()] == ["Same.txt", "Same.txt"]
    world.assert_quiet()


@pytest.mark.parametrize(
    "title",
    [
        "a/b\\c",
        "quo\"te's",
        "👩\u200d💼 Договор № 5",
        "שלום",
        "ж" * 300,
        "  spaced  ",
        "no.such.ending",
        "' or name contains '",
    ],
)
def test_names_of_every_kind(world: World, title: str) -> None:
    document = world.write(b"one", title)
    assert_once(world, document)
    assert len(world.item(document).name.encode()) <= 255
    world.fake.person.rename(world.item(document).id, f"{title}\x00\u202e there.txt")
    world.settle()
    world.assert_quiet()
    document.refresh_from_db()
    assert "\x00" not in document.title


def test_an_empty_file(world: World) -> None:
    document = world.write(b"one")
    world.settle()
    world.fake.person.edit(world.item(document).id, b"")
    assert_once(world, document)
    assert world.content(document) == b""
    world.fake.person.upload(world.folder.id, "Empty.txt", b"")
    world.settle()
    assert world.content(Document.objects.get(title="Empty")) == b""


def test_documents_of_googles_own_shortcuts_and_folders(world: World) -> None:
    paper = world.fake.person.create_document(world.folder.id, "Paper")
    world.fake.person.create_shortcut(world.folder.id, "Shortcut", paper.id)
    world.fake.person.create_shortcut(world.folder.id, "Dangling", "nothing")
    world.fake.person.create_folder(world.folder.id, "Notes.txt")
    world.settle()
    document = Document.objects.get()
    binding = world.binding(document)
    assert (document.title, document.current_version) == ("Paper", None)
    assert binding.state == State.LINK_ONLY
    assert binding.web_view_link
    # It is never written over, nor converted.
    world.edit(document, b"a content of ours")
    world.settle()
    assert world.binding(document).state == State.LINK_ONLY
    world.assert_quiet()
    for call in world.fake.journal.calls("files.create"):
        assert not str((call.said or {}).get("mimeType", "")).startswith(
            "application/vnd.google-apps.document"
        )


def test_a_file_of_which_drive_tells_no_sum(world: World) -> None:
    document = world.write(b"one")
    world.settle()
    item = world.item(document)
    item.without_md5 = True
    world.fake.person.edit(item.id, b"theirs")
    world.settle()
    binding = world.binding(document)
    assert (binding.state, binding.reason) == (State.BLOCKED, "no_checksum")
    assert "no checksum" in binding.note
    # What cannot be verified is not taken, and neither is it written over.
    assert world.content(document) == b"one"
    assert item.blob is not None
    assert item.blob.bytes() == b"theirs"
    world.assert_quiet()
    item.without_md5 = False
    bindings.sync_now(binding.pk, actor=world.admin)
    assert_once(world, document)
    assert world.content(document) == b"theirs"


def test_our_own_write_of_which_drive_tells_no_sum(world: World) -> None:
    document = world.write(b"one")
    world.settle()
    world.item(document).without_md5 = True
    world.edit(document, b"two")
    world.settle()
    assert world.binding(document).state == State.SYNCED
    blob = world.item(document).blob
    assert blob is not None
    assert blob.bytes() == b"two"
    world.assert_quiet()


def test_a_file_that_is_too_large(world: World, drive_settings: object) -> None:
    drive_settings.GOOGLE_DRIVE_MAX_BYTES = 10  # type: ignore[attr-defined]
    large = world.write(b"more than ten bytes")
    document = world.write(b"small", "Small")
    world.settle()
    assert world.binding(large).state == State.BLOCKED
    assert "larger" in world.binding(large).note
    world.fake.person.edit(world.item(document).id, b"it grows beyond it")
    world.settle()
    assert world.binding(document).state == State.BLOCKED
    assert world.content(document) == b"small"
    drive_settings.GOOGLE_DRIVE_MAX_BYTES = 1000  # type: ignore[attr-defined]
    world.edit(large, b"another content of more than ten bytes")
    world.fake.person.touch(world.item(document).id)
    world.reconcile()
    world.assert_in_step(large)


def test_another_file_under_the_identifier(world: World) -> None:
    document = world.write()
    world.hear()
    [task] = queue.claim(10)
    from apps.documents.services.drive import pushing
    from apps.documents.services.drive.sights import sight_of

    pushing._reserved([sight_of(task)])
    queue.give_back([task])
    reserved = world.binding(document).drive_file_id
    item = world.fake.person.upload(world.folder.id, "Foreign.txt", b"foreign")
    world.fake.store.items[str(reserved)] = world.fake.store.items.pop(item.id)
    item.id = str(reserved)
    world.settle()
    assert (world.binding(document).state, world.binding(document).reason) == (State.BLOCKED, "id_collision")
    assert world.fake.person.read(str(reserved)) == b"foreign"


# The storage


@pytest.mark.parametrize("how", ["lost", "changed"])
def test_a_content_that_the_storage_has_lost_or_changed(world: World, how: str) -> None:
    from django.core.files.base import ContentFile

    document = world.write(b"one")
    version = document.versions.get()
    contents().delete(version.blob.key)
    if how == "changed":
        contents().save(version.blob.key, ContentFile(b"something else"))
    world.settle()
    assert world.live() == []
    assert world.binding(document).state == State.BLOCKED
    assert "lost" in world.binding(document).note
    assert Blob.objects.get(pk=version.blob_id).missing_since is not None


def test_a_content_that_was_kept_and_whose_transaction_was_rolled_back(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from apps.documents.services.drive import keeping

    document = world.write(b"one")
    world.settle()
    world.fake.person.edit(world.item(document).id, b"theirs")
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(keeping, "add_theirs", lambda *_args, **_fields: 1 / 0)
        world.poll()
        world.work()
    assert "failed" in caplog.text
    assert document.versions.count() == 1
    # The content lies in the storage and belongs to nobody: the next try takes it.
    assert Blob.objects.filter(versions=None).exists()
    assert_once(world, document)
    assert not Blob.objects.filter(versions=None).exists()
    assert DocumentVersion.objects.filter(document=document).count() == 2
