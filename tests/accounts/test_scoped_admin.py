"""Each way in which Django's admin would show or take somebody else's row, tried as a salesperson."""

import json
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from apps.accounts.models import Team, User
from apps.crm.models import Company, ContactPoint, Tag
from tests.accounts.factories import make_member, make_role, make_superuser, make_team, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.accounts.sample_admin")]
LIST = "/admin/crm/company/"

COLLEAGUES = {"accounts.view_user": "TEAM", "accounts.view_team": "TEAM", "crm.view_tag": "ALL"}
OWN = {f"crm.{name}_company": "OWN" for name in ("view", "add", "change", "delete", "archive")} | COLLEAGUES


class World:
    """A salesperson and a stranger, each with a company in a team of their own."""

    def __init__(self, grants: dict[str, str]) -> None:
        self.team, self.foreign_team = make_team("Near team"), make_team("Far team")
        self.actor = make_member(self.team, make_role(grants), "Anna")
        self.stranger = make_member(self.foreign_team, make_role({}), "Stranger")
        self.own = Company.objects.create(name="Own company", owner=self.actor, team=self.team)
        self.foreign = Company.objects.create(
            name="Foreign company", owner=self.stranger, team=self.foreign_team, industry="secret"
        )
        self.client = Client()
        self.client.force_login(self.actor)

    def page(self, path: str, **params: Any) -> str:
        response = self.client.get(path, params)
        assert response.status_code == 200, response
        return str(response.content.decode())

    def form(self, **changes: Any) -> dict[str, Any]:
        """Return what the browser would send from the own company's page."""
        data: dict[str, Any] = {
            "name": self.own.name,
            "owner": self.actor.pk,
            "team": self.team.pk,
            "city": "",
            "industry": "",
            "parent": "",
        }
        for prefix in ("contact_points", "children"):
            data |= {f"{prefix}-TOTAL_FORMS": 0, f"{prefix}-INITIAL_FORMS": 0}
        return data | changes

    def save(self, path: str = "", /, **changes: Any) -> Any:
        return self.client.post(path or f"{LIST}{self.own.pk}/change/", self.form(**changes))


@pytest.fixture
def world() -> World:
    return World(OWN)


def test_the_list_shows_own_rows_only(world: World) -> None:
    page = world.page(LIST)
    assert "Own company" in page
    assert "Foreign company" not in page


def test_search_finds_own_rows_only(world: World) -> None:
    page = world.page(LIST, q="company")
    assert "Own company" in page
    assert "Foreign company" not in page


@pytest.mark.parametrize("what", ["change/", "history/", "delete/", "rename/"])
def test_pages_of_a_foreign_row_are_as_if_it_were_not_there(world: World, what: str) -> None:
    response = world.client.get(f"{LIST}{world.foreign.pk}/{what}", follow=True)
    missing = world.client.get(f"{LIST}999999/{what}", follow=True)
    assert "Foreign company" not in response.content.decode()
    assert response.redirect_chain == missing.redirect_chain
    assert response.status_code == missing.status_code
    assert response.redirect_chain or response.status_code == 403


@pytest.mark.parametrize("what", ["change/", "delete/", "rename/"])
def test_a_foreign_row_cannot_be_written(world: World, what: str) -> None:
    world.client.post(f"{LIST}{world.foreign.pk}/{what}", world.form(name="Mine now", post="yes"))
    world.foreign.refresh_from_db()
    assert world.foreign.name == "Foreign company"


def test_choices_of_related_rows_are_those_in_sight(world: World) -> None:
    page = world.page(f"{LIST}{world.own.pk}/change/")
    assert "Near team" in page
    assert "Far team" not in page
    assert "Far team" not in world.page(f"{LIST}add/")


def test_a_related_row_out_of_sight_is_refused_when_written(world: World) -> None:
    for changes in (
        {"team": world.foreign_team.pk},
        {"owner": world.stranger.pk},
        {"parent": world.foreign.pk},
    ):
        response = world.save(**changes)
        assert response.status_code == 200
        assert "Select a valid choice" in response.content.decode()
    world.own.refresh_from_db()
    assert (world.own.team, world.own.owner, world.own.parent) == (world.team, world.actor, None)


def test_a_link_that_somebody_else_made_is_kept_though_it_leads_out_of_sight(world: World) -> None:
    Company.objects.filter(pk=world.own.pk).update(parent=world.foreign, team=world.foreign_team)
    response = world.save(parent=world.foreign.pk, team=world.foreign_team.pk, city="Perm")
    assert response.status_code == 302
    world.own.refresh_from_db()
    assert (world.own.parent, world.own.team, world.own.city) == (world.foreign, world.foreign_team, "Perm")


