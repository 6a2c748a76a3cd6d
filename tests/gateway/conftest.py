"""Sockets against a real server, and jobs to watch through them."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.gateway.sockets import Door
    from tests.support.processes import Server


@pytest.fixture(scope="module")
def server(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Server]":
    """One server for the tests of a module: starting it takes longer than any of them."""
    from tests.support.database import database_url
    from tests.support.processes import Processes

    environment = {
        "DATABASE_URL": database_url(),
        "REDIS_URL": os.environ["REDIS_URL"],
        "DJANGO_SETTINGS_MODULE": "tests.gateway.settings",
    }
    processes = Processes(environment, tmp_path_factory.mktemp("server"))
    yield processes.web()
    processes.stop()


@pytest.fixture
def door(server: "Server", redis_url: str, transactional_db: None) -> "Iterator[Door]":
    """Opens sockets, and closes those that the test left open."""
    from tests.gateway.sockets import Door
    from tests.jobs.kinds import register_all

    register_all()
    door = Door(server)
    yield door
    door.close_all()
