"""The page on which people look after how they log in, and the small pages behind it."""

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.core import mail
from django.core.exceptions import ValidationError
from django.test import Client

from apps.accounts import services
from apps.accounts.models import User
from apps.events.models import Event
from tests.accounts.entering import LOGIN, SECURITY, browser, log_in, set_up_app
from tests.accounts.factories import PASSWORD, make_role, make_superuser, make_team, make_user
from tests.accounts.letters import code_in, delivered
from tests.support.sessions import show_factor

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("committing")]
EMAIL, CONFIRM = f"{SECURITY}email/", "/accounts/confirm-email/"


@pytest.fixture
def user() -> User:
    return make_user("Anna", email="anna@example.org", password=PASSWORD)


def passkey_of(user: User, name: str = "Office laptop") -> Authenticator:
    """Put a passkey into the table, as far as pages look at it."""
    data = {"name": name, "credential": {}}
    row: Authenticator = Authenticator.objects.create(user=user, type=Authenticator.Type.WEBAUTHN, data=data)
    return row


def test_the_menu_of_the_admin_leads_there(user: User) -> None:
    client = log_in(user)
    assert f'href="{SECURITY}"' in client.get("/admin/").content.decode()
    page = client.get(SECURITY).content.decode()
    for words in ("anna@example.org", "Change password", "Set up the app", "Add a passkey", "this device"):
        assert words in page


def test_it_costs_the_same_whatever_there_is(user: User, django_assert_max_num_queries: Any) -> None:
    client = log_in(user)
    for number in range(5):
        log_in(user)
        passkey_of(user, f"Key {number}")
    client = Client()
    client.force_login(user)
    show_factor(client, user)
    with django_assert_max_num_queries(9):
        page = client.get(SECURITY)
    assert page.content.decode().count("Remove") >= 5


def test_passkeys_are_renamed_and_removed_by_their_owner(user: User) -> None:
    client, row = log_in(user), passkey_of(user)
    show_factor(client, user)
    other = log_in(make_user(password=PASSWORD))
    for what in ("rename", "remove"):
        assert other.post(f"{SECURITY}passkeys/{row.pk}/{what}/", {"name": "Mine"}).status_code == 404
    answer = client.post(f"{SECURITY}passkeys/{row.pk}/rename/", {"name": "<b>Blue key</b>"})
    assert answer["Location"] == SECURITY
    assert "&lt;b&gt;Blue key" in client.get(SECURITY).content.decode()
    client.post(f"{SECURITY}passkeys/{row.pk}/remove/")
    assert not Authenticator.objects.filter(user=user).exists()


def test_the_last_passkey_of_who_has_to_have_a_factor_stays() -> None:
    role = make_role({})
    root = make_superuser()
    user = services.create_user(
        "Careful",
        email="careful@example.org",
        team_id=make_team().pk,
        role_id=role.pk,
        actor=root,
        password=PASSWORD,
    )
    client = log_in(user)
    row = passkey_of(user)
    show_factor(client, user)
    services.require_second_factor(role.pk, is_required=True, actor=root)
    answer = client.post(f"{SECURITY}passkeys/{row.pk}/remove/")
    assert answer.status_code == 409
    assert "Add another one before" in answer.content.decode()
    assert Authenticator.objects.filter(pk=row.pk).exists()


# E-mail


def test_a_new_address_counts_once_its_code_is_typed(user: User) -> None:
    client = log_in(user)
    answer = client.post(EMAIL, {"email": "Anna.New@Example.org", "action_add": ""})
    assert answer["Location"] == CONFIRM
    delivered()
    assert mail.outbox[-1].to == ["anna.new@example.org"]
    user.refresh_from_db()
    assert user.email == "anna@example.org"
    assert client.post(CONFIRM, {"code": "WRONGX", "action": "verify"}).status_code == 200
    assert (
        client.post(CONFIRM, {"code": code_in(delivered()[-1]), "action": "verify"})["Location"] == SECURITY
    )
    user.refresh_from_db()
    assert (user.email, user.version) == ("anna.new@example.org", 2)
    assert list(EmailAddress.objects.filter(user=user).values_list("email", "verified", "primary")) == [
        ("anna.new@example.org", True, True)
    ]
    assert Event.objects.filter(type="accounts.user.changed.v1", data__email="anna.new@example.org").exists()
    assert browser().post(LOGIN, {"login": "anna@example.org", "password": PASSWORD}).status_code == 200
    log_in(user)


