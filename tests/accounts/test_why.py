"""Why somebody may or may not: named are the role, the team, the reach, what is shared, and what it would take."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts import services, why
from apps.accounts.models import Team, User
from apps.crm.models import Company, ContactPoint
from tests.accounts.factories import make_member, make_role, make_superuser, make_team, make_user, member_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def north() -> Team:
    return make_team("north")


@pytest.fixture
def south() -> Team:
    return make_team("south")


@pytest.fixture
def watcher(north: Team) -> User:
    return make_member(north, make_role({"crm.view_company": "TEAM"}, "Watcher"), "Wanda")


@pytest.fixture
def near(north: Team) -> Company:
    return Company.objects.create(name="near", team=north)


@pytest.fixture
def far(south: Team) -> Company:
    return Company.objects.create(name="far", team=south, owner=make_user("Otto Owner"))


@pytest.fixture
def asker(north: Team) -> User:
    """Somebody who sees the people and companies of one team, and all roles."""
    grants = {"accounts.view_user": "TEAM", "accounts.view_team": "TEAM", "accounts.view_role": "ALL"}
    return make_member(north, make_role(grants | {"crm.view_company": "TEAM"}, "Lead"), "Lea")


def share(user: User, row: Any, giver: User) -> None:
    services.grant_access(
        user.pk,
        label=row._meta.label_lower,
        row_id=row.pk,
        actions=[],
        expires_at=timezone.now() + timedelta(days=1),
        reason="a joint offer",
        actor=giver,
    )


def question(company: Company) -> dict[str, Any]:
    return {"model": "crm.company", "row_id": company.pk}


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_the_reasons_name_the_role_the_reach_and_whose_the_row_is(
    watcher: User, near: Company, far: Company
) -> None:
    told = why.explain(watcher, "view", far)
    assert "Watcher" in told[0]
    assert "rows of the team" in told[0]
    assert any("Otto Owner" in line for line in told)
    assert any("south" in line for line in told)
    assert told[-1] == "So they may not."
    assert why.explain(watcher, "view", near)[-1] == "So they may."
    assert "None of their roles" in why.explain(watcher, "delete", near)[0]
    assert "turned off" in why.explain(make_user(is_active=False), "view", near)[0]


def test_a_refusal_says_what_it_would_take(watcher: User, far: Company) -> None:
    told = why.explain(watcher, "view", far)
    needed = [line for line in told if "Needed" in line]
    assert len(needed) == 1
    assert "south" in needed[0]
    assert any("shared with them" in line for line in told)
    assert not [line for line in why.explain(make_superuser(), "view", far) if "Needed" in line]


def test_what_is_shared_is_told_with_its_reason_and_end(watcher: User, far: Company) -> None:
    share(watcher, far, make_superuser("Rita Root"))
    told = why.explain(User.objects.get(pk=watcher.pk), "view", far)
    assert told[-1] == "So they may."
    assert any("Rita Root" in line and "a joint offer" in line for line in told)


def test_a_part_is_explained_by_its_whole(watcher: User, near: Company, far: Company) -> None:
    for company, verdict in ((near, "So they may."), (far, "So they may not.")):
        part = ContactPoint.objects.create(company=company, kind="EMAIL", raw="x@y.z", value=f"{company}@y.z")
        told = why.explain(watcher, "view", part)
        assert company.name in told[0]
        assert told[-1] == verdict


def test_what_the_asker_may_not_see_is_not_named(asker: User, watcher: User, north: Team) -> None:
    shared = Company.objects.create(name="both", team=north, owner=make_user("Otto Owner"))
    share(watcher, shared, make_superuser("Rita Root"))
    told = " ".join(why.explain(User.objects.get(pk=watcher.pk), "view", shared, asker=asker))
    assert "Watcher" in told
    assert "north" in told
    assert "Otto Owner" not in told
    assert "Rita Root" not in told
    assert "not yours to see" in told


def test_who_can_see_a_row_is_listed_with_the_reason_of_each(
    asker: User, watcher: User, near: Company, north: Team
) -> None:
    blind = make_member(north, make_role({}), "Blind")
    make_member(make_team("elsewhere"), make_role({"crm.view_company": "ALL"}), "Unseen")
    found = {person.user.name: person.reasons for person in why.who_may("view", near, asker=asker)}
    assert set(found) == {"Lea", "Wanda"}
    assert "Watcher" in found["Wanda"][0]
    share(blind, near, make_superuser())
    found = {person.user.name: person.reasons for person in why.who_may("view", near, asker=asker)}
    assert "a joint offer" in found["Blind"][0]
    assert [person.user.name for person in why.who_may("view", near, asker=asker, term="wan")] == ["Wanda"]
    assert why.who_may("change", near, asker=asker) == []


def test_the_page_of_a_row_tells_who_sees_it_and_why_another_does_not(
    asker: User, watcher: User, near: Company, north: Team
) -> None:
    blind = make_member(north, make_role({}), "Blind")
    client = client_of(asker)
    base = f"/admin/crm/company/{near.pk}"
    assert f"{base}/who_sees/" in client.get(f"{base}/change/").content.decode()
    page = client.get(f"{base}/who_sees/", {"action": "view", "person": str(blind.pk)})
    assert {person.user for person in page.context["people"]} == {asker, watcher}
    assert "None of their roles" in page.content.decode()
    assert "So they may not." in page.content.decode()


def test_the_page_is_for_those_who_see_users_and_roles_and_for_rows_in_sight(
    asker: User, watcher: User, near: Company, far: Company
) -> None:
    assert client_of(watcher).get(f"/admin/crm/company/{near.pk}/who_sees/").status_code == 403
    assert client_of(asker).get(f"/admin/crm/company/{far.pk}/who_sees/").status_code == 302
    assert client_of(watcher).get(f"/admin/accounts/user/{watcher.pk}/why/").status_code in {302, 403}


def test_people_out_of_sight_cannot_be_asked_about(asker: User, near: Company) -> None:
    stranger = make_user("Stranger")
    page = client_of(asker).get(f"/admin/crm/company/{near.pk}/who_sees/", {"person": stranger.pk})
    assert page.context["lines"] == []
    assert "Stranger" not in page.content.decode()


def test_every_page_of_a_row_offers_it(asker: User, watcher: User) -> None:
    page = client_of(make_superuser()).get(f"/admin/accounts/user/{watcher.pk}/who_sees/")
    assert page.status_code == 200
    assert {person.user for person in page.context["people"]} >= {asker}


def test_administrators_are_told_over_rest(watcher: User, near: Company, far: Company) -> None:
    client = client_of(make_superuser())
    path = f"/api/v1/accounts/users/{watcher.pk}/explain/"
    told = client.get(path, question(near)).json()
    assert told["allowed"] is True
    assert "Watcher" in told["reasons"][0]
    told = client.get(path, question(far)).json()
    assert (told["allowed"], told["reasons"][-1]) == (False, "So they may not.")
    wrong_ones: list[dict[str, Any]] = [
        question(near) | {"row_id": 10**9},
        question(near) | {"model": "crm.nothing"},
    ]
    for wrong in wrong_ones:
        assert client.get(path, wrong).status_code == 404
    assert client.get(path).status_code == 400
    assert client_of(watcher).get(path, question(near)).status_code == 403


def test_rest_tells_only_of_rows_that_the_asker_sees(watcher: User, far: Company, north: Team) -> None:
    grants = {"accounts.view_user": "ALL", "accounts.change_user": "ALL", "crm.view_company": "TEAM"}
    client = client_of(make_member(north, make_role(grants)))
    path = f"/api/v1/accounts/users/{watcher.pk}/explain/"
    assert client.get(path, question(far)).status_code == 404


def test_it_costs_as_many_questions_as_there_are_people_in_doubt(
    asker: User, near: Company, north: Team, django_assert_max_num_queries: Any
) -> None:
    role = make_role({"crm.view_person": "TEAM"})
    for number in range(20):
        make_member(north, role, f"Nobody {number}")
    with django_assert_max_num_queries(16):
        assert [person.user for person in why.who_may("view", near, asker=asker)] == [asker]


def test_somebody_with_nothing_is_told_about_too() -> None:
    company = Company.objects.create(name="alone")
    told = why.explain(member_with({}), "view", company)
    assert told[-1] == "So they may not."
