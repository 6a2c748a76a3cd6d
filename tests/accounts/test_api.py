"""REST: what is out of sight is not there, who was slower is told, and every refusal has one shape."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.test import Client

from apps.accounts import services
from apps.accounts.models import Membership, Role, Team, User
from apps.common.api import problems
from tests.accounts.factories import make_member, make_role, make_superuser, make_team, make_user

pytestmark = pytest.mark.django_db
TEAMS, USERS = "/api/v1/accounts/teams/", "/api/v1/accounts/users/"


@pytest.fixture
def team() -> Team:
    return make_team("north")


@pytest.fixture
def client(team: Team) -> Client:
    """Somebody who sees their team and changes it, and may not delete it."""
    grants = {f"accounts.{name}_team": "TEAM" for name in ("view", "change", "add")}
    client = Client()
    client.force_login(make_member(team, make_role(grants | {"accounts.view_user": "TEAM"})))
    return client


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(make_superuser())
    return client


def problem_of(response: Any, status: int) -> dict[str, Any]:
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["title"]
    return body


def patch(client: Client, path: str, body: dict[str, Any], **headers: str) -> Any:
    return client.patch(path, body, content_type="application/json", headers=headers)


def test_a_stranger_is_asked_to_log_in() -> None:
    assert problem_of(Client().get(TEAMS), 401)["code"] == "not_authenticated"


def test_a_row_out_of_sight_is_not_there(client: Client, team: Team) -> None:
    other = make_team("south")
    assert [row["name"] for row in client.get(TEAMS).json()["results"]] == ["north"]
    assert problem_of(client.get(f"{TEAMS}{other.pk}/"), 404)["code"] == "not_found"
    assert patch(client, f"{TEAMS}{other.pk}/", {"name": "x"}).status_code == 404
    assert client.get(f"{TEAMS}abc/").status_code == 404
    assert client.get(f"{TEAMS}99999999999999999999999/").status_code == 404


def test_a_row_in_sight_that_one_may_not_touch_is_refused(client: Client, team: Team) -> None:
    assert problem_of(client.delete(f"{TEAMS}{team.pk}/"), 403)["code"] == "permission_denied"


def test_a_reference_out_of_sight_is_as_good_as_missing(client: Client, team: Team) -> None:
    other = make_team("south")
    for pk in (other.pk, 10**9):
        body = problem_of(patch(client, f"{TEAMS}{team.pk}/", {"parent": pk}), 400)
        assert body["errors"][0] | {"message": ""} == {
            "field": "parent",
            "code": "does_not_exist",
            "message": "",
        }
    for pk in (other.pk, 10**9):
        assert problem_of(client.get(TEAMS, {"parent": pk}), 400)["errors"][0]["code"] == "invalid_choice"


def test_who_was_slower_is_told(client: Client, team: Team) -> None:
    path = f"{TEAMS}{team.pk}/"
    tag = client.get(path)["ETag"]
    first = patch(client, path, {"name": "first"}, if_match=tag)
    assert first["ETag"] != tag
    assert problem_of(patch(client, path, {"name": "second"}, if_match=tag), 412)["code"] == "stale"
    assert patch(client, path, {"name": "third"}, if_match="*").status_code == 200
    team.refresh_from_db()
    assert (team.name, team.version) == ("third", 3)


def test_only_the_fields_asked_for_come(client: Client, team: Team) -> None:
    assert client.get(TEAMS, {"fields": "id,name"}).json()["results"] == [{"id": team.pk, "name": "north"}]
    body = problem_of(client.get(f"{TEAMS}{team.pk}/", {"fields": "name,secret"}), 400)
    assert body["errors"][0]["code"] == "unknown_field"


def test_pages_lead_through_everything_once(root: Client) -> None:
    wanted = {make_team().pk for _ in range(5)}
    seen, url = [], f"{TEAMS}?page_size=2"
    while url:
        page = root.get(url).json()
        seen += [row["id"] for row in page["results"]]
        url = page["next"]
    assert seen == sorted(wanted, reverse=True)
    assert problem_of(root.get(TEAMS, {"cursor": "zzz"}), 400)["errors"][0]["code"] == "invalid_cursor"


def test_a_user_is_made_changed_and_turned_off(root: Client, team: Team) -> None:
    role = Role.objects.get(key="salesperson")
    body = {"name": "Boris", "email": "boris@example.org", "team": team.pk, "role": role.pk}
    made = root.post(USERS, body, content_type="application/json")
    assert made.status_code == 201
    path = f"{USERS}{made.json()['id']}/"
    assert patch(root, path, {"locale": "ru"}).json()["locale"] == "ru"
    assert root.post(f"{path}deactivate/").json()["is_active"] is False
    assert problem_of(root.post(f"{path}deactivate/"), 400)["code"] == "inactive"
    assert "password" not in root.get(path).json()
    taken = problem_of(root.post(USERS, body, content_type="application/json"), 400)
    assert taken["code"] == "accounts_user_email_key"
    assert User.objects.filter(name="Boris").count() == 1


def test_what_a_service_refuses_is_refused_here_and_nothing_is_left(client: Client, team: Team) -> None:
    other = make_team(parent=team)
    assert problem_of(patch(client, f"{TEAMS}{team.pk}/", {"parent": None, "name": "x" * 200}), 400)
    root = Client()
    root.force_login(make_superuser())
    refused = problem_of(patch(root, f"{TEAMS}{team.pk}/", {"name": "renamed", "parent": other.pk}), 400)
    assert refused["errors"][0]["code"] == "team_cycle"
    team.refresh_from_db()
    assert team.name == "north"


def test_membership_over_rest_gives_no_more_than_one_holds(client: Client, team: Team) -> None:
    body = {
        "user": User.objects.get(memberships__team=team).pk,
        "team": team.pk,
        "role": Role.objects.earliest("pk").pk,
    }
    refused = client.post("/api/v1/accounts/memberships/", body, content_type="application/json")
    assert problem_of(refused, 403)
    assert Membership.objects.count() == 1


def test_everybody_reads_and_changes_themselves(team: Team) -> None:
    user = make_member(team, make_role({"crm.view_deal": "TEAM"}))
    client = Client()
    client.force_login(user)
    body = client.get("/api/v1/me/").json()
    assert body["permissions"] == [{"permission": "crm.view_deal", "everywhere": False, "teams": [team.pk]}]
    assert body["memberships"][0]["team_name"] == "north"
    assert patch(client, "/api/v1/me/", {"locale": "ru", "is_superuser": True}).json()["locale"] == "ru"
    assert not User.objects.get(pk=user.pk).is_superuser


def test_refusals_outside_of_the_views_have_the_same_shape(client: Client, settings: Any) -> None:
    assert problem_of(client.get("/api/v1/nowhere/"), 404)["code"] == "not_found"
    assert (
        problem_of(client.put(TEAMS, {}, content_type="application/json"), 405)["code"]
        == "method_not_allowed"
    )
    assert problem_of(client.post(TEAMS, "{", content_type="application/json"), 400)["code"] == "parse_error"
    assert (
        problem_of(client.post(TEAMS, "x", content_type="text/plain"), 415)["code"]
        == "unsupported_media_type"
    )
    settings.DEBUG = True
    assert problem_of(client.get("/api/v2/"), 404)["code"] == "not_found"


def test_a_fault_of_ours_says_so_and_no_more(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("apps.accounts.api.views.TeamViewSet.get_queryset", broken)
    client.raise_request_exception = False
    response = client.get(TEAMS)
    assert problem_of(response, 500)["code"] == "fault"
    assert b"secret" not in response.content


def test_a_change_from_another_site_is_refused(team: Team) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_superuser())
    assert problem_of(patch(client, f"{TEAMS}{team.pk}/", {"name": "x"}), 403)


def test_a_code_may_have_a_status_of_its_own() -> None:
    problems.register_status(409, "sample_conflict")
    error = ValidationError("No.", code="sample_conflict")
    response = problems.exception_handler(error, {})
    assert response is not None
    assert response.data["code"] == "sample_conflict"
    assert response.status_code == 409


def test_a_broken_constraint_speaks_in_its_own_words(team: Team) -> None:
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        Team.objects.create(name=team.name)
    response = problems.exception_handler(caught.value, {})
    assert response is not None
    assert response.data["code"] == "team_parent_name_unique"
    assert response.data["title"] == "There is a team of this name here already."
    assert response.status_code == 409


def test_an_inactive_session_is_nobody(client: Client, team: Team) -> None:
    services.deactivate_user(User.objects.get(memberships__team=team).pk, actor=make_superuser("Other root"))
    assert client.get(TEAMS).status_code == 401
    assert make_user().pk
