"""Wrong passwords lock on every door, and a lock keeps as few others out as can be."""

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth import authenticate
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from apps.accounts import attempts, services
from apps.accounts.attempts import Locked, forget, note_failure, person, refuse_if_locked
from apps.accounts.models import Role, User
from apps.common import limits
from config.settings import base
from tests.accounts.factories import PASSWORD, make_superuser, make_team, make_user, member_with
from tests.accounts.letters import code_in, delivered
from tests.accounts.oauth import relying as rp

pytestmark = pytest.mark.django_db
_addresses = count(1)


@pytest.fixture(autouse=True)
def empty_redis(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Count from nothing."""
    monkeypatch.setattr(limits, "_resting_until", 0.0)


def new_address() -> str:
    return f"203.0.{next(_addresses)}.7"


def wrong(subject: str, address: str) -> None:
    refuse_if_locked(subject, address)
    note_failure(subject, address)


def page(user: User, password: str, address: str) -> bool:
    client = Client(REMOTE_ADDR=address)
    client.post("/accounts/login/", {"login": user.email, "password": password})
    return "_auth_user_id" in client.session


def admin_page(user: User, password: str, address: str) -> bool:
    client = Client(REMOTE_ADDR=address)
    asked = client.get("/admin/", follow=True)
    client.post(asked.redirect_chain[-1][0], {"login": user.email, "password": password, "next": "/admin/"})
    return bool(client.get("/admin/").status_code == 200)


def browser_rest(user: User, password: str, address: str) -> bool:
    answer = Client(REMOTE_ADDR=address).post(
        "/_allauth/browser/v1/auth/login", {"email": user.email, "password": password}, "application/json"
    )
    return bool(answer.status_code == 200)


def app_rest(user: User, password: str, address: str) -> bool:
    answer = Client(REMOTE_ADDR=address).post(
        "/_allauth/app/v1/auth/login", {"email": user.email, "password": password}, "application/json"
    )
    return bool(answer.status_code == 200)


def reauthentication(user: User, password: str, address: str) -> bool:
    client = Client(REMOTE_ADDR=address)
    client.force_login(user)
    answer = client.post(
        "/_allauth/browser/v1/auth/reauthenticate", {"password": password}, "application/json"
    )
    return bool(answer.status_code == 200)


def old_password(user: User, password: str, address: str) -> bool:
    client = Client(REMOTE_ADDR=address)
    client.force_login(user)
    new = {"oldpassword": password, "password1": "another good one", "password2": "another good one"}
    client.post("/accounts/password/change/", new)
    user.refresh_from_db()
    return user.check_password("another good one")


Door = Callable[[User, str, str], bool]
DOORS: list[Door] = [page, admin_page, browser_rest, app_rest, reauthentication, old_password]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_the_right_password_opens_every_door(door: Door) -> None:
    assert door(make_user(password=PASSWORD), PASSWORD, new_address())


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_after_thirty_wrong_ones_through_all_doors_the_right_one_is_refused_at_each(door: Door) -> None:
    user = make_user(password=PASSWORD)
    for number in range(30):
        # Three from each address, so that it is the account that is locked.
        assert not DOORS[number % len(DOORS)](user, "wrong", f"203.0.113.{number // 3}")
    assert not door(user, PASSWORD, new_address())
    assert page(make_user(password=PASSWORD), PASSWORD, new_address())


@pytest.mark.parametrize("door", DOORS[:4], ids=lambda door: door.__name__)
def test_after_thirty_wrong_ones_from_one_address_it_is_refused_at_each_door(door: Door) -> None:
    address, user = new_address(), make_user(password=PASSWORD)
    for number in range(30):
        wrong(person(f"stranger{number}@example.org"), address)
    assert not door(user, PASSWORD, address)
    assert door(user, PASSWORD, new_address())


def test_five_wrong_ones_from_one_address_lock_nobody_out_elsewhere() -> None:
    user, attacker = make_user(password=PASSWORD), new_address()
    for _ in range(5):
        assert not page(user, "wrong", attacker)
    assert not page(user, PASSWORD, attacker)
    assert page(user, PASSWORD, new_address())


def test_one_address_alone_cannot_lock_an_account_whatever_its_patience(settings: Any) -> None:
    user, attacker = make_user(password=PASSWORD), new_address()
    settings.LOGIN_LIMITS_NEAR = settings.LOGIN_LIMITS_NEAR[1:]
    for _ in range(10):
        wrong(person(str(user.email)), attacker)
    with pytest.raises(Locked):
        wrong(person(str(user.email)), attacker)
    assert page(user, PASSWORD, new_address())


def test_where_somebody_has_come_in_before_a_flood_from_elsewhere_keeps_them_not_out() -> None:
    user, home = make_user(password=PASSWORD), new_address()
    assert page(user, PASSWORD, home)
    for number in range(30):
        wrong(person(str(user.email)), f"203.0.113.{number}")
    assert not page(user, PASSWORD, new_address())
    assert page(user, PASSWORD, home)


def test_a_colleague_who_guesses_keeps_nobody_out_who_works_in_the_same_office() -> None:
    user, office = make_user(password=PASSWORD), new_address()
    assert page(user, PASSWORD, office)
    for number in range(30):
        wrong(person(f"colleague{number}@example.org"), office)
    assert page(user, PASSWORD, office)


def test_a_right_password_takes_back_only_itself() -> None:
    subject, address = "client x", new_address()
    for _ in range(4):
        wrong(subject, address)
    refuse_if_locked(subject, address)
    forget(subject, address)
    wrong(subject, address)
    with pytest.raises(Locked) as refused:
        refuse_if_locked(subject, address)
    assert 0 < refused.value.wait <= 300
    assert "5 minutes" in refused.value.messages[0]


def test_of_many_at_once_no_more_are_tried_than_the_limit_says() -> None:
    address = new_address()

    def attempt(_number: int) -> bool:
        try:
            refuse_if_locked("client parallel", address)
        except Locked:
            return False
        return True

    with ThreadPoolExecutor(32) as pool:
        assert sum(pool.map(attempt, range(64))) == 5


def test_a_lock_ends_by_itself(settings: Any, redis_url: str) -> None:
    settings.LOGIN_LIMITS_NEAR = [(1, 1)]
    user, address = make_user(password=PASSWORD), new_address()
    assert not page(user, "wrong", address)
    assert not page(user, PASSWORD, address)
    deadline = time.monotonic() + 30
    while not page(user, PASSWORD, address):
        assert time.monotonic() < deadline
        # Thirty requests a minute from one address are a limit of their own.
        time.sleep(0.6)


def test_an_administrator_unlocks_an_account() -> None:
    user, root, address = make_user(password=PASSWORD), make_superuser(), new_address()
    for _ in range(6):
        page(user, "wrong", address)
    client = Client()
    client.force_login(root)
    shown = client.get(f"/admin/accounts/user/{user.pk}/change/").content.decode()
    assert f"/admin/accounts/user/{user.pk}/unlock" in shown
    services.unlock_user(user.pk, actor=root)
    assert page(user, PASSWORD, address)
    shown = client.get(f"/admin/accounts/user/{user.pk}/change/").content.decode()
    assert f"/admin/accounts/user/{user.pk}/unlock" not in shown


def test_an_account_that_is_not_locked_is_not_unlocked() -> None:
    with pytest.raises(ValidationError) as refused:
        services.unlock_user(make_user().pk, actor=make_superuser())
    assert refused.value.code == "not_locked"


def test_who_may_not_change_an_account_unlocks_none() -> None:
    with pytest.raises(PermissionDenied):
        services.unlock_user(make_user().pk, actor=member_with({"accounts.view_user": "ALL"}))


def test_a_new_password_by_mail_ends_the_lock() -> None:
    user, address = make_user(password=PASSWORD), new_address()
    for _ in range(6):
        page(user, "wrong", address)
    client = Client(REMOTE_ADDR=address)
    asked = client.post("/accounts/password/reset/", {"email": user.email})
    confirmed = client.post(asked["Location"], {"code": code_in(delivered()[-1])})
    client.post(confirmed["Location"], {"password1": "another good one", "password2": "another good one"})
    assert page(user, "another good one", address)


def test_without_redis_people_log_in_and_guessing_is_limited(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    monkeypatch.setattr(limits, "_here", limits._Here())
    limits._client.cache_clear()
    limits._wire.cache_clear()
    try:
        user, address = make_user(password=PASSWORD), new_address()
        assert page(user, PASSWORD, address)
        for _ in range(5):
            assert not page(user, "wrong", address)
        assert not page(user, PASSWORD, address)
        assert page(user, PASSWORD, new_address())
    finally:
        limits._client.cache_clear()
        limits._wire.cache_clear()


def test_an_unknown_address_is_answered_as_a_known_one_with_a_wrong_password() -> None:
    user = make_user(password=PASSWORD)
    known = Client().post("/accounts/login/", {"login": user.email, "password": "wrong"})
    unknown = Client().post("/accounts/login/", {"login": "nobody@example.org", "password": "wrong"})
    assert known.status_code == unknown.status_code
    for said in (known, unknown):
        assert "not correct" in said.content.decode()
    for client in ("browser", "app"):
        path = f"/_allauth/{client}/v1/auth/login"
        known, unknown = (
            Client().post(path, {"email": email, "password": "wrong"}, "application/json")
            for email in (user.email, "nobody@example.org")
        )
        assert (known.status_code, known.json()) == (unknown.status_code, unknown.json())


@pytest.mark.parametrize(
    ("path", "field"), [("/accounts/password/reset/", "email"), ("/accounts/login/code/", "email")]
)
def test_a_letter_is_asked_for_with_the_same_answer(path: str, field: str) -> None:
    user = make_user(password=PASSWORD)
    pages = []
    for email in (user.email, "nobody@example.org"):
        client = Client()
        asked = client.post(path, {field: email})
        wrong_code = client.post(asked["Location"], {"code": "WRONG-CODE"})
        shown = wrong_code.content.decode().replace(str(email), "")
        pages.append((asked.status_code, asked["Location"], wrong_code.status_code, without_tokens(shown)))
    assert pages[0] == pages[1]


@pytest.mark.parametrize("path", ["/accounts/password/reset/", "/accounts/login/code/"])
def test_asking_for_a_letter_takes_the_same_work(path: str, settings: Any, mailoutbox: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = False
    user = make_user(password=PASSWORD)
    times: dict[str, list[float]] = {str(user.email): [], "nobody@example.org": []}
    queries: dict[str, set[int]] = {email: set() for email in times}
    for round_number in range(12):
        for email, taken in times.items():
            client = Client()
            began = time.thread_time()
            with CaptureQueriesContext(connection) as captured:
                client.post(path, {"email": email})
            if round_number:
                taken.append(time.thread_time() - began)
                queries[email].add(len(captured))
    known, unknown = (statistics.median(taken) for taken in times.values())
    assert 0.7 < unknown / known < 1.43
    assert queries[str(user.email)] == queries["nobody@example.org"]
    delivered()
    assert {letter.to[0] for letter in mailoutbox} == {user.email}


def without_tokens(page: str) -> list[str]:
    return [line for line in page.splitlines() if "csrfmiddlewaretoken" not in line]


def test_an_unknown_address_takes_as_long_as_a_wrong_password(settings: Any) -> None:
    settings.PASSWORD_HASHERS = base.PASSWORD_HASHERS
    settings.LOGIN_LIMITS_NEAR = [(1000, 300)]
    settings.LOGIN_LIMIT_ACCOUNT = settings.LOGIN_LIMIT_ADDRESS = (1000, 300)
    user = make_user(password=PASSWORD)
    times: dict[str, list[float]] = {str(user.email): [], "nobody@example.org": []}
    # Processor time of this thread: what others do at the same time does not count.
    for _ in range(15):
        for email, taken in times.items():
            began = time.thread_time()
            attempts_at_login(email)
            taken.append(time.thread_time() - began)
    known, unknown = (statistics.median(taken) for taken in times.values())
    assert 0.75 < unknown / known < 1.33


def attempts_at_login(email: str) -> None:
    assert authenticate(RequestFactory().get("/"), email=email, password="wrong") is None


def test_subjects_of_people_and_programs_never_meet() -> None:
    assert person("A@example.org ") == "person a@example.org"
    assert attempts.client("a@example.org") != person("a@example.org")


class TestPrograms:
    """Secrets of applications, in the header and in the body."""

    @pytest.fixture
    def robot(self) -> rp.Relying:
        team = make_team("Robots")
        role = Role.objects.get(key="salesperson")
        return rp.register_program(role.pk, name="Robot", team_id=team.pk, scopes=["read"])

    def ask(self, robot: rp.Relying, secret: str, address: str, *, in_header: bool = True) -> int:
        asked = {"grant_type": "client_credentials"}
        headers = {"Authorization": rp.basic(robot.client_id, secret)} if in_header else {}
        if not in_header:
            asked |= {"client_id": robot.client_id, "client_secret": secret}
        client = Client(REMOTE_ADDR=address)
        answer = client.post(rp.TOKEN, urlencode(asked), content_type=rp.FORM, headers=headers)
        return int(answer.status_code)

    @pytest.mark.parametrize("in_header", [True, False])
    def test_after_thirty_wrong_ones_the_right_one_is_refused(
        self, robot: rp.Relying, *, in_header: bool
    ) -> None:
        for number in range(30):
            assert self.ask(robot, "wrong", f"203.0.113.{number // 3}", in_header=bool(number % 2)) == 401
        assert self.ask(robot, robot.secret, new_address(), in_header=in_header) == 401

    def test_wrong_passwords_of_people_and_secrets_of_programs_lock_an_address_together(
        self, robot: rp.Relying
    ) -> None:
        address = new_address()
        for number in range(30):
            wrong(person(f"stranger{number}@example.org"), address)
        assert self.ask(robot, robot.secret, address) == 401
        assert self.ask(robot, robot.secret, new_address()) == 200

    def test_a_program_at_work_is_kept_out_by_nobody_elsewhere(self, robot: rp.Relying) -> None:
        home = new_address()
        assert self.ask(robot, robot.secret, home) == 200
        for number in range(30):
            self.ask(robot, "wrong", f"203.0.113.{number}")
        assert self.ask(robot, robot.secret, new_address()) == 401
        assert self.ask(robot, robot.secret, home) == 200

    def test_many_right_ones_at_once_are_not_taken_for_guesses(self, robot: rp.Relying) -> None:
        subject, address = attempts.client(robot.client_id), new_address()
        assert not any(attempts.is_refused(subject, address) for _ in range(100))
