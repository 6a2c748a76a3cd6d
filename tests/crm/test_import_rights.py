"""What an import may do is what its person may do by hand: row by row, at the rehearsal and at the apply."""

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from apps.accounts.models import RoleGrant, Team, User
from apps.crm.models import Company, Deal, ImportBatch, Person
from tests.crm import factories
from tests.crm.importing import apply, bring_in, codes, rehearse, upload, verdicts

IMPORTING = {f"crm.{action}_importbatch": "OWN" for action in ("add", "view", "change")}


def seller(name: str, team: Team, **grants: str) -> User:
    """Make somebody who sells and imports; grants such as `change_deal="TEAM"` come on top."""
    more = {f"crm.{permission}": reach for permission, reach in grants.items()}
    role = factories.make_role(factories.salesperson_grants() | IMPORTING | more)
    return factories.join(factories.make_user(name), team, role)


@pytest.fixture
def nora(team: Team) -> User:
    """Sells in the team North, and imports."""
    return seller("Nora Sell", team)


def test_nobody_applies_what_somebody_else_may_have_decided(
    nora: User, boris: User, admin: User, team: Team
) -> None:
    foreign = factories.make_deal("Foreign", owner=boris, team=team)
    batch = upload("deals", f"number,title\n{foreign.number},Mine now\n", actor=nora)
    assert verdicts(rehearse(batch, actor=nora)) == "C"
    # An administrator has a look at it: to them the deal is known.
    assert verdicts(rehearse(batch, actor=admin)) == "U"
    with pytest.raises(ValidationError) as refused:
        apply(batch, actor=nora)
    assert refused.value.code == "not_rehearsed"
    assert Deal.objects.get(pk=foreign.pk).title == "Foreign"


def test_a_row_that_went_to_somebody_else_since_the_rehearsal_is_left_alone(
    nora: User, boris: User, team: Team
) -> None:
    deal = factories.make_deal("Ours", owner=nora, team=team)
    batch = rehearse(upload("deals", f"number,title\n{deal.number},Mine\n", actor=nora), actor=nora)
    assert verdicts(batch) == "U"
    # Behind the version's back, as a change of teams or roles is.
    Deal.objects.filter(pk=deal.pk).update(owner=boris)
    batch = apply(batch, actor=nora)
    assert codes(batch) == [(2, "", "not_allowed")]
    assert Deal.objects.get(pk=deal.pk).title == "Ours"


def test_a_foreign_deal_can_be_changed_and_neither_taken_nor_won(boris: User, team: Team) -> None:
    helper = seller("Helen Help", team, view_deal="TEAM", change_deal="TEAM", assign_deal="OWN")
    deal, other = (factories.make_deal("His", owner=boris, team=team) for _ in range(2))
    Deal.objects.update(opened_date="2026-01-01")
    batch = rehearse(
        upload("deals", f"number,owner\n{deal.number},{helper.email}\n", actor=helper), actor=helper
    )
    assert codes(batch) == [(2, "owner", "not_assignable")]
    batch = rehearse(
        upload("deals", f"number,stage,closed date\n{other.number},Won,2026-01-05\n", actor=helper),
        actor=helper,
    )
    assert codes(batch) == [(2, "stage", "stage_not_allowed")]
    batch = bring_in("deals", f"number,title\n{deal.number},Better\n", actor=helper)
    assert Deal.objects.get(pk=deal.pk).title == "Better"


def test_nothing_is_made_in_a_team_beyond_ones_reach(team: Team) -> None:
    lead = seller("Leo Lead", team, add_company="TEAM", change_company="TEAM", view_company="TEAM")
    role = factories.make_role({"crm.view_company": "OWN"})
    # Rows of this colleague are their first team's, which is not the lead's.
    guest = factories.join(factories.make_user("Gus Guest"), factories.make_team("South"), role)
    factories.join(guest, team, role)
    batch = upload("companies", "name,owner\nA,Gus Guest\nB,Leo Lead\n", actor=lead)
    batch = rehearse(batch, actor=lead)
    assert codes(batch) == [(2, "", "refused")]
    apply(batch, actor=lead, skip_errors=True)
    assert list(Company.objects.values_list("name", flat=True)) == ["B"]


def test_who_sees_no_companies_finds_none_by_name(team: Team) -> None:
    factories.make_company("Hidden Ltd")
    grants = {key: reach for key, reach in factories.salesperson_grants().items() if "company" not in key}
    actor = factories.join(factories.make_user("Paul"), team, factories.make_role(grants | IMPORTING))
    batch = rehearse(upload("people", "name,company\nEva,Hidden Ldt\n", actor=actor), actor=actor)
    assert codes(batch) == [(2, "company", "unknown")]
    assert "Hidden" not in str(batch.rows.get().errors[0].get("suggestion", ""))  # type: ignore[index]


def test_a_taken_address_does_not_say_whose_it_is(nora: User, boris: User, team: Team) -> None:
    bring_in("people", "name,email\nSecret Person,eva@example.org\n", actor=factories.make_admin())
    Person.objects.update(owner=boris, team=None)
    batch = rehearse(upload("people", "name,email\nEve,eva@example.org\n", actor=nora), actor=nora)
    assert codes(batch) == [(2, "email", "taken")]
    (error,) = batch.rows.get().errors or []
    assert error == {"field": "email", "code": "taken", "value": "eva@example.org"}


def test_users_are_imported_by_those_who_may_make_them_only(nora: User, lena: User) -> None:
    RoleGrant.objects.bulk_create(
        RoleGrant(role=m.role, permission=p, reach=r)
        for m in lena.memberships.all()
        for p, r in IMPORTING.items()
    )
    for actor in (nora, User.objects.get(pk=lena.pk)):
        with pytest.raises(PermissionDenied):
            upload("users", "name,office\nMallory,Top\n", actor=actor)
    assert not ImportBatch.objects.filter(kind="users").exists()
