"""Further fields through every face: REST, pages and lists of the admin, files in and files out."""

from typing import Any

import pytest
from django.apps import apps
from django.urls import reverse

from apps.accounts.models import User
from apps.crm.models import Company, CustomField
from apps.crm.services import companies, custom_fields, deals
from tests.crm import factories
from tests.crm.importing import apply, bring_in, codes, counts, rehearse, upload
from tests.crm.test_admin_pages import form_of, login, page, text_of
from tests.crm.test_api import ROOT, client_of
from tests.crm.test_custom_fields import ADMIN, Kind, make_field
from tests.lists.export_files import csv_rows, exported, exporter

pytestmark = pytest.mark.django_db


# REST


def test_the_catalog_over_rest(admin: User) -> None:
    client = client_of(admin)
    body = {"model": "deal", "label": "Region", "kind": "CHOICE", "choices": [{"label": "North"}]}
    made = client.post(f"{ROOT}/custom-fields/", body, format="json")
    assert made.status_code == 201, made.data
    assert made.json()["key"] == "region"
    assert made.json()["choices"] == [{"key": "north", "label": "North", "is_archived": False}]
    url = f"{ROOT}/custom-fields/{made.json()['id']}/"
    changed = client.patch(url, {"label": "Area", "kind": "TEXT", "key": "area"}, format="json")
    assert (changed.status_code, changed.json()["label"]) == (200, "Area")
    assert (changed.json()["kind"], changed.json()["key"]) == ("CHOICE", "region")
    assert client.post(f"{url}archive/").status_code == 200
    assert client.get(f"{ROOT}/custom-fields/?model=deal&archived_at__isnull=true").json()["results"] == []
    assert client.post(f"{url}restore/").status_code == 200
    assert client.delete(url).status_code == 405


@pytest.mark.parametrize("model", ["company", "person", "deal", "lead"])
def test_values_over_rest(admin: User, model: str) -> None:
    make_field("Area", Kind.NUMBER, model=model)
    make_field("Old", model=model)
    place = {"company": "companies", "person": "people", "deal": "deals", "lead": "leads"}[model]
    name = {"company": "name", "person": "given_name", "deal": "title", "lead": "name"}[model]
    client = client_of(admin)
    body = {name: "Iron", "custom": {"area": "12.50", "old": "x"}}
    made = client.post(f"{ROOT}/{place}/", body, format="json")
    assert made.status_code == 201, made.data
    assert made.json()["custom"] == {"area": "12.5", "old": "x"}
    url = f"{ROOT}/{place}/{made.json()['id']}/"
    assert client.patch(url, {"custom": {"area": None}}, format="json").json()["custom"] == {"old": "x"}
    refused = client.patch(url, {"custom": {"area": "x", "color": 1}}, format="json")
    assert refused.status_code in {400, 422}
    assert {one["field"] for one in refused.json()["errors"]} == {"custom.area", "custom.color"}
    assert client.patch(url, {"custom": "x"}, format="json").status_code == 400
    custom_fields.archive_custom_field(CustomField.objects.get(key="old").pk, actor=admin)
    assert client.get(url).json()["custom"] == {}
    assert client.get(f"{ROOT}/{place}/").json()["results"][0]["custom"] == {}


def test_filters_over_rest(admin: User) -> None:
    make_field("Region", Kind.CHOICE)
    make_field("Area", Kind.NUMBER)
    make_field("Renewal", Kind.DATE)
    make_field("Is local", Kind.FLAG)
    make_field("Partner", Kind.REFERENCE, target="crm.company")
    values: list[dict[str, Any]] = [
        {"region": "north", "area": "9", "renewal": "2026-01-31", "is_local": True},
        {"region": "north", "area": "10.5", "renewal": "2026-02-01", "is_local": False},
        {"region": "south", "area": "-100"},
        {},
    ]
    made = [
        companies.create_company(actor=admin, name=f"C{number}", custom=custom)
        for number, custom in enumerate(values)
    ]
    companies.change_company(made[3].pk, actor=admin, custom={"partner": made[0].pk})
    client = client_of(admin)

    def found(query: str) -> set[str]:
        response = client.get(f"{ROOT}/companies/?{query}")
        assert response.status_code == 200, response.data
        return {row["name"] for row in response.json()["results"]}

    assert found("custom.region=north") == {"C0", "C1"}
    assert found("custom.region=") == {"C3"}
    assert found("custom.area_min=10") == {"C1"}
    assert found("custom.area_min=-200&custom.area_max=9") == {"C0", "C2"}
    assert found("custom.area=10.50") == {"C1"}
    assert found("custom.renewal_max=2026-01-31") == {"C0"}
    assert found("custom.is_local=false") == {"C1"}
    assert found(f"custom.partner={made[0].pk}") == {"C3"}
    for query in ("custom.color=x", "custom.region_min=n", "custom.area=x", "custom.region=west"):
        assert client.get(f"{ROOT}/companies/?{query}").status_code == 400


