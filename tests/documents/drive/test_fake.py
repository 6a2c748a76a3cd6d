"""The fake's own promises: shared-drive rules, logs, channels, meters, its language and its state."""

import http.client
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from apps.documents.drive.client import Account, DailyLimit, Drive, Gone, Invalid, RateLimited
from tests.documents.drive.conftest import QUICK, Place, content
from tests.fakes.drive import ROBOT, FakeDrive, SharedDrive, schema
from tests.fakes.drive.clock import rfc3339
from tests.fakes.drive.faults import Kind


class Caller:
    """Asks the fake by plain HTTP."""

    def __init__(self, fake: FakeDrive, drive: Drive) -> None:
        drive.about()
        self.token = next(iter(fake.logins.tokens))
        self.address = fake.url.removeprefix("http://")

    def ask(self, path: str, method: str = "GET", body: Any = None, **params: Any) -> tuple[int, Any]:
        """Return the status and the body of an answer."""
        connection = http.client.HTTPConnection(self.address, timeout=10)
        headers = {"Authorization": f"Bearer {self.token}"}
        data = None if body is None else json.dumps(body)
        connection.request(method, f"/drive/v3/{path}?{urlencode(params)}", data, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text) if text else None

    def reason(self, path: str, method: str = "GET", body: Any = None, **params: Any) -> tuple[int, str]:
        status, told = self.ask(path, method, body, **params)
        return status, told["error"]["errors"][0]["reason"]


@pytest.fixture
def caller(fake: FakeDrive, near: Place) -> Caller:
    return Caller(fake, near.drive)


