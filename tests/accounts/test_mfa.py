"""Second factors: kept sealed, asked for at every door, and set up before anything else by who has to have one."""

import json
import re
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts import services
from apps.accounts.faces.sockets import user_of_session
from apps.accounts.models import Role, Team, User
from apps.accounts.second_factor import is_required_of
from tests.accounts.entering import (
    ANSWER,
    APP,
    CODES,
    LOGIN,
    SECOND,
    SECURITY,
    browser,
    careful_member,
    code_for,
    code_of,
    log_in,
    set_up_app,
)
from tests.accounts.factories import (
    PASSWORD,
    join,
    make_member,
    make_role,
    make_superuser,
    make_team,
    make_user,
)
from tests.accounts.letters import code_in, delivered

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("committing")]
DEALS = "/api/v1/crm/deals/"


@pytest.fixture
def user() -> User:
    return make_user(password=PASSWORD)


def socket_user(client: Client) -> User | None:
    return user_of_session({"cookies": {"sessionid": client.cookies["sessionid"].value}})


# Having one


def test_who_has_an_app_is_asked_for_its_code(user: User) -> None:
    set_up_app(log_in(user))
    client = browser()
    answer = client.post(LOGIN, {"login": user.email, "password": PASSWORD, "next": "/admin/accounts/team/"})
    assert answer["Location"] == ANSWER
    assert client.get("/admin/").status_code == 302
    assert "_auth_user_id" not in client.session
    wrong = client.post(ANSWER, {"code": "000000"})
    assert "This code is wrong" in wrong.content.decode()
    cache.clear()
    answer = client.post(ANSWER, {"code": code_for(user)})
    assert answer["Location"] == "/admin/accounts/team/"
    assert client.get("/admin/").status_code == 200


def test_nobody_guesses_codes_for_long(user: User) -> None:
    set_up_app(log_in(user))
    client, elsewhere = log_in(user), browser("Guesser")
    for n in range(5):
        client.post(ANSWER, {"code": f"{n:06d}"})
    # Neither the right code helps now, nor another browser.
    for each in (client, log_in(user, elsewhere)):
        assert "Too many failed" in each.post(ANSWER, {"code": code_for(user)}).content.decode()
        assert "_auth_user_id" not in each.session


def test_right_codes_are_not_counted_and_wrong_ones_are_not_forgotten(user: User) -> None:
    codes = set_up_app(log_in(user))
    for code in codes[:6]:
        client = log_in(user)
        assert client.post(ANSWER, {"code": code}).status_code == 302
    client = log_in(user)
    for n in range(4):
        client.post(ANSWER, {"code": f"{n:06d}"})
    assert log_in(user).post(ANSWER, {"code": codes[6]}).status_code == 302
    client.post(ANSWER, {"code": "000009"})
    assert client.post(ANSWER, {"code": codes[7]}).status_code == 200
    assert "_auth_user_id" not in client.session


def test_a_code_opens_one_door_only(user: User) -> None:
    set_up_app(log_in(user))
    code, one, other = code_for(user), log_in(user), log_in(user)
    assert one.post(ANSWER, {"code": code}).status_code == 302
    assert other.post(ANSWER, {"code": code}).status_code == 200
    assert "_auth_user_id" not in other.session


def test_a_recovery_code_opens_once(user: User) -> None:
    codes = set_up_app(log_in(user))
    assert len(set(codes)) == 10
    client = log_in(user)
    client.post(ANSWER, {"code": codes[3]})
    assert client.get("/admin/").status_code == 200
    assert "9 left" in client.get(SECURITY).content.decode()
    again = log_in(user)
    again.post(ANSWER, {"code": codes[3]})
    assert "_auth_user_id" not in again.session


def test_neither_the_admins_login_nor_a_code_by_mail_goes_around_it(user: User) -> None:
    set_up_app(log_in(user))
    client = browser()
    client.post("/admin/login/", {"username": user.email, "password": PASSWORD})
    assert "_auth_user_id" not in client.session
    client.post("/accounts/login/code/", {"email": user.email})
    code = code_in(delivered()[-1])
    answer = client.post("/accounts/login/code/confirm/", {"code": code, "action": "verify"})
    assert answer["Location"] == ANSWER
    assert "_auth_user_id" not in client.session


