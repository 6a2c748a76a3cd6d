"""The sales side over REST: what it shows, takes and refuses, and what its lists cost."""

from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.crm.models import Company, ContactPoint, Deal, LostReason, Person, Product, Stage, Tag
from apps.crm.services import deals
from tests.crm import factories
from tests.crm.factories import stage

pytestmark = pytest.mark.django_db
ROOT = "/api/v1/crm"


def client_of(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


def deal_url(deal: Deal, action: str = "") -> str:
    return f"{ROOT}/deals/{deal.pk}/{action + '/' if action else ''}"


def test_a_deal_is_opened_with_its_money(anna: User) -> None:
    company = factories.make_company("Mebel", owner=anna)
    body = {
        "title": "Desks",
        "company": company.pk,
        "amount": {"amount": "1500.00", "currency": "EUR"},
        "stage": stage("Proposal").pk,
    }
    response = client_of(anna).post(f"{ROOT}/deals/", body)
    assert response.status_code == 201, response.data
    shown = response.json()
    assert shown["amount"] == {"amount": "1500.00", "currency": "EUR"}
    assert (shown["company_name"], shown["stage_name"], shown["probability"]) == ("Mebel", "Proposal", 50)
    assert response["ETag"] == '"1"'
    assert Deal.objects.get().transitions.get().face == "API"


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"amount": {"amount": 15.5, "currency": "EUR"}}, "amount", None),
        ({"amount": {"amount": "15.5", "currency": "euro"}}, "amount", None),
        ({"amount": {"amount": "-1", "currency": "EUR"}}, "amount", None),
        ({"amount": "15"}, "amount", None),
        ({"company": 10**9}, "company", "does_not_exist"),
        ({"title": ""}, "title", "blank"),
        ({"probability": 101}, "probability", "max_value"),
    ],
)
def test_a_body_that_cannot_be_is_refused_by_field(
    anna: User, body: dict[str, Any], field: str, code: str | None
) -> None:
    response = client_of(anna).post(f"{ROOT}/deals/", {"title": "Desks"} | body)
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    errors = {error["field"].split(".")[0]: error["code"] for error in response.json()["errors"]}
    assert field in errors
    assert code in {None, errors[field]}


def test_what_is_not_an_edit_is_not_taken_from_one(deal: Deal, anna: User) -> None:
    body = {"stage": stage("Won").pk, "status": "WON", "owner": 1, "title": "New"}
    assert client_of(anna).patch(deal_url(deal), body).status_code == 200
    deal.refresh_from_db()
    assert (deal.title, deal.status, deal.stage.name, deal.owner) == ("New", "OPEN", "Prospecting", anna)


def test_the_slower_of_two_gets_412(deal: Deal, anna: User) -> None:
    client = client_of(anna)
    tag = client.get(deal_url(deal))["ETag"]
    first = client.patch(deal_url(deal), {"title": "First"}, headers={"If-Match": tag})
    second = client.patch(deal_url(deal), {"title": "Second"}, headers={"If-Match": tag})
    won = client.post(deal_url(deal, "win"), {}, headers={"If-Match": tag})
    assert (first.status_code, second.status_code, won.status_code) == (200, 412, 412)
    assert second.json()["code"] == "stale"
    assert first["ETag"] == '"2"'
    assert Deal.objects.get().title == "First"


def test_money_is_taken_away_by_null_and_kept_by_silence(deal: Deal, anna: User) -> None:
    client = client_of(anna)
    client.patch(deal_url(deal), {"title": "x"})
    assert Deal.objects.get().amount == Decimal(1000)
    shown = client.patch(deal_url(deal), {"amount": None}).json()
    assert shown["amount"] is None
    assert shown["currency"] == "RUB"


def test_a_deal_goes_its_way(deal: Deal, anna: User) -> None:
    client = client_of(anna)
    reason = LostReason.objects.get(name="Price").pk
    steps: list[tuple[str, dict[str, Any], str]] = [
        ("move", {"stage": stage("Proposal").pk, "reason": "They asked"}, "OPEN"),
        ("lose", {"reason": reason, "note": "too dear"}, "LOST"),
        ("reopen", {"reason": "new budget"}, "OPEN"),
        ("win", {}, "WON"),
        ("archive", {}, "WON"),
        ("restore", {}, "WON"),
    ]
    for action, body, status in steps:
        response = client.post(deal_url(deal, action), body)
        assert (response.status_code, response.data.get("status")) == (200, status), (action, response.data)
    story = client.get(f"{ROOT}/transitions/", {"deal": deal.pk}).json()["results"]
    assert [step["to_stage_name"] for step in story] == ["Won", "Proposal", "Lost", "Proposal", "Prospecting"]
    assert story[2]["reason"] == "Price: too dear"