@pytest.fixture
def hook() -> Iterator[tuple[str, "queue.Queue[dict[str, str]]", list[int]]]:
    """A server that channels post to: its address, what came, and the statuses it answers with next."""
    came: queue.Queue[dict[str, str]] = queue.Queue()
    statuses: list[int] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            came.put({name.lower(): text for name, text in self.headers.items()})
            self.send_response(statuses.pop(0) if statuses else 204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hook", came, statuses
        server.shutdown()


def _watch(near: Place, address: str, channel_id: str = "channel", **more: Any) -> Any:
    return near.drive.watch(
        near.drive_id,
        channel_id=channel_id,
        page_token=near.drive.start_page_token(near.drive_id),
        secret="the secret",
        address=address,
        **{"ttl": timedelta(days=7), **more},
    )


# Shared drives


def test_who_does_not_say_that_they_know_shared_drives_sees_nothing_of_them(
    near: Place, caller: Caller
) -> None:
    file = near.create()

    assert caller.reason(f"files/{file.id}") == (404, "notFound")
    assert caller.ask(f"files/{file.id}", supportsAllDrives="true")[0] == 200
    assert caller.ask("files")[1]["files"] == []
    both = {"supportsAllDrives": "true", "includeItemsFromAllDrives": "true"}
    assert [one["id"] for one in caller.ask("files", **both)[1]["files"]] == [file.id]


def test_a_drive_is_searched_only_by_who_says_so(near: Place, caller: Caller) -> None:
    both = {"supportsAllDrives": "true", "includeItemsFromAllDrives": "true"}

    assert caller.reason("files", driveId=near.drive_id, **both)[0] == 400
    assert caller.reason("files", corpora="drive", **both)[0] == 400
    assert caller.reason("files", corpora="drive", driveId=near.drive_id)[0] == 403
    assert caller.ask("files", corpora="drive", driveId=near.drive_id, **both)[0] == 200


def test_what_google_requires_is_required(caller: Caller, near: Place) -> None:
    assert caller.reason("about") == (400, "required")
    assert caller.reason("changes") == (400, "required")
    assert caller.reason("files", fields="files(colour)") == (400, "invalidParameter")
    assert caller.reason("files", colour="red") == (400, "invalidParameter")
    assert caller.reason("files", pageSize="0") == (400, "invalid")
    assert caller.reason("files", q="name is 'x'") == (400, "invalid")
    assert caller.reason("nothing") == (404, "notFound")
    assert caller.reason("files", "POST", {"md5Checksum": "x"}) == (403, "fieldNotWritable")
    assert caller.reason("files", "POST", {"colour": "red"}) == (400, "badRequest")


def test_an_unknown_token_is_refused(fake: FakeDrive, caller: Caller) -> None:
    caller.token = "stolen"

    assert caller.reason("files") == (401, "authError")


def test_answers_hold_what_was_asked_for(near: Place, caller: Caller) -> None:
    file = near.create(app_properties={"a": "1", "b": "2"})
    where = {"supportsAllDrives": "true"}

    usual = caller.ask(f"files/{file.id}", **where)[1]
    assert set(usual) == {"kind", "id", "name", "mimeType", "driveId", "teamDriveId"}
    some = caller.ask(f"files/{file.id}", fields="lastModifyingUser/emailAddress, appProperties(a)", **where)[
        1
    ]
    assert some == {"lastModifyingUser": {"emailAddress": ROBOT}, "appProperties": {"a": "1"}}
    assert len(caller.ask(f"files/{file.id}", fields="*", **where)[1]) > 25


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("name = 'O\\'Brien \\\\ x'", {"quoted"}),
        ("name contains 'Bri'", {"quoted"}),
        ("name contains 'rien'", set()),
        ("not name contains 'o'", {"folder"}),
        ("mimeType = 'application/vnd.google-apps.folder'", {"folder"}),
        ("mimeType != 'application/vnd.google-apps.folder' and trashed = false", {"quoted"}),
        ("trashed = true", {"old"}),
        ("trashed = true or name = 'deals'", {"old", "folder"}),
        ("appProperties has { key='deal' and value='7' }", {"quoted"}),
        ("'anna@example.com' in writers and (trashed = true)", {"old"}),
        ("modifiedTime > '2001-01-01T00:00:00' and modifiedTime < '2002-01-01T00:00:00Z'", set()),
    ],
)
def test_the_language_of_queries(near: Place, query: str, expected: set[str]) -> None:
    names = {
        near.create(name="O'Brien \\ x", app_properties={"deal": "7"}).id: "quoted",
        near.create_folder("deals").id: "folder",
        near.drive.trash(near.create(name="old offer").id).id: "old",
    }

    assert {names[file.id] for file in near.drive._list(query, near.drive_id)} == expected


def test_long_lists_come_in_pages(near: Place, fake: FakeDrive, caller: Caller) -> None:
    for n in range(5):
        fake.person.upload(near.drive_id, f"{n}", b"")
    where: dict[str, Any] = {
        "supportsAllDrives": "true",
        "includeItemsFromAllDrives": "true",
        "pageSize": 2,
        "orderBy": "name desc",
    }

    _, page = caller.ask("files", **where)
    found = page["files"]
    while "nextPageToken" in page:
        _, page = caller.ask("files", **where, pageToken=page["nextPageToken"])
        found += page["files"]

    assert [one["name"] for one in found] == ["4", "3", "2", "1", "0"]


def test_a_search_is_behind_and_a_look_is_not(near: Place, fake: FakeDrive) -> None:
    fake.store.search_lag = 2
    file = near.create()

    seen = [[one.id for one in near.drive.list_folder(near.drive_id)] for _ in range(3)]

    assert seen == [[], [], [file.id]]
    assert near.drive.get(file.id) == file


# Logs


def test_a_change_takes_the_place_of_an_earlier_one(near: Place, fake: FakeDrive) -> None:
    token = near.drive.start_page_token(near.drive_id)
    first, second = near.create(name="a"), near.create(name="b")
    fake.person.rename(first.id, "c")

    [page] = near.drive.changes(near.drive_id, token)

    assert [(one.file_id, one.file.name if one.file else "") for one in page.changes] == [
        (second.id, "b"),
        (first.id, "c"),
    ]


