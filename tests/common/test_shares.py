"""What processes take of a limit at once is never more than the limit, nor much less, and ends with its window."""

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
import redis

from apps.common import limits, shares
from apps.common.limits import Counter, Limit, look, take
from apps.common.shares import Shares

pytestmark = pytest.mark.usefixtures("redis_url")

_numbers = count(1)


def counter(number: int, seconds: float = 60) -> Counter:
    """Make a counter of its own."""
    return Counter("share", f"subject {next(_numbers)}", Limit(number, seconds))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count how often Redis is asked."""
    calls: list[int] = []
    scripted = limits.scripted

    def counted(*said: object) -> object:
        calls.append(1)
        return scripted(*said)  # type: ignore[arg-type]

    monkeypatch.setattr(shares, "scripted", counted)
    return calls


def test_one_process_lets_through_exactly_the_limit_and_asks_seldom(asked: list[int]) -> None:
    counted, here = counter(1000), Shares(one_of=100)
    assert sum(here.take(counted).is_allowed for _attempt in range(1000)) == 1000
    assert len(asked) == 100
    refused = here.take(counted)
    assert not refused.is_allowed
    assert 0 < refused.wait <= 60


def test_four_processes_with_many_threads_never_exceed_and_leave_no_more_than_their_shares() -> None:
    counted, processes = counter(1000), [Shares(one_of=100) for _process in range(4)]

    def ask(number: int) -> bool:
        return processes[number % 4].take(counted).is_allowed

    with ThreadPoolExecutor(32) as pool:
        allowed = sum(pool.map(ask, range(3000)))
    # Each process may hold the rest of a share while it is others that ask.
    assert 1000 - 3 * 10 <= allowed <= 1000


def test_what_is_taken_is_counted_for_all_who_ask() -> None:
    counted, here = counter(20), Shares(one_of=2)
    here.take(counted)
    assert [take(counted).is_allowed for _attempt in range(11)] == [True] * 10 + [False]


def test_a_small_limit_is_counted_one_by_one() -> None:
    counted = counter(3)
    processes = [Shares(one_of=100) for _process in range(4)]
    assert sum(process.take(counted).is_allowed for process in processes) == 3


def test_a_share_ends_with_its_window(monkeypatch: pytest.MonkeyPatch, asked: list[int]) -> None:
    counted, here = counter(1000), Shares(one_of=10)
    here.take(counted)
    now = time.monotonic()
    monkeypatch.setattr("apps.common.shares.time.monotonic", lambda: now + 61)
    here.take(counted)
    assert len(asked) == 2


def test_without_redis_a_process_counts_for_itself(
    settings: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_resting_until", 0.0)
    monkeypatch.setattr(limits, "scripted", _away)
    monkeypatch.setattr(shares, "scripted", _away)
    counted, here = counter(20), Shares(one_of=2)
    assert sum(here.take(counted).is_allowed for _attempt in range(30)) == 20


def _away(*_said: object) -> object:
    raise redis.ConnectionError("away")


def test_a_look_tells_what_is_left_besides_shares() -> None:
    counted, here = counter(20), Shares(one_of=2)
    here.take(counted)
    assert look(counted).is_allowed
    here.forget()
    for _attempt in range(10):
        here.take(counted)
    assert not look(counted).is_allowed
