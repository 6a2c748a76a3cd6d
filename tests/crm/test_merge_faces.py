"""The pages and the addresses through which people and programs merge."""

from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.crm.models import Company, DuplicateDismissal, DuplicatePair, Person
from apps.crm.services.merging import merge_companies
from tests.crm import factories
from tests.crm.merging import contact, two_companies, two_people

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada_client(admin: User, client: Client) -> Client:
    client.force_login(admin)
    return client


def post(client: Client, path: str, data: dict[str, Any], **headers: str) -> Any:
    return client.post(path, data, content_type="application/json", headers=headers)


# REST


def test_a_merge_over_rest_takes_the_version_and_moves_all(ada_client: Client, admin: User) -> None:
    winner, loser = two_companies(admin)
    path = f"/api/v1/crm/companies/{winner.pk}/merge/"
    assert post(ada_client, path, {"loser": loser.pk}).status_code == 428
    assert post(ada_client, path, {"loser": loser.pk}, **{"If-Match": '"7"'}).status_code == 412
    stale = post(ada_client, path, {"loser": loser.pk, "loser_version": 9}, **{"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "stale")
    wrong = post(ada_client, path, {"loser": loser.pk, "choices": {"name": "both"}}, **{"If-Match": '"1"'})
    assert wrong.status_code == 400
    answer = post(
        ada_client,
        path,
        {"loser": loser.pk, "loser_version": 1, "choices": {"city": "loser"}},
        **{"If-Match": '"1"'},
    )
    assert answer.status_code == 200
    assert answer.json()["city"] == "Perm"
    assert answer.json()["tax_id"] == "7707083893"
    assert answer.headers["ETag"] == '"2"'
    again = post(ada_client, path, {"loser": loser.pk}, **{"If-Match": '"2"'})
    assert (again.status_code, again.json()["code"]) == (409, "merged")


@pytest.mark.parametrize("method", ["get", "patch", "post"])
def test_the_address_of_a_merged_row_says_where_it_went(ada_client: Client, admin: User, method: str) -> None:
    winner, loser, last = (factories.make_company() for _number in range(3))
    merge_companies(winner.pk, loser.pk, actor=admin)
    merge_companies(last.pk, winner.pk, actor=admin)
    path = f"/api/v1/crm/companies/{loser.pk}/{'archive/' if method == 'post' else ''}"
    answer = getattr(ada_client, method)(path, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (410, "merged")
    # Through both merges.
    assert answer.json()["merged_into"] == last.pk
    listed = ada_client.get("/api/v1/crm/companies/").json()["results"]
    assert [row["id"] for row in listed] == [last.pk]


def test_who_does_not_see_where_it_went_is_not_told(client: Client, admin: User) -> None:
    anna = factories.make_salesperson("Anna")
    own, foreign = factories.make_company(owner=anna), factories.make_company(owner=admin)
    merge_companies(foreign.pk, own.pk, actor=admin)
    client.force_login(anna)
    answer = client.get(f"/api/v1/crm/companies/{own.pk}/")
    assert answer.status_code == 410
    assert "merged_into" not in answer.json()
    page = client.get(f"/admin/crm/company/{own.pk}/change/", follow=True)
    assert page.redirect_chain[-1][0] == "/admin/crm/company/"
    client.force_login(factories.make_salesperson())
    assert client.get(f"/api/v1/crm/companies/{own.pk}/").status_code == 404


def test_people_are_merged_over_rest_too(ada_client: Client, admin: User) -> None:
    winner, loser = two_people(admin)
    path = f"/api/v1/crm/people/{winner.pk}/merge/"
    answer = post(ada_client, path, {"loser": loser.pk}, **{"If-Match": "*"})
    assert answer.status_code == 200
    assert answer.json()["full_name"] == "Anna Ivanova"
    assert ada_client.get(f"/api/v1/crm/people/{loser.pk}/").json()["merged_into"] == winner.pk


def test_a_program_asks_before_it_makes_a_row(ada_client: Client) -> None:
    there = factories.make_company("Gamma", tax_id="7707083893")
    contact(there, "EMAIL", "office@gamma.example")
    body = {
        "name": "ООО Gamma",
        "tax_id": "77-0708-3893",
        "contact_points": [{"kind": "EMAIL", "raw": "Office@Gamma.example"}],
    }
    (found,) = post(ada_client, "/api/v1/crm/companies/duplicates/", body).json()
    assert (found["id"], found["name"], found["score"]) == (there.pk, "Gamma", 99)
    assert [reason["reason"] for reason in found["reasons"]] == ["tax_id", "contact", "name"]
    assert found["reasons"][1]["text"] == "Same contact: office@gamma.example"
    assert post(ada_client, "/api/v1/crm/people/duplicates/", {"given_name": "Nobody"}).json() == []


def test_a_program_dismisses_and_thinks_again(ada_client: Client) -> None:
    one, other = factories.make_person("Anna"), factories.make_person("Anna")
    base = f"/api/v1/crm/people/{one.pk}"
    (found,) = ada_client.get(f"{base}/possible_duplicates/").json()
    assert found["id"] == other.pk
    assert post(ada_client, f"{base}/dismiss_duplicate/", {"other": other.pk}).status_code == 204
    assert ada_client.get(f"{base}/possible_duplicates/").json() == []
    assert post(ada_client, f"{base}/reconsider_duplicate/", {"other": other.pk}).status_code == 204
    assert post(ada_client, f"{base}/reconsider_duplicate/", {"other": other.pk}).status_code == 404


# The admin


def test_the_page_of_a_row_offers_what_may_be_the_same(ada_client: Client) -> None:
    one, other = factories.make_company("Gamma"), factories.make_company("ООО Gamma")
    page = ada_client.get(f"/admin/crm/company/{one.pk}/change/").content.decode()
    assert "Possible duplicates" in page
    assert "Same name" in page
    assert f"/admin/crm/company/{one.pk}/merge/?with={other.pk}" in page
    ada_client.post(f"/admin/crm/company/{one.pk}/dismiss/", {"other": other.pk})
    assert DuplicateDismissal.objects.count() == 1
    assert (
        "Possible duplicates" not in ada_client.get(f"/admin/crm/company/{one.pk}/change/").content.decode()
    )


def test_the_page_of_a_merge_shows_both_and_merges(ada_client: Client, admin: User) -> None:
    winner, loser = two_companies(admin)
    path = f"/admin/crm/company/{winner.pk}/merge/"
    page = ada_client.get(path, {"with": loser.pk}).content.decode()
    for words in (
        "12 deals",
        "4 contacts",
        "6 employments",
        "2 companies of the group",
        "4 documents",
        "Riga",
        "Perm",
    ):
        assert words in page
    assert f"/admin/crm/company/{loser.pk}/merge/?with={winner.pk}" in page
    sent = {"with": loser.pk, "winner_version": 1, "loser_version": 1, "field-city": "loser"}
    answer = ada_client.post(path, sent, follow=True)
    assert answer.redirect_chain[-1][0] == f"/admin/crm/company/{winner.pk}/change/"
    assert "Merged." in answer.content.decode()
    assert "/undo/" in answer.content.decode()
    assert Company.objects.get(pk=winner.pk).city == "Perm"
    gone = ada_client.get(f"/admin/crm/company/{loser.pk}/change/", follow=True)
    assert gone.redirect_chain[-1][0] == f"/admin/crm/company/{winner.pk}/change/"
    assert "has been merged into this" in gone.content.decode()


def test_a_merge_that_is_refused_keeps_what_was_chosen(ada_client: Client, admin: User) -> None:
    winner, loser = two_companies(admin)
    Company.objects.filter(pk=loser.pk).update(version=2)
    sent = {"with": loser.pk, "winner_version": 1, "loser_version": 1, "field-city": "loser"}
    page = ada_client.post(f"/admin/crm/company/{winner.pk}/merge/", sent).content.decode()
    assert "Somebody else has changed this meanwhile" in page
    assert 'name="field-city" value="loser" checked' in page
    assert not Company.objects.filter(merged_into__isnull=False).exists()


def test_one_chooses_what_to_merge_with(ada_client: Client) -> None:
    one, alike = factories.make_person("Anna"), factories.make_person("Anna")
    other = factories.make_person("Maria")
    path = f"/admin/crm/person/{one.pk}/merge/"
    assert f"?with={alike.pk}" in ada_client.get(path).content.decode()
    assert f"?with={other.pk}" in ada_client.get(path, {"q": "mari"}).content.decode()
    assert ada_client.get(path, {"with": one.pk}).status_code == 200


def test_a_hint_is_shown_while_one_writes(ada_client: Client, client: Client) -> None:
    factories.make_company("Gamma")
    path = "/admin/crm/company/duplicates/hint/"
    shown = ada_client.get(path, {"name": "gamma ltd"}).content.decode()
    assert "This may be there already" in shown
    assert "Gamma" in shown
    assert (
        ada_client.get(path, {"name": "nothing like it", "kind": "NONE", "raw": "nothing"}).content.strip()
        == b""
    )
    assert "data-duplicates-hint" in ada_client.get("/admin/crm/company/add/").content.decode()
    client.force_login(factories.make_auditor())
    assert client.get(path, {"name": "gamma"}).status_code in {302, 403}


def test_the_list_shows_pairs_by_their_likeness(ada_client: Client, admin: User) -> None:
    rows = [factories.make_person(f"Person{n}") for n in range(4)]
    for score, (one, other) in ((40, rows[:2]), (90, rows[2:])):
        DuplicatePair.objects.create(
            kind="crm.person",
            first_id=one.pk,
            second_id=other.pk,
            score=score,
            reasons=[["contact", "x@example.org", 1.0]],
        )
    page = ada_client.get("/admin/crm/person/duplicates/").content.decode()
    assert page.index("90 %") < page.index("40 %")
    assert "Same contact: x@example.org" in page
    ada_client.post(f"/admin/crm/person/{rows[0].pk}/dismiss/", {"other": rows[1].pk, "from": "list"})
    assert "40 %" not in ada_client.get("/admin/crm/person/duplicates/").content.decode()
    assert "40 %" in ada_client.get("/admin/crm/person/duplicates/?dismissed=1").content.decode()
    again = {"other": rows[1].pk, "from": "list", "again": "1"}
    ada_client.post(f"/admin/crm/person/{rows[0].pk}/dismiss/", again)
    assert DuplicateDismissal.objects.count() == 0
    assert ada_client.get("/admin/crm/company/duplicates/").status_code == 200
    assert Person.objects.count() == 4


def test_a_look_is_started_from_the_list(ada_client: Client) -> None:
    answer = ada_client.post("/admin/crm/company/duplicates/search/", {"whole": "1"})
    assert answer.headers["Location"].startswith("/admin/jobs/job/")
