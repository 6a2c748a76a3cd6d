"""
What it costs to know who is asking, against what django-oauth-toolkit does as it comes.

`auth-token`: an access token whose signature is checked anew, against the toolkit's look-up of an opaque one with its
user. Beside it, the processor's time of one check: cold, of a token seen before, and whole, with Redis asked for cuts and
the user at hand. `auth-secret`: the secret of a client, which the toolkit keeps as Django keeps passwords, against the
hash that is enough for 256 random bits. `auth-endpoint`: that secret alone, as the toolkit checks it, against a whole
request to our token endpoint, with what it writes: stock takes longer still, for it does the rest besides.
"""

import secrets
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

from tests.bench.harness import Bench, Budget, at_least, own_services, run, timed

TOKENS = 400
SECRETS = 1
# As many as a program asks for in a row: the first after a pause pays for cold caches alone.
REQUESTS = 10
# A single check is timed in so many batches, and the least of their means told: neighbors only ever add to it.
BATCHES = 15


def microseconds(work: Callable[[Any], object], each: Iterable[Any], before: Callable[[], object]) -> float:
    """Return the processor's time of one piece of work."""
    given = list(each)
    means = []
    for _batch in range(BATCHES):
        before()
        started_at = time.process_time()
        for one in given:
            work(one)
        means.append((time.process_time() - started_at) / len(given))
    return min(means) * 1e6


def token_bench() -> Bench:
    from django.conf import settings
    from django.utils import timezone
    from oauth2_provider.models import get_access_token_model
    from oauth2_provider.oauth2_validators import OAuth2Validator

    from apps.accounts import services, tokens
    from apps.accounts.models import User

    users = User.objects.bulk_create(
        User(name=f"User {number}", email=f"user{number}@example.org", password="!") for number in range(20)
    )
    ours = [
        tokens.issue_access_token(
            user_id=users[number % 20].pk, client_id="site", scope="read", session_id="s", lifetime=3600
        )[0]
        for number in range(TOKENS)
    ]
    opaque = [secrets.token_urlsafe(32) for _token in ours]
    for number, token in enumerate(opaque):
        get_access_token_model().objects.create(
            user=users[number % 20], token=token, scope="read", expires=timezone.now() + timedelta(hours=1)
        )
    validator = OAuth2Validator()

    def look_up(token: str) -> Any:
        request = SimpleNamespace(uri="http://127.0.0.1:8000/api/v1/me/")
        assert validator.validate_bearer_token(token, ["read"], request)
        return request.user

    def check(token: str) -> dict[str, Any]:
        return tokens.verify(token, typ=tokens.ACCESS_TOKEN, audience=audience)

    def whole(token: str) -> User:
        return services.authenticate_token(token, is_reading=True)

    def same_work() -> None:
        for mine, other in zip(ours, opaque, strict=True):
            assert check(mine)["sub"] == str(look_up(other).pk) == str(whole(mine).pk)

    audience = settings.ACCESS_TOKEN_AUDIENCE
    forget = tokens.forget_seen
    return Bench(
        name="auth-token",
        claim=f"{TOKENS} access tokens checked anew, against the toolkit's look-up of opaque ones",
        limit=timed(lambda: [look_up(token) for token in opaque]),
        ours=timed(lambda: (forget(), [check(token) for token in ours])),
        goal=at_least(10),
        same_work=same_work,
        budgets=[
            Budget("cold", lambda: microseconds(check, ours, forget), 150, "µs"),
            Budget("seen before", lambda: microseconds(check, ours, lambda: None), 10, "µs"),
            Budget("whole, seen before", lambda: microseconds(whole, ours[:20], lambda: None), 400, "µs"),
        ],
    )


def secret_bench() -> Bench:
    from django.contrib.auth.hashers import check_password, make_password
    from django.utils.crypto import constant_time_compare

    from apps.accounts.digests import digest

    given = [secrets.token_urlsafe(32) for _number in range(SECRETS)]
    slow = [make_password(secret, hasher="pbkdf2_sha256") for secret in given]
    fast = [digest(secret) for secret in given]

    def stock() -> list[bool]:
        return [check_password(*pair) for pair in zip(given, slow, strict=True)]

    def ours() -> list[bool]:
        return [constant_time_compare(digest(secret), kept) for secret, kept in zip(given, fast, strict=True)]

    def same_work() -> None:
        assert stock() == ours() == [True] * SECRETS
        assert not check_password("x", slow[0])
        assert not constant_time_compare(digest("x"), fast[0])

    return Bench(
        name="auth-secret",
        claim="the secret of a client checked, against Django's PBKDF2",
        limit=timed(stock),
        ours=timed(ours),
        goal=at_least(20),
        same_work=same_work,
    )


def endpoint_bench() -> Bench:
    from django.contrib.auth.hashers import check_password, make_password
    from django.test import Client

    from apps.accounts import services
    from apps.accounts.models import Application, Role, Team, User

    team = Team.objects.create(name="Robots")
    program, secret = services.register_application(
        actor=User.objects.system(),
        grant=Application.Grant.PROGRAM,
        role_id=Role.objects.get(key="salesperson").pk,
        name="Robot",
        team_id=team.pk,
        scopes=["read"],
    )
    slow = make_password(secret, hasher="pbkdf2_sha256")
    body = {"grant_type": "client_credentials", "client_id": program.client_id, "client_secret": secret}

    client = Client(headers={"Host": "localhost"})

    def ask(**changed: str) -> Any:
        return client.post("/o/token/", urlencode(body | changed), "application/x-www-form-urlencoded")

    def stock() -> None:
        for _request in range(REQUESTS):
            assert check_password(secret, slow)

    def ours() -> None:
        for _request in range(REQUESTS):
            answer = ask()
            assert answer.status_code == 200, answer.content

    def same_work() -> None:
        token = ask().json()["access_token"]
        assert services.authenticate_token(token) == program.service_user
        assert not check_password("wrong", slow)
        assert ask(client_secret="wrong").status_code == 401

    return Bench(
        name="auth-endpoint",
        claim=f"{REQUESTS} tokens given to a confidential client, against Django's PBKDF2 of its secret alone",
        limit=timed(stock),
        ours=timed(ours),
        goal=at_least(20),
        same_work=same_work,
    )


if __name__ == "__main__":
    with own_services(settings="tests.bench.stock.settings"):
        raise SystemExit(max(run(bench()) for bench in (token_bench, secret_bench, endpoint_bench)))