def test_an_address_that_somebody_took_meanwhile_is_refused_in_words(user: User) -> None:
    client = log_in(user)
    client.post(EMAIL, {"email": "new@example.org", "action_add": ""})
    make_user(email="new@example.org")
    page = client.post(CONFIRM, {"code": code_in(delivered()[-1]), "action": "verify"}, follow=True)
    assert "already registered with this email" in page.content.decode()
    with pytest.raises(ValidationError):
        services.change_own_email(user.pk, "new@example.org")
    user.refresh_from_db()
    assert user.email == "anna@example.org"


def test_three_wrong_codes_end_it(user: User) -> None:
    client = log_in(user)
    client.post(EMAIL, {"email": "new@example.org", "action_add": ""})
    for _try in range(3):
        client.post(CONFIRM, {"code": "WRONGX", "action": "verify"})
    client.post(CONFIRM, {"code": code_in(delivered()[-1]), "action": "verify"})
    user.refresh_from_db()
    assert user.email == "anna@example.org"


# Who was made by others


def test_who_was_made_by_an_administrator_logs_in_at_once() -> None:
    made = services.create_user(
        "Made", email="made@example.org", team_id=make_team().pk, role_id=make_role({}).pk,
        actor=make_superuser(), password=PASSWORD,
    )  # fmt: skip
    assert list(EmailAddress.objects.filter(user=made).values_list("verified", "primary")) == [(True, True)]
    assert log_in(made).get("/admin/").status_code == 200


def test_who_was_made_past_the_services_does_too() -> None:
    root = User.objects.create_superuser("root@example.org", PASSWORD, name="Root")
    assert log_in(root).get("/admin/").status_code == 200
    assert EmailAddress.objects.get(user=root).verified


def test_an_address_that_an_administrator_changes_counts_and_the_old_one_does_not(user: User) -> None:
    log_in(user)
    services.change_user(user.pk, email="other@example.org", actor=make_superuser())
    user.refresh_from_db()
    assert log_in(user).get("/admin/").status_code == 200
    browser().post("/accounts/password/reset/", {"email": "anna@example.org"})
    browser().post("/accounts/login/code/", {"email": "anna@example.org"})
    assert delivered() == []


def test_who_only_claims_an_address_does_not_get_in(user: User) -> None:
    EmailAddress.objects.create(user=user, email=user.email, verified=False, primary=True)
    client = browser()
    answer = client.post(LOGIN, {"login": user.email, "password": PASSWORD})
    assert answer["Location"] == CONFIRM
    assert "_auth_user_id" not in client.session


# A code by mail in place of a password


def test_a_code_by_mail_logs_in_once(user: User) -> None:
    client = browser()
    client.get(f"{LOGIN}?next=/admin/accounts/team/")
    client.post("/accounts/login/code/", {"email": user.email, "next": "/admin/accounts/team/"})
    answer = client.post(
        "/accounts/login/code/confirm/", {"code": code_in(delivered()[-1]), "action": "verify"}
    )
    assert answer.status_code == 302
    assert client.get("/admin/").status_code == 200


@pytest.mark.parametrize("fields", [{"is_active": False}, {"kind": "SERVICE"}])
def test_no_code_lets_in_who_is_turned_off_or_a_program(fields: dict[str, Any]) -> None:
    user = make_user(password=PASSWORD, **fields)
    client = browser()
    client.post("/accounts/login/code/", {"email": user.email})
    for letter in delivered():
        body = {"code": code_in(letter), "action": "verify"}
        client.post("/accounts/login/code/confirm/", body)
    assert "_auth_user_id" not in client.session


def test_fields_tell_the_browser_what_they_are_for(user: User) -> None:
    assert 'autocomplete="username webauthn"' in browser().get(LOGIN).content.decode()
    client = log_in(user)
    assert client.get("/accounts/password/change/").content.decode().count('autocomplete="new-password"') == 2
    assert 'autocomplete="one-time-code"' in client.get(f"{SECURITY}app/add/").content.decode()
    set_up_app(client)
    late = log_in(user)
    assert 'autocomplete="one-time-code"' in late.get("/accounts/login/second-factor/").content.decode()


@pytest.mark.parametrize("language", ["en", "ru"])
def test_pages_stand_in_both_languages(user: User, language: str) -> None:
    client = log_in(user, Client(headers={"accept-language": language}))
    for path in ("", "email/", "app/add/", "passkeys/add/"):
        page = client.get(f"{SECURITY}{path}")
        assert page.status_code == 200
        assert f'<html lang="{language}">' in page.content.decode()
