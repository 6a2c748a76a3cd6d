"""
What putting 300 new documents into Google Drive costs, against a bare HTTP client that sends the same files.

Ours reserves identifiers, commits them before each upload, writes down what both sides hold; the limit just sends. Both
send on as many connections. The pace of three writes a second is off, for it would be all that is measured.
"""

import contextlib
import http.client
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from apps.documents.drive.answers import FILE_FIELDS
from tests.bench.harness import Bench, Budget, at_least, own_services, run

FILES = 300
# What a client pays for a file that looks first whether it is there: a list of 100 units, and 50 for the file.
SEARCH_THEN_CREATE = 150
CONTENT = b"A page of a contract, as long as such a page is. " * 40


@contextlib.contextmanager
def fake_drive() -> Iterator[dict[str, Any]]:
    """Start the fake as a process of its own, so that it takes no time of ours."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "tests.fakes.drive", "--credentials", f"{directory}/robot.json"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()
            process.wait(10)
            process.stdout.close()


class Bare:
    """The least that has to be done: one request for each file, on as many connections as ours."""

    def __init__(self, told: dict[str, Any], token: str, folder_id: str, connections: int) -> None:
        self._where = urlsplit(told["api_root"]).netloc
        self._token = token
        self._folder = folder_id
        self._connections = connections
        # The same request as ours, so that Drive answers the same, too.
        self._fields = quote(FILE_FIELDS)
        self.md5s: Counter[str] = Counter()

    def send(self, names: list[str]) -> float:
        connection = http.client.HTTPConnection(self._where)
        ids = self._reserved(connection, len(names))
        connection.close()
        pairs = list(zip(names, ids, strict=True))
        shares = [pairs[at :: self._connections] for at in range(self._connections)]
        began = time.perf_counter()
        with ThreadPoolExecutor(self._connections) as threads:
            for md5s in threads.map(self._send_share, shares):
                self.md5s.update(md5s)
        return time.perf_counter() - began

    def _send_share(self, pairs: list[tuple[str, str]]) -> list[str]:
        connection = http.client.HTTPConnection(self._where)
        md5s: list[str] = []
        for name, file_id in pairs:
            meant: dict[str, Any] = {
                "id": file_id,
                "name": name,
                "parents": [self._folder],
                "mimeType": "text/plain",
            }
            # As many of them, and as long, as ours writes on a file.
            meant["appProperties"] = {"inst": "bench", "doc": "123"}
            body = (
                b"--bare-client-boundary\r\nContent-Type: application/json\r\n\r\n"
                + json.dumps(meant).encode()
                + b"\r\n--bare-client-boundary\r\nContent-Type: text/plain\r\n\r\n"
                + CONTENT
                + name.encode()
                + b"\r\n--bare-client-boundary--"
            )
            made = self._ask(
                connection,
                "POST",
                f"/upload/drive/v3/files?uploadType=multipart&supportsAllDrives=true&fields={self._fields}",
                body,
                {"Content-Type": "multipart/related; boundary=bare-client-boundary"},
            )
            md5s.append(made["md5Checksum"])
        connection.close()
        return md5s

    def _reserved(self, connection: http.client.HTTPConnection, count: int) -> list[str]:
        told = self._ask(connection, "GET", f"/drive/v3/files/generateIds?count={count}", b"", {})
        return [str(one) for one in told["ids"]]

    def _ask(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        address: str,
        body: bytes,
        headers: dict[str, str],
    ) -> dict[str, Any]:
        connection.request(method, address, body, {"Authorization": f"Bearer {self._token}", **headers})
        answer = connection.getresponse()
        told: dict[str, Any] = json.loads(answer.read())
        assert answer.status == 200, told
        return told


def main(told: dict[str, Any]) -> int:
    from django.conf import settings
    from django.db.models import Sum

    from apps.accounts.models import User
    from apps.documents.drive import metering
    from apps.documents.drive.gate import client_of, key_of
    from apps.documents.models import ApiUsage, DocumentVersion, DriveBinding, DriveRoot
    from apps.documents.services.drive import roots, working
    from tests.documents.factories import make_document

    settings.GOOGLE_DRIVE_API_ROOT = told["api_root"]
    settings.GOOGLE_DRIVE_WRITES_PER_SECOND = 0.0
    owner = User.objects.create_superuser("bench@example.org", name="Bench")
    key = Path(told["credentials"]).read_text()
    account = roots.add_account(actor=owner, name="Robot", key=key)
    client = client_of(account)
    [ours_id, bare_id] = client.generate_ids(2)
    for folder_id, name in ((ours_id, "Ours"), (bare_id, "Bare")):
        client.create_folder(folder_id, name=name, parents=[told["drive_id"]])
    root = roots.add_root(
        actor=owner,
        account_id=account.pk,
        name="Ours",
        drive_id=told["drive_id"],
        folder_id=ours_id,
        takes="CHOSEN",
    )
    working.drain(60)
    assert DriveRoot.objects.get(pk=root.pk).state == DriveRoot.State.ACTIVE
    connections = settings.GOOGLE_DRIVE_UPLOADS_AT_ONCE
    bare = Bare(told, _token(key_of(account), told), bare_id, connections)
    rounds = {"ours": 0, "bare": 0}

    def names(side: str) -> list[str]:
        rounds[side] += 1
        return [f"Paper {rounds[side]}-{number}" for number in range(FILES)]

    def limit() -> float:
        return bare.send(names("bare"))

    def ours() -> float:
        made = [make_document(owner, name, CONTENT + name.encode()) for name in names("ours")]
        for document in made:
            DriveBinding.objects.create(document=document, root=root)
        from apps.documents.services.drive import queue

        queue.want_bindings(DriveBinding.objects.filter(document__in=made).values_list("pk", flat=True))
        began = time.perf_counter()
        working.drain(600)
        seconds = time.perf_counter() - began
        assert not DriveBinding.objects.exclude(state=DriveBinding.State.SYNCED).exists()
        return seconds

    def same_work() -> None:
        versions = DocumentVersion.objects.select_related("blob")
        here = Counter(bytes(version.blob.md5).hex() for version in versions)
        there = Counter(file.md5 for file in client.list_folder(ours_id) if file.name.startswith("Paper"))
        assert here == there == bare.md5s
        # What is measured below is the files alone.
        metering.write_down()
        ApiUsage.objects.all().delete()

    def units_per_file() -> float:
        metering.write_down()
        units = ApiUsage.objects.aggregate(units=Sum("units"))["units"]
        return float(units / (FILES * (rounds["ours"] - 1)) / SEARCH_THEN_CREATE)

    return run(
        Bench(
            name="drive",
            claim=f"{FILES} new documents into Google Drive against a bare HTTP client sending the same files, both on"
            f" {connections} connections",
            limit=limit,
            ours=ours,
            same_work=same_work,
            goal=at_least(0.5),
            budgets=[Budget("quota units per new file, of search-then-create", units_per_file, at_most=0.4)],
        )
    )


def _token(key: dict[str, str], told: dict[str, Any]) -> str:
    """Log in as our client does."""
    from google.auth.transport.requests import Request
    from google.oauth2 import service_account

    info = {**key, "token_uri": f"{told['api_root']}token"}
    scopes = ["https://www.googleapis.com/auth/drive"]
    made: Any = service_account.Credentials
    credentials = made.from_service_account_info(info, scopes=scopes)
    credentials.refresh(Request())
    return str(credentials.token)


if __name__ == "__main__":
    with own_services(), fake_drive() as told:
        raise SystemExit(main(told))
