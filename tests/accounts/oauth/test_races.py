"""One code, one refresh token, many at once: exactly one gets tokens, and nobody a fault."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from apps.accounts import services
from apps.accounts.models import RefreshToken, TokenFamily
from apps.accounts.services import Login
from tests.accounts.factories import make_user
from tests.accounts.oauth import relying as rp
from tests.accounts.oauth.relying import REDIRECT, Relying, bearer, register

MANY, ROUNDS = 32, 50
SCOPES = ["openid", "offline_access", "read"]


Answer = tuple[int, dict[str, Any]]


class Crowd:
    """As many clients as there are, who all ask at the same moment, each over a connection of its own."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.pool = ThreadPoolExecutor(size)

    def ask(self, question: Callable[[], Any]) -> list[Any]:
        barrier = threading.Barrier(self.size)

        def one() -> Any:
            barrier.wait()
            return question()

        return [asked.result() for asked in [self.pool.submit(one) for _n in range(self.size)]]

    def leave(self) -> None:
        self.ask(connections.close_all)
        self.pool.shutdown()


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    crowd = Crowd(MANY)
    yield crowd
    crowd.leave()


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


def ask(relying: Relying, asked: dict[str, str]) -> Answer:
    """Ask for tokens."""
    answer = relying.ask(rp.TOKEN, **asked)
    return answer.status_code, answer.json()


def winner_of(answers: list[Answer]) -> dict[str, Any]:
    """Return what the only one got who got anything; the others are refused, none with a fault."""
    assert Counter(status for status, _body in answers) == {200: 1, 400: MANY - 1}
    assert {body["error"] for status, body in answers if status == 400} == {"invalid_grant"}
    return next(body for status, body in answers if status == 200)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.django_db(transaction=True)
def test_a_code_is_swapped_once_by_many_at_once(crowd: Crowd) -> None:
    calendar = register()
    for number in range(ROUNDS):
        code = issue(calendar, number)
        asked = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT,
            "code_verifier": calendar.verifier,
        }
        body = winner_of(crowd.ask(partial(ask, calendar, asked)))
        # Whoever came second may have stolen it: what the first one got is worth nothing.
        renewed = ask(calendar, {"grant_type": "refresh_token", "refresh_token": body["refresh_token"]})
        assert renewed == (400, {"error": "invalid_grant"})
    assert not TokenFamily.objects.filter(revoked_at=None).exists()
    assert TokenFamily.objects.count() == ROUNDS


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.django_db(transaction=True)
def test_a_refresh_token_is_swapped_once_by_many_at_once(crowd: Crowd, settings: Any) -> None:
    # So many at once take a busy machine longer than the two windows that this is meant for.
    settings.OAUTH_REFRESH_RACE_SECONDS = 30
    calendar = register()
    for number in range(ROUNDS):
        body = calendar.swap(issue(calendar, number)).json()
        asked = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"]}
        winner = winner_of(crowd.ask(partial(ask, calendar, asked)))
        # The honest application, which has renewed in many windows, goes on.
        status, renewed = ask(calendar, asked | {"refresh_token": winner["refresh_token"]})
        assert status == 200
        # Later, the same is theft.
        RefreshToken.objects.exclude(used_at=None).update(used_at=timezone.now() - timedelta(minutes=1))
        assert ask(calendar, asked)[0] == 400
        last = asked | {"refresh_token": renewed["refresh_token"]}
        assert ask(calendar, last) == (400, {"error": "invalid_grant"})
        assert bearer(renewed["access_token"]).get("/api/v1/me/").status_code == 401
    assert not TokenFamily.objects.filter(revoked_at=None).exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("size", [2, 8])
def test_a_device_that_was_let_in_gets_tokens_once(size: int) -> None:
    television = rp.register_device(scopes=["openid", "offline_access"])
    device, code = services.start_device(television.application, ["openid", "offline_access"])
    services.answer_device(device.user_code, is_approved=True, login=Login(), actor=make_user())
    asked = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": code}
    crowd = Crowd(size)
    answers = crowd.ask(partial(ask, television, asked))
    crowd.leave()
    assert Counter(status for status, _body in answers) == {200: 1, 400: size - 1}
    assert TokenFamily.objects.count() == 1