@pytest.mark.parametrize(
    ("action", "body", "code"),
    [
        ("win", {}, "deal_not_open"),
        ("lose", {"reason": "price"}, "deal_not_open"),
        ("reopen", {"reason": ""}, "blank"),
        ("restore", {}, "not_archived"),
    ],
)
def test_a_refusal_has_its_code(anna: User, action: str, body: dict[str, Any], code: str) -> None:
    deal = factories.make_deal(owner=anna, status="WON")
    if "reason" in body and body["reason"] == "price":
        body = {"reason": LostReason.objects.get(name="Price").pk}
    response = client_of(anna).post(deal_url(deal, action), body)
    assert response.status_code in {400, 409}
    problem = response.json()
    assert code in {problem["code"], *(error["code"] for error in problem.get("errors", []))}


def test_giving_a_deal_away_may_leave_nothing_to_show(deal: Deal, lena: User, boris: User) -> None:
    response = client_of(lena).post(deal_url(deal, "assign"), {"owner": boris.pk})
    assert (response.status_code, response.data["owner_name"]) == (200, "Boris Sell")


@pytest.mark.parametrize("action", ["move", "win", "lose", "reopen", "assign", "archive", "restore"])
def test_out_of_sight_is_404_and_not_allowed_is_403(
    deal: Deal, boris: User, auditor: User, lena: User, action: str
) -> None:
    body = {
        "stage": stage("Engaging").pk,
        "reason": LostReason.objects.get(name="Price").pk,
        "owner": lena.pk,
    }
    if action in {"reopen", "win"}:
        body = {"reason": "x"}  # type: ignore[dict-item]
    # Who may not do it to any deal is told so; who may, of a deal they do not see, is not.
    expected = 403 if action == "assign" else 404
    assert client_of(boris).post(deal_url(deal, action), body).status_code == expected
    assert client_of(auditor).post(deal_url(deal, action), body).status_code == 403
    assert Deal.objects.get(pk=deal.pk).version == 1


@pytest.mark.parametrize("method", ["get", "patch", "put"])
def test_somebody_elses_deal_is_not_there(deal: Deal, boris: User, method: str) -> None:
    assert getattr(client_of(boris), method)(deal_url(deal), {"title": "x"}).status_code == 404


def test_lists_hold_what_the_caller_sees(deal: Deal, anna: User, boris: User) -> None:
    factories.make_deal("Canary", owner=boris)
    rows = client_of(anna).get(f"{ROOT}/deals/").json()["results"]
    assert [row["title"] for row in rows] == ["Forty desks"]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"status": "OPEN"}, 1),
        ({"status": "WON"}, 1),
        ({"title__icontains": "FORTY"}, 1),
        ({"archived_at__isnull": "true"}, 2),
        ({"company__isnull": "true"}, 2),
        ({"number": "D-0"}, 0),
    ],
)
def test_deals_are_filtered(deal: Deal, anna: User, query: dict[str, str], count: int) -> None:
    factories.make_deal("Won", owner=anna, status="WON")
    assert len(client_of(anna).get(f"{ROOT}/deals/", query).json()["results"]) == count


@pytest.mark.parametrize("resource", ["deals", "companies", "people", "transitions"])
def test_a_list_costs_the_same_whatever_its_length(
    admin: User, resource: str, django_assert_max_num_queries: Any
) -> None:
    for _ in range(12):
        company, person = factories.make_company(owner=admin), factories.make_person(owner=admin)
        person.employments.create(company=company)
        factories.make_deal(owner=admin, company=company, person=person)
    with django_assert_max_num_queries(6):
        rows = client_of(admin).get(f"{ROOT}/{resource}/").json()["results"]
    assert len(rows) == 12


def test_lines_of_a_deal(deal: Deal, anna: User) -> None:
    client = client_of(anna)
    desk = factories.make_product("Desk")
    made = client.post(f"{ROOT}/deal-lines/", {"deal": deal.pk, "product": desk.pk, "quantity": "40"})
    assert (made.status_code, made.data["unit_price"], made.data["product_name"]) == (201, "100.00", "Desk")
    url = f"{ROOT}/deal-lines/{made.data['id']}/"
    assert client.patch(url, {"quantity": "50"}).data["quantity"] == "50.000"
    assert client.delete(url).status_code == 204
    assert not deal.lines.exists()
    assert Deal.objects.get().version == 4


