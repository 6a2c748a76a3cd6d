"""
What a row was in an earlier version, as far as anybody remembers.

This app only passes the question on: history, which stands above it, is who remembers.
"""

from collections.abc import Callable
from typing import Any

from django.db import models

# Given a row and a version, the columns that differ since, as they were; None where that is not known.
Memory = Callable[[models.Model, int], dict[str, Any] | None]

_memories: list[Memory] = []


def remember_with(memory: Memory) -> None:
    """Ask this from now on; called from ready()."""
    _memories[:] = [memory]


def changed_since(row: models.Model, version: int) -> dict[str, Any] | None:
    """Return the columns of a row that are not what they were in a version, as they were; None if unknown."""
    return _memories[0](row, version) if _memories else None