def test_a_long_log_comes_in_pages_each_with_a_token(near: Place, fake: FakeDrive) -> None:
    token = near.drive.start_page_token(near.drive_id)
    for n in range(1001):
        fake.person.upload(near.drive_id, str(n), b"")

    pages = list(near.drive.changes(near.drive_id, token))

    assert [(len(page.changes), page.is_last) for page in pages] == [(1000, False), (1, True)]
    [rest] = near.drive.changes(near.drive_id, pages[0].token)
    assert rest == pages[1]


def test_moving_out_of_a_drive_is_a_loss_there_and_an_arrival_elsewhere(near: Place, fake: FakeDrive) -> None:
    other = fake.create_drive("Archive")
    file = near.create()
    here, there = near.drive.start_page_token(near.drive_id), near.drive.start_page_token(other.id)

    fake.person.move(file.id, other.id)

    [left], [came] = near.drive.changes(near.drive_id, here), near.drive.changes(other.id, there)
    assert [(one.file_id, one.removed) for one in left.changes] == [(file.id, True)]
    assert [(one.file_id, one.removed) for one in came.changes] == [(file.id, False)]


def test_deleting_a_folder_for_ever_leaves_a_tombstone_of_each_thing_in_it(
    near: Place, fake: FakeDrive
) -> None:
    folder = near.create_folder()
    file = near.create(parents=[folder.id])
    token = near.drive.start_page_token(near.drive_id)

    fake.person.delete_forever(folder.id)

    [page] = near.drive.changes(near.drive_id, token)
    assert {(one.file_id, one.removed) for one in page.changes} == {(folder.id, True), (file.id, True)}
    with pytest.raises(Gone):
        near.drive.get(file.id)


@pytest.mark.parametrize("cascades", [False, True])
def test_a_trashed_folder_stands_in_the_log_and_its_files_where_it_cascades(
    near: Place, fake: FakeDrive, cascades: bool
) -> None:
    folder = near.create_folder()
    file = near.create(parents=[folder.id])
    token = near.drive.start_page_token(near.drive_id)
    fake.store.trash_cascades = cascades

    fake.person.trash(folder.id)

    [page] = near.drive.changes(near.drive_id, token)
    assert {one.file_id for one in page.changes} == ({folder.id, file.id} if cascades else {folder.id})
    assert near.drive.get(file.id).version > file.version


def test_a_log_can_be_behind_and_can_forget(near: Place, fake: FakeDrive) -> None:
    token = near.drive.start_page_token(near.drive_id)
    fake.hold_changes(near.drive_id)
    late, lost = near.create(), near.create()
    [page] = near.drive.changes(near.drive_id, token)
    assert page.changes == ()

    fake.release_changes(near.drive_id)
    fake.forget_changes(near.drive_id, lost.id)

    [page] = near.drive.changes(near.drive_id, token)
    assert [one.file_id for one in page.changes] == [late.id]


def test_losing_a_drive_is_one_entry_in_the_own_log(near: Place, fake: FakeDrive) -> None:
    token = near.drive.start_page_token(None)
    near.create()

    fake.person.take_away_drive(near.drive_id, ROBOT)

    [page] = near.drive.changes(None, token)
    assert [(one.drive_id, one.removed, one.file_id) for one in page.changes] == [(near.drive_id, True, None)]


def test_old_contents_are_forgotten_after_thirty_days_unless_they_are_kept(
    near: Place, fake: FakeDrive
) -> None:
    file = near.create(b"1")
    near.drive.update_content(file.id, content(b"22"))
    near.drive.update_content(file.id, content(b"333"))
    fake.person.file(file.id).revisions[0].keep_forever = True

    fake.clock.advance(days=29)
    assert [one.size for one in near.drive.revisions(file.id)] == [1, 2, 3]
    fake.clock.advance(days=2)
    assert [one.size for one in near.drive.revisions(file.id)] == [1, 3]


