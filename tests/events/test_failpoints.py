import os
import signal

import pytest
from django.conf import settings

from apps.events import failpoints
from apps.events.failpoints import failpoint


@pytest.fixture
def kills(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    kills: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *arguments: kills.append(arguments))
    failpoints._passes.clear()
    return kills


def test_kills_at_the_pass_that_is_named(
    kills: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARTEL_FAILPOINT", "here:2")
    failpoint("here")
    failpoint("there")
    assert kills == []
    failpoint("here")
    assert kills == [(os.getpid(), signal.SIGKILL)]


def test_kills_at_the_first_pass_without_a_number(
    kills: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARTEL_FAILPOINT", "here")
    failpoint("here")
    failpoint("here")
    assert len(kills) == 1


def test_does_nothing_where_fail_points_are_off(
    kills: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARTEL_FAILPOINT", "here")
    monkeypatch.setattr(settings, "FAILPOINTS", False)
    failpoint("here")
    assert kills == []
