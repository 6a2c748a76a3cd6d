"""A code works once, for as long as it should, and three wrong ones end it."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from http.cookies import SimpleCookie
from threading import Barrier
from typing import Any

import pytest
import redis
import requests
from allauth.core.internal.cryptokit import normalize_user_code
from django.test import Client

from apps.accounts import codes
from apps.accounts.codes import Verdict, check_code, issue_code, take_code
from apps.accounts.models import User
from apps.common import limits
from tests.accounts.factories import PASSWORD, make_user
from tests.accounts.letters import code_in, delivered

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def empty_redis(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep no codes of other tests."""
    monkeypatch.setattr(limits, "_resting_until", 0.0)


def at_once(number: int, call: Any) -> list[Any]:
    barrier = Barrier(number)

    def run(_n: int) -> Any:
        barrier.wait(timeout=60)
        return call()

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(run, range(number)))


def test_one_code_used_32_times_at_once_works_once_in_fifty_rounds() -> None:
    for _round in range(50):
        handle = issue_code(seconds=60)
        said = at_once(32, lambda handle=handle: take_code(handle, handle.plain))
        assert sorted(said) == [Verdict.RIGHT, *[Verdict.USED] * 31]


def test_wrong_codes_at_once_are_counted_and_end_the_right_one() -> None:
    for _round in range(10):
        handle = issue_code(seconds=60)
        said = at_once(16, lambda handle=handle: take_code(handle, "WRONG"))
        assert sorted(said) == [*[Verdict.GONE] * 13, *[Verdict.WRONG] * 3]
        assert take_code(handle, handle.plain) is Verdict.GONE


def test_looking_at_a_code_does_not_use_it_up_but_counts() -> None:
    handle = issue_code(seconds=60)
    assert check_code(handle, handle.plain) is Verdict.RIGHT
    assert [check_code(handle, "WRONG") for _ in range(3)] == [Verdict.WRONG] * 3
    assert check_code(handle, handle.plain) is Verdict.GONE


def test_a_code_is_taken_as_people_type_it() -> None:
    handle = issue_code(seconds=60)
    assert take_code(handle, f" {handle.plain.lower().replace('-', ' ')} ") is Verdict.RIGHT


def test_a_code_dies_with_its_time_and_with_redis(redis_url: str) -> None:
    handle, lost = issue_code(seconds=60), issue_code(seconds=60)
    with redis.Redis.from_url(redis_url) as client:
        assert 50_000 < client.pttl(codes._key(handle)) <= 60_000
        client.pexpire(codes._key(handle), 1)
        while client.exists(codes._key(handle)):
            pass
        assert take_code(handle, handle.plain) is Verdict.GONE
        client.flushall()
    assert take_code(lost, lost.plain) is Verdict.GONE


def test_the_code_itself_is_kept_nowhere(redis_url: str) -> None:
    user, client = make_user(password=PASSWORD), Client()
    client.post("/accounts/login/code/", {"email": user.email})
    code = code_in(delivered()[-1])
    plain = normalize_user_code(code)
    with redis.Redis.from_url(redis_url) as kept:
        for key in kept.scan_iter():
            value = kept.dump(key) or b""
            assert code.encode() not in value + key
            assert plain.encode() not in (value + key).lower()
    assert code not in str(dict(client.session))
    handle = issue_code(seconds=60)
    assert handle.plain.encode() not in pickle.dumps(handle)


def asked(client: Client, user: User) -> tuple[str, str]:
    """Ask for a code; return where it is to be typed, and the code."""
    answer = client.post("/accounts/login/code/", {"email": user.email})
    return answer["Location"], code_in(delivered()[-1])


def test_a_code_from_a_letter_logs_in_once() -> None:
    user, client = make_user(), Client()
    place, code = asked(client, user)
    before = SimpleCookie(client.cookies.output(header="", sep=";"))
    assert client.post(place, {"code": code})["Location"] == "/admin/"
    assert client.session["_auth_user_id"] == str(user.pk)
    again = Client()
    again.cookies = before
    again.post(place, {"code": code})
    assert "_auth_user_id" not in again.session


def test_three_wrong_codes_end_the_right_one() -> None:
    user, client = make_user(), Client()
    place, code = asked(client, user)
    said = [client.post(place, {"code": "WRONG"}) for _ in range(3)]
    assert "wrong, was used already, or is too old" in said[0].content.decode()
    client.post(place, {"code": code})
    assert "_auth_user_id" not in client.session


def test_after_a_flush_a_code_fails_politely_and_the_next_one_works(redis_url: str) -> None:
    user, client = make_user(), Client()
    place, code = asked(client, user)
    with redis.Redis.from_url(redis_url) as kept:
        kept.flushall()
    answer = client.post(place, {"code": code})
    assert answer.status_code == 200
    assert "too old" in answer.content.decode()
    client.post(place, {"action": "resend"})
    client.post(place, {"code": code_in(delivered()[-1])})
    assert client.session["_auth_user_id"] == str(user.pk)


def test_without_redis_no_code_is_promised(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    limits._client.cache_clear()
    limits._wire.cache_clear()
    try:
        answer = Client().post("/accounts/login/code/", {"email": make_user().email})
    finally:
        limits._client.cache_clear()
        limits._wire.cache_clear()
    assert answer.status_code == 503
    assert "cannot send codes" in answer.content.decode()


def test_the_code_for_a_new_password_is_not_wasted_on_a_weak_one_over_rest() -> None:
    user, client = make_user(password=PASSWORD), Client()
    client.post("/_allauth/browser/v1/auth/password/request", {"email": user.email}, "application/json")
    code = code_in(delivered()[-1])
    path = "/_allauth/browser/v1/auth/password/reset"
    assert client.get(path, headers={"x-password-reset-key": code}).status_code == 200
    weak = client.post(path, {"key": code, "password": "short"}, "application/json")
    assert weak.status_code == 400
    assert {error["param"] for error in weak.json()["errors"]} == {"password"}
    client.post(path, {"key": code, "password": "another good one"}, "application/json")
    user.refresh_from_db()
    assert user.check_password("another good one")


@pytest.mark.django_db(transaction=True)
def test_one_code_brought_32_times_at_once_to_a_server_logs_in_once(artel_server: Any) -> None:
    user = make_user(password=PASSWORD)
    path = "/_allauth/app/v1/auth/code"
    for _round in range(3):
        with requests.Session() as client:
            said = client.post(f"{artel_server.url}{path}/request", json={"email": user.email})
            token = said.json()["meta"]["session_token"]
            code = code_in(delivered()[-1])

            def bring(client: requests.Session = client, token: str = token, code: str = code) -> int:
                answer = client.post(
                    f"{artel_server.url}{path}/confirm",
                    json={"code": code},
                    headers={"X-Session-Token": token},
                )
                return answer.status_code

            statuses = at_once(32, bring)
        assert statuses.count(200) == 1
        assert max(statuses) < 500
