"""The keys that sign tokens: one after the other, without a moment in which nothing is signed or believed."""

import io
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.core.checks import Error
from django.core.exceptions import ImproperlyConfigured, PermissionDenied, ValidationError
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from apps.accounts import checks, keyring, services, tasks, tokens
from apps.accounts.models import AuthEvent, SigningKey, User
from apps.accounts.tokens import InvalidToken
from tests.accounts.factories import make_member, make_superuser, make_team, make_user

State = SigningKey.State


@pytest.fixture
def root(db: None) -> User:
    return make_superuser()


def token_of(user: User) -> str:
    return tokens.issue_access_token(user_id=user.pk, client_id="site", scope="all", session_id="")[0]


def kid_of(token: str) -> str:
    return tokens.read(token, typ="at+jwt")[0]


def states() -> dict[str, str]:
    return dict(SigningKey.objects.values_list("kid", "state"))


def key_in(state: str) -> SigningKey:
    return SigningKey.objects.get(state=state)


def backdate(key: SigningKey, **days: float) -> None:
    """Let what happened to a key have happened so many days ago."""
    times = {name: timezone.now() - timedelta(days=ago) for name, ago in days.items()}
    SigningKey.objects.filter(pk=key.pk).update(**times)


def test_the_first_key_needs_nobody(root: User) -> None:
    assert not SigningKey.objects.exists()
    assert tokens.verify(token_of(root), typ="at+jwt")
    assert sorted(states().values()) == ["ACTIVE", "NEXT"]


def test_a_key_passes_through_its_life(root: User, settings: Any) -> None:
    first = token_of(root)
    one, two = key_in(State.ACTIVE), key_in(State.NEXT)
    assert services.rotate_keys(actor=root) == []
    backdate(one, activated_at=settings.SIGNING_KEY_DAYS + 1)
    assert services.rotate_keys(actor=root) == [], "the next one has not been published for long enough"
    backdate(two, published_at=1)
    changed = services.rotate_keys(actor=root)
    assert [(key.kid, key.state) for key in changed][:2] == [(one.kid, "PASSIVE"), (two.kid, "ACTIVE")]
    assert changed[2].state == "NEXT"
    second = token_of(root)
    assert (kid_of(first), kid_of(second)) == (one.kid, two.kid)
    assert {key["kid"] for key in tokens.public_jwks()["keys"]} == {one.kid, two.kid, changed[2].kid}
    backdate(one, passive_at=settings.SIGNING_KEY_KEPT_DAYS - 1)
    assert services.rotate_keys(actor=root) == []
    backdate(one, passive_at=settings.SIGNING_KEY_KEPT_DAYS + 1)
    assert [key.pk for key in services.rotate_keys(actor=root)] == [one.pk]
    one.refresh_from_db()
    assert (one.state, one.sealed) == ("RETIRED", "")
    assert one.retired_at is not None
    assert one.kid not in {key["kid"] for key in tokens.public_jwks()["keys"]}
    with pytest.raises(InvalidToken, match="unknown_key"):
        tokens.verify(first, typ="at+jwt")
    assert tokens.verify(second, typ="at+jwt")


def test_the_kept_days_outlive_every_token(settings: Any) -> None:
    from apps.accounts.cuts import LONGEST_TOKEN_SECONDS

    assert timedelta(days=settings.SIGNING_KEY_KEPT_DAYS) > timedelta(seconds=LONGEST_TOKEN_SECONDS)


def test_a_hurry_asks_for_no_date(root: User) -> None:
    first = token_of(root)
    following = key_in(State.NEXT)
    assert services.rotate_now(actor=root).pk == following.pk
    assert kid_of(token_of(root)) == following.kid
    assert tokens.verify(first, typ="at+jwt")
    assert sorted(states().values()) == ["ACTIVE", "NEXT", "PASSIVE"]
    told = AuthEvent.objects.latest("pk")
    assert (told.kind, told.actor_id, told.data) == (
        "signing_key_rotated",
        root.pk,
        {"kid": following.kid},
    )


def test_a_leaked_key_is_believed_nothing(root: User) -> None:
    token = token_of(root)
    leaked, following = key_in(State.ACTIVE), key_in(State.NEXT)
    client = Client(headers={"Authorization": f"Bearer {token}"})
    assert client.get("/api/v1/me/").status_code == 200
    services.revoke_key(leaked.pk, actor=root)
    assert client.get("/api/v1/me/").status_code == 401
    assert kid_of(token_of(root)) == following.kid
    leaked.refresh_from_db()
    assert (leaked.state, leaked.sealed, leaked.leaked_at is None) == ("RETIRED", "", False)
    assert AuthEvent.objects.filter(kind="signing_key_leaked", data__kid=leaked.kid).exists()
    with pytest.raises(ValidationError, match="retired"):
        services.revoke_key(leaked.pk, actor=root)
    # One that does not sign yet may leak as well.
    services.revoke_key(key_in(State.NEXT).pk, actor=root)
    assert sorted(states().values()) == ["ACTIVE", "NEXT", "RETIRED", "RETIRED"]
    assert tokens.verify(token_of(root), typ="at+jwt")


