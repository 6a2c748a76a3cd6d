"""The embedded servers come up whatever the last run left behind, and are taken over where they still run."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from redis import Redis
from redis.exceptions import AuthenticationError

from config.local.postgresql import FOR_TESTS, Cluster
from config.local.redis import RedisServer
from config.local.refusal import Refusal


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path / "postgresql", options=FOR_TESTS, is_tied=True)
    yield cluster
    cluster.stop()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    redis = RedisServer(tmp_path / "redis", is_tied=True)
    yield redis
    redis.stop()


def postmaster(cluster: Cluster) -> int:
    return int((cluster.data / "postmaster.pid").read_text().split()[0])


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=10)


def select_one(cluster: Cluster) -> object:
    with psycopg.connect(cluster.url("postgres")) as connection:
        return connection.execute("SELECT 1").fetchone()


def test_a_killed_postgresql_comes_back_with_its_data(cluster: Cluster) -> None:
    cluster.start()
    cluster.ensure_database("kept")
    kill(postmaster(cluster))
    cluster.start()
    cluster.ensure_database("kept")
    with psycopg.connect(cluster.url("kept")) as connection:
        assert connection.info.dbname == "kept"


def test_a_pid_file_with_a_strangers_number_is_no_server(cluster: Cluster) -> None:
    cluster.start()
    file = cluster.data / "postmaster.pid"
    text = file.read_text()
    cluster.stop()
    file.write_text(text.replace(text.split()[0], str(os.getpid()), 1))
    cluster.start()
    assert select_one(cluster) == (1,)
    assert postmaster(cluster) != os.getpid()


def test_a_half_made_cluster_is_made_anew(cluster: Cluster) -> None:
    (cluster.directory / "data.new").mkdir(parents=True)
    (cluster.directory / "data.new" / "PG_VERSION").write_text("18\n")
    cluster.start()
    assert select_one(cluster) == (1,)


def test_a_running_postgresql_is_taken_over(cluster: Cluster) -> None:
    cluster.start()
    pid = postmaster(cluster)
    second = Cluster(cluster.directory, options=FOR_TESTS)
    second.start()
    assert (postmaster(second), second.is_ours) == (pid, False)
    second.stop()
    assert not (cluster.data / "postmaster.pid").exists()


def test_a_cluster_of_another_version_is_refused(cluster: Cluster) -> None:
    cluster.data.mkdir(parents=True)
    (cluster.data / "PG_VERSION").write_text("17\n")
    with pytest.raises(Refusal, match="made by PostgreSQL 17, this is 18"):
        cluster.start()


def test_a_long_path_gets_a_short_socket(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / ("long" * 30) / "пробел и кириллица", options=FOR_TESTS, is_tied=True)
    try:
        cluster.start()
        assert select_one(cluster) == (1,)
        assert len(str(cluster.socket_directory)) < 80
    finally:
        cluster.stop()
    assert not cluster.socket_directory.exists()


def test_a_killed_redis_comes_back(redis: RedisServer) -> None:
    redis.start()
    kill(int((redis.directory / "pid").read_text()))
    redis.start()
    with Redis.from_url(redis.url()) as client:
        assert client.ping()


def test_redis_is_taken_over_and_keeps_what_waits(redis: RedisServer) -> None:
    redis.start()
    url = redis.url()
    second = RedisServer(redis.directory)
    second.start()
    assert (second.url(), second.is_ours) == (url, False)
    with Redis.from_url(url) as client:
        client.set("waiting", "task")
    second.stop()
    redis.start()
    with Redis.from_url(redis.url(), decode_responses=True) as client:
        assert client.get("waiting") == "task"


def test_redis_needs_its_password(redis: RedisServer) -> None:
    redis.start()
    _, _, place = redis.url().partition("@")
    with Redis.from_url(f"redis://:wrong@{place}") as client, pytest.raises(AuthenticationError):
        client.ping()
