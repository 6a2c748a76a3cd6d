"""Exports over REST: the same rules, asked by a program."""

from typing import Any

import pytest
from django.test import Client

from apps.crm.models import Deal
from apps.lists.models import Export
from tests.crm import factories
from tests.lists.export_files import content, csv_rows, exported, exporter, work

pytestmark = pytest.mark.django_db
URL = "/api/v1/lists/exports/"


def ask(client: Client, **body: Any) -> Any:
    body = {"model": "crm.deal", "columns": ["title", "amount"], "filter": {}} | body
    body = {key: value for key, value in body.items() if value is not None}
    return client.post(URL, body, content_type="application/json")


def as_(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_a_program_asks_watches_and_takes_the_file() -> None:
    anna = exporter()
    factories.make_deal("Desks", owner=anna)
    factories.make_deal("Not mine", owner=exporter())
    client = as_(anna)
    response = ask(client)
    assert response.status_code == 202
    export = Export.objects.get()
    assert response["Location"] == f"{URL}{export.pk}/"
    body = response.json()
    assert (body["state"], body["chosen"], body["download"], body["job"]) == (
        "QUEUED",
        1,
        None,
        export.job_id,
    )
    assert client.get(f"{URL}{export.pk}/download/").status_code == 409
    work(export)
    body = client.get(f"{URL}{export.pk}/").json()
    assert (body["state"], body["rows"], body["is_available"]) == ("SUCCEEDED", 1, True)
    file = client.get(body["download"])
    export.refresh_from_db()
    assert b"".join(file) == content(export)
    assert csv_rows(export) == [["title", "amount"], ["Desks", "1000.00"]]
    assert file["Content-Disposition"].startswith("attachment")
    assert client.delete(f"{URL}{export.pk}/").status_code == 204
    gone = client.get(body["download"])
    assert (gone.status_code, gone.json()["code"]) == (410, "export_expired")


def test_rows_are_named_by_ids_or_by_the_filters_of_their_list() -> None:
    admin = factories.make_admin()
    client = as_(admin)
    first, second = factories.make_deal("a", owner=admin), factories.make_deal("b", owner=admin, status="WON")
    factories.make_deal("c", owner=admin)
    assert ask(client, ids=[first.pk, second.pk], filter=None).status_code == 202
    assert ask(client, filter={"status": "WON"}).status_code == 202
    by_ids, won = Export.objects.order_by("pk")
    assert [row[0] for row in csv_rows(work(by_ids))[1:]] == ["b", "a"]
    assert [row[0] for row in csv_rows(work(won))[1:]] == ["b"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"filter": None}, 400),
        ({"ids": [1]}, 400),
        ({"ids": [], "filter": None}, 400),
        ({"model": "crm.nothing"}, 400),
        ({"model": "nothing"}, 400),
        ({"filter": {"password": "x"}}, 400),
        ({"filter": {"status": "ODD"}}, 400),
        ({"columns": []}, 400),
        ({"columns": ["password"]}, 400),
        ({"format": "exe"}, 400),
        ({"separator": "x"}, 400),
        ({"model": "events.event"}, 403),
        ({"model": "crm.dealline"}, 403),
        ({"model": "accounts.role"}, 403),
    ],
)
def test_what_a_program_asks_for_wrongly_is_refused(body: dict[str, Any], status: int) -> None:
    anna = exporter()
    factories.make_deal(owner=anna)
    assert ask(as_(anna), **body).status_code == status
    assert not Export.objects.exists()


def test_nobody_takes_the_file_of_another() -> None:
    anna = exporter()
    factories.make_deal(owner=anna)
    export = exported(Deal.objects.all(), anna)
    for method, path in (("get", ""), ("get", "download/"), ("delete", "")):
        assert getattr(as_(exporter()), method)(f"{URL}{export.pk}/{path}").status_code == 404
    root = as_(factories.make_admin())
    assert root.get(f"{URL}{export.pk}/").status_code == 200
    assert root.get(f"{URL}{export.pk}/download/").status_code == 403
    assert root.delete(f"{URL}{export.pk}/").status_code == 403
    assert Client().get(URL).status_code in {401, 403}


def test_who_may_only_see_gets_nothing() -> None:
    auditor = factories.make_auditor()
    factories.make_deal(owner=factories.make_user())
    assert ask(as_(auditor)).status_code == 403