def test_secrets_are_sealed_in_the_database(user: User) -> None:
    client = log_in(user)
    page = client.get(APP).content.decode()
    codes = set_up_app(client)
    secret = re.search(r"data-secret>([A-Z2-7]+)<", page)
    stored = json.dumps(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret is not None
    assert secret[1] not in stored
    assert not any(code in stored for code in codes)
    sealed = Authenticator.objects.get(type=Authenticator.Type.TOTP).data["secret"]
    assert sealed.startswith("gAAAA")


def test_a_new_secret_key_opens_what_the_one_before_sealed(user: User, settings: Any) -> None:
    set_up_app(log_in(user))
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another one " * 5
    client = log_in(user)
    client.post(ANSWER, {"code": code_for(user)})
    assert client.get("/admin/").status_code == 200


# Having to have one


def test_a_role_that_requires_one_lets_nothing_open_before(user: User) -> None:
    client = log_in(careful_member())
    for path in (
        "/admin/",
        "/admin/crm/deal/",
        "/accounts/password/change/",
        SECURITY,
        CODES,
    ):
        answer = client.get(path)
        assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, SECOND), path
    assert client.post("/admin/crm/deal/add/", {"title": "x"}).status_code == 302
    # Applications are answered by themselves (test_login_again); what is no question lets nobody in.
    assert client.get("/o/authorize/").status_code == 400
    assert "Set up a second factor" in client.get(SECOND).content.decode()
    for path in (DEALS, "/api/v1/me/", "/api/v1/ws-tickets/", "/api/v1/streams/job:1/"):
        refused = getattr(client, "post" if "tickets" in path else "get")(path)
        assert (refused.status_code, refused.json()["code"]) == (403, "mfa_required"), path
        assert refused["Content-Type"] == "application/problem+json"
    assert socket_user(client) is None


def test_logging_out_and_the_language_are_open_all_the_while() -> None:
    client = log_in(careful_member())
    assert client.post("/i18n/setlang/", {"language": "ru", "next": SECOND})["Location"] == SECOND
    client.post("/accounts/logout/")
    assert "_auth_user_id" not in client.session


def test_enrolment_ends_where_one_wanted_to_go_after_the_codes_are_kept() -> None:
    client = log_in(careful_member())
    assert client.get("/admin/crm/deal/?q=x", follow=True).redirect_chain[-1][0].startswith(SECOND)
    page = client.get(APP).content.decode()
    secret = re.search(r"data-secret>([A-Z2-7]+)<", page)
    assert secret is not None
    client.post(APP, {"code": code_of(secret[1])})
    # Not before the codes are kept.
    assert client.get("/admin/", follow=True).redirect_chain[-1][0] == CODES
    assert client.get(DEALS).json()["code"] == "mfa_required"
    assert socket_user(client) is None
    client.get("/admin/crm/deal/?q=x")
    client.get(f"{SECOND}?next=/admin/crm/deal/%3Fq%3Dx")
    done = client.post(CODES, follow=True)
    assert done.redirect_chain[-1][0] == "/admin/crm/deal/?q=x"
    assert client.get(DEALS).status_code == 200
    assert socket_user(client) is not None
    assert "are not shown again" in client.get(CODES).content.decode()


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_enrolment_leads_to_nobody_elses_site(target: str) -> None:
    client = log_in(careful_member())
    client.get(SECOND, {"next": target})
    set_up_app(client)
    assert client.get(SECOND)["Location"] == SECURITY


def test_a_session_that_began_without_it_does_not_count() -> None:
    user = careful_member()
    set_up_app(log_in(user))
    stolen = browser()
    # As if made past the login page: it has shown a password and no more.
    stolen.force_login(user)
    answer = stolen.get("/admin/", follow=True)
    assert "Code of your app" in answer.content.decode()
    assert stolen.get(DEALS).json()["code"] == "mfa_required"
    # A second app or a passkey of one's own is no way around either.
    assert stolen.get(APP)["Location"].startswith(SECOND)
    assert stolen.get(f"{SECURITY}passkeys/add/")["Location"].startswith(SECOND)
    by_password = {"recent-how": "password", "recent-answer": PASSWORD, "recent-was-reading": "1"}
    stolen.post(SECOND, by_password)
    assert stolen.get("/admin/").status_code == 302
    stolen.post(SECOND, {**by_password, "recent-how": "code", "recent-answer": code_for(user)})
    assert stolen.get("/admin/").status_code == 200


def test_a_requirement_holds_from_the_next_request_on() -> None:
    root, role = make_superuser(), make_role({})
    user = join(make_user(password=PASSWORD), make_team(), role)
    client = log_in(user)
    assert client.get("/admin/").status_code == 200
    services.require_second_factor(role.pk, is_required=True, actor=root)
    assert client.get("/admin/")["Location"].startswith(SECOND)
    assert socket_user(client) is None
    services.require_second_factor(role.pk, is_required=False, actor=root)
    assert client.get("/admin/").status_code == 200


