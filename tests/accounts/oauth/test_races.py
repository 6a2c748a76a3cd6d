"""One code, one refresh token, many at once: exactly one gets tokens, and nobody a fault."""

import json
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from apps.accounts import services
from apps.accounts.models import RefreshToken, TokenFamily
from apps.accounts.services import Login
from tests.accounts.factories import make_user
from tests.accounts.oauth import relying as rp
from tests.accounts.oauth.relying import FORM, REDIRECT, Relying, bearer, register
from tests.support.processes import Server

MANY, ROUNDS = 32, 50
SCOPES = ["openid", "offline_access", "read"]


class Crowd:
    """As many clients as there are, who all ask at the same moment."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.pool = ThreadPoolExecutor(size)

    def ask(self, question: Callable[[], tuple[int, dict[str, Any]]]) -> list[tuple[int, dict[str, Any]]]:
        barrier = threading.Barrier(self.size)

        def one() -> tuple[int, dict[str, Any]]:
            barrier.wait()
            try:
                return question()
            finally:
                connections.close_all()

        return [asked.result() for asked in [self.pool.submit(one) for _n in range(self.size)]]


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    crowd = Crowd(MANY)
    with crowd.pool:
        yield crowd


def issue(calendar: Relying, number: int) -> str:
    """Keep a code as if somebody had just agreed."""
    code = f"code {number}"
    services.issue_code(
        code,
        application=calendar.application,
        actor=make_user(),
        redirect_uri=REDIRECT,
        scopes=SCOPES,
        code_challenge=rp.challenge_of(calendar.verifier),
        nonce="",
        login=Login(),
    )
    return code


def over_http(server: Server, calendar: Relying, asked: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """Ask the running server for tokens."""
    request = urllib.request.Request(f"{server.url}{rp.TOKEN}", urlencode(asked).encode())
    request.add_header("Content-Type", FORM)
    request.add_header("Authorization", rp.basic(calendar.client_id, calendar.secret))
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.load(refusal)


def winner_of(answers: list[tuple[int, dict[str, Any]]]) -> dict[str, Any]:
    """Return what the only one got who got anything; the others are refused, none with a fault."""
    assert Counter(status for status, _body in answers) == {200: 1, 400: MANY - 1}
    assert {body["error"] for status, body in answers if status == 400} == {"invalid_grant"}
    return next(body for status, body in answers if status == 200)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_code_is_swapped_once_by_many_at_once(artel_server: Server, crowd: Crowd) -> None:
    calendar = register()
    for number in range(ROUNDS):
        code = issue(calendar, number)
        asked = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT,
            "code_verifier": calendar.verifier,
        }
        body = winner_of(crowd.ask(partial(over_http, artel_server, calendar, asked)))
        # Whoever came second may have stolen it: what the first one got is worth nothing.
        renewed = over_http(
            artel_server, calendar, {"grant_type": "refresh_token", "refresh_token": body["refresh_token"]}
        )
        assert renewed == (400, {"error": "invalid_grant"})
    assert not TokenFamily.objects.filter(revoked_at=None).exists()
    assert TokenFamily.objects.count() == ROUNDS


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_refresh_token_is_swapped_once_by_many_at_once(artel_server: Server, crowd: Crowd) -> None:
    calendar = register()
    for number in range(ROUNDS):
        body = calendar.swap(issue(calendar, number)).json()
        asked = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"]}
        winner = winner_of(crowd.ask(partial(over_http, artel_server, calendar, asked)))
        # The honest application, which has renewed in many windows, goes on.
        status, renewed = over_http(
            artel_server, calendar, asked | {"refresh_token": winner["refresh_token"]}
        )
        assert status == 200
        # Later, the same is theft.
        RefreshToken.objects.exclude(used_at=None).update(used_at=timezone.now() - timedelta(minutes=1))
        assert over_http(artel_server, calendar, asked)[0] == 400
        last = asked | {"refresh_token": renewed["refresh_token"]}
        assert over_http(artel_server, calendar, last) == (400, {"error": "invalid_grant"})
        assert bearer(renewed["access_token"]).get("/api/v1/me/").status_code == 401
    assert not TokenFamily.objects.filter(revoked_at=None).exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("size", [2, 8])
def test_a_device_that_was_let_in_gets_tokens_once(size: int) -> None:
    television = rp.register_device(scopes=["openid", "offline_access"])
    device, code = services.start_device(television.application, ["openid", "offline_access"])
    services.answer_device(device.user_code, is_approved=True, login=Login(), actor=make_user())
    asked = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": code,
        "client_id": television.client_id,
    }

    def question() -> tuple[int, dict[str, Any]]:
        answer = Client(raise_request_exception=False).post(rp.TOKEN, urlencode(asked), content_type=FORM)
        return answer.status_code, answer.json()

    crowd = Crowd(size)
    with crowd.pool:
        answers = crowd.ask(question)
    assert Counter(status for status, _body in answers) == {200: 1, 400: size - 1}
    assert TokenFamily.objects.count() == 1