def test_a_person_with_contacts_and_a_place(anna: User) -> None:
    client = client_of(anna)
    company = factories.make_company("Mebel", owner=anna)
    body: dict[str, Any] = {
        "given_name": "Иван",
        "company": company.pk,
        "contact_points": [{"kind": "PHONE", "raw": "8 495 123 45 67"}, {"kind": "EMAIL", "raw": "I@X.ru"}],
    }
    response = client.post(f"{ROOT}/people/", body)
    assert response.status_code == 201, response.data
    shown = response.json()
    assert [point["value"] for point in shown["contact_points"]] == ["+74951234567", "i@x.ru"]
    assert shown["employments"][0]["company_name"] == "Mebel"
    twin = client.post(
        f"{ROOT}/people/", {"given_name": "Twin", "contact_points": [body["contact_points"][1]]}
    )
    assert twin.status_code == 400
    assert "contact_point_value_unique" in twin.content.decode()
    assert Person.objects.count() == 1


def test_contacts_on_their_own(anna: User) -> None:
    client = client_of(anna)
    company = factories.make_company(owner=anna)
    made = client.post(
        f"{ROOT}/contact-points/", {"company": company.pk, "kind": "TELEGRAM", "raw": "https://t.me/Mebel_ru"}
    )
    assert (made.status_code, made.data["value"]) == (201, "@mebel_ru")
    url = f"{ROOT}/contact-points/{made.data['id']}/"
    assert client.patch(url, {"raw": "@other_name"}).data["value"] == "@other_name"
    assert client.delete(url).status_code == 204
    assert ContactPoint.objects.get().archived_at is not None
    nobody = client.post(f"{ROOT}/contact-points/", {"kind": "EMAIL", "raw": "a@b.ru"})
    assert (nobody.status_code, nobody.json()["errors"][0]["field"]) == (400, "person")


def test_companies(anna: User, boris: User) -> None:
    client = client_of(anna)
    made = client.post(f"{ROOT}/companies/", {"name": "Mebel", "annual_revenue": "12.50"})
    assert made.status_code == 201, made.data
    url = f"{ROOT}/companies/{made.data['id']}/"
    assert client.patch(url, {"parent": made.data["id"]}).status_code == 400
    assert client.patch(url, {"industry": "furniture"}).data["industry"] == "furniture"
    assert client_of(boris).get(url).status_code == 404
    assert client.post(f"{url}archive/", {}).data["archived_at"]
    assert Company.objects.get().version == 3


def test_the_catalog_is_the_administrators(anna: User, admin: User) -> None:
    root = client_of(admin)
    product = root.post(
        f"{ROOT}/products/", {"name": "Desk", "price": {"amount": "10.00", "currency": "EUR"}}
    )
    assert (product.status_code, product.json()["price"]["currency"]) == (201, "EUR")
    assert root.post(f"{ROOT}/tags/", {"name": "vip"}).status_code == 201
    assert root.post(f"{ROOT}/lost-reasons/", {"name": "Moved"}).status_code == 201
    mine = client_of(anna)
    assert mine.post(f"{ROOT}/products/", {"name": "Chair"}).status_code == 403
    assert [row["name"] for row in mine.get(f"{ROOT}/products/").json()["results"]] == ["Desk"]
    assert (Product.objects.count(), Tag.objects.count()) == (1, 1)


def test_pipelines_and_stages(admin: User, deal: Deal) -> None:
    client = client_of(admin)
    made = client.post(f"{ROOT}/pipelines/", {"name": "Service"}).json()
    assert [row["kind"] for row in made["stages"]] == ["OPEN", "WON", "LOST"]
    added = client.post(f"{ROOT}/stages/", {"pipeline": made["id"], "name": "Visit", "probability": 40})
    assert (added.status_code, added.data["position"]) == (201, 1)
    ids = list(Stage.objects.filter(pipeline=made["id"]).order_by("-position").values_list("pk", flat=True))
    shown = client.post(f"{ROOT}/pipelines/{made['id']}/reorder/", {"stage_ids": ids}).json()
    assert [row["id"] for row in shown["stages"]] == ids
    busy = f"{ROOT}/stages/{deal.stage_id}/"
    refused = client.delete(busy)
    assert refused.status_code in {400, 409}
    assert "1 deal is in this stage." in refused.content.decode()
    assert client.patch(busy, {"kind": "LOST"}).status_code in {400, 409}
    assert client.patch(busy, {"name": "First talk"}).data["name"] == "First talk"
    assert deals.move_deal(deal.pk, stage_id=stage("Engaging").pk, actor=admin, face="API").version == 2  # type: ignore[arg-type]
