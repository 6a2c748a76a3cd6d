"""Where somebody is logged in: listed as they know it, and ended at once."""

from datetime import timedelta
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.core.exceptions import ObjectDoesNotExist
from django.test import Client
from django.utils import timezone

from apps.accounts import middleware, services
from apps.accounts.devices import device_name
from apps.accounts.faces.sockets import user_of_session
from apps.accounts.models import User
from apps.accounts.selectors import live_sessions
from tests.accounts.entering import SECURITY, browser, log_in
from tests.accounts.factories import PASSWORD, make_superuser, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("committing")]
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1"
)


@pytest.fixture
def user() -> User:
    return make_user(password=PASSWORD)


def is_in(client: Client) -> bool:
    """Tell whether a browser is logged in, to its pages and to its socket."""
    opens = client.get("/admin/").status_code == 200
    cookie = client.cookies["sessionid"].value
    assert (user_of_session({"cookies": {"sessionid": cookie}}) is not None) is opens
    assert (client.get("/api/v1/me/").status_code == 200) is opens
    return opens


def session_of(client: Client) -> UserSession:
    return UserSession.objects.get(session_key=client.session.session_key)


def test_one_session_is_ended_and_the_others_go_on(user: User, pokes: list[str]) -> None:
    here, phone, third = log_in(user), log_in(user, browser(PHONE)), log_in(user)
    pokes.clear()
    here.post(f"{SECURITY}sessions/{session_of(phone).pk}/end/")
    assert [is_in(each) for each in (here, phone, third)] == [True, False, True]
    assert pokes == [f"access:{user.pk}"]


def test_all_others_are_ended_at_once(user: User) -> None:
    here, phone, third = log_in(user), log_in(user, browser(PHONE)), log_in(user)
    here.post(f"{SECURITY}sessions/end-others/")
    assert [is_in(each) for each in (here, phone, third)] == [True, False, False]
    assert UserSession.objects.filter(user=user).count() == 1


def test_nobody_ends_the_session_of_somebody_else(user: User) -> None:
    theirs, mine = log_in(make_user(password=PASSWORD)), log_in(user)
    assert mine.post(f"{SECURITY}sessions/{session_of(theirs).pk}/end/").status_code == 404
    assert is_in(theirs)
    with pytest.raises(ObjectDoesNotExist):
        services.end_session(session_of(theirs).pk, actor=user)
    assert mine.get(f"{SECURITY}sessions/{session_of(mine).pk}/end/").status_code == 405
    assert is_in(mine)


def test_one_may_end_this_session_as_well(user: User) -> None:
    client = log_in(user)
    key = client.cookies["sessionid"].value
    client.post(f"{SECURITY}sessions/{session_of(client).pk}/end/")
    client.cookies["sessionid"] = key
    assert not is_in(client)


def test_a_changed_password_ends_all_but_this(user: User, pokes: list[str]) -> None:
    here, there = log_in(user), log_in(user)
    pokes.clear()
    new = "another good one"
    answer = here.post(
        "/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new}
    )
    assert answer["Location"] == SECURITY
    assert [is_in(here), is_in(there)] == [True, False]
    assert f"access:{user.pk}" in pokes


def test_a_password_set_by_an_administrator_ends_all(user: User) -> None:
    client = log_in(user)
    services.set_password(user.pk, "another good one", actor=make_superuser())
    assert not is_in(client)
    assert live_sessions(user) == []


def test_turning_somebody_off_ends_all_and_turning_on_brings_none_back(user: User) -> None:
    client, root = log_in(user), make_superuser()
    services.deactivate_user(user.pk, actor=root)
    assert not is_in(client)
    services.activate_user(user.pk, actor=root)
    assert not is_in(client)


def test_the_list_says_device_and_place_and_marks_this_one(user: User) -> None:
    here = log_in(user)
    log_in(user, Client(headers={"user-agent": PHONE}, REMOTE_ADDR="203.0.113.7"))
    page = here.get(SECURITY).content.decode()
    assert "Firefox on Linux" in page
    assert "Mobile Safari on iOS" in page
    assert "203.0.113.7" in page
    assert page.count("this device") == 1
    assert page.index("this device") < page.index("203.0.113.7")


def test_who_logged_out_is_not_listed(user: User) -> None:
    here, there = log_in(user), log_in(user)
    there.post("/accounts/logout/")
    assert [row.session_key for row in live_sessions(user)] == [here.session.session_key]


def test_the_last_use_is_noted_once_a_minute(user: User, django_assert_num_queries: Any) -> None:
    client = log_in(user)
    old = timezone.now() - timedelta(days=1)
    UserSession.objects.filter(user=user).update(last_seen_at=old)
    client.get(SECURITY)
    assert session_of(client).last_seen_at == old
    middleware._noted.clear()
    client.get(SECURITY, REMOTE_ADDR="203.0.113.9", headers={"user-agent": PHONE})
    row = session_of(client)
    assert row.last_seen_at > old
    assert (row.ip, device_name(row.user_agent)) == ("203.0.113.9", "Mobile Safari on iOS")


def test_a_session_that_nobody_listed_is_listed_when_it_is_used(user: User) -> None:
    client = Client()
    client.force_login(user)
    middleware._noted.clear()
    client.get("/admin/")
    assert [row.session_key for row in live_sessions(user)] == [client.session.session_key]


def test_what_is_remembered_of_uses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "_MOST_NOTED", 3)
    for number in range(10):
        middleware.noted(f"key {number}")
    assert len(middleware._noted) <= 3


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        (PHONE, "Mobile Safari on iOS"),
        ("curl/8.5.0", "curl"),
        ("", "an unknown device"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    ],
)
def test_devices_have_names(agent: str, name: str) -> None:
    assert device_name(agent) == name
