"""Who comes second over REST is told what the row has become, field by field where that is known."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import Team, User
from apps.accounts.services import change_user
from apps.crm.models import Company, Deal
from apps.crm.services import companies, deals
from apps.history.models import Change
from tests.crm import factories
from tests.crm.test_api import client_of, deal_url

pytestmark = pytest.mark.django_db


@pytest.fixture
def deal(anna: User, team: Team) -> Deal:
    made = factories.make_deal("Forty desks", owner=anna, team=team, amount=Decimal(1000))
    deals.change_deal(made.pk, actor=anna, next_step="Call")
    made.refresh_from_db()
    return made


def refused(client: Client, url: str, tag: str, **body: Any) -> Any:
    response = client.patch(url, body, headers={"If-Match": tag}, content_type="application/json")
    assert response.status_code == 412
    assert response["Content-Type"] == "application/problem+json"
    return response


def test_the_second_hears_what_the_first_made_of_it(deal: Deal, anna: User, lena: User) -> None:
    client = client_of(anna)
    tag = client.get(deal_url(deal))["ETag"]
    deals.change_deal(deal.pk, actor=lena, title="Hers", amount=Decimal(2000))
    deals.change_deal(deal.pk, actor=lena, amount=Decimal(3000), currency="EUR")
    response = refused(client, deal_url(deal), tag, title="Mine", next_step="Write")
    said = response.json()
    assert (said["code"], said["status"], response["ETag"]) == ("stale", 412, '"4"')
    assert said["current"] == client.get(deal_url(deal)).json()
    found = {one.pop("field"): one for one in said["differences"]}
    assert found["title"] == {"base": "Forty desks", "current": "Hers", "yours": "Mine"}
    assert found["amount"] == {
        "base": {"amount": "1000.00", "currency": "RUB"},
        "current": {"amount": "3000.00", "currency": "EUR"},
    }
    assert "next_step" not in found
    assert {one["field"] for one in said["errors"]} == found.keys()
    assert {one["code"] for one in said["errors"]} == {"stale"}


def test_with_the_tag_it_was_given_the_second_comes_through(deal: Deal, anna: User, lena: User) -> None:
    client = client_of(anna)
    deals.change_deal(deal.pk, actor=lena, title="Hers")
    tag = refused(client, deal_url(deal), '"2"', title="Mine")["ETag"]
    answer = client.patch(deal_url(deal), {"title": "Mine"}, headers={"If-Match": tag})
    assert (answer.status_code, Deal.objects.get().title) == (200, "Mine")


def test_many_rows_changed_at_once_are_known_by_version_too(anna: User, admin: User) -> None:
    from django.db.models import F

    made = [factories.make_deal(f"Deal {n}", owner=anna, amount=Decimal(n)) for n in range(30)]
    Deal.objects.update(next_step="call", version=F("version") + 1)
    Deal.objects.update(next_step="write", version=F("version") + 1)
    said = refused(client_of(anna), deal_url(made[7]), '"2"', title="Mine").json()
    assert [(one["field"], one["base"], one["current"]) for one in said["differences"]] == [
        ("next_step", "call", "write")
    ]


def test_an_action_is_refused_with_the_same_words(deal: Deal, anna: User, lena: User) -> None:
    deals.change_deal(deal.pk, actor=lena, title="Hers")
    response = client_of(anna).post(deal_url(deal, "win"), {}, headers={"If-Match": '"2"'})
    assert (response.status_code, response["ETag"]) == (412, '"3"')
    assert response.json()["current"]["title"] == "Hers"


@pytest.mark.parametrize("tag", ['"99"', '"0"', "nonsense", '"1" or 1=1', f'"{"9" * 5000}"', 'W/"1"', '""'])
def test_of_a_version_nobody_knows_only_the_present_is_told(deal: Deal, anna: User, tag: str) -> None:
    said = refused(client_of(anna), deal_url(deal), tag, title="Mine").json()
    assert said["current"]["title"] == "Forty desks"
    assert "differences" not in said


def test_what_history_has_forgotten_is_not_guessed(deal: Deal, anna: User, lena: User) -> None:
    deals.change_deal(deal.pk, actor=lena, title="Hers")
    Change.objects.all().delete()
    said = refused(client_of(anna), deal_url(deal), '"2"', title="Mine").json()
    assert "differences" not in said
    assert [one["field"] for one in said["errors"]] == [""]


def test_a_row_that_was_pointed_at_is_told_by_its_key(anna: User, admin: User) -> None:
    stranger = factories.make_salesperson("Canary Stranger", factories.make_team("South"))
    hidden = factories.make_company("Canary holding", owner=stranger)
    company = factories.make_company("Iron", owner=anna, parent=hidden)
    companies.change_company(company.pk, actor=admin, parent_id=None)
    response = refused(client_of(anna), f"/api/v1/crm/companies/{company.pk}/", '"1"', name="Mine")
    assert "Canary" not in response.content.decode()
    assert Company.objects.get(pk=company.pk).name == "Iron"
    (one,) = response.json()["differences"]
    assert (one["field"], one["base"], one["current"]) == ("parent", hidden.pk, None)


def test_out_of_sight_is_not_there_whatever_the_tag(deal: Deal) -> None:
    stranger = factories.make_salesperson("Boris Foreign", factories.make_team("South"))
    response = client_of(stranger).patch(deal_url(deal), {"title": "x"}, headers={"If-Match": '"1"'})
    assert response.status_code == 404
    assert b"desks" not in response.content


def test_users_are_told_alike(admin: User, lena: User) -> None:
    change_user(lena.pk, actor=admin, name="Lena First")
    change_user(lena.pk, actor=admin, name="Lena Second")
    said = refused(client_of(admin), f"/api/v1/accounts/users/{lena.pk}/", '"2"', name="Mine").json()
    assert said["differences"] == [
        {"field": "name", "base": "Lena First", "current": "Lena Second", "yours": "Mine"}
    ]