def test_only_administrators_touch_keys(root: User) -> None:
    token_of(root)
    key = key_in(State.ACTIVE)
    for role in ("auditor", "sales_lead"):
        other = make_member(make_team(), role)
        for act in (services.rotate_keys, services.rotate_now):
            with pytest.raises(PermissionDenied):
                act(actor=other)
        with pytest.raises(SigningKey.DoesNotExist):
            services.revoke_key(key.pk, actor=other)
    assert services.rotate_now(actor=make_member(make_team(), "administrator")).state == "ACTIVE"


def test_the_database_wants_one_of_each(root: User) -> None:
    token_of(root)
    for state in (State.ACTIVE, State.NEXT):
        with pytest.raises(IntegrityError, match="signing_key_one"), transaction.atomic():
            keyring.make_key(state)
    with pytest.raises(IntegrityError, match="signing_key_retired_is_empty"), transaction.atomic():
        SigningKey.objects.filter(state=State.NEXT).update(state=State.RETIRED)


# Sealed


def test_nothing_private_lies_in_the_open(root: User, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    token_of(root)
    services.rotate_now(actor=root)
    for key in SigningKey.objects.all():
        assert "PRIVATE" not in key.sealed
        assert key.public.keys() == {"kty", "crv", "x", "y"} | (key.public.keys() & {"kid"})
        private = str(keyring._opened(key.sealed).as_dict(private=True)["d"])
        with connection.cursor() as cursor:
            cursor.execute("select to_jsonb(k)::text from accounts_signingkey k where id = %s", [key.pk])
            assert private not in cursor.fetchone()[0]
        assert private not in caplog.text
        shown = json.dumps(list(AuthEvent.objects.values_list("data", flat=True)))
        assert private not in shown


def test_the_secret_itself_is_replaced(root: User, settings: Any) -> None:
    old, new = "o" * 40, "n" * 40
    settings.SIGNING_KEYS_SECRET = [old]
    token_of(root)
    settings.SIGNING_KEYS_SECRET = [new, old]
    services.rotate_keys(actor=root)
    keyring._opened.cache_clear()
    settings.SIGNING_KEYS_SECRET = [new]
    assert tokens.verify(token_of(root), typ="at+jwt")


def test_a_lost_secret_says_so_and_a_rotation_mends_it(root: User, settings: Any) -> None:
    before = token_of(root)
    keyring._opened.cache_clear()
    settings.SIGNING_KEYS_SECRET = ["another secret, nobody knows the old one"]
    with pytest.raises(ImproperlyConfigured, match="rotate_signing_keys"):
        token_of(root)
    assert tokens.verify(before, typ="at+jwt"), "verifying needs no secret"
    services.rotate_keys(actor=root)
    assert tokens.verify(token_of(root), typ="at+jwt")
    assert tokens.verify(before, typ="at+jwt")


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"SIGNING_KEYS_SECRET": []}, {"accounts.E020"}),
        ({"SIGNING_KEYS_SECRET": ["x" * 40, "short"]}, {"accounts.E020"}),
        ({"OIDC_ISSUER": "http://artel.example"}, {"accounts.E021"}),
        ({}, set()),
    ],
)
def test_a_real_server_is_told_what_is_missing(settings: Any, given: dict[str, Any], found: set[str]) -> None:
    good = {"SIGNING_KEYS_SECRET": ["x" * 40], "OIDC_ISSUER": "https://artel.example"}
    for name, value in (good | given).items():
        setattr(settings, name, value)
    said = checks.check_signing_keys(None)
    assert {error.id for error in said} == found
    assert all(isinstance(error, Error) for error in said)


# The command, the beat and the pages


