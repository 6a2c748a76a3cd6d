"""Attempts are counted exactly, however many come at once, and whatever becomes of Redis."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier

import pytest
import redis
from django.test import Client, RequestFactory

from apps.common import limits
from apps.common.addresses import client_address, limited_address
from apps.common.limits import Counter, Limit, give_back, look, take
from tests.access.world import client_with_key
from tests.accounts.factories import make_superuser

_numbers = count(1)


def counter(number: int = 10, seconds: float = 60, *, holds: bool = False) -> Counter:
    """Make a counter of its own."""
    return Counter("test", f"subject {next(_numbers)}", Limit(number, seconds, holds))


def allowed_of(parallel: int, counted: Counter) -> int:
    """Ask so many times at once; return how many were let through."""
    barrier = Barrier(parallel)

    def ask(_number: int) -> bool:
        barrier.wait(timeout=30)
        return take(counted).is_allowed

    with ThreadPoolExecutor(parallel) as pool:
        return sum(pool.map(ask, range(parallel)))


@pytest.fixture(autouse=True)
def awake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test rest after the failure that another has provoked."""
    monkeypatch.setattr(limits, "_resting_until", 0.0)


@pytest.fixture
def no_redis(settings: pytest.FixtureRequest) -> Iterator[None]:
    """Take Redis away, as whoever asks for it finds it."""
    settings.REDIS_URL = "redis://127.0.0.1:1/0"  # type: ignore[attr-defined]
    for cached in (limits._client, limits._wire):
        cached.cache_clear()
    yield
    for cached in (limits._client, limits._wire):
        cached.cache_clear()


@pytest.mark.parametrize("_round", range(5))
def test_of_two_hundred_at_once_exactly_ten_are_let_through(redis_url: str, _round: int) -> None:
    assert allowed_of(200, counter(10)) == 10


@pytest.mark.parametrize("_round", range(5))
def test_without_redis_a_process_counts_as_exactly(no_redis: None, _round: int) -> None:
    assert allowed_of(200, counter(10)) == 10


def test_what_is_refused_is_told_how_long_to_wait_and_is_free_after_it(redis_url: str) -> None:
    counted = counter(1, 0.3)
    assert take(counted).is_allowed
    refused = take(counted)
    assert not refused.is_allowed
    assert 0 < refused.wait <= 0.3
    # Redis tells the end of its own window.
    with redis.Redis.from_url(redis_url) as client:
        await_gone(client, counted.key)
    assert take(counted).is_allowed


def await_gone(client: "redis.Redis", key: str) -> None:
    deadline = time.monotonic() + 10
    while client.exists(key):
        assert time.monotonic() < deadline


def test_the_attempt_that_reaches_a_holding_limit_begins_a_new_window(redis_url: str) -> None:
    plain, holding = counter(2, 60), counter(2, 60, holds=True)
    with redis.Redis.from_url(redis_url) as client:
        for counted in (plain, holding):
            take(counted)
            client.pexpire(counted.key, 1000)
            take(counted)
        assert client.pttl(plain.key) <= 1000
        assert client.pttl(holding.key) > 50_000


def test_who_is_refused_by_one_counter_is_not_counted_by_the_others(redis_url: str) -> None:
    full, other = counter(1), counter(1)
    take(full)
    assert not take(other, full).is_allowed
    assert take(other).is_allowed


def test_an_attempt_that_was_none_is_taken_back(redis_url: str) -> None:
    counted = counter(1)
    take(counted)
    give_back(counted)
    give_back(counted)
    assert look(counted).is_allowed
    assert take(counted).is_allowed
    assert not look(counted).is_allowed


def test_after_a_flush_counting_begins_anew_and_does_not_fail(redis_url: str) -> None:
    counted = counter(1)
    take(counted)
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        client.script_flush()
    assert take(counted).is_allowed
    assert not take(counted).is_allowed


def test_a_process_remembers_no_more_subjects_than_it_can_hold(
    no_redis: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_MOST", 100)
    monkeypatch.setattr(limits, "_here", limits._Here())
    for _ in range(500):
        take(counter())
    assert len(limits._here._counts) <= 100


def test_no_subject_can_be_read_in_redis(redis_url: str) -> None:
    take(Counter("test", "anna@example.org", Limit(1, 60)))
    with redis.Redis.from_url(redis_url) as client:
        assert not [key for key in client.scan_iter() if b"anna" in key]


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "203.0.113.9", "127.0.0.1"),
        (1, "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        (2, "198.51.100.1, 203.0.113.9", "198.51.100.1"),
        # Past the proxies, or with nonsense: what the connection says.
        (2, "203.0.113.9", "127.0.0.1"),
        (1, "<script>", "127.0.0.1"),
        (1, "", "127.0.0.1"),
        (1, "::ffff:203.0.113.9", "203.0.113.9"),
    ],
)
def test_a_client_is_where_our_own_proxies_say(
    settings: pytest.FixtureRequest, proxies: int, forwarded: str, expected: str
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies  # type: ignore[attr-defined]
    request = RequestFactory().get("/", headers={"x-forwarded-for": forwarded})
    assert client_address(request) == expected


def test_a_network_of_ipv6_is_one_client() -> None:
    assert limited_address("2001:db8:1:2:3::4") == limited_address("2001:db8:1:2:ffff::1") == "2001:db8:1:2::"
    assert limited_address("203.0.113.9") == "203.0.113.9"


@pytest.mark.django_db
class TestApi:
    """The limit on calls of the API."""

    @pytest.fixture(autouse=True)
    def three_a_minute(self, settings: pytest.FixtureRequest, redis_url: str) -> None:
        settings.API_LIMIT = settings.API_LIMIT_ANONYMOUS = 3  # type: ignore[attr-defined]

    def test_who_asks_too_often_is_told_when_to_come_back(self) -> None:
        client = Client()
        client.force_login(make_superuser())
        answers = [client.get("/api/v1/me/") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert answers[-1].json()["code"] == "throttled"
        assert answers[-1]["Content-Type"] == "application/problem+json"
        assert 0 < int(answers[-1]["Retry-After"]) <= 61

    def test_keys_and_persons_are_counted_apart(self) -> None:
        root = make_superuser()
        browser, program = Client(), client_with_key(root, ["all"])
        browser.force_login(root)
        assert [browser.get("/api/v1/me/").status_code for _ in range(4)][-1] == 429
        assert program.get("/api/v1/me/").status_code == 200

    def test_keys_that_open_nothing_are_counted_by_address(self) -> None:
        stranger = Client(headers={"Authorization": "Bearer artel_nothing"})
        codes = [stranger.get("/api/v1/me/").status_code for _ in range(4)]
        assert codes == [401, 401, 401, 429]

    def test_who_says_nothing_is_counted_by_address(self) -> None:
        codes = [Client().get("/api/v1/me/").status_code for _ in range(4)]
        assert codes == [401, 401, 401, 429]

    def test_a_limit_of_nothing_is_none(self, settings: pytest.FixtureRequest) -> None:
        settings.API_LIMIT = 0  # type: ignore[attr-defined]
        client = Client()
        client.force_login(make_superuser())
        assert {client.get("/api/v1/me/").status_code for _ in range(10)} == {200}
