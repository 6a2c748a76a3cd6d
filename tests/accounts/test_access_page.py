"""The page that says who may what: sentences, kind by kind; roles side by side; and the way to change them."""

import pytest
from django.test import Client

from apps.accounts.models import Role, User
from tests.accounts.factories import make_member, make_role, make_superuser, make_team, make_user

pytestmark = pytest.mark.django_db
PATH = "/admin/accounts/role/access/"


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(make_superuser())
    return client


@pytest.fixture
def roles() -> dict[str, Role]:
    first = make_role({"crm.view_deal": "OWN", "crm.win_deal": "OWN", "crm.view_company": "TEAM"}, "First")
    second = make_role({"crm.view_deal": "ALL", "crm.view_company": "TEAM"}, "Second")
    return {"first": first, "second": second}


def sentences(response: object, kind: str, role: Role) -> list[str]:
    kinds = {each.title: dict(each.roles) for each in response.context["kinds"]}  # type: ignore[attr-defined]
    found: list[str] = kinds[kind][role]
    return found


def test_roles_read_as_sentences(client: Client, roles: dict[str, Role]) -> None:
    page = client.get(PATH)
    assert sentences(page, "Deals", roles["first"]) == ["may see and win own deals"]
    assert sentences(page, "Deals", roles["second"]) == ["may see all deals"]
    assert sentences(page, "Companies", roles["first"]) == ["may see companies of the team"]
    assert sentences(page, "People", roles["first"]) == []
    text = page.content.decode()
    assert "may see and win own deals" in text
    assert f'href="/admin/accounts/role/{roles["first"].pk}/change/"' in text


def test_the_ready_made_salesperson_reads_as_they_are_meant(client: Client) -> None:
    page = client.get(PATH)
    role = Role.objects.get(key="salesperson")
    assert sentences(page, "Deals", role)[0].startswith("may see, add, change, archive and restore, ")
    assert sentences(page, "Deals", role)[0].endswith(" own deals; take them away as a file")
    assert sentences(page, "Products", role) == ["may see all products; take them away as a file"]


def test_it_keeps_to_a_role_a_kind_or_an_action(client: Client, roles: dict[str, Role]) -> None:
    page = client.get(PATH, {"kind": "crm.deal", "verb": "win"})
    assert [kind.title for kind in page.context["kinds"]] == ["Deals"]
    assert sentences(page, "Deals", roles["first"]) == ["may win own deals"]
    assert sentences(page, "Deals", roles["second"]) == []
    page = client.get(PATH, {"role": roles["first"].pk})
    assert [role for role, _count in page.context["roles"]] == [roles["first"]]
    # What nobody offers changes nothing.
    assert len(client.get(PATH, {"kind": "crm.rocket"}).context["kinds"]) > 10


def test_two_roles_are_shown_side_by_side(client: Client, roles: dict[str, Role]) -> None:
    page = client.get(PATH, {"role": roles["first"].pk, "other": roles["second"].pk})
    found = {
        (one.kind, str(one.verb)): [str(reach) for reach in one.reaches]
        for one in page.context["differences"]
    }
    assert found == {("Deals", "see"): ["own rows", "all rows"], ("Deals", "win"): ["own rows", "not"]}
    assert "Where they differ" in page.content.decode()


def test_who_holds_a_role_is_counted_and_one_click_away(client: Client, roles: dict[str, Role]) -> None:
    team = make_team()
    holder = make_member(team, roles["first"], "Hanna Holder")
    make_user("Norbert None")
    counts = dict(client.get(PATH).context["roles"])
    assert (counts[roles["first"]], counts[roles["second"]]) == (1, 0)
    listed = client.get(f"/admin/accounts/role/{roles['first'].pk}/holders/", follow=True)
    assert list(listed.context["cl"].result_list) == [holder]
    compared = client.get(f"/admin/accounts/role/{roles['first'].pk}/compare/", follow=True)
    assert [role for role, _count in compared.context["roles"]] == [roles["first"]]


def test_only_people_in_sight_are_counted(roles: dict[str, Role]) -> None:
    near, far = make_team("near"), make_team("far")
    grants = {"accounts.view_role": "ALL", "accounts.view_user": "TEAM"}
    asker: User = make_member(near, make_role(grants))
    make_member(near, roles["first"])
    make_member(far, roles["first"])
    client = Client()
    client.force_login(asker)
    assert dict(client.get(PATH).context["roles"])[roles["first"]] == 1


def test_who_sees_no_roles_sees_no_such_page(roles: dict[str, Role]) -> None:
    client = Client()
    client.force_login(make_member(make_team(), make_role({"crm.view_deal": "OWN"})))
    for path in (PATH, f"/admin/accounts/role/{roles['first'].pk}/holders/"):
        assert client.get(path).status_code in {403, 404}


def test_it_stands_in_the_navigation_of_who_sees_roles(client: Client) -> None:
    assert f'href="{PATH}"' in client.get("/admin/").content.decode()


def test_it_costs_as_much_whatever_the_kinds(client: Client, django_assert_max_num_queries: object) -> None:
    for number in range(5):
        make_role({"crm.view_deal": "OWN"}, f"Another {number}")
    # Two for the session, three for roles, grants and what is offered, one for each role's people.
    with django_assert_max_num_queries(12 + Role.objects.count()):  # type: ignore[operator]
        client.get(PATH)
