"""Who may change users, teams and roles; above all, that nobody gives or takes more than they hold."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError

from apps.accounts import access, services
from apps.accounts.models import Membership, Role, RoleGrant, Team, User
from apps.events.models import Event
from tests.accounts.factories import (
    PASSWORD,
    join,
    make_member,
    make_role,
    make_superuser,
    make_team,
    make_user,
)

pytestmark = pytest.mark.django_db

MANAGER = {
    f"accounts.{action}_{model}": "SUBTREE"
    for model in ("user", "team", "membership")
    for action in ("view", "add", "change", "delete")
} | {"accounts.view_role": "ALL", "crm.view_deal": "SUBTREE", "crm.view_product": "ALL"}


@pytest.fixture
def team() -> Team:
    return make_team("north")


@pytest.fixture
def manager(team: Team) -> User:
    """Somebody who manages the people of one team and the teams below it."""
    return make_member(team, make_role(MANAGER, "Manager"), "Manager")


def facts() -> list[str]:
    return list(Event.objects.order_by("pk").values_list("type", flat=True))


def test_a_user_is_made_with_a_place_and_facts_are_told(team: Team, manager: User) -> None:
    role = make_role({"crm.view_deal": "TEAM"})
    user = services.create_user(
        "Boris",
        email=" Boris@Example.org ",
        team_id=team.pk,
        role_id=role.pk,
        actor=manager,
        password=PASSWORD,
    )
    assert (user.email, user.is_staff, user.check_password(PASSWORD)) == ("boris@example.org", True, True)
    assert user.memberships.get().role == role
    assert facts() == ["accounts.membership.granted.v1", "accounts.user.created.v1"]
    told = Event.objects.get(type="accounts.user.created.v1")
    assert told.actor == manager
    assert told.data["name"] == "Boris"
    assert "password" not in json.dumps(told.data)


@pytest.mark.parametrize(
    "grants",
    [
        {"crm.view_deal": "ALL"},
        {"crm.win_deal": "OWN"},
        {"crm.view_deal": "OWN", "accounts.change_role": "ALL"},
    ],
)
def test_a_role_that_gives_more_than_the_giver_holds_is_refused(
    team: Team, manager: User, grants: dict[str, str]
) -> None:
    role = make_role(grants)
    colleague = make_member(team, make_role({}))
    with pytest.raises(PermissionDenied):
        services.grant_membership(colleague.pk, team.pk, role.pk, actor=manager)
    with pytest.raises(PermissionDenied):
        services.grant_membership(manager.pk, team.pk, role.pk, actor=manager)
    with pytest.raises(PermissionDenied):
        services.create_user("x", email="x@example.org", team_id=team.pk, role_id=role.pk, actor=manager)
    assert not User.objects.filter(name="x").exists()
    assert facts() == []


def test_a_team_out_of_reach_cannot_be_joined(manager: User) -> None:
    elsewhere = make_team("south")
    with pytest.raises(ObjectDoesNotExist):
        services.grant_membership(manager.pk, elsewhere.pk, make_role({}).pk, actor=manager)


def test_nobody_lets_themselves_into_a_team_with_a_permission_on_own_rows() -> None:
    own = make_role(
        {"accounts.add_membership": "OWN", "accounts.view_user": "OWN", "accounts.view_team": "ALL"}
    )
    actor = make_member(make_team(), own)
    role = make_role({"crm.view_deal": "TEAM"})
    with pytest.raises((PermissionDenied, ObjectDoesNotExist)):
        services.grant_membership(actor.pk, make_team("rich").pk, role.pk, actor=actor)


TAKE_OVER: list[Callable[[User, User], Any]] = [
    lambda user, actor: services.set_password(user.pk, PASSWORD, actor=actor),
    lambda user, actor: services.change_user(user.pk, email="mine@example.org", actor=actor),
    lambda user, actor: services.deactivate_user(user.pk, actor=actor),
    lambda user, actor: services.activate_user(user.pk, actor=actor),
    lambda user, actor: services.revoke_membership(user.memberships.get().pk, actor=actor),
    lambda user, actor: services.ensure_member(
        user.name, email=user.email, team=user.memberships.get().team, role_key="salesperson", actor=actor
    ),
]


@pytest.mark.parametrize("take_over", TAKE_OVER)
def test_who_holds_more_is_out_of_reach(
    team: Team, manager: User, take_over: Callable[[User, User], Any]
) -> None:
    stronger = make_member(team, make_role({"crm.view_deal": "ALL"}), "Stronger")
    with pytest.raises((PermissionDenied, ValidationError, ObjectDoesNotExist)) as caught:
        take_over(stronger, manager)
    assert isinstance(caught.value, PermissionDenied) or "role" in str(caught.value)
    root = join(make_superuser(), team, make_role({}))
    with pytest.raises((PermissionDenied, ValidationError)):
        take_over(root, manager)
    assert {user.email for user in (stronger, root)} == set(
        User.objects.filter(pk__in=[stronger.pk, root.pk], is_active=True).values_list("email", flat=True)
    )


def test_a_new_address_makes_the_old_one_worthless(team: Team, manager: User) -> None:
    user = make_member(team, make_role({}))
    EmailAddress.objects.create(user=user, email=str(user.email), verified=True, primary=True)
    services.change_user(user.pk, email="new@example.org", actor=manager)
    known = EmailAddress.objects.filter(user=user).values_list("email", "verified", "primary")
    assert list(known) == [("new@example.org", True, True)]
    assert facts() == ["accounts.user.changed.v1"]


def test_a_change_that_changes_nothing_tells_nothing(team: Team, manager: User) -> None:
    user = make_member(team, make_role({}))
    same = services.change_user(user.pk, name=user.name, actor=manager)
    assert same.version == user.version
    assert facts() == []


def test_who_was_slower_is_told(team: Team, manager: User) -> None:
    user = make_member(team, make_role({}))
    services.change_user(user.pk, name="First", actor=manager, expected_version=1)
    with pytest.raises(ValidationError) as caught:
        services.change_user(user.pk, name="Second", actor=manager, expected_version=1)
    assert caught.value.code == "stale"


def test_an_account_is_turned_off_and_on_once(team: Team, manager: User) -> None:
    user = make_member(team, make_role({}))
    services.deactivate_user(user.pk, actor=manager)
    with pytest.raises(ValidationError) as caught:
        services.deactivate_user(user.pk, actor=manager)
    assert caught.value.code == "inactive"
    services.activate_user(user.pk, actor=manager)
    assert facts() == ["accounts.user.deactivated.v1", "accounts.user.activated.v1"]
    with pytest.raises(ValidationError) as own:
        services.deactivate_user(manager.pk, actor=manager)
    assert own.value.code == "own_account"


def test_own_settings_are_everybodys_to_change_and_nothing_else() -> None:
    user = make_user()
    services.change_own_settings(actor=user, locale="ru", time_zone="Asia/Yekaterinburg")
    assert User.objects.get(pk=user.pk).locale == "ru"
    for fields in ({"locale": "xx"}, {"time_zone": "Mars/Olympus"}):
        with pytest.raises(ValidationError):
            services.change_own_settings(actor=user, **fields)
    with pytest.raises(ObjectDoesNotExist):
        services.change_user(user.pk, name="x", actor=user)


def test_teams_grow_below_the_actors_own_only(team: Team, manager: User) -> None:
    below = services.create_team("office", parent_id=team.pk, actor=manager)
    assert below.path == f"{team.path}{below.pk}/"
    assert access.can(manager, "change", below)
    with pytest.raises(PermissionDenied):
        services.create_team("top", parent_id=None, actor=manager)
    with pytest.raises(ObjectDoesNotExist):
        services.create_team("far", parent_id=make_team().pk, actor=manager)
    with pytest.raises(ValidationError) as caught:
        services.create_team("office", parent_id=team.pk, actor=manager)
    assert caught.value.code == "team_parent_name_unique"


def test_teams_move_within_reach_and_not_into_themselves(team: Team, manager: User) -> None:
    one = services.create_team("one", parent_id=team.pk, actor=manager)
    two = services.create_team("two", parent_id=one.pk, actor=manager)
    assert services.move_team(two.pk, parent_id=team.pk, actor=manager).path == f"{team.path}{two.pk}/"
    services.move_team(two.pk, parent_id=one.pk, actor=manager)
    with pytest.raises(ValidationError):
        services.move_team(one.pk, parent_id=two.pk, actor=manager)
    with pytest.raises(PermissionDenied):
        services.move_team(one.pk, parent_id=None, actor=manager)


def test_a_team_goes_to_the_trash_empty(team: Team, manager: User) -> None:
    with pytest.raises(ValidationError) as caught:
        services.archive_team(team.pk, actor=manager)
    assert caught.value.code == "team_not_empty"
    empty = services.create_team("empty", parent_id=team.pk, actor=manager)
    assert services.archive_team(empty.pk, actor=manager).archived_at is not None


def test_a_role_can_be_given_only_what_its_editor_holds_everywhere(team: Team) -> None:
    editor = make_member(team, make_role(MANAGER | {"accounts.change_role": "ALL", "crm.win_deal": "ALL"}))
    role = make_role({"crm.delete_deal": "ALL"})
    services.set_role_grants(
        role.pk, {"crm.delete_deal": "ALL", "crm.win_deal": "TEAM", "crm.view_product": "ALL"}, actor=editor
    )
    assert dict(role.grants.values_list("permission", "reach")) == {
        "crm.delete_deal": "ALL",
        "crm.win_deal": "TEAM",
        "crm.view_product": "ALL",
    }
    for grants in ({"crm.view_deal": "ALL"}, {"crm.lose_deal": "OWN"}):
        with pytest.raises(PermissionDenied):
            services.set_role_grants(role.pk, grants, actor=editor)
    with pytest.raises(ValidationError) as caught:
        services.set_role_grants(role.pk, {"crm.fly_deal": "ALL"}, actor=editor)
    assert caught.value.code == "unknown_permission"


def test_an_import_of_people_makes_them_once(manager: User) -> None:
    root = make_superuser()
    team = services.ensure_team(["Sales", "East"], actor=root)
    assert services.ensure_team(["Sales", "East"], actor=root) == team
    seen = []
    for email in (None, None, "vera@example.org", "vera@example.org"):
        user, outcome = services.ensure_member(
            "Vera", email=email, team=team, role_key="salesperson", actor=root
        )
        seen.append(outcome)
    assert seen == ["created", "unchanged", "updated", "unchanged"]
    assert user.email == "vera@example.org"
    assert Membership.objects.filter(user=user).count() == 1
    other, outcome = services.ensure_member(
        "Vera", email="other@example.org", team=team, role_key="salesperson", actor=root
    )
    assert (outcome, other.pk != user.pk) == ("created", True)
    for name in ("Twin", "Twin"):
        make_user(name, email=None)
    with pytest.raises(ValidationError) as caught:
        services.ensure_member("Twin", email=None, team=team, role_key="salesperson", actor=root)
    assert caught.value.error_dict["name"][0].code == "ambiguous_name"
    with pytest.raises(ValidationError):
        services.ensure_team(["Sales", "East"], actor=manager)


def test_ready_made_roles_keep_what_administrators_changed() -> None:
    role = Role.objects.get(key="salesperson")
    RoleGrant.objects.filter(role=role, permission="crm.win_deal").delete()
    RoleGrant.objects.filter(role=role, permission="crm.view_deal").update(reach="TEAM")
    role.offered = [name for name in role.offered if name != "crm.lose_deal"]
    role.save()
    RoleGrant.objects.filter(role=role, permission="crm.lose_deal").delete()
    services.sync_roles()
    held = dict(role.grants.values_list("permission", "reach"))
    assert "crm.win_deal" not in held
    assert held["crm.view_deal"] == "TEAM"
    assert held["crm.lose_deal"] == "OWN"


def test_ready_made_roles_are_what_they_are_called() -> None:
    held = {role.key: dict(role.grants.values_list("permission", "reach")) for role in Role.objects.all()}
    assert set(held["administrator"]) == set(access.all_permissions())
    # They change nothing but what they keep for themselves: views of lists.
    kept = {f"lists.{what}_savedview" for what in ("add", "change", "delete")}
    # What signs tokens is for those who have to change it.
    seen = {name for name in access.all_permissions() if ".view_" in name} - {"accounts.view_signingkey"}
    assert seen == set(held["auditor"]) - kept
    assert all(held["auditor"][name] == "OWN" for name in kept)
    assert held["sales_lead"]["crm.assign_deal"] == "SUBTREE"
    assert "crm.assign_deal" not in held["salesperson"]
    assert "crm.change_deal" not in held["accountant"]
    # Of people and teams they change nothing; their own keys are their own affair.
    changing = {name for name in held["salesperson"] if name.startswith("accounts.") and ".view_" not in name}
    assert changing == {"accounts.add_apikey", "accounts.change_apikey"}


def test_open_sockets_are_poked_when_somebodys_rights_change(
    team: Team, manager: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    poked: list[str] = []
    monkeypatch.setattr("apps.accounts.services.limits.poke_stream", poked.append)
    role = make_role({"crm.view_deal": "TEAM"})
    user = make_member(team, make_role({}))
    place = services.grant_membership(user.pk, team.pk, role.pk, actor=manager)
    services.revoke_membership(place.pk, actor=manager)
    services.deactivate_user(user.pk, actor=manager)
    assert poked == [f"access:{user.pk}"] * 3
    poked.clear()
    services.set_role_grants(role.pk, {}, actor=make_superuser())
    services.create_team("below", parent_id=team.pk, actor=manager)
    assert set(poked) == {f"access:{manager.pk}", f"access:{user.pk}"}
