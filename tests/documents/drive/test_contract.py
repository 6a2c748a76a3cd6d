"""What the platform counts on in Google Drive: the same tests for the fake and, with `--drive-live`, for Google."""

import threading
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any, TypeVar

import pytest

from apps.documents.drive.client import (
    FOLDER,
    Change,
    Collision,
    Content,
    Corrupt,
    Forbidden,
    Gone,
    Invalid,
    QuotaFull,
    RemoteFile,
)
from tests.documents.drive.conftest import Place, content

T = TypeVar("T")
# Lists and logs of Google are behind by some seconds.
PATIENCE_SECONDS = 120
LARGE = 6 << 20


def test_a_file_is_created_under_its_reserved_id(place: Place) -> None:
    [file_id] = place.drive.generate_ids(1)

    made = place.drive.create(
        file_id,
        name="offer.txt",
        parents=[place.folder.id],
        content=content(b"hello"),
        app_properties={"artel": "1", "version": "7"},
    )

    assert made == place.drive.get(file_id)
    assert (made.id, made.name, made.parents, made.mime) == (
        file_id, "offer.txt", (place.folder.id,), "text/plain",
    )  # fmt: skip
    assert (made.size, made.md5) == (5, "5d41402abc4b2a76b9719d911017c592")
    assert made.app_properties == {"artel": "1", "version": "7"}
    assert made.drive_id == place.drive_id
    assert made.head_revision_id
    assert made.modified_time is not None
    assert not made.trashed
    assert place.read(made) == b"hello"


def test_the_same_upload_again_makes_no_second_file(place: Place) -> None:
    [file_id] = place.drive.generate_ids(1)
    first = _create(place, file_id, b"once")

    assert _create(place, file_id, b"once") == first
    assert place.drive.get(file_id) == first


def test_another_upload_under_the_same_id_is_refused_and_says_what_stands_there(place: Place) -> None:
    [file_id] = place.drive.generate_ids(1)
    first = _create(place, file_id, b"mine")

    with pytest.raises(Collision) as refused:
        _create(place, file_id, b"another")

    assert refused.value.file == first
    assert place.drive.get(file_id) == first


def test_a_file_of_another_installation_is_no_earlier_try_of_ours(place: Place) -> None:
    [file_id] = place.drive.generate_ids(1)
    _create(place, file_id, b"same", inst="theirs")

    with pytest.raises(Collision):
        _create(place, file_id, b"same", inst="ours")


def test_an_id_that_nobody_reserved_is_refused(place: Place) -> None:
    with pytest.raises(Invalid):
        _create(place, "1aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", b"")


def test_a_document_of_googles_own_takes_no_reserved_id(place: Place) -> None:
    [file_id] = place.drive.generate_ids(1)
    document = Content.of(BytesIO(b"text"), "application/vnd.google-apps.document")

    with pytest.raises(Invalid):
        place.drive.create(file_id, name="document", parents=[place.folder.id], content=document)


def test_ids_are_reserved_a_thousand_at_once(place: Place) -> None:
    assert len(set(place.drive.generate_ids(1000))) == 1000


@pytest.mark.parametrize(
    "name",
    [
        'O\'Brien \\ "quoted".pdf',
        "Договор № 7 — приложение.docx",
        "🎉 party 🏳️‍🌈.txt",
        "عقد.pdf",
        "я" * 127 + ".txt",
        " two  spaces ",
        "a/b\\c",
    ],
)
def test_names_come_back_as_they_were_given(place: Place, name: str) -> None:
    made = place.create(name=name)

    assert made.name == name
    assert place.drive.get(made.id).name == name


def test_an_empty_file_is_a_file(place: Place) -> None:
    made = place.create(b"")

    assert (made.size, made.md5) == (0, "d41d8cd98f00b204e9800998ecf8427e")
    assert place.read(made) == b""


def test_two_files_of_one_name_lie_in_one_folder(place: Place) -> None:
    first, second = place.create(b"1", "twin"), place.create(b"2", "twin")

    assert first.id != second.id
    twins = {first.id, second.id}
    assert _eventually(lambda: _listed(place), until=lambda ids: ids >= twins) == twins


