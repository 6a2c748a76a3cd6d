"""Keys change while many clients work: none of them fails, unless it shows what a leaked key has signed."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone
from joserfc import jws

from apps.accounts import services
from apps.accounts.models import SigningKey, User
from tests.accounts.factories import make_superuser
from tests.clients.outside import OpenIdSession, discovered, log_in, session_of
from tests.clients.settings import JWKS_MAX_AGE_SECONDS
from tests.clients.site import SCOPES, SETTINGS, Site, start

CONNECTIONS, LEAST_CALLS = 16, 1000
DEALS = "/api/v1/crm/deals/"
WITHIN = 120.0
# Each client rests so long after a round, or two processors are busy with nothing but clients.
PAUSE = 0.4
# So long a key is published before it signs.
AHEAD = timedelta(seconds=2 * JWKS_MAX_AGE_SECONDS)


def kid_of(token: str) -> str:
    return str(jws.extract_compact(token.encode()).headers()["kid"])


class Keeping(OpenIdSession):
    """A client that keeps the keys for as long as it was told that it may, and asks for none in between."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kept_until = 0.0

    def fetch_jwk_set(self, force: bool = False) -> Any:
        assert not force, "a key has signed that this client could not know"
        if time.monotonic() >= self.kept_until:
            answer = self.get(self.server_metadata["jwks_uri"], withhold_token=True)
            age = re.fullmatch(r"public, max-age=(\d+)", answer.headers["Cache-Control"])
            assert age is not None
            self.kept_until = time.monotonic() + int(age[1])
            self.server_metadata["jwks"] = answer.json()
        return self.server_metadata["jwks"]


@dataclass
class Call:
    """One call: with what token, when, and what was answered (0 where nothing was)."""

    kid: str
    began_at: float
    ended_at: float
    status: int
    fault: str = ""


@dataclass
class Caller:
    """An application that one person is logged in to, with a connection of its own."""

    session: OpenIdSession
    # Two processes of one server: what the one has signed, the other believes.
    addresses: list[str]
    calls: list[Call] = field(default_factory=list)
    # The keys that have signed ID tokens.
    proved: set[str] = field(default_factory=set)

    @property
    def token(self) -> str:
        return str(self.session.token["access_token"])

    def call(self, address: str, token: str | None = None) -> int:
        shown = token or self.token

        def ask() -> int:
            headers = {"Authorization": f"Bearer {shown}"}
            return int(self.session.get(address, headers=headers, withhold_token=True).status_code)

        return self._noted(kid_of(shown), ask)

    def renew(self) -> None:
        """Get other tokens, and verify who it is."""

        def ask() -> int:
            token = self.session.refresh_token()
            assert self.session.parse_id_token(token, None)["sub"]
            self.proved.add(kid_of(token["id_token"]))
            return 200

        self._noted("", ask)

    def _noted(self, kid: str, ask: Callable[[], int]) -> int:
        began_at, status, fault = time.monotonic(), 0, ""
        try:
            status = ask()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a call that failed
            fault = repr(error)
        self.calls.append(Call(kid, began_at, time.monotonic(), status, fault))
        return status


@pytest.fixture(scope="module")
def callers(site: Site) -> list[Caller]:
    """As many clients as there are connections, of a person who has agreed once."""
    second = start(site.processes, issuer=site.issuer)
    metadata = discovered(site.issuer)
    person = site.person()
    addresses = [metadata["userinfo_endpoint"], f"{second.url}{DEALS}", f"{site.issuer}{DEALS}"]
    sessions = [
        session_of(metadata, site.applications["website"], "client_secret_basic", SCOPES, Keeping)
        for _number in range(CONNECTIONS)
    ]
    for session in sessions:
        log_in(session, person)
    return [Caller(session, addresses) for session in sessions]


@contextmanager
def busy(callers: list[Caller], work: Callable[[Caller, int], None]) -> Iterator[None]:
    """Keep all callers at work, round after round, until the block ends; what fails there fails here."""
    is_over = threading.Event()

    def keep_on(caller: Caller) -> None:
        number = 0
        while not is_over.is_set():
            work(caller, number)
            number += 1
            is_over.wait(PAUSE)

    with ThreadPoolExecutor(len(callers)) as pool:
        done: list[Future[None]] = [pool.submit(keep_on, caller) for caller in callers]
        try:
            yield
        finally:
            is_over.set()
        for each in done:
            each.result()


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WITHIN
    while not is_so():
        assert time.monotonic() < deadline, f"{what} did not come to pass in {WITHIN} s"
        time.sleep(0.05)


