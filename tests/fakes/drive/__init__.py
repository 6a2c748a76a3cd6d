"""
Google Drive v3 as a server of our own: `with FakeDrive() as drive:`, or `python -m tests.fakes.drive`.

It answers on 127.0.0.1 what Google would answer, as far as its documentation, its client and what others met tell,
follows a script of faults, keeps a journal, and lets `drive.person` do what people do. Its time is `drive.clock`.
"""

import json
import shutil
import tempfile
import threading
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.fakes.drive import pages
from tests.fakes.drive.api.context import Context
from tests.fakes.drive.clock import Clock
from tests.fakes.drive.exchange import Reply, Request
from tests.fakes.drive.faults import Fault, Faults, Kind
from tests.fakes.drive.journal import Call, Journal
from tests.fakes.drive.login import Logins
from tests.fakes.drive.meters import Limits, Meters
from tests.fakes.drive.model import BLOCK, BlobStore, Item, SharedDrive
from tests.fakes.drive.person import PERSON, Person
from tests.fakes.drive.server import Desk, Server
from tests.fakes.drive.store import Store
from tests.fakes.drive.webhooks import Post, Webhooks

__all__ = ["ROBOT", "Call", "FakeDrive", "Fault", "Item", "Kind", "Limits", "Person", "Post", "SharedDrive"]

ROBOT = "robot@artel-demo.iam.gserviceaccount.com"