def test_a_new_content_is_the_head_of_the_revisions_and_the_old_one_stays(place: Place) -> None:
    first = place.create(b"one")

    second = place.drive.update_content(first.id, content(b"two two"))

    assert (second.id, second.size) == (first.id, 7)
    assert second.version > first.version
    assert second.head_revision_id != first.head_revision_id
    revisions = place.drive.revisions(first.id)
    assert [one.id for one in revisions] == [first.head_revision_id, second.head_revision_id]
    assert [one.md5 for one in revisions] == [first.md5, second.md5]
    into = BytesIO()
    assert first.md5 is not None
    place.drive.download_revision(first.id, revisions[0].id, into, md5=first.md5, size=3)
    assert into.getvalue() == b"one"


def test_renaming_and_moving_leave_the_content(place: Place) -> None:
    file, folder = place.create(b"stays"), place.create_folder()

    moved = place.drive.update_metadata(
        file.id, name="renamed", add_parents=[folder.id], remove_parents=[place.folder.id]
    )

    assert (moved.name, moved.parents) == ("renamed", (folder.id,))
    assert (moved.md5, moved.head_revision_id) == (file.md5, file.head_revision_id)
    assert moved.version > file.version


def test_a_file_has_one_folder(place: Place) -> None:
    file, folder = place.create(), place.create_folder()

    with pytest.raises(Forbidden):
        place.drive.update_metadata(file.id, add_parents=[folder.id])

    assert place.drive.get(file.id).parents == (place.folder.id,)


def test_properties_are_set_and_taken_away_one_by_one(place: Place) -> None:
    file = place.create(app_properties={"a": "1", "b": "2"})

    changed = place.drive.update_metadata(file.id, app_properties={"a": None, "c": "3"})

    assert changed.app_properties == {"b": "2", "c": "3"}


def test_a_property_has_124_bytes_with_its_key(place: Place) -> None:
    assert place.create(app_properties={"k": "v" * 123}).app_properties == {"k": "v" * 123}
    with pytest.raises((Invalid, Forbidden)):
        place.create(app_properties={"k": "v" * 124})


def test_the_trash_takes_a_file_and_gives_it_back_without_touching_its_time(place: Place) -> None:
    file = place.create()

    trashed = place.drive.trash(file.id)
    restored = place.drive.untrash(file.id)

    assert (trashed.trashed, trashed.is_explicitly_trashed) == (True, True)
    assert (restored.trashed, restored.is_explicitly_trashed) == (False, False)
    assert file.modified_time == trashed.modified_time == restored.modified_time
    assert file.version < trashed.version < restored.version


def test_what_lies_in_a_trashed_folder_is_trashed_but_not_by_itself(place: Place) -> None:
    folder = place.create_folder()
    file = place.create(parents=[folder.id])

    place.drive.trash(folder.id)

    inner = _eventually(lambda: place.drive.get(file.id), until=lambda seen: seen.trashed)
    assert (inner.trashed, inner.is_explicitly_trashed) == (True, False)
    place.drive.untrash(folder.id)
    assert not _eventually(lambda: place.drive.get(file.id), until=lambda seen: not seen.trashed).trashed


def test_a_folder_is_made_once_under_its_id(place: Place) -> None:
    [folder_id] = place.drive.generate_ids(1)
    first = place.drive.create_folder(folder_id, name="deal", parents=[place.folder.id])

    again = place.drive.create_folder(folder_id, name="another", parents=[place.folder.id])

    assert again == first
    assert (first.mime, first.is_folder, first.md5, first.size) == (FOLDER, True, None, None)


def test_a_folder_does_not_take_the_id_of_a_file(place: Place) -> None:
    file = place.create()

    with pytest.raises(Collision) as refused:
        place.drive.create_folder(file.id, name="folder", parents=[place.folder.id])

    assert refused.value.file == file


