"""The policy: what a list shows and what an object check says are the same thing, whatever the grants."""

import pytest
from django.contrib.sessions.models import Session
from django.core.exceptions import PermissionDenied
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts import access
from apps.accounts.models import Membership, Role, RoleGrant, Team, User
from apps.accounts.scoping import Rule
from apps.crm.models import Company, ContactPoint
from tests.accounts.factories import (
    join,
    make_member,
    make_role,
    make_superuser,
    make_team,
    make_user,
    member_with,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def tree() -> dict[str, Team]:
    """A group with two branches; the first has an office below it."""
    group = make_team("group")
    north = make_team("north", group)
    return {
        "group": group,
        "north": north,
        "office": make_team("office", north),
        "south": make_team("south", group),
    }


def names(actor: User, action: str = "view") -> set[str]:
    return set(Company.objects.visible_to(actor, action).values_list("name", flat=True))


@pytest.fixture
def companies(tree: dict[str, Team]) -> dict[str, Company]:
    """One company per team, one of somebody else in the north, and one of nobody."""
    stranger = make_user("stranger")
    made = {name: Company.objects.create(name=name, team=team) for name, team in tree.items()}
    made["stranger's"] = Company.objects.create(name="stranger's", owner=stranger, team=tree["north"])
    made["nobody's"] = Company.objects.create(name="nobody's")
    return made


@pytest.mark.parametrize(
    ("reach", "seen"),
    [
        ("OWN", {"mine"}),
        ("TEAM", {"mine", "north", "stranger's"}),
        ("SUBTREE", {"mine", "north", "stranger's", "office"}),
        ("ALL", {"mine", "north", "stranger's", "office", "south", "group", "nobody's"}),
    ],
)
def test_a_reach_goes_as_far_as_it_says(
    tree: dict[str, Team], companies: dict[str, Company], reach: str, seen: set[str]
) -> None:
    actor = make_member(tree["north"], make_role({"crm.change_company": reach}))
    Company.objects.create(name="mine", owner=actor, team=tree["south"])
    assert names(actor, "change") == seen
    assert names(actor, "view") == set()


def test_rows_of_nobody_are_seen_by_all_who_may_see_any_and_changed_only_by_those_who_reach_all(
    companies: dict[str, Company],
) -> None:
    actor = member_with({"crm.view_company": "OWN", "crm.change_company": "OWN"})
    assert names(actor, "view") == {"nobody's"}
    assert names(actor, "change") == set()
    assert not access.can(actor, "change", companies["nobody's"])


def test_roles_of_several_teams_add_up_and_each_reaches_from_its_own(
    tree: dict[str, Team], companies: dict[str, Company]
) -> None:
    actor = make_member(tree["office"], make_role({"crm.change_company": "TEAM"}))
    actor = join(actor, tree["south"], make_role({"crm.view_company": "TEAM"}))
    assert names(actor, "change") == {"office"}
    assert names(actor, "view") == {"south", "nobody's"}


def test_a_team_in_the_trash_gives_nothing(tree: dict[str, Team], companies: dict[str, Company]) -> None:
    actor = make_member(tree["south"], make_role({"crm.view_company": "ALL"}))
    Team.objects.filter(pk=tree["south"].pk).update(archived_at="2026-01-01T00:00Z")
    assert names(User.objects.get(pk=actor.pk)) == set()


def test_who_is_turned_off_may_nothing_though_they_were_an_administrator(
    companies: dict[str, Company],
) -> None:
    root = make_superuser()
    assert len(names(root)) == len(companies)
    root.is_active = False
    assert names(root) == set()
    assert not access.can_any(root, "view", Company)
    assert not root.has_perm("crm.view_company")


def test_a_part_is_seen_with_any_whole_it_hangs_on_and_changed_with_it(tree: dict[str, Team]) -> None:
    actor = make_member(tree["north"], make_role({"crm.view_company": "TEAM", "crm.change_company": "OWN"}))
    near = Company.objects.create(name="near", team=tree["north"])
    far = Company.objects.create(name="far", team=tree["south"])
    own = Company.objects.create(name="own", owner=actor)
    for company in (near, far, own):
        ContactPoint.objects.create(company=company, kind="EMAIL", raw=company.name, value=company.name)
    seen = ContactPoint.objects.visible_to(actor).values_list("value", flat=True)
    changed = ContactPoint.objects.visible_to(actor, "delete").values_list("value", flat=True)
    assert set(seen) == {"near", "own"}
    assert set(changed) == {"own"}
    assert access.can_any(actor, "add", ContactPoint)


def test_two_places_in_reach_do_not_show_a_colleague_twice(tree: dict[str, Team]) -> None:
    actor = make_member(tree["group"], make_role({"accounts.view_user": "SUBTREE"}))
    nothing = make_role({})
    colleague = join(join(make_user("colleague"), tree["north"], nothing), tree["south"], nothing)
    assert list(User.objects.visible_to(actor).order_by("pk")) == [actor, colleague]


def test_a_permission_of_nothing_known_is_nobodys_but_the_administrators() -> None:
    assert not member_with({"crm.fly_rocket": "ALL"}).has_perm("crm.fly_rocket")
    assert make_superuser().has_perm("crm.fly_rocket")


def test_a_model_without_a_rule_lets_nobody_near() -> None:
    with pytest.raises(TypeError, match="no access rule"):
        access.scope(make_superuser(), "view", Session)


def test_require_refuses_with_djangos_own_word(companies: dict[str, Company]) -> None:
    actor = member_with({"crm.view_company": "OWN"})
    with pytest.raises(PermissionDenied):
        access.require(actor, "view", companies["south"])
    with pytest.raises(PermissionDenied):
        access.require(actor, "change", Company)


def test_grants_are_read_once_for_many_questions(
    tree: dict[str, Team], django_assert_num_queries: "pytest.FixtureRequest"
) -> None:
    actor = make_member(tree["north"], make_role({"crm.view_company": "SUBTREE", "crm.view_deal": "SUBTREE"}))
    with django_assert_num_queries(2):  # type: ignore[operator]
        for _ in range(5):
            access.can_any(actor, "view", Company)
            access.scope(actor, "view", Company)


_PERMISSIONS = ["crm.view_company", "crm.change_company", "accounts.view_user", "accounts.view_team"]
_places = st.sampled_from(["group", "north", "office", "south"])
_grants = st.dictionaries(st.sampled_from(_PERMISSIONS), st.sampled_from(RoleGrant.Reach.values))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(memberships=st.lists(st.tuples(_places, _grants), max_size=3))
def test_what_a_list_shows_is_what_an_object_check_allows(
    tree: dict[str, Team], companies: dict[str, Company], memberships: list[tuple[str, dict[str, str]]]
) -> None:
    actor = make_user()
    for place, grants in memberships:
        Membership.objects.create(user=actor, team=tree[place], role=make_role(grants))
    actor = User.objects.get(pk=actor.pk)
    for model in (Company, User, Team, Role, Membership):
        assert isinstance(model.access, Rule)
        for action in ("view", "change", "delete"):
            listed = set(model._base_manager.filter(access.scope(actor, action, model)))
            allowed = {row for row in model._base_manager.all() if access.can(actor, action, row)}
            assert listed == allowed
            assert not listed or access.can_any(actor, action, model)
