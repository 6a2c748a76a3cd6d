"""What goes wrong between the platform and Drive, and what the adapter makes of it."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest

from apps.documents.drive.client import (
    Account,
    Collision,
    Corrupt,
    DailyLimit,
    Drive,
    DriveError,
    Forbidden,
    Gone,
    Invalid,
    Later,
    LoginRefused,
    Patience,
    QuotaFull,
    RateLimited,
    Transient,
)
from apps.documents.drive.uploads import Upload
from tests.documents.drive.conftest import QUICK, Place, Spy, content
from tests.fakes.drive import ROBOT, FakeDrive
from tests.fakes.drive.exchange import Request
from tests.fakes.drive.faults import Kind

LARGE = 20 << 20
ONCE = Patience(attempts=1)


# Uploads: whatever fails, there is one file and it is whole


@pytest.mark.parametrize("kind", [Kind.BEFORE, Kind.AFTER, Kind.DROP_BEFORE, Kind.DROP_AFTER, Kind.HTML])
def test_a_small_upload_that_fails_once_makes_one_file(near: Place, fake: FakeDrive, kind: Kind) -> None:
    fault = fake.faults.add(kind, "files.create", nth=1)

    made = near.create(b"content")

    assert fault.hits == 1
    assert [item.id for item in fake.live(near.drive_id)] == [made.id]
    assert fake.person.read(made.id) == b"content"
    assert len(fake.person.file(made.id).revisions) == 1


@pytest.mark.parametrize("name", ["files.create", "upload.chunk", "upload.status"])
@pytest.mark.parametrize("kind", [Kind.BEFORE, Kind.AFTER, Kind.DROP_BEFORE, Kind.DROP_AFTER])
def test_a_large_upload_that_fails_anywhere_makes_one_whole_file(
    near: Place, fake: FakeDrive, kind: Kind, name: str
) -> None:
    fault = fake.faults.add(kind, name, nth={1, 3})
    if name == "upload.status":
        fake.faults.add(Kind.BEFORE, "upload.chunk", nth={1, 2})
    data = bytes(range(256)) * (LARGE // 256)

    made = near.create(data)

    assert fault.hits >= 1
    assert [item.id for item in fake.live(near.drive_id)] == [made.id]
    assert fake.person.read(made.id) == data
    assert len(fake.person.file(made.id).revisions) == 1


def test_only_what_is_missing_of_a_part_is_sent_again(near: Place, fake: FakeDrive) -> None:
    fake.faults.add(Kind.SHORT, "upload.chunk", nth={1}, size=1 << 20)
    data = bytes(range(256)) * (LARGE // 256)

    made = near.create(data)

    assert fake.person.read(made.id) == data
    ranges = [call.headers["content-range"] for call in fake.journal.calls("upload.chunk")]
    assert ranges[:2] == ["bytes 0-8388607/20971520", "bytes 1048576-9437183/20971520"]


def test_what_has_arrived_whole_and_is_not_finished_is_asked_about_again(
    near: Place, fake: FakeDrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, unfinished = Upload._answer, [LARGE]

    def slow(upload: Upload, *sent: Any) -> int | dict[str, Any]:
        found = answer(upload, *sent)
        return unfinished.pop() if isinstance(found, dict) and unfinished else found

    monkeypatch.setattr(Upload, "_answer", slow)

    made = near.create(b"x" * LARGE)

    assert made.size == LARGE
    assert [call.name for call in fake.journal.calls()][-2:] == ["upload.chunk", "upload.status"]
    assert len(fake.person.file(made.id).revisions) == 1


def test_an_upload_of_which_nothing_arrives_is_given_up(near: Place, fake: FakeDrive) -> None:
    fake.faults.add(Kind.SHORT, "upload.chunk", size=0)

    with pytest.raises(Transient) as refused:
        near.create(b"x" * LARGE)

    assert refused.value.reason == "noProgress"
    assert fake.live(near.drive_id) == []


@pytest.mark.parametrize("status", [404, 410])
def test_an_upload_that_expires_begins_anew_under_the_same_id(
    near: Place, fake: FakeDrive, status: int
) -> None:
    sessions: list[str] = []
    fake.faults.add(Kind.CALL, "upload.chunk", nth=2, call=lambda request: fake.expire_sessions(status))

    made = near.create(b"x" * LARGE, on_session=sessions.append)

    assert len(sessions) == 2
    assert [item.id for item in fake.live(near.drive_id)] == [made.id]
    assert made.size == LARGE


def test_a_stored_session_that_has_expired_is_replaced(near: Place, fake: FakeDrive) -> None:
    sessions: list[str] = []
    [file_id] = near.drive.generate_ids(1)
    fake.faults.add(Kind.BEFORE, "upload.chunk", times=5)
    meant = {"name": "x", "parents": [near.folder.id], "content": content(b"x" * LARGE)}
    with pytest.raises(Transient):
        near.drive.create(file_id, **meant, on_session=sessions.append)  # type: ignore[arg-type]
    fake.clock.advance(days=8)

    made = near.drive.create(file_id, **meant, session=sessions[0], on_session=sessions.append)  # type: ignore[arg-type]

    assert (made.id, len(sessions)) == (file_id, 2)


def test_an_upload_is_not_sent_to_another_address(near: Place, fake: FakeDrive) -> None:
    [file_id] = near.drive.generate_ids(1)

    with pytest.raises(Invalid) as refused:
        near.drive.create(
            file_id,
            name="x",
            parents=[near.folder.id],
            content=content(b"x"),
            session="http://127.0.0.1:9/upload/drive/v3/files?upload_id=1",
        )

    assert refused.value.reason == "foreignSession"


def test_a_content_that_shrinks_meanwhile_is_no_whole_file(near: Place, fake: FakeDrive) -> None:
    whole = content(b"x" * LARGE)
    whole.stream.truncate(LARGE - 1)

    with pytest.raises(Invalid) as refused:
        near.create(content=whole)

    assert refused.value.reason == "contentChanged"
    assert fake.live(near.drive_id) == []


def test_three_hundred_uploads_with_faults_in_a_tenth_make_three_hundred_files(
    near: Place, fake: FakeDrive, connect: Callable[..., Drive]
) -> None:
    kinds = (Kind.BEFORE, Kind.AFTER, Kind.DROP_BEFORE, Kind.DROP_AFTER, Kind.THROTTLE)
    faults = [fake.faults.add(kind, "files.create", fraction=0.02, seed=n) for n, kind in enumerate(kinds)]
    drive = connect(patience=Patience(attempts=10, first_wait=0.001, longest_wait=0.02))
    ids = drive.generate_ids(300)

    def upload(n: int) -> str:
        data = content(f"content {n}".encode())
        return drive.create(ids[n], name=f"{n}.txt", parents=[near.drive_id], content=data).id

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(upload, range(300)))

    assert sum(fault.hits for fault in faults) > 10
    assert all(fault.hits for fault in faults)
    assert made == ids
    live = fake.live(near.drive_id)
    assert sorted(item.id for item in live) == sorted(ids)
    for n, file_id in enumerate(ids):
        assert fake.person.read(file_id) == f"content {n}".encode()


def test_what_somebody_edits_before_an_upload_is_verified_is_not_taken_for_it(
    near: Place, fake: FakeDrive
) -> None:
    def edit(request: Request) -> None:
        [item] = fake.live(near.drive_id)
        fake.person.edit(item.id, b"edited")

    # The answer to the first try is lost, and the second finds something else under its id.
    fake.faults.add(Kind.DROP_AFTER, "files.create", nth=1)
    fake.faults.add(Kind.CALL, "files.create", nth=1, call=edit)
    with pytest.raises(Collision) as refused:
        near.create(b"uploaded")

    assert refused.value.file is not None
    assert refused.value.file.size == len(b"edited")
    assert [one.size for one in near.drive.revisions(refused.value.file.id)] == [8, 6]


@pytest.mark.parametrize("mime", ["", "text", "text/plain\r\nX: y", "text/\N{BULLET}"])
def test_a_type_that_is_none_is_refused_before_anything_is_sent(mime: str) -> None:
    with pytest.raises(Invalid):
        content(b"x", mime)


def test_what_arrives_there_damaged_is_sent_once_more(near: Place, fake: FakeDrive) -> None:
    file = near.create(b"old")
    fake.faults.add(Kind.DAMAGE, "files.update", nth=1)

    updated = near.drive.update_content(file.id, content(b"new"))

    assert near.read(updated) == b"new"
    assert len(near.drive.revisions(file.id)) == 3


def test_a_new_file_that_arrives_there_damaged_is_sent_once_more(near: Place, fake: FakeDrive) -> None:
    fake.faults.add(Kind.DAMAGE, "upload.chunk", nth=1)

    made = near.create(b"x" * LARGE)

    assert near.read(made) == b"x" * LARGE
    assert [item.id for item in fake.live(near.drive_id)] == [made.id]


def test_what_always_arrives_there_damaged_is_told(near: Place, fake: FakeDrive) -> None:
    file = near.create(b"old")
    fake.faults.add(Kind.DAMAGE, "files.update")

    with pytest.raises(Corrupt):
        near.drive.update_content(file.id, content(b"new"))


def test_a_file_that_another_installation_has_claimed_meanwhile_is_not_ours(
    near: Place, fake: FakeDrive
) -> None:
    def claim(request: Request) -> None:
        [item] = fake.live(near.drive_id)
        fake.person.set_app_properties(item.id, inst="theirs")

    fake.faults.add(Kind.DROP_AFTER, "files.create", nth=1)
    fake.faults.add(Kind.CALL, "files.create", nth=1, call=claim)

    with pytest.raises(Collision) as refused:
        near.create(app_properties={"inst": "ours"})

    assert refused.value.file is not None
    assert refused.value.file.app_properties == {"inst": "theirs"}


# Downloads: never anything but the content


@pytest.mark.parametrize("kind", [Kind.CUT, Kind.CORRUPT, Kind.HTML, Kind.BEFORE, Kind.DROP_AFTER])
def test_a_download_that_fails_once_arrives_whole(near: Place, fake: FakeDrive, kind: Kind) -> None:
    data = bytes(range(256)) * 20_000
    file = near.create(data)
    fault = fake.faults.add(kind, "files.get", nth=1)

    assert near.read(file) == data
    assert fault.hits == 1


def test_a_download_goes_on_where_it_broke(near: Place, fake: FakeDrive) -> None:
    file = near.create(bytes(1 << 20))
    fake.faults.add(Kind.CUT, "files.get", nth=1)

    assert near.read(file) == bytes(1 << 20)

    assert fake.journal.calls("files.get")[-1].headers["range"] == "bytes=524288-"


@pytest.mark.parametrize(
    ("kind", "expected"), [(Kind.CORRUPT, Corrupt), (Kind.HTML, Corrupt), (Kind.CUT, Transient)]
)
def test_a_page_of_errors_or_a_damaged_file_is_no_content(
    near: Place, fake: FakeDrive, kind: Kind, expected: type[DriveError]
) -> None:
    file = near.create(bytes(1 << 20))
    fake.faults.add(kind, "files.get")

    with pytest.raises(expected):
        near.read(file)


def test_what_is_longer_than_it_should_be_is_not_taken(near: Place, fake: FakeDrive) -> None:
    file = near.create(b"1234")
    fake.person.edit(file.id, bytes(8 << 20))
    into = BytesIO()

    with pytest.raises(Corrupt):
        near.drive.download(file.id, into, md5=str(file.md5), size=4)

    assert len(into.getvalue()) <= 4


def test_a_document_is_exported_and_a_page_of_errors_is_none(near: Place, fake: FakeDrive) -> None:
    document = fake.person.create_document(near.drive_id, "notes", b"%PDF-1.7 of it")
    fake.faults.add(Kind.HTML, "files.export", nth=1)
    into = BytesIO()

    size = near.drive.export(document.id, into, mime="application/pdf")

    assert into.getvalue() == b"%PDF-1.7 of it"
    assert size == len(into.getvalue())


def test_what_is_too_large_to_export_is_refused(near: Place, fake: FakeDrive) -> None:
    document = fake.person.create_document(near.drive_id, "notes", bytes(100))
    fake.context.largest_export = 99

    with pytest.raises(Forbidden) as refused:
        near.drive.export(document.id, BytesIO(), mime="application/pdf")

    assert refused.value.reason == "exportSizeLimitExceeded"


def test_a_document_of_googles_own_has_no_bytes_and_no_sum(near: Place, fake: FakeDrive) -> None:
    document = fake.person.create_document(near.drive_id, "notes")
    shortcut = fake.person.create_shortcut(near.drive_id, "link", document.id)

    seen, link = near.drive.get(document.id), near.drive.get(shortcut.id)

    assert (seen.is_native, seen.md5, seen.size, seen.head_revision_id) == (True, None, None, None)
    assert (link.is_native, link.shortcut_target_id) == (False, document.id)
    with pytest.raises(Forbidden):
        near.drive.download(document.id, BytesIO(), md5="", size=0)


# Refusals: each kind is its own decision


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        (403, "userRateLimitExceeded", RateLimited),
        (403, "rateLimitExceeded", RateLimited),
        (429, "rateLimitExceeded", RateLimited),
        (403, "dailyLimitExceeded", DailyLimit),
        (403, "storageQuotaExceeded", QuotaFull),
        (403, "teamDriveFileLimitExceeded", QuotaFull),
        (403, "insufficientFilePermissions", Forbidden),
        (403, "appNotAuthorizedToFile", Forbidden),
        (404, "notFound", Gone),
        (410, "gone", Gone),
        (400, "invalid", Invalid),
        (408, "requestTimeout", Transient),
        (500, "internalError", Transient),
        (502, "badGateway", Transient),
        (503, "backendError", Transient),
    ],
)
def test_each_refusal_is_of_its_kind(
    near: Place,
    fake: FakeDrive,
    connect: Callable[..., Drive],
    status: int,
    reason: str,
    expected: type[DriveError],
) -> None:
    fake.faults.add(Kind.BEFORE, "files.get", status=status, reason=reason)

    with pytest.raises(DriveError) as refused:
        connect(patience=ONCE).get(near.drive_id)

    assert type(refused.value) is expected
    assert (refused.value.reason, refused.value.status) == (reason, status)
    assert str(refused.value.words)


def test_waits_grow_and_are_at_least_what_is_asked_for(
    near: Place, fake: FakeDrive, connect: Callable[..., Drive], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("apps.documents.drive.transport.time.sleep", slept.append)
    fake.faults.add(Kind.BEFORE, "files.get", nth={1, 2, 3})
    fake.faults.add(Kind.THROTTLE, "files.get", nth=1, status=429, wait=10)

    connect(patience=Patience(attempts=5, first_wait=1, longest_wait=32)).get(near.drive_id)

    for wait, least in zip(slept, (1, 2, 4, 10), strict=True):
        assert least <= wait <= least + 1


def test_a_long_wait_is_told_and_not_sat_through(near: Place, fake: FakeDrive) -> None:
    fake.faults.add(Kind.THROTTLE, "files.get", status=429, wait=120)

    with pytest.raises(RateLimited) as refused:
        near.drive.get(near.drive_id)

    assert refused.value.wait == 120
    assert len(fake.journal.calls("files.get")) == 1


def test_a_daily_limit_is_told_at_once_until_the_day_ends(near: Place, fake: FakeDrive) -> None:
    fake.limits.units_per_day = 0

    with pytest.raises(DailyLimit) as refused:
        near.drive.get(near.drive_id)

    assert 0 < refused.value.wait <= timedelta(days=1, hours=1).total_seconds()
    assert len(fake.journal.calls("files.get")) == 1


@pytest.mark.parametrize("kind", [QuotaFull, Forbidden, Gone, Invalid])
def test_what_waiting_does_not_mend_is_not_tried_again(
    near: Place, fake: FakeDrive, kind: type[DriveError]
) -> None:
    reasons = {
        QuotaFull: (403, "storageQuotaExceeded"),
        Forbidden: (403, "forbidden"),
        Gone: (404, "notFound"),
        Invalid: (400, "invalid"),
    }
    status, reason = reasons[kind]
    fake.faults.add(Kind.BEFORE, "files.create", status=status, reason=reason)

    with pytest.raises(kind):
        near.create()

    assert len(fake.journal.calls("files.create")) == 1


def test_a_page_of_some_proxy_is_no_answer(near: Place, fake: FakeDrive) -> None:
    fake.faults.add(Kind.HTML, "files.get", nth=1)
    assert near.drive.get(near.drive_id).id == near.drive_id

    fake.faults.clear()
    fake.faults.add(Kind.HTML, "files.get")
    with pytest.raises(Transient):
        near.drive.get(near.drive_id)


def test_no_answer_in_time_is_a_passing_failure(
    near: Place, fake: FakeDrive, connect: Callable[..., Drive]
) -> None:
    fault = fake.faults.add(Kind.DELAY, "files.get", nth=1, seconds=1.5)

    assert connect(timeout=1).get(near.drive_id).id == near.drive_id
    assert (fault.seen, fault.hits) == (2, 1)


def test_nobody_at_the_address_is_a_passing_failure(fake: FakeDrive) -> None:
    info = fake.service_account()
    drive = Drive(Account(info, api_root="http://127.0.0.1:9/", timeout=1), patience=QUICK)

    with pytest.raises(Transient):
        drive.about()


def test_idle_connections_that_are_closed_cost_nothing(near: Place, fake: FakeDrive, spy: Spy) -> None:
    slow = Patience(first_wait=30, longest_wait=60)
    drive = Drive(near.drive.account, meter=spy.meter, patience=slow)
    drive.get(near.drive_id)

    fake.hang_up()

    # Half a minute would be beyond the patience of this test.
    assert drive.get(near.drive_id).id == near.drive_id


def test_full_storage_and_full_drives_are_told(near: Place, fake: FakeDrive) -> None:
    fake.person.fill(near.drive_id, bytes_left=3)
    with pytest.raises(QuotaFull) as refused:
        near.create(b"four")
    assert refused.value.reason == "storageQuotaExceeded"
    assert near.create(b"123").size == 3

    fake.person.fill(near.drive_id, items_left=0)
    with pytest.raises(QuotaFull) as refused:
        near.create(b"")
    assert refused.value.reason == "teamDriveFileLimitExceeded"


def test_a_drive_that_was_taken_away_is_gone_with_all_in_it(near: Place, fake: FakeDrive) -> None:
    file = near.create()
    token = near.drive.start_page_token(near.drive_id)

    fake.person.take_away_drive(near.drive_id, ROBOT)

    for ask in (
        lambda: near.drive.drive(near.drive_id),
        lambda: near.drive.get(file.id),
        lambda: list(near.drive.changes(near.drive_id, token)),
        lambda: list(near.drive.list_drive(near.drive_id)),
    ):
        with pytest.raises(Gone):
            ask()
    fake.person.set_role(near.drive_id, ROBOT, "fileOrganizer")
    assert near.drive.get(file.id) == file


def test_what_is_hidden_looks_like_what_is_deleted(near: Place, fake: FakeDrive) -> None:
    hidden, deleted = near.create(), near.create()
    token = near.drive.start_page_token(near.drive_id)

    fake.person.take_away_access(hidden.id, ROBOT)
    fake.person.delete_forever(deleted.id)

    [page] = near.drive.changes(near.drive_id, token)
    assert {(one.file_id, one.removed, one.file) for one in page.changes} == {
        (hidden.id, True, None),
        (deleted.id, True, None),
    }
    fake.person.give_back_access(hidden.id, ROBOT)
    [page] = near.drive.changes(near.drive_id, page.token)
    assert [(one.file_id, one.removed) for one in page.changes] == [(hidden.id, False)]


def test_who_may_only_read_is_told_so(near: Place, fake: FakeDrive) -> None:
    file = near.create()
    fake.person.set_role(near.drive_id, ROBOT, "reader")

    for change in (
        lambda: near.drive.trash(file.id),
        lambda: near.drive.update_content(file.id, content(b"")),
        lambda: near.create(),
        lambda: near.drive.probe(near.drive_id, near.drive_id),
    ):
        with pytest.raises(Forbidden):
            change()


def test_who_may_write_but_not_trash_is_found_by_the_trial(near: Place, fake: FakeDrive) -> None:
    fake.person.set_role(near.drive_id, ROBOT, "writer")

    with pytest.raises(Forbidden):
        near.drive.probe(near.drive_id, near.drive_id)


# The login


def test_a_token_that_expires_is_replaced(near: Place, fake: FakeDrive) -> None:
    fake.expire_tokens()

    assert near.create(b"x" * LARGE).size == LARGE


def test_a_login_on_the_way_to_a_content_is_not_taken_for_it(
    near: Place, fake: FakeDrive, connect: Callable[..., Drive]
) -> None:
    file = near.create(b"content")
    fake.expire_tokens()
    assert near.read(file) == b"content"

    # One that has no token at all yet.
    assert Place(connect(), near.drive_id, near.folder, is_live=False).read(file) == b"content"


def test_a_revoked_key_is_told_as_such(near: Place, fake: FakeDrive) -> None:
    fake.revoke_key()

    with pytest.raises(LoginRefused):
        near.drive.get(near.drive_id)


def test_a_key_that_was_changed_is_told_as_such(fake: FakeDrive) -> None:
    old = fake.service_account()
    fake.service_account()

    with pytest.raises(LoginRefused) as refused:
        Drive(Account(old, api_root=fake.api_root), patience=QUICK).about()

    assert old["private_key"] not in str(refused.value)


def test_a_clock_that_is_wrong_cannot_log_in(fake: FakeDrive) -> None:
    drive = Drive(Account(fake.service_account(), api_root=fake.api_root), patience=QUICK)
    fake.logins.skew = 2 * 3600

    with pytest.raises(LoginRefused):
        drive.about()


@pytest.mark.parametrize("info", [{}, {"private_key": "x", "client_email": "a@b", "token_uri": "x"}])
def test_a_file_that_is_no_key_is_told_as_such(info: dict[str, str]) -> None:
    with pytest.raises(LoginRefused):
        Drive(Account(info))


def test_the_key_is_not_shown_with_the_account(fake: FakeDrive) -> None:
    info = fake.service_account()

    assert info["private_key"][40:80] not in repr(Account(info))


def test_the_proof_of_a_key_goes_only_where_drive_stands(fake: FakeDrive) -> None:
    info = fake.service_account() | {"token_uri": "http://127.0.0.1:9/steal"}

    assert Drive(Account(info, api_root=fake.api_root), patience=QUICK).about().email == ROBOT


@pytest.mark.parametrize(
    "address", ["http://drive.example/", "https://drive.example", "ftp://127.0.0.1/", ""]
)
def test_an_address_that_cannot_be_drives_is_refused(fake: FakeDrive, address: str) -> None:
    with pytest.raises(Invalid):
        Drive(Account(fake.service_account(), api_root=address))


def test_an_account_speaks_for_a_person_who_delegated_it(
    fake: FakeDrive, connect: Callable[..., Drive]
) -> None:
    fake.service_account(subject="boss@example.com")

    with pytest.raises(LoginRefused):
        connect(subject="anna@example.com").about()
    info = fake.service_account(subject="boss@example.com")
    boss = Drive(Account(info, subject="boss@example.com", api_root=fake.api_root), patience=QUICK)
    assert boss.about().email == "boss@example.com"
    root = boss.get("root")
    assert boss.probe(None, root.id).can_delete
    token = boss.start_page_token(None)
    [file_id] = boss.generate_ids(1)
    boss.create(file_id, name="own", parents=[root.id], content=content(b"x"))
    assert [one.file_id for page in boss.changes(None, token) for one in page.changes] == [file_id]


# What it costs


def test_a_new_file_costs_fifty_units_and_a_two_hundredth_of_a_reservation(
    near: Place, fake: FakeDrive, spy: Spy
) -> None:
    ids = near.drive.generate_ids(1000)
    near.drive.create(ids[0], name="x", parents=[near.drive_id], content=content(b"x"))

    assert [(one.name, one.units, one.writes) for one in fake.journal.calls()] == [
        ("files.generateIds", 5, 0),
        ("files.create", 50, 1),
    ]
    assert fake.journal.units() == sum(one.units for one in spy.usages) == 55


def test_what_the_adapter_counts_is_what_google_counts(near: Place, fake: FakeDrive, spy: Spy) -> None:
    file = near.create(b"x" * LARGE)
    near.drive.update_content(file.id, content(b"y"))
    near.drive.update_metadata(file.id, name="z")
    near.drive.trash(file.id)
    near.read(near.drive.get(near.create(b"1").id))
    list(near.drive.list_folder(near.drive_id))
    list(near.drive.changes(near.drive_id, "1000"))
    list(near.drive.drives())
    near.drive.revisions(file.id)
    near.drive.about()
    near.drive.probe(near.drive_id, near.drive_id)
    fake.faults.add(Kind.BEFORE, "files.get", nth=1)
    near.drive.get(file.id)

    calls = fake.journal.calls()
    assert [(one.name, one.units, one.writes) for one in calls] == [
        (one.method, one.units, one.writes) for one in spy.usages
    ]
    assert spy.paced == sum(one.writes for one in calls) == 7
    assert spy.refusals() == ["backendError"]
    assert {one.queries for one in spy.usages} == {1}


def test_no_write_goes_that_the_pace_holds_back(near: Place, fake: FakeDrive) -> None:
    def hold() -> None:
        raise RateLimited(wait=30)

    held = Drive(near.drive.account, pace=hold, patience=QUICK)

    with pytest.raises(RateLimited):
        held.trash(near.drive_id)
    assert held.get(near.drive_id).id == near.drive_id
    assert fake.journal.writes() == []


def test_an_account_that_writes_too_fast_is_slowed_down_and_loses_nothing(
    near: Place, fake: FakeDrive, connect: Callable[..., Drive], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.limits.writes_per_second = 3
    fake.clock.freeze()
    began = fake.clock.now()
    monkeypatch.setattr(
        "apps.documents.drive.transport.time.sleep", lambda seconds: fake.clock.advance(seconds=seconds)
    )
    drive = connect(patience=Patience(attempts=10, first_wait=0.1, longest_wait=1))
    ids = drive.generate_ids(30)

    for file_id in ids:
        drive.create(file_id, name="x", parents=[near.drive_id], content=content(b"x"))

    assert fake.meters.refused > 0
    assert {item.id for item in fake.live(near.drive_id)} == set(ids)
    assert fake.clock.now() - began >= timedelta(seconds=8)


# Channels


def test_a_channel_is_used_once(near: Place) -> None:
    token = near.drive.start_page_token(near.drive_id)

    def watch() -> object:
        return near.drive.watch(
            near.drive_id,
            channel_id="one",
            page_token=token,
            secret="s",
            address="http://127.0.0.1:9/hook",
            ttl=timedelta(days=30),
        )

    watch()
    with pytest.raises(Collision) as refused:
        watch()
    assert refused.value.reason == "channelIdNotUnique"


def test_a_channel_whose_answer_is_lost_is_not_opened_twice(near: Place, fake: FakeDrive) -> None:
    fake.faults.add(Kind.DROP_AFTER, "changes.watch", nth=1)

    with pytest.raises(Collision):
        near.drive.watch(
            near.drive_id,
            channel_id="one",
            page_token=near.drive.start_page_token(near.drive_id),
            secret="s",
            address="http://127.0.0.1:9/hook",
            ttl=timedelta(hours=1),
        )

    assert list(fake.store.channels) == ["one"]


def test_threads_that_begin_at_once_each_log_in_and_all_are_served(
    near: Place, fake: FakeDrive, connect: Callable[..., Drive]
) -> None:
    drive, barrier = connect(), threading.Barrier(8)

    def ask(_: int) -> str:
        barrier.wait()
        return drive.get(near.drive_id).id

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {near.drive_id}


def test_every_refusal_that_passes_says_when_to_come_back(near: Place, fake: FakeDrive) -> None:
    fake.faults.add(Kind.BEFORE, "files.get")

    with pytest.raises(Later) as refused:
        near.drive.get(near.drive_id)

    assert refused.value.wait > 0
    assert len(fake.journal.calls("files.get")) == QUICK.attempts