def test_a_change_that_nobody_sees_moves_only_the_version(near: Place, fake: FakeDrive) -> None:
    file = near.create()

    fake.person.touch(file.id)

    seen = near.drive.get(file.id)
    assert seen.version == file.version + 1
    assert (seen.md5, seen.head_revision_id, seen.modified_time) == (
        file.md5, file.head_revision_id, file.modified_time,
    )  # fmt: skip


# Channels


def test_a_channel_greets_and_then_tells_of_changes(near: Place, fake: FakeDrive, hook: Any) -> None:
    address, came, _ = hook

    channel = _watch(near, address)
    near.create()
    greeting, told = came.get(timeout=10), came.get(timeout=10)

    assert (greeting["x-goog-resource-state"], greeting["x-goog-message-number"]) == ("sync", "1")
    assert told["x-goog-resource-state"] == "change"
    assert int(told["x-goog-message-number"]) > 1
    for one in (greeting, told):
        assert one["x-goog-channel-id"] == "channel"
        assert one["x-goog-channel-token"] == "the secret"
        assert one["x-goog-resource-id"] == channel.resource_id
        assert one["x-goog-resource-uri"] == channel.resource_uri


def test_a_channel_is_told_again_after_an_error_of_ours_and_not_after_a_refusal(
    near: Place, fake: FakeDrive, hook: Any
) -> None:
    address, came, statuses = hook
    statuses += [204, 503, 503, 204, 400]
    _watch(near, address)

    near.create()
    near.create()
    fake.webhooks.flush()

    assert [post.status for post in fake.webhooks.posts] == [204, 503, 503, 204, 400]
    assert came.qsize() == 5


def test_a_channel_lives_as_long_as_google_wants(near: Place, fake: FakeDrive, hook: Any) -> None:
    address, came, _ = hook
    fake.clock.freeze()

    channel = _watch(near, address, ttl=timedelta(days=30))
    # Times of channels are told in milliseconds.
    longest = fake.clock.now() + timedelta(days=7)
    assert abs(channel.expires_at - longest) < timedelta(milliseconds=1)
    fake.clock.advance(days=8)
    near.create()
    fake.webhooks.flush()

    assert came.qsize() == 1
    near.drive.stop(channel.id, channel.resource_id)


def test_a_stopped_channel_is_silent_and_its_id_used_up(near: Place, fake: FakeDrive, hook: Any) -> None:
    address, came, _ = hook
    channel = _watch(near, address)

    near.drive.stop(channel.id, channel.resource_id)
    near.create()
    fake.webhooks.flush()

    assert came.qsize() == 1
    near.drive.stop(channel.id, channel.resource_id)


def test_messages_can_be_lost(near: Place, fake: FakeDrive, hook: Any) -> None:
    address, came, _ = hook
    _watch(near, address)
    fake.webhooks.flush()

    with fake.webhooks.losing_all():
        near.create()
    near.create()
    fake.webhooks.flush()

    assert came.qsize() == 2


# Quota


@pytest.mark.parametrize(
    ("limit", "calls", "reason"),
    [
        ({"units_per_minute": 25}, 5, "userRateLimitExceeded"),
        ({"queries_per_minute": 3}, 3, "rateLimitExceeded"),
    ],
)
def test_what_is_too_much_in_a_minute_is_refused_until_it_is_over(
    near: Place, fake: FakeDrive, limit: dict[str, int], calls: int, reason: str
) -> None:
    fake.clock.freeze()
    for name, value in limit.items():
        setattr(fake.limits, name, value)

    for _ in range(calls):
        near.drive.get(near.drive_id)
    with pytest.raises(RateLimited) as refused:
        near.drive.get(near.drive_id)
    assert refused.value.reason == reason

    fake.clock.advance(seconds=61)
    assert near.drive.get(near.drive_id).id == near.drive_id


