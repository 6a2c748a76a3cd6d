# Imports of models wait for the fixtures: this file is read before Django is set up.
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from apps.events.models import Event
    from tests.events.platform import Platform
    from tests.support.processes import Processes

Hear = Callable[..., list["Event"]]


@pytest.fixture
def hear(monkeypatch: pytest.MonkeyPatch) -> Hear:
    """Register a receiver of HAPPENED for this test; returns the list of events that it heard."""
    from apps.events import registry
    from tests.events.platform import HAPPENED

    monkeypatch.setattr(registry, "_receivers", {})
    monkeypatch.setattr(registry, "_names_by_type", {})

    def register(
        name: str = "listener", action: Callable[["Event"], Any] = lambda event: None
    ) -> list["Event"]:
        heard: list[Event] = []

        def function(event: "Event") -> None:
            action(event)
            heard.append(event)

        function.__module__, function.__qualname__ = "tests", name
        registry.receiver(HAPPENED)(function)
        return heard

    return register


@pytest.fixture
def platform(artel_processes: "Processes") -> Iterator["Platform"]:
    from django.db import connection

    from tests.events.platform import Platform

    with connection.cursor() as cursor:
        # Without a constraint, so that an effect that happened twice can be seen.
        cursor.execute("create table sample_effect (event_id bigint not null, receiver text not null)")
    yield Platform(artel_processes)
    artel_processes.stop()
    with connection.cursor() as cursor:
        cursor.execute("drop table sample_effect")


@pytest.fixture
def no_redis(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let pokes go to a port where nobody listens."""
    from django.conf import settings

    from apps.events import wakeup

    monkeypatch.setattr(settings, "REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setattr(wakeup, "_resting_until", 0.0)
    for cached in (wakeup._client, wakeup._wire):
        cached.cache_clear()
    yield
    for cached in (wakeup._client, wakeup._wire):
        cached.cache_clear()


@pytest.fixture
def no_broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let calls go to a port where nobody listens."""
    import kombu
    from celery import current_app

    def forget_connections() -> None:
        kombu.pools.reset()
        current_app._after_fork()  # type: ignore[attr-defined]

    monkeypatch.setattr(current_app.conf, "broker_write_url", "redis://127.0.0.1:1/0")
    forget_connections()
    yield
    monkeypatch.undo()
    forget_connections()
