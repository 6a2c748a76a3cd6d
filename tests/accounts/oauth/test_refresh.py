"""Refresh tokens: swapped once each, dead with their family, and never older than it may be."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts import services
from apps.accounts.models import AuthEvent, RefreshToken, TokenFamily, User
from tests.accounts.factories import make_superuser
from tests.accounts.oauth import relying as rp
from tests.accounts.oauth.relying import Browser, Relying, bearer, error_of, register

pytestmark = pytest.mark.django_db
SCOPE = "openid offline_access read"


def forget_the_race() -> None:
    """Let what was swapped have been swapped a while ago."""
    moment = timezone.now() - timedelta(minutes=1)
    RefreshToken.objects.exclude(used_at=None).update(used_at=moment)


def test_each_is_swapped_for_the_next(calendar: Relying, browser: Browser) -> None:
    first = browser.tokens(calendar, SCOPE)
    second = calendar.refresh(first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert second["scope"].split() == SCOPE.split()
    before, after = rp.believed(first["id_token"], calendar), rp.believed(second["id_token"], calendar)
    for name in ("iss", "sub", "aud", "auth_time", "sid"):
        assert before[name] == after[name]
    assert "nonce" not in after
    assert bearer(second["access_token"]).get("/api/v1/me/").status_code == 200


def test_only_who_may_act_while_the_person_is_away_gets_one(calendar: Relying, browser: Browser) -> None:
    assert "refresh_token" not in browser.tokens(calendar, "openid read")


def test_one_that_comes_again_later_ends_its_family(calendar: Relying, browser: Browser) -> None:
    first = browser.tokens(calendar, SCOPE)
    second = calendar.refresh(first["refresh_token"]).json()
    forget_the_race()
    assert error_of(calendar.refresh(first["refresh_token"])) == (400, "invalid_grant")
    assert error_of(calendar.refresh(second["refresh_token"])) == (400, "invalid_grant")
    assert bearer(second["access_token"]).get("/api/v1/me/").status_code == 401
    kinds = list(AuthEvent.objects.filter(user=browser.user).order_by("pk").values_list("kind", flat=True))
    assert kinds[-2:] == ["token_reused", "family_revoked"]


def test_two_windows_that_renew_at_once_lose_nothing(calendar: Relying, browser: Browser) -> None:
    first = browser.tokens(calendar, SCOPE)
    second = calendar.refresh(first["refresh_token"]).json()
    assert error_of(calendar.refresh(first["refresh_token"])) == (400, "invalid_grant")
    assert calendar.refresh(second["refresh_token"]).status_code == 200


def test_less_may_be_asked_for_and_never_more(calendar: Relying, browser: Browser) -> None:
    first = browser.tokens(calendar, "openid offline_access read")
    second = calendar.refresh(first["refresh_token"], scope="read").json()
    assert second["scope"] == "read"
    assert "id_token" not in second
    more = calendar.refresh(second["refresh_token"], scope="read profile")
    assert error_of(more) == (400, "invalid_scope")
    third = calendar.refresh(second["refresh_token"]).json()
    assert third["scope"].split() == SCOPE.split()


def test_what_the_application_has_lost_it_does_not_get_again(calendar: Relying, browser: Browser) -> None:
    first = browser.tokens(calendar, SCOPE)
    services.change_application(
        calendar.application.pk, actor=make_superuser(), scopes=["openid", "offline_access"]
    )
    second = calendar.refresh(first["refresh_token"]).json()
    assert second["scope"] == "openid offline_access"
    services.change_application(calendar.application.pk, actor=make_superuser(), scopes=["openid"])
    assert error_of(calendar.refresh(second["refresh_token"])) == (400, "invalid_grant")


def test_they_are_for_one_application(calendar: Relying, browser: Browser) -> None:
    first = browser.tokens(calendar, SCOPE)
    assert error_of(register(name="Other").refresh(first["refresh_token"])) == (400, "invalid_grant")
    assert calendar.refresh(first["refresh_token"]).status_code == 200


def test_no_renewal_lengthens_the_life_of_a_family(calendar: Relying, browser: Browser) -> None:
    first = browser.tokens(calendar, SCOPE)
    ends = TokenFamily.objects.get().expires_at
    second = calendar.refresh(first["refresh_token"]).json()
    assert TokenFamily.objects.get().expires_at == ends
    TokenFamily.objects.update(expires_at=timezone.now())
    assert error_of(calendar.refresh(second["refresh_token"])) == (400, "invalid_grant")


def test_who_was_turned_off_renews_nothing(calendar: Relying, browser: Browser) -> None:
    first = browser.tokens(calendar, SCOPE)
    User.objects.filter(pk=browser.user.pk).update(is_active=False)
    assert error_of(calendar.refresh(first["refresh_token"])) == (400, "invalid_grant")


def test_an_application_that_was_turned_off_gets_and_keeps_nothing(
    calendar: Relying, browser: Browser
) -> None:
    first = browser.tokens(calendar, SCOPE)
    services.disable_application(calendar.application.pk, actor=make_superuser())
    assert error_of(calendar.refresh(first["refresh_token"])) == (401, "invalid_client")
    assert bearer(first["access_token"]).get("/api/v1/me/").status_code == 401
    assert browser.open(calendar.question()).status_code == 400


@pytest.mark.parametrize("token", ["", "x", "\x00", "artel_refresh_" + "A" * 43, "Ы" * 20])
def test_nonsense_is_refused_without_a_fault(calendar: Relying, token: str) -> None:
    assert error_of(calendar.refresh(token)) == (400, "invalid_grant")


def test_a_token_that_is_ended_ends_its_family(calendar: Relying, browser: Browser) -> None:
    for what in ("refresh_token", "access_token"):
        body = browser.tokens(calendar, SCOPE)
        answer = calendar.ask(rp.REVOKE, token=body[what])
        assert (answer.status_code, answer.content) == (200, b"")
        assert error_of(calendar.refresh(body["refresh_token"])) == (400, "invalid_grant"), what
        assert bearer(body["access_token"]).get("/api/v1/me/").status_code == 401, what


def test_nobody_ends_somebody_elses_token(calendar: Relying, browser: Browser) -> None:
    body, other = browser.tokens(calendar, SCOPE), register(name="Other")
    for what in ("refresh_token", "access_token"):
        assert other.ask(rp.REVOKE, token=body[what]).status_code == 200
    assert bearer(body["access_token"]).get("/api/v1/me/").status_code == 200
    assert calendar.refresh(body["refresh_token"]).status_code == 200


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", "\x00"])
def test_ending_what_is_no_token_is_no_fault(calendar: Relying, token: str) -> None:
    assert calendar.ask(rp.REVOKE, token=token).status_code == 200
    assert error_of(calendar.ask(rp.REVOKE)) == (400, "invalid_request")


def test_ending_a_token_takes_the_secret(calendar: Relying) -> None:
    asked = {"token": "x", "client_id": calendar.client_id}
    assert error_of(rp.post(rp.REVOKE, asked)) == (401, "invalid_client")
    assert error_of(rp.post(rp.REVOKE, {"token": "x"})) == (401, "invalid_client")


def test_an_application_learns_what_its_own_tokens_are_worth(calendar: Relying, browser: Browser) -> None:
    body = browser.tokens(calendar, SCOPE)
    for what in ("access_token", "refresh_token"):
        told = calendar.ask(rp.INTROSPECT, token=body[what]).json()
        assert told["active"] is True
        assert (told["sub"], told["client_id"]) == (str(browser.user.pk), calendar.client_id)
        assert told["username"] == browser.user.email
        assert told["scope"].split() == SCOPE.split()
        assert register(name=what).ask(rp.INTROSPECT, token=body[what]).json() == {"active": False}
    calendar.ask(rp.REVOKE, token=body["refresh_token"])
    for what in ("access_token", "refresh_token"):
        assert calendar.ask(rp.INTROSPECT, token=body[what]).json() == {"active": False}


def test_an_id_token_is_worth_nothing_as_a_token_of_access(calendar: Relying, browser: Browser) -> None:
    body = browser.tokens(calendar, "openid read")
    assert bearer(body["id_token"]).get("/api/v1/me/").status_code == 401
    assert bearer(body["id_token"]).get(rp.USERINFO).status_code == 401
    assert calendar.ask(rp.INTROSPECT, token=body["id_token"]).json() == {"active": False}


def test_looking_at_a_token_takes_the_secret(calendar: Relying) -> None:
    assert error_of(rp.post(rp.INTROSPECT, {"token": "x"})) == (401, "invalid_client")
    assert error_of(rp.post(rp.INTROSPECT, {"token": "x", "client_id": calendar.client_id})) == (
        401,
        "invalid_client",
    )
    assert calendar.ask(rp.INTROSPECT, token="nonsense").json() == {"active": False}
    assert error_of(calendar.ask(rp.INTROSPECT)) == (400, "invalid_request")