def test_three_writes_a_second_pass_and_four_do_not(near: Place, fake: FakeDrive) -> None:
    fake.clock.freeze()
    fake.limits.writes_per_second = 3
    for _ in range(3):
        near.create()
    with pytest.raises(RateLimited):
        near.create()

    fake.clock.advance(seconds=1)
    assert near.create().size == len(b"content")


# Faults and fidelity


def test_a_part_of_requests_fails_the_same_way_each_time(fake: FakeDrive, near: Place) -> None:
    def failures() -> list[int]:
        fake.journal.clear()
        fault = fake.faults.add(Kind.BEFORE, "files.get", fraction=0.3, seed=5)
        for _ in range(20):
            near.drive.get(near.drive_id)
        fake.faults.remove(fault)
        return [call.status for call in fake.journal.calls("files.get")]

    first = failures()
    assert 503 in first
    assert failures() == first


def test_a_page_of_errors_has_status_200(fake: FakeDrive, caller: Caller) -> None:
    fake.faults.add(Kind.HTML, "files.list")

    with pytest.raises(ValueError, match="Expecting value"):
        caller.ask("files")


def test_an_answer_that_google_would_not_give_is_found(shared: SharedDrive) -> None:
    described = {"$ref": "File"}

    assert schema.differences({"id": "x", "size": "7", "trashed": False}, described) == []
    assert schema.differences({"colour": "red"}, described)
    assert schema.differences({"size": 7}, described)
    assert schema.differences({"size": "many"}, described)
    assert schema.differences({"parents": "x"}, described)
    assert schema.differences({"lastModifyingUser": {"me": "yes"}}, described)
    assert schema.differences({"modifiedTime": "yesterday"}, described)


def test_a_fake_that_differs_from_google_fails_its_test(near: Place, fake: FakeDrive) -> None:
    fake.person.file(near.create().id).properties["n"] = 1  # type: ignore[assignment]

    caller = Caller(fake, near.drive)
    status, _ = caller.ask("files", fields="*", supportsAllDrives="true", includeItemsFromAllDrives="true")

    assert status == 500
    assert fake.problems
    fake.problems.clear()


def test_each_operation_that_the_fake_does_is_one_of_googles() -> None:
    from tests.fakes.drive.api import HANDLERS

    resources = schema.document()["resources"]
    known = {f"{resource}.{name}" for resource, told in resources.items() for name in told["methods"]}

    assert {name for name in HANDLERS if not name.startswith("upload.")} <= known


def test_times_are_written_as_google_writes_them(fake: FakeDrive) -> None:
    fake.clock.freeze()
    before = fake.clock.now()
    fake.clock.advance(hours=1)

    assert fake.clock.now() - before == timedelta(hours=1)
    assert len(rfc3339(before)) == len("2026-01-01T00:00:00.000Z")
    fake.clock.thaw()
    assert fake.clock.now() - before >= timedelta(hours=1)


# Its pages


def _browse(
    fake: FakeDrive, path: str, method: str = "GET", body: bytes = b"", **headers: str
) -> tuple[int, str]:
    connection = http.client.HTTPConnection(fake.url.removeprefix("http://"), timeout=10)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_a_person_puts_a_new_version_in_by_its_page(near: Place, fake: FakeDrive) -> None:
    file = near.create(b"old", "<b>offer</b>")
    token = near.drive.start_page_token(near.drive_id)

    status, page = _browse(fake, f"/folders/{near.drive_id}")
    assert status == 200
    assert "&lt;b&gt;offer" in page
    assert "<b>" not in page
    path = file.web_view_link.removeprefix(fake.url)
    assert _browse(fake, path)[0] == 200
    assert _browse(fake, path, "PUT", b"by a person")[0] == 204

    assert _browse(fake, f"{path}?download") == (200, "by a person")
    [page_of_log] = near.drive.changes(near.drive_id, token)
    assert [one.file_id for one in page_of_log.changes] == [file.id]
    _browse(fake, f"/folders/{near.drive_id}?name=new", "POST", b"another")
    assert fake.live(near.drive_id, "new")


