"""Real PostgreSQL for one run of the tests, and a real Redis for each of its processes."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from config.local.postgresql import FOR_TESTS, Cluster
from config.local.redis import RedisServer

DATABASE = "artel"


@dataclass
class Services:
    """The servers of one process of the run; the workers of xdist share the PostgreSQL of the first."""

    directory: Path
    redis: RedisServer
    postgresql: Cluster | None = None

    def environment(self) -> dict[str, str]:
        """Return what the settings of the project need to use these servers."""
        # Each process has a Redis of its own, because tests flush it, and FLUSHALL knows no databases.
        variables = {"REDIS_URL": self.redis.url(), "CELERY_BROKER_URL": self.redis.url()}
        if self.postgresql is None:
            return variables
        home = self.directory / "home"
        home.mkdir(exist_ok=True)
        return variables | {
            "ARTEL_HOME": str(home),
            "DATABASE_URL": self.postgresql.url(DATABASE),
            "SECRET_KEY": "a key of the tests that protects nothing at all, long enough",
        }

    def stop(self) -> None:
        self.redis.stop()
        if self.postgresql is not None:
            self.postgresql.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


def start_services(options: Mapping[str, str] = FOR_TESTS) -> Services:
    """Start PostgreSQL and Redis; they end with this process, however it ends."""
    services = start_redis()
    services.postgresql = Cluster(services.directory / "postgresql", options=options, is_tied=True)
    services.postgresql.start()
    services.postgresql.ensure_database(DATABASE)
    return services


def start_redis() -> Services:
    """Start a Redis alone, beside the PostgreSQL that the environment names."""
    directory = Path(tempfile.mkdtemp(prefix="artel-test-"))
    services = Services(directory, RedisServer(directory / "redis", is_persistent=False, is_tied=True))
    atexit.register(services.stop)
    services.redis.start()
    return services


def worker_number() -> int:
    """Number this process among the xdist workers, from 1; 0 without xdist."""
    name = os.environ.get("PYTEST_XDIST_WORKER", "")
    return int(name.removeprefix("gw")) + 1 if name.startswith("gw") else 0
