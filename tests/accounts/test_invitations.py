"""People are invited by mail, by who holds what they give, and join once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
import redis
from allauth.account.models import EmailAddress
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connections
from django.test import Client
from django.utils import timezone

from apps.accounts import services
from apps.accounts.models import AuthEvent, Invitation, Membership, Role, Team, User
from apps.events.models import Event
from tests.accounts.factories import make_member, make_role, make_superuser, make_team, make_user, member_with
from tests.accounts.letters import code_in, delivered, link_in

pytestmark = pytest.mark.django_db
PAGE = "https://artel.example/accounts/invitation/"
PASSWORD = "correct horse battery"
INVITES = {"accounts.add_invitation": "ALL", "accounts.add_user": "ALL", "accounts.add_membership": "ALL"}
SEES = {f"accounts.view_{name}": "ALL" for name in ("user", "team", "role", "membership", "invitation")}


@pytest.fixture(autouse=True)
def empty_redis(redis_url: str) -> None:
    """Count from nothing."""


@pytest.fixture
def team() -> Team:
    return make_team("North")


@pytest.fixture
def role() -> Role:
    return make_role({"crm.view_deal": "OWN"}, "Sales")


def invite(team: Team, role: Role, actor: User | None = None, **values: Any) -> Invitation:
    values = {"email": "Vera@example.org", "name": "Vera", "locale": "en"} | values
    email = values.pop("email")
    by = actor or make_superuser()
    return services.invite(email, team_id=team.pk, role_id=role.pk, actor=by, link=PAGE, **values)


def sent_link() -> str:
    return link_in(delivered()[-1])


def token_of(link: str) -> str:
    return link.rstrip("/").rpartition("/")[2]


def test_who_is_invited_joins_by_the_link_and_is_logged_in(team: Team, role: Role) -> None:
    invitation = invite(team, role)
    link, client = sent_link(), Client()
    shown = client.get(link)
    assert "vera@example.org" in shown.content.decode()
    answer = client.post(link, {"name": "Vera Orlova", "password": PASSWORD})
    user = User.objects.get(email="vera@example.org")
    assert answer["Location"] == "/admin/"
    assert client.session["_auth_user_id"] == str(user.pk)
    assert (user.name, user.locale, user.is_staff) == ("Vera Orlova", "en", True)
    assert list(user.memberships.values_list("team", "role")) == [(team.pk, role.pk)]
    assert EmailAddress.objects.get(user=user).verified
    invitation.refresh_from_db()
    assert (invitation.user, invitation.state_at(timezone.now())) == (user, Invitation.State.ACCEPTED)
    facts = Event.objects.filter(type__startswith="accounts.invitation").values_list("type", flat=True)
    assert sorted(facts) == ["accounts.invitation.accepted.v1", "accounts.invitation.made.v1"]
    kinds = set(AuthEvent.objects.values_list("kind", flat=True))
    assert {"invitation_made", "invitation_accepted", "login"} <= kinds


@pytest.mark.parametrize(("locale", "word"), [("ru", "ru"), ("en", "en")])
def test_the_page_speaks_the_language_of_whoever_is_invited(
    team: Team, role: Role, locale: str, word: str
) -> None:
    invite(team, role, locale=locale)
    link = sent_link()
    page = Client(headers={"accept-language": "en" if locale == "ru" else "ru"}).get(link)
    assert f'<html lang="{word}">' in page.content.decode()


def test_only_the_hash_of_the_secret_is_kept(team: Team, role: Role) -> None:
    invite(team, role)
    token = token_of(sent_link())
    assert len(token) >= 43
    assert token not in str(list(Invitation.objects.values()))


def test_a_weak_password_is_refused_and_the_link_goes_on(team: Team, role: Role) -> None:
    invite(team, role)
    link, client = sent_link(), Client()
    answer = client.post(link, {"name": "Vera", "password": "short"})
    assert answer.status_code == 400
    assert "too short" in answer.content.decode()
    assert client.post(link, {"name": "Vera", "password": PASSWORD}).status_code == 302


def test_a_used_link_says_so(team: Team, role: Role) -> None:
    invite(team, role)
    link = sent_link()
    Client().post(link, {"name": "Vera", "password": PASSWORD})
    for answer in (Client().get(link), Client().post(link, {"name": "Eve", "password": PASSWORD})):
        assert answer.status_code == 410
        assert "accepted already" in answer.content.decode()


def test_an_invitation_that_was_taken_back_says_so(team: Team, role: Role) -> None:
    invitation, root = invite(team, role), make_superuser()
    services.revoke_invitation(invitation.pk, actor=root)
    assert "taken back" in Client().get(sent_link()).content.decode()
    with pytest.raises(ValidationError) as refused:
        services.revoke_invitation(invitation.pk, actor=root)
    assert refused.value.code == "not_open"


def test_an_old_invitation_says_so_and_is_sent_again_with_another_link(team: Team, role: Role) -> None:
    invitation = invite(team, role)
    old = sent_link()
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert "too old" in Client().get(old).content.decode()
    services.resend_invitation(invitation.pk, actor=make_superuser(), link=PAGE)
    assert "no such invitation" in Client().get(old).content.decode()
    assert Client().post(sent_link(), {"name": "Vera", "password": PASSWORD}).status_code == 302


def test_a_link_that_never_was_says_so() -> None:
    answer = Client().get("/accounts/invitation/nonsense/")
    assert answer.status_code == 410
    assert "no such invitation" in answer.content.decode()


def test_nobody_gives_more_than_they_hold(team: Team) -> None:
    actor = member_with(INVITES | SEES)
    with pytest.raises(PermissionDenied, match="more than you hold"):
        invite(team, make_role({"crm.delete_deal": "ALL"}), actor)
    assert invite(team, make_role({"accounts.view_team": "TEAM"}), actor).pk


@pytest.mark.parametrize("missing", sorted(INVITES))
def test_who_may_not_make_members_invites_nobody(team: Team, role: Role, missing: str) -> None:
    grants = {name: reach for name, reach in (INVITES | SEES).items() if name != missing}
    with pytest.raises(PermissionDenied):
        invite(team, role, member_with(grants | {"crm.view_deal": "ALL"}))


def test_what_the_inviter_may_not_give_any_more_nobody_gets(team: Team, role: Role) -> None:
    actor = member_with(INVITES | SEES | {"crm.view_deal": "ALL"})
    invite(team, role, actor)
    link = sent_link()
    Membership.objects.filter(user=actor).delete()
    answer = Client().post(link, {"name": "Vera", "password": PASSWORD})
    assert "may not give you this place any more" in answer.content.decode()
    assert not User.objects.filter(email="vera@example.org").exists()


def test_an_invitation_of_somebody_turned_off_opens_nothing(team: Team, role: Role) -> None:
    actor = make_superuser()
    invite(team, role, actor)
    User.objects.filter(pk=actor.pk).update(is_active=False)
    answer = Client().post(sent_link(), {"name": "Vera", "password": PASSWORD})
    assert answer.status_code == 400
    assert not User.objects.filter(email="vera@example.org").exists()


def test_who_has_an_account_is_not_invited(team: Team, role: Role) -> None:
    make_user(email="vera@example.org")
    with pytest.raises(ValidationError) as refused:
        invite(team, role)
    assert refused.value.error_dict["email"][0].code == "email_taken"


def test_one_address_has_one_open_invitation(team: Team, role: Role) -> None:
    invite(team, role)
    with pytest.raises(ValidationError) as refused:
        invite(team, role, email="VERA@example.org ")
    assert refused.value.code == "invitation_open_once"
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert invite(team, role).pk


@pytest.mark.django_db(transaction=True)
def test_one_link_used_32_times_at_once_makes_one_account(team: Team, role: Role) -> None:
    invite(team, role)
    token, barrier = token_of(sent_link()), Barrier(32)

    def accept(number: int) -> str:
        barrier.wait(timeout=60)
        try:
            return str(services.accept_invitation(token, name=f"Vera {number}", password=PASSWORD).pk)
        except ValidationError as refused:
            return str(refused.code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(32) as pool:
        said = list(pool.map(accept, range(32)))
    user = User.objects.get(email="vera@example.org")
    assert sorted(said) == sorted([str(user.pk), *["accepted"] * 31])
    assert user.memberships.count() == 1


def test_administrators_invite_send_again_and_take_back_in_the_admin(team: Team, role: Role) -> None:
    client = Client()
    client.force_login(make_superuser())
    base = "/admin/accounts/invitation/"
    fields = {"email": "vera@example.org", "name": "Vera", "team": team.pk, "role": role.pk, "locale": "ru"}
    client.post(f"{base}add/", fields)
    invitation = Invitation.objects.get()
    assert "Vera" in client.get(base).content.decode()
    first = sent_link()
    page = client.get(f"{base}{invitation.pk}/change/").content.decode()
    assert f"{base}{invitation.pk}/resend" in page
    client.post(f"{base}{invitation.pk}/resend/")
    assert sent_link() != first
    client.post(f"{base}{invitation.pk}/revoke/")
    invitation.refresh_from_db()
    assert invitation.revoked_at is not None
    page = client.get(f"{base}{invitation.pk}/change/").content.decode()
    assert f"{base}{invitation.pk}/resend" not in page


def test_a_refusal_stands_in_the_form_with_what_was_typed(team: Team, role: Role) -> None:
    make_user(email="vera@example.org")
    client = Client()
    client.force_login(make_superuser())
    fields = {"email": "vera@example.org", "name": "Vera", "team": team.pk, "role": role.pk, "locale": ""}
    page = client.post("/admin/accounts/invitation/add/", fields).content.decode()
    assert "There is an account with this address already." in page
    assert 'value="Vera"' in page


def test_programs_invite_and_take_back_over_rest(team: Team, role: Role) -> None:
    client = Client()
    client.force_login(make_superuser())
    path = "/api/v1/accounts/invitations/"
    body = {"email": "vera@example.org", "name": "Vera", "team": team.pk, "role": role.pk}
    made = client.post(path, body, "application/json")
    assert made.status_code == 201, made.content
    assert made.json()["state"] == "OPEN"
    assert "digest" not in made.json()
    one = f"{path}{made.json()['id']}/"
    assert client.post(f"{one}resend/").status_code == 200
    assert client.post(f"{one}revoke/").json()["state"] == "REVOKED"
    assert client.post(f"{one}resend/").json()["code"] == "not_open"
    assert len(delivered()) == 2


class TestSignup:
    """Strangers who make an account for themselves."""

    FIELDS = {"name": "Oleg", "email": "oleg@example.org", "password1": PASSWORD}

    def test_nobody_signs_up_where_it_is_closed(self) -> None:
        page = Client().post("/accounts/signup/", self.FIELDS)
        assert "Ask one of them to invite you" in page.content.decode()
        over_rest = Client().post(
            "/_allauth/browser/v1/auth/signup",
            {"name": "Oleg", "email": "oleg@example.org", "password": PASSWORD},
            "application/json",
        )
        assert over_rest.status_code == 403
        assert not User.objects.filter(email="oleg@example.org").exists()

    def test_who_signs_up_confirms_the_address_and_sees_what_happens_next(self, settings: Any) -> None:
        settings.SIGNUP_OPEN = True
        client = Client()
        answer = client.post("/accounts/signup/", self.FIELDS)
        assert "_auth_user_id" not in client.session
        answer = client.post(answer["Location"], {"code": code_in(delivered()[-1])})
        user = User.objects.get(email="oleg@example.org")
        assert client.session["_auth_user_id"] == str(user.pk)
        assert (user.is_staff, user.memberships.count(), user.name) == (False, 0, "Oleg")
        page = client.get(answer["Location"])
        assert "An administrator now gives you a place in a team" in page.content.decode()
        assert client.get("/api/v1/crm/deals/").status_code == 403
        assert AuthEvent.objects.filter(kind="signed_up", user=user).exists()

    def test_without_the_code_nobody_logs_in(self, settings: Any, redis_url: str) -> None:
        settings.SIGNUP_OPEN = True
        Client().post("/accounts/signup/", self.FIELDS)
        # One address is sent a code every ten seconds at most.
        with redis.Redis.from_url(redis_url) as kept:
            kept.flushall()
        client = Client()
        answer = client.post("/accounts/login/", {"login": "oleg@example.org", "password": PASSWORD})
        assert answer["Location"] == "/accounts/confirm-email/"
        assert client.get("/admin/").status_code == 302

    def test_an_address_that_has_an_account_gets_the_same_answer_and_a_letter(self, settings: Any) -> None:
        settings.SIGNUP_OPEN = True
        make_member(make_team(), "salesperson", email="oleg@example.org")
        taken = Client().post("/accounts/signup/", self.FIELDS)
        fresh = Client().post("/accounts/signup/", self.FIELDS | {"email": "new@example.org"})
        assert (taken.status_code, taken["Location"]) == (fresh.status_code, fresh["Location"])
        assert any("You have an account already" in text for text in delivered())
        assert User.objects.filter(email="oleg@example.org").count() == 1