def test_the_name_behind_a_raw_id_is_told_only_in_sight(world: World) -> None:
    assert "Foreign company" not in world.page(f"{LIST}add/", parent=world.foreign.pk)
    refused = world.save(name="", parent=world.foreign.pk)
    assert "Foreign company" not in refused.content.decode()
    assert "Own company" in world.page(f"{LIST}add/", parent=world.own.pk)


def test_a_chosen_autocomplete_value_is_told_only_in_sight(world: World) -> None:
    assert "Stranger" not in world.page(f"{LIST}add/", owner=world.stranger.pk)
    assert "Stranger" not in world.save(name="", owner=world.stranger.pk).content.decode()


def test_autocomplete_offers_what_is_in_sight(world: World) -> None:
    params = {"app_label": "crm", "model_name": "company", "field_name": "owner", "term": ""}
    found = json.loads(world.page("/admin/autocomplete/", **params))["results"]
    assert [row["text"] for row in found] == ["Anna"]


def test_filters_offer_what_is_in_sight(world: World) -> None:
    page = world.page(f"{LIST}?_filters=1")
    assert "Near team" in page
    assert "Far team" not in page
    assert "Stranger" not in page
    world.client.force_login(make_superuser())
    everything = world.page(f"{LIST}?_filters=1")
    assert "Far team" in everything
    assert "Stranger" in everything


@pytest.mark.parametrize(
    "lookup", ["owner__password__startswith", "owner__email__startswith", "legal_name__startswith", "tax_id"]
)
def test_columns_that_no_filter_offers_cannot_be_guessed_by_filtering(world: World, lookup: str) -> None:
    assert world.client.get(LIST, {lookup: "a"}).status_code == 400


def test_a_password_cannot_be_guessed_by_filtering_users(world: World) -> None:
    for lookup in ("password__startswith", "memberships__user__password__startswith"):
        assert world.client.get("/admin/accounts/user/", {lookup: "a"}).status_code == 400


def test_filtering_by_a_row_out_of_sight_tells_nothing(world: World) -> None:
    page = world.page(LIST, team__id__exact=world.foreign_team.pk)
    assert "Foreign company" not in page
    assert "Far team" not in page


def test_inlines_show_and_take_rows_in_sight_only() -> None:
    world = World(OWN | {"crm.view_company": "ALL"})
    child = Company.objects.create(name="Foreign child", parent=world.own, owner=world.stranger)
    assert "Foreign child" in world.page(f"{LIST}{world.own.pk}/change/")
    rows = {
        "children-TOTAL_FORMS": 1,
        "children-INITIAL_FORMS": 1,
        "children-0-id": child.pk,
        "children-0-parent": world.own.pk,
    }
    refused = world.save(**rows, **{"children-0-name": "Mine now"})
    assert "You may not change these rows" in refused.content.decode()
    refused = world.save(**rows, **{"children-0-name": child.name, "children-0-DELETE": "on"})
    assert "You may not change these rows" in refused.content.decode()
    child.refresh_from_db()
    assert child.name == "Foreign child"


def test_inlines_leave_out_rows_out_of_sight(world: World) -> None:
    Company.objects.create(
        name="Hidden child", parent=world.own, owner=world.stranger, team=world.foreign_team
    )
    assert "Hidden child" not in world.page(f"{LIST}{world.own.pk}/change/")


def test_parts_are_edited_with_their_whole(world: World) -> None:
    rows = {
        "contact_points-TOTAL_FORMS": 1,
        "contact_points-0-kind": "EMAIL",
        "contact_points-0-raw": "x@example.org",
        "contact_points-0-company": world.own.pk,
    }
    assert world.save(**rows).status_code == 302
    assert ContactPoint.objects.get().company == world.own


def test_an_action_touches_only_rows_for_which_it_is_granted() -> None:
    world = World(OWN | {"crm.view_company": "ALL"})
    data = {"action": "close", "_selected_action": [world.own.pk, world.foreign.pk]}
    response = world.client.post(LIST, data, follow=True)
    assert "1 selected row was left out" in response.content.decode()
    assert set(Company.objects.values_list("name", "industry")) == {
        ("Own company", "closed"),
        ("Foreign company", "secret"),
    }


def test_an_action_that_nobody_granted_is_not_there() -> None:
    grants = {name: reach for name, reach in OWN.items() if name != "crm.archive_company"}
    world = World(grants)
    world.client.post(LIST, {"action": "close", "_selected_action": [world.own.pk]})
    world.own.refresh_from_db()
    assert world.own.industry == ""


