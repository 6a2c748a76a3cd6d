"""A few words with Redis at a time, over connections that may have broken, or belong to somebody else by now."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from redis.exceptions import ResponseError

from apps.common.wire import Wire


@pytest.fixture
def client(redis_url: str) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(redis_url) as one:
        one.delete("wire")
        yield one


@pytest.fixture
def wire(redis_url: str) -> Iterator[Wire]:
    pool = redis.BlockingConnectionPool.from_url(redis_url, max_connections=6, timeout=10)
    yield Wire(pool)
    pool.disconnect()


def test_answers_come_in_the_order_of_the_commands(wire: Wire) -> None:
    assert wire.ask(("SET", "wire", "où"), ("GET", "wire"), ("INCRBY", "wire:n", 0)) == [
        b"OK",
        "où".encode(),
        0,
    ]


def test_what_is_refused_stops_no_other_and_leaves_no_answer_behind(
    wire: Wire, client: "redis.Redis"
) -> None:
    with pytest.raises(ResponseError):
        wire.ask(("LPUSH", "wire", 1), ("INCR", "wire"), ("LPUSH", "wire", 2))
    assert wire.ask(("LLEN", "wire")) == [2]
    assert len(wire._at_hand) == 1


def test_a_connection_that_broke_meanwhile_is_made_anew(wire: Wire, client: "redis.Redis") -> None:
    wire.ask(("SET", "wire", 1))
    client.client_kill_filter(_type="normal", skipme=True)
    assert wire.ask(("GET", "wire")) == [b"1"]


def test_who_cannot_be_reached_leaves_the_pool_whole() -> None:
    pool = redis.BlockingConnectionPool.from_url("redis://127.0.0.1:1/0", max_connections=1, timeout=0.1)
    wire = Wire(pool)
    for _each in range(3):
        with pytest.raises(redis.ConnectionError, match=r"127\.0\.0\.1:1"):
            wire.ask(("GET", "wire"))


def test_a_crowd_shares_few_connections(wire: Wire, client: "redis.Redis") -> None:
    with ThreadPoolExecutor(32) as crowd:
        list(crowd.map(lambda _n: wire.ask(("INCR", "wire")), range(300)))
    assert client.get("wire") == b"300"
    assert len(wire._at_hand) == 4


def test_a_child_has_connections_of_its_own(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    wire.ask(("SET", "wire", 1))
    (parents,) = wire._at_hand
    monkeypatch.setattr(os, "getpid", lambda: wire._process + 1)
    assert wire._taken() is not parents
