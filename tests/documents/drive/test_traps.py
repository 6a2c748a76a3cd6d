"""What Google's client does when it is used as documented, and what the adapter makes of the same."""

import gzip
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from io import BytesIO
from typing import Any

import httplib2
import pytest
from google.oauth2 import service_account
from google_auth_httplib2 import AuthorizedHttp
from googleapiclient.discovery import build_from_document
from googleapiclient.http import MediaIoBaseUpload, build_http

from apps.documents.drive import transport
from apps.documents.drive.client import GOOGLE, Account, Drive, RemoteFile, Transient
from tests.documents.drive.conftest import Place
from tests.fakes.drive import FakeDrive, schema
from tests.fakes.drive.faults import Kind

THREADS, CALLS = 8, 50
PART = 256 << 10


class Plain:
    """The library as it is documented, pointed at the fake."""

    def __init__(self, near: Place, http: Any) -> None:
        account = near.drive.account
        credentials = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
            account.info, scopes=transport.SCOPES
        )
        document = {**schema.document(), "rootUrl": account.api_root}
        authorized = AuthorizedHttp(credentials, http=http)
        self.files = build_from_document(document, http=authorized).files()
        self.parent = near.drive_id

    def create(self, data: bytes, *, resumable: bool = False) -> Any:
        """Return the request that uploads a file."""
        media = MediaIoBaseUpload(BytesIO(data), "text/plain", chunksize=PART, resumable=resumable)
        body = {"name": "plain", "parents": [self.parent]}
        return self.files.create(body=body, media_body=media, supportsAllDrives=True)


def test_a_dropped_connection_makes_two_files_of_the_plain_client_and_one_of_ours(
    near: Place, fake: FakeDrive
) -> None:
    fake.faults.add(Kind.DROP_AFTER, "files.create", nth={1, 3})

    # The library is told to try once; what it stands on is not.
    Plain(near, build_http()).create(b"x").execute(num_retries=0)
    near.create(b"x", "ours")

    assert [call.fault for call in fake.journal.calls("files.create")] == ["drop_after", "", "drop_after", ""]
    assert sorted(item.name for item in fake.live(near.drive_id)) == ["ours", "plain", "plain"]


def test_an_error_after_the_effect_makes_two_files_of_the_plain_client_and_one_of_ours(
    near: Place, fake: FakeDrive
) -> None:
    fake.faults.add(Kind.AFTER, "files.create", nth={1, 3})
    create = Plain(near, build_http()).create(b"x")
    create._sleep = lambda seconds: None

    create.execute(num_retries=1)
    near.create(b"x", "ours")

    assert sorted(item.name for item in fake.live(near.drive_id)) == ["ours", "plain", "plain"]


def test_a_bare_connection_takes_a_step_of_an_upload_for_a_redirection(near: Place) -> None:
    with pytest.raises(httplib2.RedirectMissingLocation):
        Plain(near, httplib2.Http()).create(bytes(4 * PART), resumable=True).execute()

    assert near.create(bytes(16 << 20)).size == 16 << 20


def test_after_an_error_the_library_sends_a_used_up_stream_and_ours_what_is_missing(
    near: Place, fake: FakeDrive
) -> None:
    fault = fake.faults.add(Kind.BEFORE, "upload.chunk", nth=1)
    http = build_http()
    http.timeout = 0.5
    create = Plain(near, http).create(bytes(4 * PART), resumable=True)
    create._sleep = lambda seconds: None
    with pytest.raises(TimeoutError):
        create.next_chunk(num_retries=1)

    fault.seen = fault.hits = 0
    made = near.create(bytes(16 << 20))

    assert fault.hits == 1
    assert [item.id for item in fake.live(near.drive_id)] == [made.id]


def test_one_connection_for_all_threads_mixes_their_answers_and_ours_does_not(near: Place) -> None:
    files = [near.create(str(n).encode(), f"{n}.txt") for n in range(THREADS)]
    http = build_http()
    # It loses answers too.
    http.timeout = 0.2
    shared = Plain(near, http).files
    wrong = threading.Event()

    def plain(file_id: str) -> bool:
        if not wrong.is_set():
            try:
                answer = shared.get(fileId=file_id, fields="id", supportsAllDrives=True).execute()
            # Two threads on one connection fail in every way there is.
            except Exception:  # noqa: BLE001
                answer = {}
            if answer.get("id") != file_id:
                wrong.set()
        return not wrong.is_set()

    assert not all(_in_threads(plain, files))
    assert all(_in_threads(lambda file_id: near.drive.get(file_id).id == file_id, files))


