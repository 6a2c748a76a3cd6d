"""Imports over REST: upload, correct, rehearse, apply; refusals as problem documents; only one's own."""

import csv
import io
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.crm.models import Product
from apps.jobs.models import Job
from tests.crm import factories
from tests.crm.importing import take_steps

BASE = "/api/v1/crm/imports/"


@pytest.fixture
def api(admin: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(admin)
    return client


def _upload(api: APIClient, content: str, kind: str = "products") -> Any:
    file = SimpleUploadedFile("rows.csv", content.encode(), content_type="text/csv")
    return api.post(BASE, {"kind": kind, "file": file}, format="multipart")


def _finish(answer: Any) -> None:
    assert answer.status_code == 202, answer.content
    take_steps(Job.objects.get(pk=answer.json()["job"]))


def test_the_whole_way(api: APIClient) -> None:
    factories.make_company("GTX Pro")
    answer = _upload(api, "Name;Price\nChair;1,5\nTable;x\n")
    assert answer.status_code == 201
    batch = answer.json()
    address = f"{BASE}{batch['id']}/"
    assert (batch["state"], batch["dialect"]["delimiter"], batch["mapping"]) == (
        *("UPLOADED", ";", {"Name": "name", "Price": "price"}),
    )
    _finish(api.post(f"{address}rehearse/"))
    (issue,) = api.get(f"{address}issues/").json()
    assert (issue["field"], issue["code"], issue["count"], issue["lines"]) == ("price", "bad_number", 1, [3])
    assert [row["verdict"] for row in api.get(f"{address}rows/").json()] == ["C", "E"]
    assert [row["line"] for row in api.get(f"{address}rows/?verdict=E").json()] == [3]
    refused = api.post(f"{address}apply/")
    assert (refused.status_code, refused.json()["code"]) == (400, "has_errors")
    download: Any = api.get(f"{address}error-file/")
    file = b"".join(download.streaming_content).decode("utf-8-sig")
    assert next(csv.DictReader(io.StringIO(file), delimiter=";"))["Name"] == "Table"
    corrected = api.post(f"{address}replace-value/", {"field": "price", "old": "x", "new": "2"})
    assert (corrected.status_code, corrected.json()["state"]) == (200, "UPLOADED")
    _finish(api.post(f"{address}rehearse/"))
    _finish(api.post(f"{address}apply/"))
    done = api.get(address).json()
    assert (done["state"], done["counts"]["create"]) == ("APPLIED", 2)
    assert Product.objects.count() == 2


def test_corrections_are_refused_over_another_version(api: APIClient) -> None:
    answer = _upload(api, "Name,Price\nChair,1\n")
    address = f"{BASE}{answer.json()['id']}/"
    first = api.patch(address, {"mode": "CREATE"}, headers={"If-Match": answer["ETag"]})
    assert (first.status_code, first.json()["mode"]) == (200, "CREATE")
    second = api.patch(address, {"mode": "UPDATE"}, headers={"If-Match": answer["ETag"]})
    assert second.status_code == 412
    wrong = api.patch(address, {"mapping": {"Nope": "name"}})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "unknown_column")


def test_suggestions_are_taken_in_one_call(api: APIClient) -> None:
    factories.make_product("GTX Pro")
    answer = _upload(api, "ID,Product\n1,GTXPro\n", kind="deals")
    address = f"{BASE}{answer.json()['id']}/"
    _finish(api.post(f"{address}rehearse/"))
    assert api.post(f"{address}accept-suggestions/").json() == {"replaced": 1}
    _finish(api.post(f"{address}rehearse/"))
    assert api.get(f"{address}issues/").json() == []


def test_a_file_that_is_no_table_is_a_problem_document(api: APIClient) -> None:
    answer = _upload(api, "")
    assert (answer.status_code, answer.json()["code"]) == (400, "empty")
    assert answer["Content-Type"] == "application/problem+json"
    assert api.get(BASE).json()["results"] == []


def test_others_do_not_see_it(api: APIClient) -> None:
    uploaded = _upload(api, "Name\nChair\n")
    address = f"{BASE}{uploaded.json()['id']}/"
    grants = {f"crm.{action}_importbatch": "OWN" for action in ["add", "view", "change"]}
    other = factories.join(factories.make_user("Other"), factories.make_team(), factories.make_role(grants))
    client = APIClient()
    client.force_authenticate(other)
    assert client.get(BASE).json()["results"] == []
    for method, rest in [
        ("get", ""),
        ("get", "issues/"),
        ("get", "error-file/"),
        ("post", "rehearse/"),
        ("delete", ""),
    ]:
        assert getattr(client, method)(f"{address}{rest}").status_code == 404
    assert _upload(client, "Name\nA\n").status_code == 403
    assert api.delete(address).status_code == 204
    assert api.get(address).status_code == 404
