"""A storage of its own for each test, and somebody who sends."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from rest_framework.test import APIClient

    from apps.accounts.models import User


@pytest.fixture(autouse=True)
def own_storage(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """Let contents of a test lie in a directory that nobody else looks into."""
    from django.core.files.storage import storages

    place = tmp_path / "documents"
    backend = {
        "BACKEND": "apps.documents.storage.DirectoryStorage",
        "OPTIONS": {"location": str(place), "file_permissions_mode": 0o600, "allow_overwrite": True},
    }
    settings.STORAGES = settings.STORAGES | {"documents": backend}
    storages._storages.pop("documents", None)  # type: ignore[attr-defined]
    yield place
    storages._storages.pop("documents", None)  # type: ignore[attr-defined]


@pytest.fixture
def api(admin: "User") -> "APIClient":
    from rest_framework.test import APIClient

    client = APIClient()
    client.force_authenticate(admin)
    return client
