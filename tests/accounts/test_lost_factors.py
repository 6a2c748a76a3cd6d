"""Somebody has lost their phone: an administrator takes the factor off, and a new one is asked for at the next login."""

import pytest
from allauth.mfa.models import Authenticator
from django.core import mail
from django.core.exceptions import PermissionDenied, ValidationError
from django.test import Client

from apps.accounts import services
from apps.accounts.models import AuthEvent, Role, User
from tests.accounts.entering import SECOND, browser, log_in, set_up_app
from tests.accounts.factories import (
    PASSWORD,
    join,
    make_member,
    make_role,
    make_superuser,
    make_team,
    make_user,
)
from tests.accounts.letters import delivered

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("committing")]


@pytest.fixture
def anna() -> User:
    return make_user("Anna", email="anna@example.org", password=PASSWORD)


@pytest.fixture
def phone(anna: User, committing: None) -> Client:
    """A browser in which Anna is logged in, and has set up her app."""
    client = log_in(anna)
    set_up_app(client)
    return client


def test_all_factors_go_and_sessions_end(anna: User, phone: Client) -> None:
    root = make_superuser()
    mail.outbox.clear()
    services.reset_second_factors(anna.pk, actor=root)
    assert not Authenticator.objects.filter(user=anna).exists()
    assert phone.get("/accounts/security/").status_code == 302
    event = AuthEvent.objects.get(kind="mfa_reset")
    assert (event.user, event.actor) == (anna, root)
    assert str(root) in delivered()[-1]
    assert mail.outbox[-1].to == ["anna@example.org"]
    # The password alone opens the door again.
    assert log_in(anna).get("/accounts/security/").status_code == 200


def test_whose_role_requires_one_adds_it_first(anna: User, phone: Client) -> None:
    role = make_role({"crm.view_deal": "OWN"})
    Role.objects.filter(pk=role.pk).update(requires_mfa=True)
    join(anna, make_team(), role)
    services.reset_second_factors(anna.pk, actor=make_superuser())
    answer = log_in(anna).get("/admin/")
    assert answer["Location"].startswith(SECOND)


@pytest.mark.usefixtures("phone")
def test_who_may_not(anna: User) -> None:
    boss = make_superuser()
    User.objects.filter(pk=anna.pk).update(is_superuser=True)
    ruler = User.objects.get(pk=anna.pk)
    lead = make_member(
        make_team(), make_role({"accounts.view_user": "ALL", "accounts.change_user": "ALL"}), "lead"
    )
    with pytest.raises(PermissionDenied):
        services.reset_second_factors(boss.pk, actor=lead)
    with pytest.raises(ValidationError) as own:
        services.reset_second_factors(anna.pk, actor=ruler)
    assert own.value.code == "own_account"
    with pytest.raises(ValidationError) as none:
        services.reset_second_factors(lead.pk, actor=boss)
    assert none.value.code == "no_second_factor"
    assert Authenticator.objects.filter(user=anna).exists()


@pytest.mark.usefixtures("phone")
def test_the_page_offers_it_where_there_is_one(anna: User) -> None:
    root = Client()
    root.force_login(make_superuser())
    page = f"/admin/accounts/user/{anna.pk}/"
    assert "reset_factors" in root.get(f"{page}change/").content.decode()
    answer = root.post(f"{page}reset_factors/", {"confirm": "1"}, follow=True)
    assert not Authenticator.objects.filter(user=anna).exists(), answer.content.decode()
    assert "reset_factors" not in root.get(f"{page}change/").content.decode()


def test_over_rest(anna: User, phone: Client) -> None:
    root = Client()
    root.force_login(make_superuser())
    answer = root.post(f"/api/v1/accounts/users/{anna.pk}/reset-second-factors/")
    assert answer.status_code == 200, answer.content
    again = root.post(f"/api/v1/accounts/users/{anna.pk}/reset-second-factors/")
    assert (again.status_code, again.json()["code"]) == (400, "no_second_factor")
    assert browser().get("/accounts/security/").status_code == 302