def test_hot_reads_filter_and_hide_alike(anna: User, admin: User) -> None:
    make_field("Site", model="deal")
    for site in ("A", "B"):
        deals.create_deal(actor=anna, face=ADMIN, title=site, custom={"site": site})
    client = client_of(anna)
    rows = client.get(f"{ROOT}/deals/?custom.site=B").json()["results"]
    assert [(row["title"], row["custom"]) for row in rows] == [("B", {"site": "B"})]


def test_a_filter_by_what_one_may_not_see_says_no_more_than_one_by_nothing(anna: User, boris: User) -> None:
    make_field("Partner", Kind.REFERENCE, target="crm.company")
    hidden = factories.make_company("Secret", owner=boris)
    client = client_of(anna)
    answers = [client.get(f"{ROOT}/companies/?custom.partner={key}") for key in (hidden.pk, 10**9)]
    assert [answer.status_code for answer in answers] == [400, 400]


# The admin


def test_a_page_shows_saves_and_refuses_further_fields(anna: User, admin: User) -> None:
    make_field("Region", Kind.CHOICE)
    make_field("Area", Kind.NUMBER)
    make_field("Renewal", Kind.DATE)
    make_field("Is local", Kind.FLAG)
    make_field("Note")
    company = factories.make_company("Iron", owner=anna)
    client = login(anna)
    url = page("company", company)
    data = form_of(
        client,
        url,
        **{
            "custom.region": "south",
            "custom.area": "1200.5",
            "custom.renewal": "2026-03-01",
            "custom.is_local": "no",
            "custom.note": "hello",
        },
    )
    response = client.post(url, data)
    assert response.status_code == 302, response.context["errors"]
    company.refresh_from_db()
    assert company.custom == {
        "region": "south",
        "area": "1200.5",
        "renewal": "2026-03-01",
        "is_local": False,
        "note": "hello",
    }
    assert company.version == 2
    # Nothing is changed by saving what is there.
    assert client.post(url, form_of(client, url)).status_code == 302
    company.refresh_from_db()
    assert company.version == 2
    text = text_of(client.get(url))
    assert "Further fields" in text
    assert "South" in text
    refused = client.post(url, form_of(client, url, **{"custom.area": "x"}))
    assert "custom.area" in refused.context["adminform"].form.errors


@pytest.mark.parametrize("model", ["company", "person", "deal", "lead"])
def test_each_of_the_four_forms_takes_them_for_a_new_row(admin: User, model: str) -> None:
    make_field("Note", model=model, is_required=True)
    client = login(admin)
    url = page(model, what="add")
    name = {"company": "name", "person": "given_name", "deal": "title", "lead": "name"}[model]
    refused = client.post(url, form_of(client, url, **{name: "Iron"}))
    assert "custom.note" in refused.context["adminform"].form.errors
    response = client.post(url, form_of(client, url, **{name: "Iron", "custom.note": "hello"}))
    assert response.status_code == 302, response.context["errors"]
    assert apps.get_model("crm", model).objects.get().custom == {"note": "hello"}


def test_who_may_not_see_a_reference_neither_reads_nor_loses_it(anna: User, boris: User, admin: User) -> None:
    make_field("Partner", Kind.REFERENCE, target="crm.company")
    hidden = factories.make_company("Secret", owner=boris)
    company = factories.make_company("Iron", owner=anna)
    companies.change_company(company.pk, actor=admin, custom={"partner": hidden.pk})
    client = login(anna)
    url = page("company", company)
    text = text_of(client.get(url))
    assert "Secret" not in text
    assert "not visible" in text
    assert client.post(url, form_of(client, url, city="Perm")).status_code == 302
    company.refresh_from_db()
    assert (company.city, company.custom) == ("Perm", {"partner": hidden.pk})
    assert "Secret" in text_of(login(admin).get(url))


