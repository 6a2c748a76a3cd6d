"""What an application may ask about the login itself: silently, anew, not too long ago, or somebody in particular."""

import re
import time
from typing import Any

import pytest
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY

from apps.accounts.models import Role
from tests.accounts.factories import PASSWORD, join, make_role, make_team, make_user
from tests.accounts.oauth import relying as rp
from tests.accounts.oauth.relying import Browser, Relying, told

pytestmark = pytest.mark.django_db


def logged_in_ago(browser: Browser, seconds: float) -> None:
    """Let the person have shown who they are a while ago."""
    session = browser.client.session
    records = session[AUTHENTICATION_METHODS_SESSION_KEY]
    for record in records:
        record["at"] = time.time() - seconds
    session[AUTHENTICATION_METHODS_SESSION_KEY] = records
    session.save()


def test_silently_somebody_who_has_agreed(calendar: Relying, browser: Browser) -> None:
    browser.code(calendar)
    answer = told(browser.open(calendar.question(prompt="none")))
    assert calendar.swap(answer["code"]).status_code == 200


def test_silently_somebody_who_has_not_agreed(calendar: Relying, browser: Browser) -> None:
    assert told(browser.open(calendar.question(prompt="none")))["error"] == "consent_required"


def test_silently_nobody(calendar: Relying) -> None:
    answer = told(Browser().open(calendar.question(prompt="none")))
    assert (answer["error"], answer["state"]) == ("login_required", "st4te")


def test_silently_and_wrong_goes_nowhere(calendar: Relying) -> None:
    wrong = calendar.question(prompt="none", redirect_uri="https://evil.example/")
    assert Browser().open(wrong).status_code == 400


def test_anew_is_asked_once(calendar: Relying, browser: Browser) -> None:
    logged_in_ago(browser, 3600)
    question = calendar.question(prompt="login")
    sent = browser.open(question)
    assert sent["Location"].startswith("/accounts/reauthenticate/?next=%2Fo%2Fauthorize%2F")
    # Coming back without having shown it leads there again.
    assert browser.open(question)["Location"] == sent["Location"]
    back = browser.show_again(sent["Location"])
    page = browser.client.get(back)
    assert page.status_code == 200
    answer = told(browser.client.post(back, {"decision": "allow"}))
    claims = rp.believed(calendar.swap(answer["code"]).json()["id_token"], calendar)
    assert time.time() - claims["auth_time"] < 60
    # The next time it is wanted again.
    assert browser.open(question)["Location"].startswith("/accounts/reauthenticate/")


def test_who_was_not_logged_in_logs_in_once(calendar: Relying) -> None:
    browser = Browser()
    question = calendar.question(prompt="login")
    sent = browser.open(question)
    page = browser.client.get(sent["Location"])
    credentials = {"login": browser.user.email, "password": PASSWORD}
    back = browser.client.post(
        "/accounts/login/", credentials | {"next": page.context["redirect_field_value"]}
    )
    assert browser.client.get(back["Location"]).status_code == 200


def test_not_too_long_ago(calendar: Relying, browser: Browser) -> None:
    browser.code(calendar)
    logged_in_ago(browser, 100)
    assert "code" in told(browser.open(calendar.question(max_age="10000")))
    assert told(browser.open(calendar.question(max_age="50", prompt="none")))["error"] == "login_required"
    sent = browser.open(calendar.question(max_age="50"))
    assert sent["Location"].startswith("/accounts/reauthenticate/")
    assert "code" in told(browser.client.get(browser.show_again(sent["Location"])))


def test_at_this_very_moment_is_no_loop(calendar: Relying, browser: Browser) -> None:
    browser.code(calendar)
    logged_in_ago(browser, 10)
    sent = browser.open(calendar.question(max_age="0"))
    assert "code" in told(browser.client.get(browser.show_again(sent["Location"])))


def test_who_has_nothing_to_show_again(calendar: Relying) -> None:
    browser = Browser(make_user())
    browser.client.force_login(browser.user)
    assert told(browser.open(calendar.question(prompt="login")))["error"] == "login_required"


def test_somebody_in_particular(calendar: Relying, browser: Browser) -> None:
    hint = browser.tokens(calendar, "openid")["id_token"]
    assert "code" in told(browser.open(calendar.question(id_token_hint=hint, prompt="none")))
    other = Browser(make_user("Oleg", password=PASSWORD)).log_in()
    assert told(other.open(calendar.question(id_token_hint=hint)))["error"] == "login_required"


def test_when_they_logged_in_is_said_of_the_session_and_not_of_the_account(
    calendar: Relying, browser: Browser
) -> None:
    logged_in_ago(browser, 5000)
    Browser(browser.user).log_in()
    claims = rp.believed(browser.tokens(calendar, "openid")["id_token"], calendar)
    assert 4990 < time.time() - claims["auth_time"] < 5100


@pytest.mark.parametrize(
    ("locales", "heading"),
    [("ru en", r"<html lang=\"ru\">"), ("fr", r"<html lang=\"en\">"), (None, r"<html lang=\"en\">")],
)
def test_the_language_that_the_application_asks_for(calendar: Relying, locales: Any, heading: str) -> None:
    browser = Browser(make_user(password=PASSWORD)).log_in()
    assert re.search(heading, browser.open(calendar.question(ui_locales=locales)).content.decode())


def test_silently_somebody_who_has_to_set_up_a_second_factor_first(
    calendar: Relying, browser: Browser
) -> None:
    browser.code(calendar)
    role = make_role({"crm.view_deal": "OWN"})
    Role.objects.filter(pk=role.pk).update(requires_mfa=True)
    join(browser.user, make_team(), role)
    assert told(browser.open(calendar.question(prompt="none")))["error"] == "interaction_required"
    # Asked aloud, they are led there, and from there back.
    assert browser.open(calendar.question())["Location"].startswith(
        "/accounts/security/second-factor/?next=%2Fo%2F"
    )
