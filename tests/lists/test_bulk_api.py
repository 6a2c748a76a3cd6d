"""Bulk changes over REST: the whole way, rows by ids or by the list's filters, and refusals as problem documents."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.accounts.models import RoleGrant, Team, User
from apps.crm.models import Deal
from apps.jobs.models import Job
from apps.lists.models import BulkEdit, Selection
from tests.crm.factories import make_deal, make_salesperson, make_team, stage
from tests.history.factories import everything, run_undo
from tests.lists.bulk import finish, set_to

pytestmark = pytest.mark.django_db
BASE = "/api/v1/lists/bulk-edits/"
STEP = {"next_step": set_to("call")}


@pytest.fixture
def deals(anna: User, boris: User, team: Team) -> list[Deal]:
    return [make_deal(f"Deal {n}", owner=owner, team=team) for n, owner in enumerate([anna, anna, boris])]


def client_of(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def api(lena: User) -> APIClient:
    RoleGrant.objects.create(role=lena.memberships.get().role, permission="jobs.view_job", reach="OWN")
    return client_of(User.objects.get(pk=lena.pk))


def ask(api: APIClient, **body: Any) -> Any:
    return api.post(BASE, {"model": "crm.deal", **body}, format="json")


def test_the_whole_way(api: APIClient, deals: list[Deal], boris: User) -> None:
    before = everything()
    answer = ask(api, ids=[deal.pk for deal in deals], changes={"owner": set_to(boris), **STEP})
    assert answer.status_code == 202, answer.content
    body = answer.json()
    address = f"{BASE}{body['id']}/"
    assert answer.headers["Location"] == address
    assert (body["state"], body["count"], body["changes"]["next_step"]["value"]) == ("REHEARSING", 3, "call")
    finish(Job.objects.get(pk=body["rehearse_job"]))
    shown = api.get(address).json()
    assert shown["counts"] == {"changed": 3, "same": 0, "refused": 0, "gone": 0, "moved": 0}
    rows = api.get(f"{address}rows/?verdict=C").json()
    by_key = {row["id"]: row["changes"] for row in rows}
    assert by_key.keys() == {deal.pk for deal in deals}
    assert {"label": "owner", "old": "Anna Sell", "new": "Boris Sell"} in by_key[deals[0].pk]
    assert api.get(f"{address}rows/?verdict=C&after={rows[1]['position']}").json() == rows[2:]
    jobs = [api.post(f"{address}apply/") for _click in range(2)]
    assert [job.status_code for job in jobs] == [202, 202]
    assert jobs[0].json()["id"] == jobs[1].json()["id"]
    finish(Job.objects.get(pk=jobs[0].json()["id"]))
    assert set(Deal.objects.values_list("owner", "next_step")) == {(boris.pk, "call")}
    undone = api.post(f"{address}undo/")
    assert undone.status_code == 202
    from apps.history.models import Undo

    run_undo(Undo.objects.get(job=undone.json()["id"]))
    assert everything() == before


def test_rows_by_the_filters_of_their_list(api: APIClient, deals: list[Deal], boris: User) -> None:
    answer = ask(api, filter={"owner": boris.pk}, changes=STEP)
    assert answer.status_code == 202, answer.content
    edit = BulkEdit.objects.get()
    assert edit.selection is not None
    assert list(edit.selection.rows.values_list("row_id", flat=True)) == [deals[2].pk]
    assert edit.face == "API"


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"ids": [1], "filter": {"owner": 1}, "changes": STEP}, "rows_missing"),
    ({"changes": STEP}, "rows_missing"),
    ({"filter": {}, "changes": STEP}, "empty"),
    ({"filter": {"ownr": 1}, "changes": STEP}, "unknown_filter"),
    ({"filter": {"owner": "x"}, "changes": STEP}, "invalid"),
    ({"ids": ["x"], "changes": STEP}, "invalid"),
    ({"ids": [0], "changes": STEP}, "min_value"),
    ({"ids": [1], "changes": {}}, "nothing_chosen"),
    ({"ids": [1], "changes": {"amount": "5"}}, "not_a_dict"),
    ({"model": "accounts.user", "ids": [1], "changes": STEP}, "unknown_kind"),
    ({"model": "no.such", "ids": [1], "changes": STEP}, "unknown_kind"),
    ({"model": "x", "ids": [1], "changes": STEP}, "unknown_kind"),
]


@pytest.mark.parametrize(("body", "code"), REFUSED)
def test_refusals(body: dict[str, Any], code: str, api: APIClient, deals: list[Deal]) -> None:
    body = {**body, **({"ids": [deals[0].pk]} if body.get("ids") == [1] and "filter" not in body else {})}
    answer = ask(api, **body)
    assert answer.status_code == 400, answer.content
    problem = answer.json()
    assert code in {problem["code"], *(error["code"] for error in problem.get("errors", []))}, problem
    # Nothing of it is kept.
    assert not BulkEdit.objects.exists()
    assert not Selection.objects.exists()


def test_a_value_is_refused_under_its_name(api: APIClient, deals: list[Deal]) -> None:
    answer = ask(api, ids=[deals[0].pk], changes={"amount": set_to("lots"), **STEP})
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["amount"]


def test_it_is_ones_own(api: APIClient, deals: list[Deal], admin: User, boris: User) -> None:
    body = ask(api, ids=[deals[0].pk], changes=STEP).json()
    address = f"{BASE}{body['id']}/"
    finish(Job.objects.get(pk=body["rehearse_job"]))
    assert client_of(boris).get(address).status_code == 404
    assert client_of(boris).post(f"{address}apply/").status_code == 404
    assert client_of(admin).get(address).status_code == 200
    assert client_of(admin).post(f"{address}apply/").json()["code"] == "not_yours"
    assert client_of(boris).get(BASE).json()["results"] == []


def test_rows_of_others_are_neither_changed_nor_named(api: APIClient, deals: list[Deal]) -> None:
    far = make_deal("canary", owner=make_salesperson("far", make_team("South")))
    answer = ask(api, ids=[far.pk], changes=STEP)
    assert (answer.status_code, answer.json()["code"]) == (400, "nothing_selected")
    body = ask(api, ids=[far.pk, deals[0].pk], changes=STEP).json()
    assert (body["count"], body["out_of_reach"]) == (1, 0)


def test_what_is_not_done_can_be_thrown_away(api: APIClient, deals: list[Deal]) -> None:
    body = ask(api, ids=[deals[0].pk], changes={"move": {"how": "do", "value": stage("Engaging").pk}}).json()
    address = f"{BASE}{body['id']}/"
    assert api.delete(address).json()["code"] == "bulk_edit_not_editable"
    finish(Job.objects.get(pk=body["rehearse_job"]))
    assert api.post(f"{address}undo/").json()["code"] == "nothing_changed"
    assert api.get(f"{address}rows/?verdict=Q").status_code == 400
    assert api.delete(address).status_code == 204
    assert api.get(address).status_code == 404
