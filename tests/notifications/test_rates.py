"""How many messages may leave: counted exactly in Redis, for all processes at once."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from pytest_django.fixtures import Settings

from apps.notifications.delivering import rates
from apps.notifications.models import Delivery

BULK, URGENT = Delivery.Priority.BULK, Delivery.Priority.URGENT


@pytest.fixture(autouse=True)
def empty(redis_url: str) -> None:
    """Count from nothing."""


def taken(channel: str, seconds: float, *, chats: int = 1000, threads: int = 6) -> list[float]:
    """Take as much as one gets for so long, from many sides at once; return the moments."""
    until = time.monotonic() + seconds

    def insist(thread: int) -> list[float]:
        found = []
        number = thread
        while time.monotonic() < until:
            number += threads
            if rates.take(channel, str(number % chats), BULK).is_free:
                found.append(time.monotonic())
        return found

    with ThreadPoolExecutor(threads) as pool:
        return sorted(at for part in pool.map(insist, range(threads)) for at in part)


def most_in(moments: list[float], seconds: float) -> int:
    return max(sum(1 for other in moments if at <= other < at + seconds) for at in moments)


def test_no_stretch_of_a_second_holds_more_however_many_ask(settings: Settings) -> None:
    settings.DELIVERY_RATES = {"TELEGRAM": ((30, 1.0, 1), (1, 1.0))}
    moments = taken("TELEGRAM", 3.2)
    # The answer is seen a moment after it was given.
    assert most_in(moments, 0.95) <= 29
    assert len(moments) >= 29 * 3


def test_one_address_has_a_rate_of_its_own(settings: Settings) -> None:
    settings.DELIVERY_RATES = {"TELEGRAM": ((30, 1.0, 1), (1, 1.0))}
    assert rates.take("TELEGRAM", "7", BULK).is_free
    full = rates.take("TELEGRAM", "7", BULK)
    assert not full.is_free
    assert full.is_address
    assert 0.5 < full.wait <= 1
    assert rates.take("TELEGRAM", "8", BULK).is_free


def test_what_is_urgent_finds_the_reserve(settings: Settings) -> None:
    settings.DELIVERY_RATES = {"EMAIL": ((5, 60.0, 2), (100, 1.0))}
    given = [rates.take("EMAIL", str(number), BULK).is_free for number in range(5)]
    assert given == [True, True, True, False, False]
    assert not rates.look("EMAIL", BULK).is_free
    assert rates.look("EMAIL", URGENT).is_free
    assert [rates.take("EMAIL", "x", URGENT).is_free for _number in range(3)] == [True, True, False]


def test_a_pause_is_everybodys(settings: Settings) -> None:
    rates.pause("TELEGRAM", 0.5)
    waiting = rates.take("TELEGRAM", "7", URGENT)
    assert not waiting.is_free
    assert not waiting.is_address
    assert rates.take("EMAIL", "7", BULK).is_free
    time.sleep(waiting.wait + 0.05)
    assert rates.take("TELEGRAM", "7", URGENT).is_free


def test_a_flushed_redis_begins_anew(redis_url: str) -> None:
    assert rates.take("TELEGRAM", "7", BULK).is_free
    redis.Redis.from_url(redis_url).flushall()
    assert rates.take("TELEGRAM", "7", BULK).is_free