class FakeDrive:
    """
    One Google Drive with its accounts, shared drives and files.

    :param port: 0 takes a free one
    :param state: a file that it begins with, if it is there, and is kept in; contents lie beside it in "<name>.blobs"
    :param validates: compares each answer with Google's own description; leaving the `with` fails when one differs
    """

    def __init__(self, *, port: int = 0, state: Path | None = None, validates: bool = False) -> None:
        self._state = state
        if state is None:
            self._directory = Path(tempfile.mkdtemp(prefix="fake-drive-"))
        else:
            self._directory = state.with_name(state.name + ".blobs")
            self._directory.mkdir(parents=True, exist_ok=True)
        self.clock = Clock()
        self.store = Store(self.clock, BlobStore(self._directory, BLOCK if state is None else 0))
        if state is not None and state.exists():
            self.store.load(state)
        self.person = Person(self.store)
        self.webhooks = Webhooks(self.store)
        self.logins = Logins(self.store)
        self.faults = Faults()
        self.journal = Journal()
        self.meters = Meters(self.clock)
        self.problems: list[str] = []
        self._server = Server(port, self._own)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.context = Context(self.store, self.webhooks, self.url)
        self._server.desk = Desk(
            self.context,
            self.logins,
            self.faults,
            self.journal,
            self.meters,
            validates,
            self.problems,
            self._kept,
        )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._dirty = threading.Event()
        self._saver = threading.Thread(target=self._save_often, daemon=True)
        self._stopping = False

    @property
    def api_root(self) -> str:
        """The address to give to the platform in place of Google's."""
        return f"{self.url}/"

    @property
    def limits(self) -> Limits:
        return self.meters.limits

    def start(self) -> Self:
        self.webhooks.start()
        self._thread.start()
        if self._state is not None:
            self._saver.start()
        return self

    def stop(self) -> None:
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self.webhooks.stop()
        if self._state is None:
            shutil.rmtree(self._directory, ignore_errors=True)
            return
        self._stopping = True
        self._dirty.set()
        self._saver.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        assert kind is not None or not self.problems, self.problems

    # Setting the scene

    def service_account(self, email: str = ROBOT, *, subject: str = "") -> dict[str, str]:
        """Make a service account with a new key, which may speak for `subject` too; return its key file."""
        with self.store.lock:
            info = self.logins.service_account(email, f"{self.url}/token")
            if subject:
                self.store.account(subject)
                self.store.accounts[email].subjects.add(subject)
        return info

    def create_drive(
        self, name: str = "Company", *, members: dict[str, str] | None = None, role: str = "fileOrganizer"
    ) -> SharedDrive:
        """Make a shared drive that a person organizes, and the service account is a member of with `role`."""
        with self.store.lock:
            for email in members or {}:
                self.store.account(email)
            return self.store.add_drive(name, members or {PERSON: "organizer", ROBOT: role})

    def revoke_key(self, email: str = ROBOT) -> None:
        """Let the key of a service account count no more."""
        self.logins.revoke(email)

    def expire_tokens(self) -> None:
        """Let every access token be too old."""
        self.logins.expire()

    def expire_sessions(self, status: int = 404) -> None:
        """Let every upload that is not finished be forgotten; Google says 404, or 410."""
        with self.store.lock:
            for session in self.store.sessions.values():
                session.expires = self.clock.now() - timedelta(seconds=1)
                session.status_when_expired = status

    def hold_changes(self, drive_id: str) -> None:
        """Let the log of a drive fall behind, until `release_changes`."""
        with self.store.lock:
            self.store.log(f"drive:{drive_id}").hold()

    def release_changes(self, drive_id: str) -> None:
        with self.store.lock:
            self.store.log(f"drive:{drive_id}").release()

    def forget_changes(self, drive_id: str, file_id: str) -> None:
        """Let what happened to a file so far never appear in the log."""
        with self.store.lock:
            self.store.log(f"drive:{drive_id}").forget(file_id)

    def hang_up(self) -> None:
        """Close every connection, as Google does with those that are idle."""
        self._server.hang_up()

    def live(self, drive_id: str, name: str | None = None) -> list[Item]:
        """Return the files of a drive that are not in the trash, folders left out."""
        with self.store.lock:
            return [
                item
                for item in self.store.items.values()
                if item.drive_id == drive_id
                and not item.is_folder
                and name in {None, item.name}
                and not self.store.is_trashed(item)
            ]

    # Kept, and asked from other processes

    def _kept(self) -> None:
        self._dirty.set()

    def _save_often(self) -> None:
        assert self._state is not None
        while not self._stopping:
            self._dirty.wait()
            self._dirty.clear()
            self.store.save(self._state)

    def _own(self, request: Request) -> Reply | None:
        if request.path.startswith(("/drive/", "/upload/", "/token")):
            return None
        if request.headers.get("origin", self.url) != self.url:
            # Some other page in the browser of whoever runs the demo.
            return Reply(
                403, value={"error": "Orders come from this machine's programs, and from these pages."}
            )
        if request.path.startswith("/_fake/"):
            reply: Reply | None = self._ordered(request)
        else:
            reply = pages.answer(self.person, request)
        if request.method != "GET":
            self._kept()
        return reply

    def _ordered(self, request: Request) -> Reply:
        """
        Do what another process asks for: `POST /_fake/person/edit` with {"file_id": …, "data": "text"}.

        There are the methods of `person`, `faults`, `clock`, `webhooks`, `limits` (set) and `journal`.
        """
        _, _, target, name = request.path.split("/", 3)
        said = json.loads(request.body() or b"{}")
        if "data" in said:
            said["data"] = said["data"].encode()
        if target == "limits":
            setattr(self.limits, name, said["value"])
            return Reply(value={"done": True})
        parts = {
            "person": self.person,
            "faults": self.faults,
            "clock": self.clock,
            "webhooks": self.webhooks,
            "journal": self.journal,
        }
        if target not in parts or name.startswith("_") or not hasattr(parts[target], name):
            return Reply(404, value={"error": "There is no such order."})
        found = getattr(parts[target], name)(**said)
        return Reply(value={"done": _plain(found)})


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, Item):
        return value.id
    if isinstance(value, Call):
        return {"name": value.name, "status": value.status, "units": value.units, "writes": value.writes}
    return value if isinstance(value, str | int | float | bool | None) else str(value)