def test_a_list_leaves_the_trash_out_unless_it_is_asked_for(place: Place) -> None:
    kept, gone = place.create(name="kept"), place.create(name="gone")
    place.drive.trash(gone.id)

    def listed(*, with_trashed: bool) -> set[str]:
        files = place.drive.list_folder(place.folder.id, drive_id=place.drive_id, with_trashed=with_trashed)
        return {file.id for file in files}

    assert _eventually(lambda: listed(with_trashed=False), until=lambda ids: ids == {kept.id}) == {kept.id}
    both = {kept.id, gone.id}
    assert _eventually(lambda: listed(with_trashed=True), until=lambda ids: ids == both) == both


def test_a_drive_is_listed_whole(place: Place) -> None:
    folder = place.create_folder()
    file = place.create(parents=[folder.id])

    wanted = {folder.id, file.id}
    found = _eventually(
        lambda: {one.id for one in place.drive.list_drive(place.drive_id)}, until=lambda ids: ids >= wanted
    )
    assert found >= wanted


def test_the_log_shows_the_last_state_of_what_changed_once(place: Place) -> None:
    token = place.drive.start_page_token(place.drive_id)
    file = place.create(b"1", "first")
    place.drive.update_content(file.id, content(b"2"))
    last = place.drive.update_metadata(file.id, name="last")

    def seen() -> list[Change]:
        pages = place.drive.changes(place.drive_id, token)
        return [one for page in pages for one in page.changes if one.file_id == file.id]

    [change] = _eventually(seen, until=lambda found: bool(found) and _version(found[-1]) >= last.version)
    assert not change.removed
    assert change.file is not None
    assert (change.file.name, change.file.md5, change.file.version) == ("last", last.md5, last.version)


def test_a_token_begins_where_it_was_taken(place: Place) -> None:
    before = place.create(name="before")
    _eventually(lambda: _listed(place), until=lambda ids: before.id in ids)
    token = place.drive.start_page_token(place.drive_id)
    after = place.create(name="after")

    def ids() -> list[str | None]:
        pages = place.drive.changes(place.drive_id, token)
        return [one.file_id for page in pages for one in page.changes]

    found = _eventually(ids, until=lambda one: after.id in one)
    assert after.id in found
    if not place.is_live:
        assert found == [after.id]


def test_the_log_ends_with_a_token_to_go_on_from(place: Place) -> None:
    token = place.drive.start_page_token(place.drive_id)

    *_, last = place.drive.changes(place.drive_id, token)

    assert last.is_last
    assert list(place.drive.changes(place.drive_id, last.token))


def test_nonsense_for_a_token_is_refused(place: Place) -> None:
    with pytest.raises(Invalid):
        list(place.drive.changes(place.drive_id, "no token"))


def test_what_nobody_sees_is_gone(place: Place) -> None:
    [unused] = place.drive.generate_ids(1)

    for ask in (place.drive.get, place.drive.trash, place.drive.revisions, place.drive.drive):
        with pytest.raises(Gone):
            ask(unused)
    with pytest.raises(Gone):
        place.drive.update_content(unused, content(b""))
    with pytest.raises(Gone):
        place.create(parents=[unused])
    with pytest.raises(Gone):
        place.drive.get("../about?x=/'")
    with pytest.raises(Gone):
        place.drive.start_page_token(unused)
    # What is gone need not be deleted.
    place.drive.delete(unused)


def test_only_organizers_delete_for_ever(place: Place) -> None:
    file = place.create()
    if place.drive.drive(place.drive_id).can_delete_children:
        place.drive.delete(file.id)
        with pytest.raises(Gone):
            place.drive.get(file.id)
    else:
        with pytest.raises(Forbidden):
            place.drive.delete(file.id)
        assert place.drive.get(file.id) == file