def test_asking_costs_no_query() -> None:
    user = careful_member()
    client = log_in(user)
    set_up_app(client)
    client.get("/api/v1/me/")
    with CaptureQueriesContext(connection) as captured:
        client.get("/api/v1/me/")
    queries = [each["sql"] for each in captured]
    assert not [sql for sql in queries if "mfa_authenticator" in sql or '"requires_mfa" AND' in sql]
    assert not [sql for sql in queries if sql.startswith(("UPDATE", "INSERT"))]
    free = log_in(make_user(password=PASSWORD))
    free.get("/api/v1/me/")
    with CaptureQueriesContext(connection) as less:
        free.get("/api/v1/me/")
    # Two more tell of the place in a team.
    assert len(captured) <= len(less) + 2


def test_administrators_of_everything_need_one_where_a_setting_says_so(settings: Any) -> None:
    root = make_user(is_superuser=True, password=PASSWORD)
    client = log_in(root)
    assert client.get("/admin/").status_code == 200
    settings.REQUIRE_MFA_OF_ADMINISTRATORS = True
    assert client.get("/admin/")["Location"].startswith(SECOND)
    assert is_required_of(root)
    assert not is_required_of(make_user())


def test_a_role_in_a_team_that_is_gone_requires_nothing() -> None:
    user = careful_member()
    Team.objects.filter(memberships__user=user).update(archived_at=timezone.now())
    assert not is_required_of(user)


def test_the_last_factor_of_who_has_to_have_one_stays() -> None:
    user = careful_member()
    client = log_in(user)
    set_up_app(client)
    answer = client.post(f"{SECURITY}app/remove/")
    assert "Add another one before" in answer.content.decode()
    assert Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists()


def test_a_program_with_a_key_is_asked_for_its_key_alone() -> None:
    _key, secret = services.create_api_key("program", scopes=["read"], actor=make_superuser())
    client = log_in(careful_member())
    client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {secret}"
    assert client.get(DEALS).status_code == 200


def test_over_rest_one_enrols_and_a_password_is_not_enough_either() -> None:
    user = careful_member()
    client = log_in(user)
    answer = client.get("/_allauth/browser/v1/auth/session")
    assert (answer.status_code, answer.json()["data"]["user"]["id"]) == (200, user.pk)
    set_up_app(client)
    body = {"password": PASSWORD}
    refused = client.post("/_allauth/browser/v1/auth/reauthenticate", body, content_type="application/json")
    assert refused.status_code == 400
    assert "a password is not enough" in refused.json()["errors"][0]["message"]


def test_who_acts_as_somebody_is_asked_for_their_own_factor_alone() -> None:
    target, role = careful_member(), Role.objects.get(key="administrator")
    client = log_in(make_member(make_team(), role, password=PASSWORD))
    body = {"reason": "They asked for help", "minutes": "15"}
    client.post(f"/admin/accounts/user/{target.pk}/act_as/", body)
    assert client.get("/api/v1/me/").json()["id"] == target.pk
    assert client.get("/admin/").status_code == 200
    services.require_second_factor(role.pk, is_required=True, actor=make_superuser())
    assert client.get("/admin/")["Location"].startswith(SECOND)
    assert client.get("/api/v1/me/").json()["code"] == "mfa_required"


def test_only_who_may_change_roles_says_that_one_requires_it(user: User) -> None:
    role = make_role({})
    with pytest.raises((PermissionDenied, Role.DoesNotExist)):
        services.require_second_factor(role.pk, is_required=True, actor=user)
    assert not Role.objects.get(pk=role.pk).requires_mfa


# Changing one


def test_changing_ones_factors_ends_all_other_sessions(user: User) -> None:
    here, there = log_in(user), log_in(user)
    set_up_app(here)
    assert here.get("/admin/").status_code == 200
    assert there.get("/admin/").status_code == 302
    assert socket_user(there) is None
    there = log_in(user)
    there.post(ANSWER, {"code": set_up_codes(here)[0]})
    assert there.get("/admin/").status_code == 200
    assert here.post(f"{SECURITY}app/remove/").status_code == 302
    assert not Authenticator.objects.filter(user=user).exists()
    assert there.get("/admin/").status_code == 302
    assert here.get("/admin/").status_code == 200


def set_up_codes(client: Client) -> list[str]:
    """Make new recovery codes, and keep them."""
    client.post(f"{CODES}new/")
    codes = re.findall(r"<li><code>(\d+)</code></li>", client.get(CODES).content.decode())
    client.post(CODES)
    return codes


def test_new_recovery_codes_take_the_place_of_the_old_and_are_shown_once(user: User) -> None:
    client = log_in(user)
    old = set_up_app(client)
    new = set_up_codes(client)
    assert len(new) == 10
    assert not set(old) & set(new)
    assert not any(code in client.get(CODES).content.decode() for code in new)
    late = log_in(user)
    late.post(ANSWER, {"code": old[0]})
    assert "_auth_user_id" not in late.session
