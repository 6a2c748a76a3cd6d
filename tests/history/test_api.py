"""History over REST: what was done, the story of a row, and undo, each as far as the policy goes."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import Role, RoleGrant, Team, User
from apps.crm.models import Deal
from apps.history.models import ChangeSet, Undo
from tests.crm import factories
from tests.crm.factories import make_company, make_deal
from tests.crm.test_api import client_of
from tests.history.factories import recorded, run_undo, set_of

pytestmark = pytest.mark.django_db
ROOT = "/api/v1/history"


@pytest.fixture
def lena(team: Team) -> User:
    """Leads the team North, and undoes what it did."""
    lead = factories.make_lead("Lena Lead", team)
    role = lead.memberships.get().role
    for action in ("view", "undo"):
        RoleGrant.objects.create(role=role, permission=f"history.{action}_changeset", reach="TEAM")
    return User.objects.get(pk=lead.pk)


@pytest.fixture
def change(anna: User, team: Team) -> ChangeSet:
    """Anna writes a next step on two deals, of which the lead sees one."""
    seen = make_deal("Desks", owner=anna, team=team)
    make_deal("Canary deal", owner=factories.make_user("Zoe Elsewhere"))
    with recorded(anna, reason="They asked", request_id="req-1") as work:
        Deal.objects.update(next_step="call")
    assert seen.pk
    return set_of(work)


def told(client: Client, path: str, **query: Any) -> Any:
    response = client.get(f"{ROOT}/{path}", query)
    assert response.status_code == 200, response.content
    assert "Canary" not in response.content.decode()
    return response.json()


def test_what_was_done_is_listed_and_told(lena: User, anna: User, change: ChangeSet) -> None:
    client = client_of(lena)
    (listed,) = told(client, "change-sets/", actor=anna.pk, request_id="req-1")["results"]
    assert (listed["id"], listed["face"], listed["reason"]) == (change.pk, "ADMIN", "They asked")
    assert listed["actor"] == {"id": anna.pk, "name": "Anna Sell"}
    assert (listed["title"], listed["can_undo"], listed["is_undone"]) == ("Deals: 2 changed", True, False)
    one = told(client, f"change-sets/{change.pk}/")
    (deals,) = one["models"]
    assert (deals["model"], deals["changed"], deals["unseen"]) == ("crm.deal", 2, 1)
    (row,) = deals["rows"]
    assert (row["name"], row["kind"]) == ("Desks", "changed")
    assert row["lines"] == [{"label": "Next step", "old": "", "new": "call", "is_part": False}]


def test_a_page_of_changes_costs_the_same_however_long(
    lena: User, anna: User, change: ChangeSet, django_assert_max_num_queries: Any
) -> None:
    for n in range(20):
        with recorded(anna):
            Deal.objects.filter(title="Desks").update(amount=n)
    client = client_of(lena)
    client.get(f"{ROOT}/change-sets/")
    with django_assert_max_num_queries(15):
        assert len(told(client, "change-sets/")["results"]) == 21


def test_strangers_hear_nothing(boris: User, lena: User, change: ChangeSet) -> None:
    assert client_of(boris).get(f"{ROOT}/change-sets/").status_code == 403
    stranger = factories.make_user("Sam West")
    stranger.memberships.create(team=factories.make_team("West"), role=lena.memberships.get().role)
    client = client_of(stranger)
    assert told(client, "change-sets/")["results"] == []
    assert client.get(f"{ROOT}/change-sets/{change.pk}/").status_code == 404
    assert client.post(f"{ROOT}/change-sets/{change.pk}/undo/", {}).status_code == 404
    assert not Undo.objects.exists()


def test_an_undo_is_a_job(lena: User, change: ChangeSet) -> None:
    client = client_of(lena)
    answer = client.post(f"{ROOT}/change-sets/{change.pk}/undo/", {"reason": "A mistake"})
    assert answer.status_code == 202
    started = Undo.objects.get()
    assert started.job is not None
    assert (answer.json()["id"], answer.json()["state"]) == (started.job_id, "QUEUED")
    assert (started.actor, started.reason) == (lena, "A mistake")
    run_undo(started)
    assert Deal.objects.get(title="Desks").next_step == ""
    assert Deal.objects.get(title="Canary deal").next_step == "call"
    again = client.post(f"{ROOT}/change-sets/{change.pk}/undo/", {})
    assert (again.status_code, again.json()["code"]) == (400, "undone")
    assert told(client, f"change-sets/{change.pk}/")["is_undone"]


def test_looking_is_not_undoing(anna: User, change: ChangeSet) -> None:
    role = Role.objects.create(name="Looks")
    RoleGrant.objects.create(role=role, permission="history.view_changeset", reach="ALL")
    looker = factories.make_user("Lou Looks")
    looker.memberships.create(team=factories.make_team("East"), role=role)
    client = client_of(looker)
    assert not told(client, f"change-sets/{change.pk}/")["can_undo"]
    assert client.post(f"{ROOT}/change-sets/{change.pk}/undo/", {}).status_code == 403


def test_the_story_of_a_row(anna: User, boris: User) -> None:
    hidden = make_company("Canary Ltd", owner=boris)
    deal = make_deal("Desks", owner=anna)
    with recorded(boris, label="Canary import", reason="cheaper"):
        Deal.objects.update(company=hidden)
    with recorded(anna):
        Deal.objects.update(amount=Decimal("7.50"), company=None)
    story = told(client_of(anna), f"rows/crm.deal/{deal.pk}/")
    latest, middle, first = story["entries"]
    assert (latest["who"], latest["kind"], latest["is_open"]) == ("Anna Sell", "changed", True)
    assert {line["label"]: line["new"] for line in latest["lines"]} == {"Amount": "7.50", "Company": ""}
    assert (middle["who"], middle["reason"], middle["is_open"]) == (
        "User (not yours to see)",
        "cheaper",
        False,
    )
    assert first["kind"] == "created"
    assert story["older"] is None


@pytest.mark.parametrize(
    "path",
    [
        "rows/crm.deal/{foreign}/",
        "rows/crm.deal/0/",
        "rows/crm.deal/x/",
        "rows/crm.deal/99999999999999999999999/",
        "rows/crm.dealline/1/",
        "rows/crm.deal_tags/1/",
        "rows/history.change/1/",
        "rows/nothing/1/",
        "rows/crm.deal.x/1/",
    ],
)
def test_other_rows_have_no_story(anna: User, boris: User, path: str) -> None:
    foreign = make_deal("Canary", owner=boris)
    response = client_of(anna).get(f"{ROOT}/{path.format(foreign=foreign.pk)}")
    assert response.status_code == 404
    assert b"Canary" not in response.content
