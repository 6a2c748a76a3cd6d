"""A socket that was opened with an access token ends with it: cut, expired, or its user turned off."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from redis import Redis

from apps.accounts import cuts, services, tokens
from apps.accounts.models import SigningKey, User
from apps.gateway.tickets import redeem_ticket
from tests.accounts.factories import make_superuser
from tests.gateway.sockets import Door, Socket
from tests.jobs.factories import make_job

Claims = dict[str, Any]


def program(user: User, **given: Any) -> tuple[Client, Claims]:
    made = {"client_id": "site", "session_id": "s1", "scope": "all", **given}
    token, claims = tokens.issue_access_token(user_id=user.pk, **made)
    return Client(headers={"Authorization": f"Bearer {token}"}), claims


def open_socket(door: Door, client: Client) -> Socket:
    response = client.post("/api/v1/ws-tickets/")
    assert response.status_code == 201
    return door.open(origin=None, query=f"?ticket={response.json()['ticket']}")


def turn_off(user: User, _claims: Claims) -> None:
    services.deactivate_user(user.pk, actor=make_superuser())


def leak(user: User, _claims: Claims) -> None:
    services.revoke_key(SigningKey.objects.get(state="ACTIVE").pk, actor=make_superuser())


ENDS: dict[str, Callable[[User, Claims], None]] = {
    "token": lambda user, claims: cuts.cut_token(claims["jti"], claims["exp"]),
    "user": lambda user, claims: cuts.cut_user(user.pk),
    "session": lambda user, claims: cuts.cut_session("s1"),
    "client": lambda user, claims: cuts.cut_client("site"),
    "turned off": turn_off,
    "leaked key": leak,
}


@pytest.mark.parametrize("what", ENDS)
def test_a_socket_ends_within_a_second_of_the_cut(door: Door, redis_url: str, what: str) -> None:
    job = make_job()
    client, claims = program(job.owner)
    socket = open_socket(door, client)
    socket.hello(**{f"job_{job.pk}": {}})
    assert socket.next_of("reset")["state"]["title"] == "Counting"
    other, _claims = program(make_superuser(), client_id="other", session_id="s2")
    stays = open_socket(door, other)
    stays.hello()
    ENDS[what](job.owner, claims)
    # What Redis knew is gone before the socket asks.
    with Redis.from_url(redis_url) as wire:
        wire.flushall()
    began = time.monotonic()
    assert socket.await_close(within=5) == 4401
    assert time.monotonic() - began < 1.0
    if what != "leaked key":
        assert stays.next_of("heartbeat", within=5)


def test_a_poke_that_was_lost_costs_a_heartbeat(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    job = make_job()
    client, claims = program(job.owner)
    socket = open_socket(door, client)
    socket.hello()
    socket.next_of("heartbeat")
    monkeypatch.setattr(cuts, "poke_stream", lambda name: None)
    cuts.cut_token(claims["jti"], claims["exp"])
    assert socket.await_close(within=5) == 4401


def test_a_socket_ends_when_its_token_expires(door: Door) -> None:
    job = make_job()
    client, claims = program(job.owner, lifetime=3)
    socket = open_socket(door, client)
    socket.hello(**{f"job_{job.pk}": {}})
    assert socket.await_close(within=10) == 4401
    assert 0 <= time.time() - claims["exp"] < 1.0


def test_a_ticket_lets_in_no_further_than_the_token(door: Door) -> None:
    job = make_job()
    client, _claims = program(job.owner, scope="openid")
    socket = open_socket(door, client)
    socket.hello(**{f"job_{job.pk}": {}})
    assert socket.next_of("welcome")["denied"] == [f"job:{job.pk}"]
    ticket = client.post("/api/v1/ws-tickets/").json()["ticket"]
    cuts.cut_session("s1")
    holder = redeem_ticket(ticket)
    assert holder is not None
    assert holder.user() is None, "what ended between ticket and socket opens nothing"


def test_a_stream_is_told_over_http_to_a_token(door: Door) -> None:
    job = make_job()
    client, claims = program(job.owner)
    path = f"/api/v1/streams/job:{job.pk}/"
    assert client.get(path).json()["head"] == 1
    cuts.cut_token(claims["jti"], claims["exp"])
    assert client.get(path).status_code == 401
