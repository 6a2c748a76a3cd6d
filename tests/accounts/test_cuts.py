"""Access tokens that end before they expire: within a second, whatever becomes of Redis."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone
from redis import Redis

from apps.accounts import cuts, services, tasks, tokens
from apps.accounts.models import SigningKey, TokenCut, User
from tests.accounts.factories import (
    PASSWORD,
    join,
    make_member,
    make_role,
    make_superuser,
    make_team,
    make_user,
)

pytestmark = pytest.mark.django_db(transaction=True)
ME = "/api/v1/me/"
DEALS = "/api/v1/crm/deals/"


@pytest.fixture
def seller(redis_url: str) -> User:
    return make_member(make_team(), "salesperson", password=PASSWORD)


@pytest.fixture(params=["redis", "flushed", "away"])
def weather(request: Any, redis_url: str, settings: Any, monkeypatch: Any) -> Iterator[Callable[[], None]]:
    """What becomes of Redis after a cut: nothing, emptied, or gone before it."""
    cuts._client.cache_clear()
    monkeypatch.setattr(cuts, "_resting_until", 0.0)
    if request.param == "away":
        settings.REDIS_URL = "redis://127.0.0.1:1/0"

    def after() -> None:
        if request.param == "flushed":
            with Redis.from_url(redis_url) as client:
                client.flushall()

    yield after
    cuts._client.cache_clear()


def issue(user: User, scope: str = "all", **given: Any) -> tuple[str, dict[str, Any]]:
    made = {"client_id": "site", "session_id": "s1", **given}
    return tokens.issue_access_token(user_id=user.pk, scope=scope, **made)


def bearer(token: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {token}"})


# A second where the machine is idle; by itself, a token would open for minutes.
SOON = 20.0


def ends_soon(client: Client) -> bool:
    ended_by = time.monotonic() + SOON
    while client.get(ME).status_code == 200:
        if time.monotonic() > ended_by:
            return False
    return True


def turn_off(user: User, _claims: dict[str, Any]) -> None:
    services.deactivate_user(user.pk, actor=make_superuser())


def new_password(user: User, _claims: dict[str, Any]) -> None:
    services.set_password(user.pk, "another long passphrase", actor=make_superuser())


def leak(user: User, _claims: dict[str, Any]) -> None:
    services.revoke_key(SigningKey.objects.get(state="ACTIVE").pk, actor=make_superuser())


ENDS: dict[str, Callable[[User, dict[str, Any]], None]] = {
    "token": lambda user, claims: cuts.cut_token(claims["jti"], claims["exp"]),
    "user": lambda user, claims: cuts.cut_user(user.pk),
    "session": lambda user, claims: cuts.cut_session("s1"),
    "client": lambda user, claims: cuts.cut_client("site"),
    "turned off": turn_off,
    "new password": new_password,
    "leaked key": leak,
}


@pytest.mark.parametrize("what", ENDS)
def test_what_is_cut_ends_soon(seller: User, weather: Callable[[], None], what: str) -> None:
    token, claims = issue(seller)
    reading, writing = bearer(token), bearer(token)
    assert reading.get(ME).status_code == 200
    ENDS[what](seller, claims)
    weather()
    # Writing asks PostgreSQL each time.
    assert writing.patch(ME, {"name": "x"}, "application/json").status_code == 401
    assert ends_soon(reading)


@pytest.mark.parametrize("what", sorted(ENDS.keys() - {"turned off", "leaked key"}))
def test_with_redis_the_next_request_is_refused(seller: User, what: str, settings: Any) -> None:
    settings.API_KEY_TRUST_SECONDS = 60
    token, claims = issue(seller)
    client = bearer(token)
    assert client.get(ME).status_code == 200
    ENDS[what](seller, claims)
    refused = client.get(ME)
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")


@pytest.mark.parametrize(
    ("what", "other"),
    [
        ("token", {}),
        ("user", {"user": True}),
        ("session", {"session_id": "s2"}),
        ("session", {"session_id": ""}),
        ("client", {"client_id": "other"}),
    ],
)
def test_a_cut_is_about_nobody_else(seller: User, what: str, other: dict[str, Any]) -> None:
    _token, claims = issue(seller)
    owner = make_member(make_team(), "salesperson") if other.pop("user", False) else seller
    client = bearer(issue(owner, **other)[0])
    ENDS[what](seller, claims)
    assert client.get(ME).status_code == 200
    assert client.patch(ME, {"name": "x"}, "application/json").status_code == 200


def test_after_a_cut_a_person_gets_new_tokens_at_once(seller: User) -> None:
    old = bearer(issue(seller)[0])
    cuts.cut_user(seller.pk)
    fresh = bearer(issue(seller)[0])
    assert (old.get(ME).status_code, fresh.get(ME).status_code) == (401, 200)
    cuts.cut_user(seller.pk)
    assert fresh.get(ME).status_code == 401
    assert bearer(issue(seller)[0]).get(ME).status_code == 200


def test_a_client_gets_new_tokens_after_two_seconds(seller: User, monkeypatch: Any) -> None:
    cuts.cut_client("site")
    assert bearer(issue(seller)[0]).get(ME).status_code == 401
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3)
    assert bearer(issue(seller)[0]).get(ME).status_code == 200


def test_who_is_turned_on_again_gets_new_tokens_and_no_old_ones(seller: User, redis_url: str) -> None:
    old, root = bearer(issue(seller)[0]), make_superuser()
    services.deactivate_user(seller.pk, actor=root)
    services.activate_user(seller.pk, actor=root)
    with Redis.from_url(redis_url) as client:
        client.flushall()
    assert ends_soon(old)
    assert bearer(issue(seller)[0]).get(ME).status_code == 200


def test_a_changed_role_is_felt_soon_and_ends_no_token(seller: User) -> None:
    client, root = bearer(issue(seller)[0]), make_superuser()
    assert client.get(DEALS).status_code == 200
    services.revoke_membership(seller.memberships.get().pk, actor=root)
    ended_by = time.monotonic() + SOON
    while client.get(DEALS).status_code == 200:
        assert time.monotonic() < ended_by, "still seen"
    assert client.get(ME).status_code == 200
    role = make_role({"crm.view_deal": "OWN"})
    join(seller, make_team(), role)
    ended_by = time.monotonic() + SOON
    while client.get(DEALS).status_code == 403:
        assert time.monotonic() < ended_by, "still refused"
    services.set_role_grants(role.pk, {}, actor=root)
    assert client.patch(f"{DEALS}1/", {}, "application/json").status_code == 403


def test_logging_out_ends_the_tokens_of_that_session(seller: User) -> None:
    browser = Client()
    browser.force_login(seller)
    key = browser.session.session_key or ""
    here, elsewhere = bearer(issue(seller, session_id=key)[0]), bearer(issue(seller, session_id="other")[0])
    assert here.get(ME).status_code == 200
    browser.post("/accounts/logout/")
    assert (here.get(ME).status_code, elsewhere.get(ME).status_code) == (401, 200)


def test_a_new_password_of_ones_own_ends_tokens(seller: User) -> None:
    browser = Client()
    assert browser.login(email=seller.email, password=PASSWORD)
    client = bearer(issue(seller)[0])
    assert client.get(ME).status_code == 200
    fresh = "quite another passphrase"
    answer = browser.post(
        "/accounts/password/change/", {"oldpassword": PASSWORD, "password1": fresh, "password2": fresh}
    )
    assert answer.status_code == 302
    assert client.get(ME).status_code == 401


def test_a_token_is_read_without_a_statement(
    seller: User, django_assert_num_queries: Any, settings: Any
) -> None:
    settings.API_KEY_TRUST_SECONDS = 60
    token, _claims = issue(seller)
    services.authenticate_token(token, is_reading=True)
    with django_assert_num_queries(0):
        for _round in range(50):
            user = services.authenticate_token(token, is_reading=True)
    assert (user.pk, user.email) == (seller.pk, seller.email)
    # Half a second later the keys are read again, and when writing the user is, in one statement each.
    with django_assert_num_queries(1):
        services.authenticate_token(token)


def test_one_round_trip_asks_redis_for_all(seller: User, redis_url: str) -> None:
    _token, claims = issue(seller)
    assert cuts.is_cut(claims) is False
    with Redis.from_url(redis_url) as client:
        before = client.info("commandstats")
        for _round in range(10):
            cuts.is_cut(claims)
        after = client.info("commandstats")
    calls = {
        name: after[name]["calls"] - before.get(name, {"calls": 0})["calls"]
        for name in after
        if name != "cmdstat_info"
    }
    assert {name: count for name, count in calls.items() if count} == {"cmdstat_mget": 10}


def test_a_redis_that_is_away_is_not_asked_by_each_request(
    seller: User, settings: Any, monkeypatch: Any
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    cuts._client.cache_clear()
    monkeypatch.setattr(cuts, "_resting_until", 0.0)
    asked = []
    real = cuts._client()

    def mget(keys: list[str]) -> Any:
        asked.append(keys)
        return Redis.mget(real, keys)

    monkeypatch.setattr(real, "mget", mget)
    _token, claims = issue(seller)
    assert [cuts.is_cut(claims) for _round in range(20)] == [False] * 20
    assert len(asked) == 1
    cuts._client.cache_clear()


def test_cuts_go_when_what_they_are_about_has_expired(seller: User, redis_url: str) -> None:
    _token, claims = issue(seller)
    cuts.cut_token(claims["jti"], claims["exp"])
    cuts.cut_user(seller.pk)
    with Redis.from_url(redis_url) as client:
        (name,) = client.keys("artel:cut:token:*")
        assert 0 < client.ttl(name) <= 302
        (name,) = client.keys("artel:cut:user:*")
        assert 3500 < client.ttl(name) <= 3602
    assert cuts.forget_old_cuts() == 0
    TokenCut.objects.filter(subject__startswith="token:").update(until=timezone.now() - timedelta(seconds=1))
    assert tasks.expire_token_cuts() == 1
    assert [cut.subject for cut in TokenCut.objects.all()] == [f"user:{seller.pk}"]


def test_an_earlier_cut_does_not_take_a_later_one_back(seller: User) -> None:
    cuts.cut_user(seller.pk)
    (first,) = TokenCut.objects.values_list("below", flat=True)
    for _round in range(3):
        cuts.cut_user(seller.pk)
    (cut,) = TokenCut.objects.all()
    assert cut.below == first + 3
    cuts._cut(cut.subject, first, timezone.now())
    (kept,) = TokenCut.objects.all()
    assert (kept.below, kept.until) == (cut.below, cut.until)


def test_what_is_rolled_back_cuts_nothing(seller: User) -> None:
    token, claims = issue(seller)
    with transaction.atomic():
        cuts.cut_token(claims["jti"], claims["exp"])
        cuts.cut_user(seller.pk)
        transaction.set_rollback(True)
    assert bearer(token).get(ME).status_code == 200
    assert not TokenCut.objects.exists()


def test_cutting_nobody_is_no_error(redis_url: str) -> None:
    cuts.cut_user(0)
    assert not TokenCut.objects.exists()
    assert make_user().perm_version == 1
