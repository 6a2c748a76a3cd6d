"""What tests of accounts share."""

from collections.abc import Callable

import pytest
from django.core.cache import cache
from django.db import transaction


@pytest.fixture
def committing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do at once what waits for a commit, which the transaction around a test never sees; nobody has tried before."""

    def at_once(work: Callable[[], object], using: str | None = None, robust: bool = False) -> None:
        work()

    monkeypatch.setattr(transaction, "on_commit", at_once)
    cache.clear()


@pytest.fixture
def pokes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The streams whose watchers were told to look again."""
    told: list[str] = []
    monkeypatch.setattr("apps.accounts.services.limits.poke_stream", told.append)
    return told
