"""Drive as the platform sees it: the fake, and Google itself where `--drive-live` asks for it."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from apps.documents.drive.client import Account, Content, Drive, Patience, RemoteFile, Usage
from tests.fakes.drive import FakeDrive, SharedDrive

# Tests wait for no real minute.
QUICK = Patience(first_wait=0.001, longest_wait=0.05)


@dataclass
class Place:
    """A folder of its own in some shared drive, and the adapter that reaches it."""

    drive: Drive
    drive_id: str
    folder: RemoteFile
    is_live: bool

    def create(self, data: bytes = b"content", name: str = "file.txt", **more: Any) -> RemoteFile:
        """Upload a file under a new id."""
        [file_id] = self.drive.generate_ids(1)
        more = {"parents": [self.folder.id], "content": content(data), **more}
        return self.drive.create(file_id, name=name, **more)

    def create_folder(self, name: str = "folder") -> RemoteFile:
        [folder_id] = self.drive.generate_ids(1)
        return self.drive.create_folder(folder_id, name=name, parents=[self.folder.id])

    def read(self, file: RemoteFile) -> bytes:
        into = BytesIO()
        assert file.md5 is not None
        assert file.size is not None
        self.drive.download(file.id, into, md5=file.md5, size=file.size)
        return into.getvalue()


@dataclass
class Spy:
    """What the meter and the pace of an adapter were told."""

    usages: list[Usage] = field(default_factory=list)
    paced: int = 0

    def meter(self, usage: Usage) -> None:
        self.usages.append(usage)

    def pace(self) -> None:
        self.paced += 1

    def refusals(self) -> list[str]:
        return [usage.refusal for usage in self.usages if usage.refusal]


def content(data: bytes, mime: str = "text/plain") -> Content:
    return Content.of(BytesIO(data), mime)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    # What is not asked for is not collected, and so is not skipped either.
    if "place" in metafunc.fixturenames:
        live = ["google"] if metafunc.config.option.drive_live else []
        metafunc.parametrize("place", ["fake", *live], indirect=True)


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A new folder in the drive that the parameter names; it goes to the trash after the test."""
    if request.param == "google":
        yield from _in(_google(), os.environ["GOOGLE_DRIVE_LIVE_DRIVE"], is_live=True)
        return
    with FakeDrive(validates=True) as fake:
        shared = fake.create_drive()
        account = Account(fake.service_account(), api_root=fake.api_root, timeout=10)
        yield from _in(Drive(account, patience=QUICK), shared.id, is_live=False)


def _google() -> Drive:
    missing = {"GOOGLE_DRIVE_LIVE_CREDENTIALS", "GOOGLE_DRIVE_LIVE_DRIVE"} - os.environ.keys()
    if missing:
        raise pytest.UsageError(f"--drive-live needs {', '.join(sorted(missing))} in the environment")
    info = json.loads(Path(os.environ["GOOGLE_DRIVE_LIVE_CREDENTIALS"]).read_text())
    return Drive(Account(info))


def _in(drive: Drive, drive_id: str, *, is_live: bool) -> Iterator[Place]:
    [folder_id] = drive.generate_ids(1)
    folder = drive.create_folder(folder_id, name="Artel's contract", parents=[drive_id])
    yield Place(drive, drive_id, folder, is_live)
    drive.trash(folder.id)
    drive.close()


@pytest.fixture
def fake() -> Iterator[FakeDrive]:
    with FakeDrive(validates=True) as drive:
        yield drive


@pytest.fixture
def shared(fake: FakeDrive) -> SharedDrive:
    return fake.create_drive()


@pytest.fixture
def spy() -> Spy:
    return Spy()


@pytest.fixture
def connect(fake: FakeDrive, spy: Spy) -> Callable[..., Drive]:
    """Make an adapter to the fake, with other limits of patience and time if wanted."""
    info = fake.service_account()

    def connect(*, timeout: float = 10, patience: Patience = QUICK, subject: str = "") -> Drive:
        account = Account(info, subject=subject, api_root=fake.api_root, timeout=timeout)
        return Drive(account, meter=spy.meter, pace=spy.pace, patience=patience)

    return connect


@pytest.fixture
def drive(connect: Callable[..., Drive]) -> Drive:
    return connect()


@pytest.fixture
def near(drive: Drive, shared: SharedDrive, fake: FakeDrive, spy: Spy) -> Place:
    """The fake's shared drive, with nothing said or counted yet."""
    here = Place(drive, shared.id, drive.get(shared.id), is_live=False)
    fake.journal.clear()
    spy.usages.clear()
    spy.paced = 0
    return here
