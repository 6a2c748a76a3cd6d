"""What tests of Google Drive start from: a Drive of our own, a shared drive in it, and a root that works."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.drive import FakeDrive

# Models load only once Django is set up, which is after this file.
if TYPE_CHECKING:
    from apps.accounts.models import User
    from tests.documents.drive_sync.world import World


@pytest.fixture
def fake() -> Iterator[FakeDrive]:
    """A Google Drive of our own."""
    with FakeDrive() as fake:
        yield fake


@pytest.fixture
def drive_settings(settings: Any, fake: FakeDrive) -> Iterator[Any]:
    """Settings that point at it, and that lose no time."""
    from apps.documents.drive.gate import forget_clients

    settings.GOOGLE_DRIVE_API_ROOT = fake.api_root
    settings.GOOGLE_DRIVE_WRITES_PER_SECOND = 0
    settings.GOOGLE_DRIVE_ATTEMPTS = 1
    settings.GOOGLE_DRIVE_FIRST_WAIT_SECONDS = 0.01
    settings.GOOGLE_DRIVE_TIMEOUT_SECONDS = 5.0
    forget_clients()
    yield settings
    forget_clients()


@pytest.fixture
def world(admin: "User", fake: FakeDrive, drive_settings: Any) -> "World":
    """A root that works, and who does things on both sides."""
    from tests.documents.drive_sync.world import World

    return World(fake, admin)