@pytest.mark.parametrize("model", ["company", "person", "deal", "lead"])
def test_over_rest_a_reference_out_of_sight_has_no_number(
    model: str, anna: User, boris: User, admin: User
) -> None:
    make_field("Partner", Kind.REFERENCE, model=model, target="crm.company")
    make_field("Note", model=model)
    hidden, seen = factories.make_company("Secret", owner=boris), factories.make_company("Iron", owner=anna)
    place = {"company": "companies", "person": "people", "deal": "deals", "lead": "leads"}[model]
    name = {"company": "name", "person": "given_name", "deal": "title", "lead": "name"}[model]
    if model == "lead":
        role = anna.memberships.get().role
        for action in ("view", "change"):
            role.grants.create(permission=f"crm.{action}_lead", reach="OWN")
    ruling, selling = client_of(admin), client_of(User.objects.get(pk=anna.pk))
    rows = []
    for partner in (hidden, seen):
        body = {name: f"Row {partner}", "custom": {"partner": partner.pk, "note": "“x”"}}
        made = ruling.post(f"{ROOT}/{place}/", body, format="json").json()
        assert made["custom"] == body["custom"]
        apps.get_model("crm", model).objects.filter(pk=made["id"]).update(owner=anna)
        rows.append(f"{ROOT}/{place}/{made['id']}/")
    assert [selling.get(url).json()["custom"] for url in rows] == [
        {"note": "“x”"},
        {"partner": seen.pk, "note": "“x”"},
    ]
    listed = selling.get(f"{ROOT}/{place}/")
    found = {row[name]: row["custom"].get("partner") for row in listed.json()["results"] if row["custom"]}
    assert found == {"Row Secret": None, "Row Iron": seen.pk}
    # Who writes back what was read takes nothing away.
    changed = selling.patch(rows[0], {"custom": selling.get(rows[0]).json()["custom"]}, format="json")
    assert changed.status_code == 200, changed.data
    assert "partner" not in changed.json()["custom"]
    assert ruling.get(rows[0]).json()["custom"]["partner"] == hidden.pk
    if model != "lead":
        assert set(selling.get(f"{rows[0]}?fields=id").json()) == {"id"}


def test_who_only_reads_a_row_reads_its_further_fields(auditor: User, admin: User) -> None:
    make_field("Sales region", Kind.CHOICE)
    company = companies.create_company(actor=admin, name="Iron", custom={"sales_region": "north"})
    text = text_of(login(auditor).get(page("company", company)))
    assert "Sales region" in text
    assert "North" in text


def test_lists_filter_by_further_fields(admin: User) -> None:
    make_field("Region", Kind.CHOICE)
    make_field("Area", Kind.NUMBER)
    make_field("Renewal", Kind.DATE)
    make_field("Note")
    for name, custom in (
        ("Alpha", {"region": "north", "area": "5", "renewal": "2026-01-01", "note": "x"}),
        ("Omega", {"region": "south", "area": "50"}),
    ):
        companies.create_company(actor=admin, name=name, custom=custom)
    client = login(admin)
    for query in (
        "custom.region=north",
        "custom.area_from=1&custom.area_to=10",
        "custom.renewal_to=2026-02-01",
        "custom.note=x",
    ):
        text = text_of(client.get(f"{page('company', what='changelist')}?{query}"))
        assert "Alpha" in text, query
        assert "Omega" not in text, query


def test_the_catalog_in_the_admin(admin: User, anna: User) -> None:
    client = login(admin)
    url = page("customfield", what="changelist")
    assert "Fields of your own" in text_of(client.get(url))
    add = page("customfield", what="add")
    data = form_of(client, add, label="Region", model="deal", kind="CHOICE", choices="North\nSouth")
    response = client.post(add, data)
    assert response.status_code == 302, response.context["errors"]
    field = CustomField.objects.get()
    assert [one["key"] for one in field.choices] == ["north", "south"]
    change = page("customfield", field)
    assert "north = North" in text_of(client.get(change))
    data = form_of(client, change, choices="# north = The north\nsouth = South\nWest")
    assert client.post(change, data).status_code == 302
    field.refresh_from_db()
    assert [(one["key"], one["label"], one["is_archived"]) for one in field.choices] == [
        ("north", "The north", True),
        ("south", "South", False),
        ("west", "West", False),
    ]
    assert login(anna).get(url).status_code == 403


def test_a_merge_page_names_further_fields(admin: User) -> None:
    make_field("Region", Kind.CHOICE)
    winner = companies.create_company(actor=admin, name="Iron", custom={"region": "north"})
    loser = companies.create_company(actor=admin, name="Iron Ltd", custom={"region": "south"})
    url = reverse("admin:crm_company_merge", args=[winner.pk])
    text = text_of(login(admin).get(f"{url}?with={loser.pk}"))
    assert "North" in text
    assert "South" in text