def key_in(state: SigningKey.State) -> SigningKey:
    return SigningKey.objects.get(state=state)


def next_key() -> SigningKey:
    """Return the next key, once it has been published for so long that whoever keeps the keys knows it."""
    key = key_in(SigningKey.State.NEXT)
    wait_until(lambda: timezone.now() - key.published_at >= AHEAD, "the time until all know the next key")
    return key


def rotate_when_due() -> SigningKey:
    """Do what the beat does, with a key that has signed for long enough; return the one that signs then."""
    following, actor = key_in(SigningKey.State.NEXT), User.objects.system()
    with override_settings(JWKS_MAX_AGE_SECONDS=JWKS_MAX_AGE_SECONDS, SIGNING_KEY_DAYS=0):
        wait_until(lambda: bool(services.rotate_keys(actor=actor)), "the time to rotate")
    following.refresh_from_db()
    assert following.state == SigningKey.State.ACTIVE
    assert following.activated_at is not None
    assert following.activated_at - following.published_at >= AHEAD
    return following


def rotate_now(site: Site) -> None:
    """Do what somebody in a hurry does."""
    own = {"DJANGO_SETTINGS_MODULE": SETTINGS, "OIDC_ISSUER": site.issuer}
    running = site.processes.manage("rotate_signing_keys", "--now", **own)
    assert running.wait(WITHIN) == 0, running.output()


def faults(calls: list[Call]) -> list[Call]:
    return [call for call in calls if call.status != 200]


@pytest.mark.slow
def test_nobody_fails_while_keys_are_rotated(site: Site, callers: list[Caller]) -> None:
    def work(caller: Caller, number: int) -> None:
        for address in caller.addresses:
            caller.call(address)
        if number % 3 == 0:
            caller.renew()

    def have_seen(key: SigningKey) -> bool:
        return all(key.kid in caller.proved for caller in callers)

    first = key_in(SigningKey.State.ACTIVE)
    with busy(callers, work):
        wait_until(lambda: have_seen(first), "an ID token of the first key for each")
        second = rotate_when_due()
        wait_until(lambda: have_seen(second), "an ID token of the second key for each")
        third = next_key()
        rotate_now(site)
        wait_until(lambda: have_seen(third), "an ID token of the third key for each")
        wait_until(lambda: sum(len(each.calls) for each in callers) >= LEAST_CALLS, "a thousand calls")
    calls = [call for caller in callers for call in caller.calls]
    assert faults(calls) == [], site.processes.complaints()
    assert len(calls) >= LEAST_CALLS
    kids = {first.kid, second.kid, third.kid}
    assert {call.kid for call in calls} - {""} == kids
    assert set.union(*(caller.proved for caller in callers)) == kids


@pytest.mark.slow
def test_what_a_leaked_key_has_signed_ends_within_a_second(site: Site, callers: list[Caller]) -> None:
    leaked, following = key_in(SigningKey.State.ACTIVE), next_key()
    for caller in callers:
        caller.renew()
        caller.calls.clear()
    stolen = callers[0].token
    assert kid_of(stolen) == leaked.kid
    actor = make_superuser()

    def work(caller: Caller, number: int) -> None:
        address = caller.addresses[number % len(caller.addresses)]
        caller.call(address, stolen)
        if caller.call(address) == 401:
            caller.renew()

    def good_after(moment: float) -> bool:
        """Whether each has called with what the next key has signed, a second later and often."""
        return all(
            sum(call.kid == following.kid and call.began_at > moment for call in caller.calls) >= 10
            for caller in callers
        )

    with busy(callers, work):
        wait_until(lambda: all(len(each.calls) >= 6 for each in callers), "some calls of each")
        began_at = time.monotonic()
        services.revoke_key(leaked.pk, actor=actor)
        revoked_at = time.monotonic()
        wait_until(lambda: good_after(revoked_at + 1), "calls with the next key")
    calls = [call for caller in callers for call in caller.calls]
    assert [call for call in calls if call.status not in {200, 401}] == []
    assert {call.kid for call in faults(calls)} == {leaked.kid}
    assert all(call.ended_at > began_at for call in faults(calls))
    late = [call for call in calls if call.kid == leaked.kid and call.began_at > revoked_at + 1]
    assert {call.status for call in late} == {401}
    assert key_in(SigningKey.State.ACTIVE) == following