def test_a_large_file_goes_in_parts(place: Place) -> None:
    data, sessions = bytes(range(256)) * (LARGE // 256), list[str]()

    made = place.create(data, on_session=sessions.append)

    assert made.size == LARGE
    assert len(sessions) == 1
    assert place.read(made) == data


def test_an_upload_goes_on_in_another_process_from_its_stored_address(place: Place) -> None:
    data, sessions = b"x" * LARGE, list[str]()
    [file_id] = place.drive.generate_ids(1)

    class Killed(Exception):
        pass

    def die(session: str) -> None:
        sessions.append(session)
        raise Killed

    with pytest.raises(Killed):
        _upload(place, file_id, data, on_session=die)
    with pytest.raises(Gone):
        place.drive.get(file_id)

    made = _upload(place, file_id, data, session=sessions[0], on_session=sessions.append)

    assert (made.id, made.size, len(sessions)) == (file_id, LARGE, 1)
    assert place.drive.get(file_id).md5 == made.md5


def test_an_upload_that_was_finished_is_answered_again(place: Place) -> None:
    data, sessions = b"y" * LARGE, list[str]()
    [file_id] = place.drive.generate_ids(1)
    made = _upload(place, file_id, data, on_session=sessions.append)

    again = _upload(place, file_id, data, session=sessions[0])

    assert (again.id, again.md5) == (made.id, made.md5)
    assert len(place.drive.revisions(file_id)) == 1


def test_a_content_of_many_parts_replaces_another(place: Place) -> None:
    file = place.create(b"small")

    updated = place.drive.update_content(file.id, content(b"z" * LARGE))

    assert (updated.id, updated.size) == (file.id, LARGE)


def test_another_content_than_the_expected_one_is_corrupt(place: Place) -> None:
    file = place.create(b"real")

    with pytest.raises(Corrupt):
        place.drive.download(file.id, BytesIO(), md5="0" * 32, size=4)
    with pytest.raises(Corrupt):
        place.drive.download(file.id, BytesIO(), md5=str(file.md5), size=3)


def test_a_service_account_has_no_room_of_its_own(place: Place) -> None:
    with pytest.raises(QuotaFull):
        place.create(parents=["root"])


def test_the_account_knows_itself_and_its_drives(place: Place) -> None:
    about = place.drive.about()
    shared = {one.id: one for one in place.drive.drives()}

    assert "@" in about.email
    assert about.largest_upload > 1 << 30
    assert shared[place.drive_id] == place.drive.drive(place.drive_id)
    assert shared[place.drive_id].can_add_children


def test_a_trial_shows_that_everything_works(place: Place) -> None:
    probe = place.drive.probe(place.drive_id, place.folder.id)

    assert probe.drive is not None
    assert (probe.drive.id, probe.folder.id) == (place.drive_id, place.folder.id)


def test_a_trial_fails_where_the_folder_lies_elsewhere(place: Place) -> None:
    with pytest.raises(Invalid):
        place.drive.probe(place.drive_id, place.drive.get("root").id)


def test_a_channel_needs_an_address_that_google_may_post_to(place: Place) -> None:
    with pytest.raises((Invalid, Forbidden)):
        place.drive.watch(
            place.drive_id,
            channel_id="artel-contract",
            page_token=place.drive.start_page_token(place.drive_id),
            secret="s",
            address="http://artel.example/",
            ttl=timedelta(hours=1),
        )


def _create(place: Place, file_id: str, data: bytes, **app_properties: str) -> RemoteFile:
    return place.drive.create(
        file_id,
        name="file.txt",
        parents=[place.folder.id],
        content=content(data),
        app_properties=app_properties,
    )


def _upload(place: Place, file_id: str, data: bytes, **more: Any) -> RemoteFile:
    parents = [place.folder.id]
    return place.drive.create(file_id, name="large", parents=parents, content=content(data), **more)


def _listed(place: Place) -> set[str]:
    return {file.id for file in place.drive.list_folder(place.folder.id, drive_id=place.drive_id)}


def _version(change: Change) -> int:
    return change.file.version if change.file else 0


def _eventually(ask: Callable[[], T], until: Callable[[T], bool] = bool) -> T:
    """Ask until the answer is the wanted one; the fake knows it at once, Google after some seconds."""
    found = ask()
    for _ in range(PATIENCE_SECONDS):
        if until(found):
            break
        threading.Event().wait(1)
        found = ask()
    return found