# Files


FILE = "Company,Region,area,Renewal,Local?,Partner,Note\n"


def _all_kinds() -> None:
    make_field("Region", Kind.CHOICE)
    make_field("Area", Kind.NUMBER)
    make_field("Renewal", Kind.DATE)
    make_field("Local?", Kind.FLAG, key="local")
    make_field("Partner", Kind.REFERENCE, target="crm.company")
    make_field("Note")


def test_files_bring_further_fields_in(admin: User) -> None:
    _all_kinds()
    partner = factories.make_company("Partner Ltd")
    text = FILE + "Iron,north,-12.5,2026-03-01,no,Partner Ltd,hello\nSteel,SOUTH,,,,,\n"
    batch = rehearse(upload("companies", text, actor=admin), actor=admin)
    assert set(batch.mapping.values()) >= {f"custom_{key}" for key in ("region", "area", "local", "note")}
    assert counts(batch) == {"rows": 2, "create": 2}
    apply(batch, actor=admin)
    assert Company.objects.get(name="Iron").custom == {
        "region": "north",
        "area": "-12.5",
        "renewal": "2026-03-01",
        "local": False,
        "partner": partner.pk,
        "note": "hello",
    }
    assert Company.objects.get(name="Steel").custom == {"region": "south"}


def test_a_file_changes_what_it_names_and_leaves_the_rest(admin: User) -> None:
    _all_kinds()
    bring_in("companies", FILE + "Iron,north,5,,,,hello\nSteel,south,,,,,\n", actor=admin)
    batch = bring_in("companies", FILE + "Iron,south,5,,,,\nSteel,south,,,,,\n", actor=admin)
    assert counts(batch) == {"rows": 2, "update": 1, "unchanged": 1}
    iron = Company.objects.get(name="Iron")
    assert (iron.custom, iron.version) == ({"region": "south", "area": "5", "note": "hello"}, 2)


def test_what_is_wrong_in_a_cell_is_said_of_the_cell(admin: User) -> None:
    _all_kinds()
    text = FILE + "Iron,nrth,many,tomorrow,perhaps,Nobody,\n"
    batch = rehearse(upload("companies", text, actor=admin), actor=admin)
    assert {(field, code) for _line, field, code in codes(batch)} >= {
        ("custom_region", "unknown"),
        ("custom_area", "bad_number"),
        ("custom_renewal", "bad_date"),
        ("custom_local", "bad_flag"),
    }


@pytest.mark.parametrize(
    ("kind", "model", "text"),
    [
        ("people", "person", "First name,Note\nAnna,hello\n"),
        ("deals", "deal", "Title,Note\nDesks,hello\n"),
        ("leads", "lead", "Name,Note\nLee,hello\n"),
    ],
)
def test_each_kind_of_file_has_them(admin: User, kind: str, model: str, text: str) -> None:
    make_field("Note", model=model)
    mapping = {"Note": "custom_note"} | ({"Title": "title"} if kind == "deals" else {})
    batch = upload(kind, text, actor=admin)
    batch = upload(kind, text, actor=admin, mapping={**batch.mapping, **mapping})
    apply(rehearse(batch, actor=admin), actor=admin)
    row = apps.get_model("crm", model).objects.get()
    assert row.custom == {"note": "hello"}


def test_files_take_further_fields_away(team: Any) -> None:
    _all_kinds()
    seller = exporter("ALL")
    hidden_reader = exporter()
    partner = factories.make_company("Partner Ltd", owner=seller)
    custom = {"region": "north", "area": "12.5", "local": True, "partner": partner.pk}
    company = companies.create_company(actor=seller, name="Iron", custom=custom)
    columns = ["name", *(f"custom.{key}" for key in ("region", "area", "local", "partner", "note"))]
    rows = Company.objects.filter(pk=company.pk)
    head, row = csv_rows(exported(rows, seller, columns, format="csv", language="en"))
    assert head == ["Name", "Region", "Area", "Local?", "Partner", "Note"]
    assert (row[1], row[4], row[5]) == ("North", "Partner Ltd", "")
    assert float(row[2].replace(",", ".")) == 12.5
    Company.objects.filter(pk=company.pk).update(owner=hidden_reader)
    _head, row = csv_rows(exported(rows, hidden_reader, columns, format="csv", language="en"))
    assert row[4] == "not visible"
