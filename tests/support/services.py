"""Real PostgreSQL and Redis for one run of the tests, in a directory that goes with it."""

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
    """The servers of one run; every xdist worker has its own databases in them."""

    directory: Path
    postgresql: Cluster
    redis: RedisServer

    def environment(self) -> dict[str, str]:
        """Return what the settings of the project need to use these servers."""
        home = self.directory / "home"
        home.mkdir(exist_ok=True)
        return {
            "ARTEL_HOME": str(home),
            "DATABASE_URL": self.postgresql.url(DATABASE),
            "REDIS_URL": self.redis.url(),
            "CELERY_BROKER_URL": self.redis.url(),
            "SECRET_KEY": "a key of the tests that protects nothing at all, long enough",
        }

    def stop(self) -> None:
        self.redis.stop()
        self.postgresql.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


def start_services(options: Mapping[str, str] = FOR_TESTS) -> Services:
    """Start both servers; they end with this process, however it ends."""
    directory = Path(tempfile.mkdtemp(prefix="artel-test-"))
    services = Services(
        directory,
        Cluster(directory / "postgresql", options=options, is_tied=True),
        RedisServer(directory / "redis", is_persistent=False, is_tied=True),
    )
    atexit.register(services.stop)
    services.postgresql.start()
    services.postgresql.ensure_database(DATABASE)
    services.redis.start()
    return services


def worker_number() -> int:
    """Number this process among the xdist workers, from 1; 0 without xdist."""
    name = os.environ.get("PYTEST_XDIST_WORKER", "")
    return int(name.removeprefix("gw")) + 1 if name.startswith("gw") else 0


def redis_url_of(worker: int, url: str) -> str:
    """Give each worker a Redis database of its own, so that one may flush without the others noticing."""
    server, _, _ = url.rpartition("/")
    return f"{server}/{worker}"