def test_other_pages_of_a_browser_give_no_orders(near: Place, fake: FakeDrive) -> None:
    file = near.create(b"old")
    order = json.dumps({"file_id": file.id}).encode()

    assert _browse(fake, "/_fake/person/trash", "POST", order, origin="https://evil.example")[0] == 403
    assert _browse(fake, f"/file/{file.id}", "PUT", b"new", origin="https://evil.example")[0] == 403
    assert near.drive.get(file.id) == file
    assert _browse(fake, "/_fake/person/trash", "POST", order, origin=fake.url)[0] == 200
    assert near.drive.get(file.id).trashed


def test_a_page_that_there_is_not_is_not_found(fake: FakeDrive) -> None:
    for path in ("/nothing", "/folders/nothing", "/_fake/person/__init__", "/_fake/nothing/x"):
        assert _browse(fake, path, "POST")[0] == 404


# Kept, and as a program


def test_a_state_is_kept_in_its_file(tmp_path: Path) -> None:
    file = tmp_path / "drive.state"
    with FakeDrive(state=file) as first:
        info = first.service_account()
        shared = first.create_drive("Kept")
        drive = Drive(Account(info, api_root=first.api_root), patience=QUICK)
        ids = drive.generate_ids(2)
        made = drive.create(ids[0], name="x", parents=[shared.id], content=content(bytes(3 << 20)))
        port = int(first.url.rpartition(":")[2])

    with FakeDrive(state=file, port=port) as second:
        drive = Drive(Account(info, api_root=second.api_root), patience=QUICK)
        assert drive.get(made.id) == made
        assert drive.create(ids[1], name="y", parents=[shared.id], content=content(b"y")).id == ids[1]
        assert second.person.read(made.id) == bytes(3 << 20)


def test_it_is_a_program_that_survives_being_killed(tmp_path: Path) -> None:
    state = tmp_path / "drive.state"
    process, told = _start(state, 0)
    try:
        info = json.loads(Path(told["credentials"]).read_text())
        assert Path(told["credentials"]).stat().st_mode & 0o077 == 0
        drive = Drive(Account(info, api_root=told["api_root"]), patience=QUICK)
        [file_id] = drive.generate_ids(1)
        made = drive.create(file_id, name="x", parents=[told["drive_id"]], content=content(b"kept"))
        assert _order(told, "person/edit", file_id=file_id, data="by a person") == file_id
        edited = drive.get(file_id)
        assert edited.size == len("by a person")
        assert edited.version > made.version
        with pytest.raises(Invalid):
            drive.create("1" * 33, name="x", parents=[told["drive_id"]], content=content(b""))
        _order(told, "journal/clear")
        _order(told, "faults/add", kind="before", name="files.get", nth=1)
        assert drive.get(file_id) == edited
        assert [call["status"] for call in _order(told, "journal/calls", name="files.get")] == [503, 200]
        _order(told, "limits/units_per_day", value=0)
        with pytest.raises(DailyLimit):
            drive.get(file_id)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)

    process, again = _start(state, int(told["api_root"].rpartition(":")[2].strip("/")))
    try:
        assert again["drive_id"] == told["drive_id"]
        assert drive.get(file_id) == edited
    finally:
        process.kill()
        process.wait(timeout=30)


def _start(state: Path, port: int) -> tuple["subprocess.Popen[str]", dict[str, str]]:
    command = [sys.executable, "-m", "tests.fakes.drive", "--port", str(port), "--state", str(state)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    assert process.stdout is not None
    told: dict[str, str] = json.loads(process.stdout.readline())
    return process, told


def _order(told: dict[str, str], what: str, **said: Any) -> Any:
    connection = http.client.HTTPConnection(told["api_root"].split("/")[2], timeout=10)
    connection.request("POST", f"/_fake/{what}", json.dumps(said))
    answer = connection.getresponse()
    assert answer.status == 200
    return json.loads(answer.read())["done"]
