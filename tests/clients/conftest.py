"""A server that clients which are not ours meet over HTTP, one for the tests of a module."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.clients.node import Node
    from tests.clients.site import Site


@pytest.fixture(scope="module")
def site(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator["Site"]:
    """A running server with applications; what the tests of the module write stays until its last one has ended."""
    from redis import Redis

    from tests.clients.site import SETTINGS, Site, start
    from tests.support.database import database_url, restore
    from tests.support.processes import Processes

    url = os.environ["REDIS_URL"]
    with Redis.from_url(url) as redis:
        redis.flushdb()
    environment = {
        "DATABASE_URL": database_url(),
        "REDIS_URL": url,
        "CELERY_BROKER_URL": url,
        "DJANGO_SETTINGS_MODULE": SETTINGS,
    }
    processes = Processes(environment, tmp_path_factory.mktemp("site"))
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        # Authlib talks to the machine itself without TLS.
        patch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
        try:
            yield Site(processes, start(processes))
        finally:
            processes.stop()
            restore()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Node"]:
    """Node.js with openid-client, which npm has installed."""
    from tests.clients import node

    if not node.version():
        pytest.skip("There is no Node.js of 18 or newer with npm here: apt-get install nodejs npm")
    prepared = node.prepare(tmp_path_factory.mktemp("openid"))
    yield prepared
    prepared.stop()