def test_deleting_selected_rows_leaves_others_alone() -> None:
    world = World(OWN | {"crm.view_company": "ALL"})
    data = {"action": "delete_selected", "_selected_action": [world.own.pk, world.foreign.pk], "post": "yes"}
    world.client.post(LIST, data)
    assert list(Company.objects.values_list("name", flat=True)) == ["Foreign company"]


def test_a_delete_page_does_not_name_what_is_out_of_sight(world: World) -> None:
    Company.objects.create(
        name="Hidden child", parent=world.own, owner=world.stranger, team=world.foreign_team
    )
    page = world.page(f"{LIST}{world.own.pk}/delete/")
    assert "Hidden child" not in page
    assert "not yours to see" in page


def test_rows_edited_in_the_list_must_be_the_persons_to_change() -> None:
    world = World(OWN | {"crm.view_company": "ALL"})
    data = {
        "form-TOTAL_FORMS": 2,
        "form-INITIAL_FORMS": 2,
        "form-0-id": world.own.pk,
        "form-0-city": "Perm",
        "form-1-id": world.foreign.pk,
        "form-1-city": "Perm",
        "_save": "Save",
    }
    response = world.client.post(LIST, data, follow=True)
    assert "You may not change this row" in response.content.decode()
    assert not Company.objects.filter(city="Perm").exists()
    assert world.client.post(LIST, data | {"form-1-city": ""}).status_code == 302
    assert Company.objects.get(city="Perm") == world.own


def test_a_row_cannot_be_given_away_by_editing_it() -> None:
    world = World(OWN | {"accounts.view_user": "ALL", "accounts.view_team": "ALL"})
    response = world.save(owner=world.stranger.pk, team=world.foreign_team.pk, name="Typed name")
    page = response.content.decode()
    assert "out of your reach" in page
    assert "Typed name" in page
    world.own.refresh_from_db()
    assert (world.own.owner, world.own.name) == (world.actor, "Own company")
    assert not LogEntry.objects.exists()


def test_a_row_cannot_be_made_for_somebody_else() -> None:
    world = World(OWN | {"accounts.view_user": "ALL", "accounts.view_team": "ALL"})
    response = world.save(f"{LIST}add/", name="New", owner=world.stranger.pk, team=world.foreign_team.pk)
    assert "out of your reach" in response.content.decode()
    assert not Company.objects.filter(name="New").exists()
    assert world.save(f"{LIST}add/", name="New").status_code == 302
    assert Company.objects.get(name="New").created_by == world.actor


def test_who_may_only_see_gets_a_page_without_a_form() -> None:
    reader = World({"crm.view_company": "ALL"} | COLLEAGUES)
    page = reader.page(f"{LIST}{reader.foreign.pk}/change/")
    assert 'name="name"' not in page
    assert reader.save(f"{LIST}{reader.foreign.pk}/change/").status_code == 403
    assert reader.client.get(f"{LIST}add/").status_code == 403
    assert reader.client.get(f"{LIST}{reader.foreign.pk}/rename/").status_code == 403


def test_who_holds_nothing_sees_no_place() -> None:
    nobody = Client()
    nobody.force_login(make_user())
    assert nobody.get(LIST).status_code == 403


def test_asking_changes_nothing_and_the_answer_runs_the_service(world: World) -> None:
    path = f"{LIST}{world.own.pk}/rename/"
    assert "Rename" in world.page(path)
    world.own.refresh_from_db()
    assert world.own.name == "Own company"
    assert world.client.post(path).status_code == 302
    world.own.refresh_from_db()
    assert world.own.name == "renamed"


def test_the_number_of_queries_does_not_grow_with_the_rows(
    world: World, django_assert_max_num_queries: Any
) -> None:
    def count() -> int:
        with django_assert_max_num_queries(60) as seen:
            world.page(LIST)
        return len(seen.captured_queries)

    few = count()
    Company.objects.bulk_create(
        Company(name=f"Company {n}", owner=world.actor, team=world.team) for n in range(30)
    )
    assert count() == few


def test_tags_out_of_nobodys_sight_are_offered_to_all(world: World) -> None:
    tag = Tag.objects.create(name="Important")
    assert world.save(tags=[tag.pk]).status_code == 302
    assert list(world.own.tags.all()) == [tag]


def test_the_world_has_what_it_says(world: World) -> None:
    assert User.objects.visible_to(world.actor).get() == world.actor
    assert Team.objects.visible_to(world.actor).get() == world.team