def test_the_command_and_the_beat(root: User, settings: Any) -> None:
    out = io.StringIO()
    call_command("rotate_signing_keys", stdout=out)
    assert sorted(states().values()) == ["ACTIVE", "NEXT"]
    assert {line.split()[0] for line in out.getvalue().splitlines()} == set(states())
    out = io.StringIO()
    call_command("rotate_signing_keys", stdout=out)
    assert out.getvalue() == "Nothing was due.\n"
    following = key_in(State.NEXT)
    out = io.StringIO()
    call_command("rotate_signing_keys", "--now", stdout=out)
    assert out.getvalue().split() == [following.kid, "signing"]
    backdate(key_in(State.ACTIVE), activated_at=settings.SIGNING_KEY_DAYS + 1)
    backdate(key_in(State.NEXT), published_at=1)
    assert tasks.rotate_signing_keys() == 3
    assert "apps.accounts.tasks.rotate_signing_keys" in {
        each["task"] for each in settings.CELERY_BEAT_SCHEDULE.values()
    }


def test_keys_are_rotated_and_declared_leaked_on_their_pages(root: User) -> None:
    token_of(root)
    active, following = key_in(State.ACTIVE), key_in(State.NEXT)
    client = Client()
    client.force_login(root)
    listed = client.get("/admin/accounts/signingkey/").content.decode()
    assert active.kid in listed
    assert following.kid in listed

    def link(key: SigningKey, name: str) -> str:
        shown = client.get(f"/admin/accounts/signingkey/{key.pk}/change/").content.decode()
        assert key.sealed == "" or key.sealed not in shown
        found = [part.split('"')[0] for part in shown.split('href="') if f"/{name}" in part.split('"')[0]]
        return next((each for each in found if str(key.pk) in each), "")

    assert not link(following, "rotate")
    asked = client.get(link(active, "rotate"))
    assert asked.status_code == 200
    assert key_in(State.ACTIVE) == active, "asking is not doing"
    assert client.post(link(active, "rotate"), {}).status_code == 302
    assert key_in(State.ACTIVE) == following
    assert client.post(link(following, "leaked"), {}).status_code == 302
    following.refresh_from_db()
    assert following.state == "RETIRED"
    assert not link(following, "leaked")
    assert client.get("/admin/accounts/signingkey/add/").status_code == 403
    auditor = Client()
    auditor.force_login(make_member(make_team(), "auditor"))
    assert auditor.get("/admin/accounts/signingkey/").status_code == 403


# Many at once


def together(*works: Callable[[], Any]) -> list[Any]:
    """Do things at the same moment, each with a connection of its own; return what came of each, or its error."""
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - it is what came of it
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


@pytest.mark.django_db(transaction=True)
def test_the_first_keys_are_made_once() -> None:
    user = make_user()
    made = together(*[lambda: token_of(user)] * 8)
    assert len({kid_of(token) for token in made}) == 1
    assert sorted(states().values()) == ["ACTIVE", "NEXT"]


@pytest.mark.django_db(transaction=True)
def test_of_two_who_rotate_at_once_one_acts(settings: Any) -> None:
    root = make_superuser()
    token_of(root)
    for _round in range(5):
        backdate(key_in(State.ACTIVE), activated_at=settings.SIGNING_KEY_DAYS + 1)
        backdate(key_in(State.NEXT), published_at=1)
        before = SigningKey.objects.count()
        done = together(*[lambda: services.rotate_keys(actor=root)] * 4)
        assert sorted(len(changed) for changed in done) == [0, 0, 0, 3]
        assert SigningKey.objects.count() == before + 1
    # In a hurry, too: whoever comes while somebody is at it is told so.
    with transaction.atomic():
        keyring.lock()
        (refused,) = together(lambda: services.rotate_now(actor=root))
        with pytest.raises(CommandError, match="at this moment"), ThreadPoolExecutor(1) as pool:
            pool.submit(_command_elsewhere).result()
    assert isinstance(refused, ValidationError)
    assert refused.code == "busy"


def _command_elsewhere() -> None:
    try:
        call_command("rotate_signing_keys", "--now")
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_nothing_fails_while_keys_are_rotated() -> None:
    root = make_superuser()
    token_of(root)
    is_over = threading.Event()
    used: set[str] = set()

    def sign_and_verify() -> int:
        count = 0
        while not is_over.is_set() or count < 100:
            token = token_of(root)
            used.add(kid_of(token))
            assert tokens.verify(token, typ="at+jwt")["sub"] == str(root.pk)
            count += 1
        return count

    def rotate() -> int:
        try:
            for _round in range(10):
                services.rotate_now(actor=root)
        finally:
            is_over.set()
        return 0

    done = together(rotate, *[sign_and_verify] * 5)
    assert [each for each in done if not isinstance(each, int)] == []
    assert sum(done) >= 500
    # A token signed under a key that went out of use this instant is as good: old ones are believed on.
    assert set(states().values()) == {"ACTIVE", "NEXT", "PASSIVE"}
    assert len(used) > 1
