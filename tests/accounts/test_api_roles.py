"""Roles over REST: made, described, granted and removed by whoever may, in the version that they have seen."""

from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import AuthEvent, Role, RoleGrant, Team
from tests.accounts.factories import make_member, make_role, make_superuser, make_team

pytestmark = pytest.mark.django_db
ROLES, TEAMS = "/api/v1/accounts/roles/", "/api/v1/accounts/teams/"


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(make_superuser())
    return client


@pytest.fixture
def clerk() -> Client:
    """Somebody who may do anything to roles and holds nothing else everywhere."""
    grants = {f"accounts.{name}_role": "ALL" for name in ("view", "add", "change", "delete")}
    client = Client()
    client.force_login(make_member(make_team(), make_role(grants | {"crm.win_deal": "TEAM"})))
    return client


def send(client: Client, method: str, path: str, body: Any = None, **headers: str) -> Any:
    return getattr(client, method)(path, body, content_type="application/json", headers=headers)


def grants_of(role: Role | int) -> dict[str, str]:
    pk = role if isinstance(role, int) else role.pk
    return dict(RoleGrant.objects.filter(role=pk).values_list("permission", "reach"))


def tag_of(client: Client, role: Role) -> str:
    tag: str = client.get(f"{ROLES}{role.pk}/")["ETag"]
    return tag


def test_a_role_is_made_with_what_it_grants(root: Client) -> None:
    grants = [
        {"permission": "crm.view_deal", "reach": "TEAM"},
        {"permission": "crm.win_deal", "reach": "OWN"},
    ]
    made = send(root, "post", ROLES, {"name": "Scout", "description": "Looks", "grants": grants})
    assert made.status_code == 201
    assert made.json() | {"id": 0, "version": 0} == {
        "id": 0,
        "key": None,
        "name": "Scout",
        "description": "Looks",
        "grants": grants,
        "requires_mfa": False,
        "version": 0,
    }
    assert made["ETag"] == f'"{made.json()["version"]}"'
    assert grants_of(made.json()["id"]) == {"crm.view_deal": "TEAM", "crm.win_deal": "OWN"}


def test_a_role_is_changed_only_in_the_version_that_was_seen(root: Client) -> None:
    role = make_role({"crm.view_deal": "OWN"}, "Scout")
    path, tag = f"{ROLES}{role.pk}/", tag_of(root, role)
    assert send(root, "patch", path, {"name": "Spy"}).status_code == 428
    renamed = send(root, "patch", path, {"name": "Spy"}, if_match=tag)
    assert (renamed.status_code, renamed.json()["name"]) == (200, "Spy")
    late = send(root, "patch", path, {"grants": []}, if_match=tag)
    assert (late.status_code, late.json()["code"]) == (412, "stale")
    assert late.json()["current"]["name"] == "Spy"
    assert grants_of(role) == {"crm.view_deal": "OWN"}
    emptied = send(root, "patch", path, {"grants": []}, if_match=renamed["ETag"])
    assert (emptied.status_code, emptied.json()["grants"]) == (200, [])
    assert (grants_of(role), emptied.json()["name"]) == ({}, "Spy")
    assert emptied["ETag"] not in {tag, renamed["ETag"]}


def test_what_is_granted_and_taken_is_on_record(root: Client) -> None:
    role = make_role({"crm.view_deal": "OWN", "crm.lose_deal": "OWN"}, "Scout")
    grants = [{"permission": "crm.view_deal", "reach": "ALL"}]
    assert send(root, "patch", f"{ROLES}{role.pk}/", {"grants": grants}, if_match="*").status_code == 200
    event = AuthEvent.objects.filter(kind="role_changed").latest("id")
    assert event.data == {
        "role": "Scout",
        "role_id": role.pk,
        "granted": {"crm.view_deal": "ALL"},
        "taken": ["crm.lose_deal"],
    }


@pytest.mark.parametrize(
    ("grants", "code"),
    [
        ([{"permission": "crm.fly_deal", "reach": "OWN"}], "unknown_permission"),
        ([{"permission": "crm.view_deal", "reach": "FAR"}], "invalid_choice"),
        ([{"permission": "crm.view_deal"}], "required"),
        ([{"permission": "crm.view_deal", "reach": "OWN"}] * 2, "repeated"),
        ("all", "not_a_list"),
    ],
)
def test_nonsense_is_refused_in_words(root: Client, grants: Any, code: str) -> None:
    role = make_role({"crm.view_deal": "OWN"})
    answer = send(root, "patch", f"{ROLES}{role.pk}/", {"grants": grants}, if_match="*")
    assert answer.status_code == 400
    body = answer.json()
    assert code in {body["code"], *(each["code"] for each in body.get("errors", []))}
    assert grants_of(role) == {"crm.view_deal": "OWN"}


def test_nobody_gives_more_than_they_hold_everywhere(clerk: Client) -> None:
    role = make_role({}, "Mine")
    path = f"{ROLES}{role.pk}/"
    grants = [{"permission": "crm.win_deal", "reach": "OWN"}]
    assert send(clerk, "patch", path, {"name": "Renamed", "grants": grants}, if_match="*").status_code == 403
    role.refresh_from_db()
    # The name is taken back with the rest.
    assert (role.name, grants_of(role)) == ("Mine", {})
    made = send(clerk, "post", ROLES, {"name": "Theirs", "grants": grants})
    assert (made.status_code, Role.objects.filter(name="Theirs").exists()) == (403, False)
    assert send(clerk, "patch", path, {"name": "Renamed"}, if_match="*").status_code == 200


def test_a_name_is_taken_once(root: Client) -> None:
    make_role({}, "Scout")
    answer = send(root, "post", ROLES, {"name": "Scout"})
    assert answer.status_code == 400
    assert Role.objects.filter(name="Scout").count() == 1


def test_a_role_that_nobody_plays_is_removed(root: Client) -> None:
    role = make_role({"crm.view_deal": "OWN"}, "Scout")
    path = f"{ROLES}{role.pk}/"
    assert send(root, "delete", path).status_code == 428
    assert send(root, "delete", path, if_match=tag_of(root, role)).status_code == 204
    assert not Role.objects.filter(pk=role.pk).exists()
    assert AuthEvent.objects.filter(kind="role_deleted", data__role="Scout").count() == 1


def test_a_role_in_use_and_one_of_the_platform_stay(root: Client) -> None:
    role = make_role({}, "Scout")
    make_member(make_team(), role)
    for stays, code in ((role, "role_in_use"), (Role.objects.get(key="auditor"), "role_ready_made")):
        answer = send(root, "delete", f"{ROLES}{stays.pk}/", if_match="*")
        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert Role.objects.filter(pk=stays.pk).exists()


def test_a_team_comes_back_from_the_trash_below_a_team_that_is_there(root: Client) -> None:
    above = make_team("above")
    below = make_team("below", above)
    for team in (below, above):
        assert send(root, "delete", f"{TEAMS}{team.pk}/").status_code == 204
    refused = root.post(f"{TEAMS}{below.pk}/restore/")
    assert (refused.status_code, refused.json()["code"]) == (400, "parent_archived")
    for team in (above, below):
        answer = root.post(f"{TEAMS}{team.pk}/restore/")
        assert (answer.status_code, answer.json()["archived_at"]) == (200, None)
    assert root.post(f"{TEAMS}{below.pk}/restore/").json()["code"] == "not_archived"
    assert Team.objects.active().filter(pk__in=[above.pk, below.pk]).count() == 2
