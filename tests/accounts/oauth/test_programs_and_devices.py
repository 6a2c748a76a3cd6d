"""Programs that act for themselves, and devices that somebody lets in from another one."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import hashers
from django.test import Client
from django.utils import timezone

from apps.accounts import services
from apps.accounts.models import AuthEvent, ConsentGrant, DeviceCode, Membership, Role, TokenFamily, User
from apps.crm.models import Deal
from tests.accounts.factories import PASSWORD, make_superuser, make_team, make_user
from tests.accounts.oauth import relying as rp
from tests.accounts.oauth.relying import (
    Browser,
    Relying,
    bearer,
    error_of,
    register,
    register_device,
    register_program,
)
from tests.crm.factories import make_deal

pytestmark = pytest.mark.django_db
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
DEALS = "/api/v1/crm/deals/"


@pytest.fixture
def robot() -> Relying:
    team = make_team("Robots")
    role = Role.objects.get(key="salesperson")
    return register_program(role.pk, name="Robot", team_id=team.pk, scopes=["read", "crm.win_deal"])


def token_of(robot: Relying, **asked: str) -> Any:
    return robot.ask(rp.TOKEN, grant_type="client_credentials", **asked).json()


def test_a_program_acts_as_a_user_of_its_own(robot: Relying) -> None:
    user = robot.application.service_user
    assert user is not None
    assert (user.kind, user.name, user.has_usable_password()) == (User.Kind.SERVICE, "Robot", False)
    mine, _foreign = make_deal("mine", owner=user), make_deal("foreign", owner=make_user())
    body = token_of(robot)
    assert set(body["scope"].split()) == {"read", "crm.win_deal"}
    assert body.keys() == {"access_token", "expires_in", "token_type", "scope"}
    program = bearer(body["access_token"])
    assert [row["title"] for row in program.get(DEALS).json()["results"]] == ["mine"]
    assert program.post(f"{DEALS}{mine.pk}/win/", {}, "application/json").status_code == 200
    assert program.post(f"{DEALS}{mine.pk}/reopen/", {}, "application/json").status_code == 403
    assert Deal.objects.get(pk=mine.pk).transitions.latest("pk").actor == user


def test_it_may_ask_for_less_and_never_for_more(robot: Relying) -> None:
    assert token_of(robot, scope="read")["scope"] == "read"
    for more in ("all", "openid", "read all"):
        answer = robot.ask(rp.TOKEN, grant_type="client_credentials", scope=more)
        assert error_of(answer) == (400, "invalid_scope")
    user = robot.application.service_user
    assert user is not None
    mine = make_deal("mine", owner=user)
    program = bearer(token_of(robot, scope="read")["access_token"])
    assert program.post(f"{DEALS}{mine.pk}/win/", {}, "application/json").status_code == 403


def test_without_a_role_it_may_do_nothing() -> None:
    robot = register_program(name="Newcomer")
    assert not Membership.objects.filter(user=robot.application.service_user).exists()
    assert bearer(token_of(robot)["access_token"]).get(DEALS).status_code == 403


def test_who_is_turned_off_acts_no_more(robot: Relying) -> None:
    program = bearer(token_of(robot)["access_token"])
    services.deactivate_user(robot.application.service_user_id or 0, actor=make_superuser())
    assert program.get("/api/v1/me/").status_code == 401
    assert error_of(robot.ask(rp.TOKEN, grant_type="client_credentials")) == (400, "unauthorized_client")


def test_people_do_not_log_in_to_a_program(robot: Relying, browser: Browser) -> None:
    assert browser.open(robot.question(scope="read")).status_code == 400


def test_a_secret_costs_no_slow_hash(robot: Relying, monkeypatch: pytest.MonkeyPatch) -> None:
    """The toolkit hashes secrets as passwords are: a third of a second for each token, look at one, and end of one."""

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a password's hash was computed")

    for hasher in hashers.get_hashers():
        monkeypatch.setattr(type(hasher), "encode", refuse)
    token = token_of(robot)["access_token"]
    assert robot.ask(rp.INTROSPECT, token=token).json()["active"] is True
    assert robot.ask(rp.REVOKE, token=token).status_code == 200
    assert robot.ask(rp.INTROSPECT, token=token).json() == {"active": False}


def test_a_wrong_secret_is_recorded(robot: Relying) -> None:
    answer = rp.post(
        rp.TOKEN, {"grant_type": "client_credentials"}, {"Authorization": rp.basic(robot.client_id, "wrong")}
    )
    assert error_of(answer) == (401, "invalid_client")
    event = AuthEvent.objects.get(kind="client_refused")
    assert (event.user_id, event.data) == (robot.application.service_user_id, {"client_id": robot.client_id})


# Devices


@pytest.fixture
def television() -> Relying:
    return register_device(name="Television", scopes=["openid", "read", "offline_access"])


def begin(television: Relying, **asked: str) -> Any:
    answer = television.ask("/o/device-authorization/", **({"scope": "openid read offline_access"} | asked))
    assert answer.status_code == 200, answer.content
    return answer.json()


def poll(television: Relying, code: str) -> Any:
    return television.ask(rp.TOKEN, grant_type=DEVICE, device_code=code)


def let_time_pass() -> None:
    """Let the device have asked a while ago."""
    DeviceCode.objects.update(last_polled_at=timezone.now() - timedelta(minutes=1))


def test_a_device_is_let_in(television: Relying, browser: Browser) -> None:
    begun = begin(television)
    assert begun["verification_uri"] == f"{settings.OIDC_ISSUER}/o/device/"
    assert begun["verification_uri_complete"].endswith(f"?user_code={begun['user_code']}")
    assert (begun["expires_in"], begun["interval"]) == (600, 5)
    assert error_of(poll(television, begun["device_code"])) == (400, "authorization_pending")
    assert error_of(poll(television, begun["device_code"])) == (400, "slow_down")
    typed = begun["user_code"].replace("-", "").lower()
    page = browser.client.post("/o/device/", {"user_code": typed})
    assert "Television asks for access" in page.content.decode()
    assert begun["user_code"] in page.content.decode()
    done = browser.client.post("/o/device/", {"user_code": begun["user_code"], "decision": "allow"})
    assert "The device is connected" in done.content.decode()
    let_time_pass()
    body = poll(television, begun["device_code"]).json()
    assert rp.believed(body["id_token"], television)["sub"] == str(browser.user.pk)
    assert bearer(body["access_token"]).get("/api/v1/me/").json()["email"] == browser.user.email
    assert television.refresh(body["refresh_token"]).status_code == 200
    assert error_of(poll(television, begun["device_code"])) == (400, "invalid_grant")
    assert ConsentGrant.objects.get(user=browser.user).application == television.application
    assert AuthEvent.objects.filter(kind="device_authorised", user=browser.user).exists()


def test_a_device_is_refused(television: Relying, browser: Browser) -> None:
    begun = begin(television)
    browser.client.post("/o/device/", {"user_code": begun["user_code"], "decision": "deny"})
    assert error_of(poll(television, begun["device_code"])) == (400, "access_denied")
    assert not TokenFamily.objects.exists()
    again = browser.client.post("/o/device/", {"user_code": begun["user_code"], "decision": "allow"})
    assert again.status_code == 400


def test_one_that_asks_too_often_waits_longer_each_time(television: Relying) -> None:
    begun = begin(television)
    poll(television, begun["device_code"])
    for expected in (10, 15, 20):
        assert error_of(poll(television, begun["device_code"])) == (400, "slow_down")
        assert DeviceCode.objects.get().interval == expected


def test_nobody_comes_for_too_long(television: Relying, browser: Browser) -> None:
    begun = begin(television)
    DeviceCode.objects.update(expires_at=timezone.now())
    assert error_of(poll(television, begun["device_code"])) == (400, "expired_token")
    page = browser.client.post("/o/device/", {"user_code": begun["user_code"]})
    assert "No device waits for this code" in page.content.decode()


@pytest.mark.parametrize("typed", ["", "AAAA-AAAA", "\x00", "x" * 500, "Ы"])
def test_a_code_that_nobody_waits_for(browser: Browser, typed: str) -> None:
    assert browser.client.post("/o/device/", {"user_code": typed, "decision": "allow"}).status_code == 400


def test_nobody_guesses_for_long(television: Relying, browser: Browser) -> None:
    begun = begin(television)
    for _n in range(20):
        assert browser.client.post("/o/device/", {"user_code": "BBBB-BBBB"}).status_code == 400
    page = browser.client.post("/o/device/", {"user_code": begun["user_code"]})
    assert "tried too many codes" in page.content.decode()
    other = Browser(make_user(password=PASSWORD)).log_in().client
    for _n in range(25):
        assert other.post("/o/device/", {"user_code": begun["user_code"]}).status_code == 200


def test_the_page_is_for_whoever_is_logged_in_and_needs_our_own_form(
    television: Relying, browser: Browser
) -> None:
    assert Client().get("/o/device/")["Location"].startswith("/accounts/login/?next=/o/device/")
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = browser.client.cookies
    assert strict.post("/o/device/", {"user_code": "x", "decision": "allow"}).status_code == 403
    page = browser.client.get("/o/device/", {"user_code": "BCDF-GHJK"})
    assert 'value="BCDF-GHJK"' in page.content.decode()


def test_what_a_device_asks_for_is_checked_before_anybody_is_troubled(television: Relying) -> None:
    def refused(**asked: str) -> Any:
        return error_of(television.ask("/o/device-authorization/", **asked))

    assert refused(scope="crm.win_deal") == (400, "invalid_scope")
    assert refused(client_id="nobody") == (400, "invalid_request")
    assert error_of(register(name="Website").ask("/o/device-authorization/")) == (400, "invalid_request")
    assert error_of(poll(television, "nonsense")) == (400, "invalid_grant")
    assert error_of(television.ask(rp.TOKEN, grant_type=DEVICE)) == (400, "invalid_request")


def test_a_device_code_is_for_one_device(television: Relying) -> None:
    begun = begin(television)
    other = register_device(name="Other", scopes=["openid"])
    assert error_of(poll(other, begun["device_code"])) == (400, "invalid_grant")