def _in_threads(ask: Callable[[str], bool], files: list[RemoteFile]) -> list[bool]:
    """Ask from many threads at once, each many times for its own file."""
    with ThreadPoolExecutor(THREADS) as pool:
        each = pool.map(lambda file: [ask(file.id) for _ in range(CALLS)], files)
        return [one for answers in each for one in answers]


def test_each_request_is_sent_once_by_what_the_adapter_stands_on(near: Place, fake: FakeDrive) -> None:
    fake.faults.add(Kind.DROP_BEFORE, "files.get")
    http = near.drive._transport.http()

    with pytest.raises(ConnectionError):
        http.request(f"{fake.api_root}drive/v3/files/{near.drive_id}?supportsAllDrives=true")

    assert len(fake.journal.calls("files.get")) == 1


def test_everything_goes_to_the_address_that_was_given_and_nothing_to_google(
    near: Place, fake: FakeDrive
) -> None:
    service = transport._service(fake.api_root)
    media = MediaIoBaseUpload(BytesIO(b"x"), "text/plain", resumable=True)

    for request in (
        service.files().get(fileId="x"),
        service.files().get_media(fileId="x"),
        service.files().create(body={}, media_body=media),
        service.changes().list(pageToken="1"),
        service.new_batch_http_request(),
    ):
        assert getattr(request, "uri", None) or request._batch_uri
        assert (getattr(request, "uri", None) or request._batch_uri).startswith(fake.api_root)


def test_google_itself_is_reached_where_google_is() -> None:
    request = transport._service(GOOGLE).files().get(fileId="x")

    assert request.uri.startswith("https://www.googleapis.com/drive/v3/files/x")


def test_a_forked_process_speaks_on_connections_of_its_own(
    near: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = near.drive._transport.http()
    assert near.drive._transport.http() is mine

    monkeypatch.setattr("apps.documents.drive.transport.os.getpid", lambda: -1)

    assert near.drive._transport.http() is not mine


def test_naming_the_adapter_does_not_load_googles_library() -> None:
    code = (
        "import sys, apps.documents.drive.client;"
        "print([name for name in sys.modules if name.partition('.')[0] in {'google', 'googleapiclient', 'httplib2'}])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"


def test_long_answers_come_packed_and_are_unpacked_only_so_far(near: Place, fake: FakeDrive) -> None:
    for n in range(50):
        fake.person.upload(near.drive_id, f"{n}.txt", b"")
    assert len(list(near.drive.list_folder(near.drive_id))) == 50
    [call] = fake.journal.calls("files.list")
    assert "gzip" in call.headers["accept-encoding"]

    answer = httplib2.Response({"content-encoding": "gzip"})
    assert transport._unpacked(answer, gzip.compress(b"short")) == b"short"
    with pytest.raises(Transient):
        transport._unpacked(answer, gzip.compress(bytes(transport.LARGEST_ANSWER + 1)))
    with pytest.raises(Transient):
        transport._unpacked(answer, b"not packed")


@contextmanager
def _redirecting() -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """Serve an address that leads to another; tell it, and who came where with which token."""
    came: list[tuple[str, str | None]] = []

    class Away(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server: HTTPServer

        def do_GET(self) -> None:
            came.append((self.path, self.headers["Authorization"]))
            self.send_response(302 if self.path == "/here" else 200)
            self.send_header("Location", f"http://localhost:{self.server.server_port}/there")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Away) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/here", came
        server.shutdown()


@pytest.mark.parametrize(
    ("follows", "expected"),
    [
        (False, [("/here", "secret"), ("/here", "secret")]),
        # Google may send a download elsewhere, and does not get the token there.
        (
            True,
            [
                ("/here", "secret"),
                ("/there", None),
                ("/here", "secret"),
                ("/here", "secret"),
                ("/there", None),
            ],
        ),
    ],
)
def test_a_redirection_is_followed_only_for_google_and_without_the_token(
    follows: bool, expected: list[tuple[str, str | None]]
) -> None:
    http = transport.OnceHttp(5, follows=follows)
    with _redirecting() as (address, came):
        statuses = [http.request(address, headers={"authorization": "secret"})[0].status for _ in range(2)]
        http.close()

    assert statuses == [200 if follows else 302] * 2
    assert came == expected


def test_a_drive_is_closed_and_can_be_used_again(near: Place) -> None:
    near.drive.close()
    near.drive.close()

    assert near.drive.get(near.drive_id).id == near.drive_id


def test_two_accounts_do_not_share_what_they_show(near: Place, fake: FakeDrive) -> None:
    other = fake.service_account("other@artel-demo.iam.gserviceaccount.com")

    assert Drive(Account(other, api_root=fake.api_root)).about().email != near.drive.about().email
