"""The pages of exports: what lists offer, what is asked, what is shown of a file, and how it is handed out."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone

from apps.accounts.models import RoleGrant
from apps.crm.models import Deal
from apps.lists.models import Export
from tests.crm import factories
from tests.lists.export_files import ask, content, csv_rows, exported, exporter, work

pytestmark = pytest.mark.django_db
NEW = "/admin/lists/export/new/crm.deal/"


def page_of(export: Export, what: str = "change") -> str:
    return f"/admin/lists/export/{export.pk}/{what}/"


def as_(client: Client, user: Any) -> Client:
    client.force_login(user)
    return client


def test_a_list_offers_all_that_match_with_its_filters(client: Client) -> None:
    admin = factories.make_admin()
    factories.make_deal(owner=admin)
    text = as_(client, admin).get("/admin/crm/deal/").content.decode()
    assert f'href="{NEW}"' in text
    assert "Export all" in text
    text = client.get("/admin/crm/deal/", {"status__exact": "OPEN", "q": "desk"}).content.decode()
    assert f'href="{NEW}?status__exact=OPEN&amp;q=desk"' in text
    assert "Export all that match" in text


@pytest.mark.parametrize(
    "path", ["crm/company", "crm/person", "crm/product", "accounts/user", "jobs/job", "lists/export"]
)
def test_every_list_offers_it(client: Client, path: str) -> None:
    text = as_(client, factories.make_admin()).get(f"/admin/{path}/").content.decode()
    assert f"/admin/lists/export/new/{path.replace('/', '.')}/" in text


def test_who_may_not_take_away_is_offered_nothing_and_gets_nothing(client: Client) -> None:
    seller = factories.make_salesperson()
    deal = factories.make_deal(owner=seller)
    text = as_(client, seller).get("/admin/crm/deal/").content.decode()
    assert "lists/export" not in text
    assert 'value="export"' not in text
    assert client.get(NEW).status_code == 403
    assert client.post(NEW, {"columns": ["title"], "format": "csv"}).status_code == 403
    client.post("/admin/crm/deal/", {"action": "export", "_selected_action": [deal.pk]})
    assert not Export.objects.exists()


@pytest.mark.parametrize("label", ["crm.nothing", "crm.dealline", "accounts.team", "nothing", "crm.deal'"])
def test_lists_that_there_are_not_or_that_one_may_not_see(client: Client, label: str) -> None:
    assert as_(client, exporter()).get(f"/admin/lists/export/new/{label}/").status_code in {403, 404}


def test_the_page_proposes_the_columns_of_the_list(client: Client) -> None:
    admin = factories.make_admin()
    factories.make_deal(owner=admin)
    response = as_(client, admin).get(NEW)
    form = response.context["form"]
    assert form.chosen == [
        *("number", "title", "company", "stage", "amount", "currency", "owner"),
        *("stage_entered_at", "expected_close_date"),
    ]
    offered = [column.key for column, _is_on in form.boxes()]
    assert offered[:2] == ["number", "title"]
    assert {"tags", "description", "external_id"} <= set(offered)
    assert "Export 1 deal" in response.content.decode()
    assert as_(client, admin).get("/admin/lists/export/new/crm.person/").context["form"].chosen == [
        *("full_name", "job_title", "company", "email", "phone", "owner")
    ]


def test_the_list_as_it_is_filtered_searched_and_sorted_is_exported(client: Client) -> None:
    admin = factories.make_admin()
    for title in ["desk b", "desk a", "chair"]:
        factories.make_deal(title, owner=admin)
    factories.make_deal("desk won", owner=admin, status="WON")
    trashed = factories.make_deal("desk in the trash", owner=admin)
    Deal.objects.filter(pk=trashed.pk).update(archived_at=timezone.now())
    query = "?status__exact=OPEN&q=desk&o=2"
    response = as_(client, admin).get(NEW + query)
    assert response.context["count"] == 2
    assert "Export 2 deals" in response.content.decode()
    response = client.post(NEW + query, {"columns": ["title"], "format": "csv", "has_bom": "1"})
    export = Export.objects.get()
    assert response["Location"] == page_of(export)
    assert [row[0] for row in csv_rows(work(export))] == ["Title", "desk a", "desk b"]


def test_selected_rows_are_exported_in_the_order_and_columns_of_the_page(client: Client) -> None:
    admin = factories.make_admin()
    deals = [factories.make_deal(f"Deal {n}", owner=admin) for n in range(4)]
    data = {"action": "export", "_selected_action": [deals[0].pk, deals[2].pk], "select_across": "0"}
    response = as_(client, admin).post("/admin/crm/deal/?o=2", data)
    assert response.status_code == 200
    assert "Export 2 deals" in response.content.decode()
    context = response.context
    sent = {"keys": context["keys"], "columns": ["amount", "title"], "format": "csv", "language": "en"}
    assert client.post(context["action"], sent).status_code == 302
    rows = csv_rows(work(Export.objects.get()))
    assert rows == [["Amount", "Title"], ["1000.00", "Deal 0"], ["1000.00", "Deal 2"]]


def test_all_that_match_may_be_selected(client: Client) -> None:
    admin = factories.make_admin()
    for number in range(60):
        factories.make_deal(f"Deal {number}", owner=admin)
    first = Deal.objects.order_by("-pk").values_list("pk", flat=True)[:50]
    data = {"action": "export", "_selected_action": list(first), "select_across": "1"}
    response = as_(client, admin).post("/admin/crm/deal/?q=Deal", data, follow=True)
    assert response.request["PATH_INFO"] == NEW
    assert "Export 60 deals" in response.content.decode()


@pytest.mark.parametrize("keys", ["x", "1;drop table", "-1", "9" * 30])
def test_keys_that_are_none_choose_nothing(client: Client, keys: str) -> None:
    admin = factories.make_admin()
    factories.make_deal(owner=admin)
    assert as_(client, admin).post(
        NEW, {"keys": keys, "columns": ["title"], "format": "csv"}
    ).status_code in {403, 422}
    assert not Export.objects.exists()


def test_a_refusal_stands_on_the_page_with_what_was_chosen(client: Client) -> None:
    admin = factories.make_admin()
    factories.make_deal(owner=admin)
    response = as_(client, admin).post(NEW, {"format": "csv", "language": "ru"})
    assert response.status_code == 422
    assert "Choose at least one column." in response.content.decode()
    assert 'value="csv" required checked' in response.content.decode()
    assert '<option value="ru" selected>' in response.content.decode()


def test_an_empty_list_says_that_there_is_nothing(client: Client) -> None:
    text = as_(client, exporter()).get(NEW).content.decode()
    assert "There is nothing to export" in text
    assert "data-start" not in text


def test_a_filter_that_is_none_is_refused(client: Client) -> None:
    admin = factories.make_admin()
    response = as_(client, admin).get(NEW + "?status__exact=OPEN&password__startswith=x")
    assert response.status_code in {302, 400, 403}
    assert not Export.objects.exists()


def test_a_great_many_rows_are_told_as_an_estimate(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.lists.selectors import exports

    monkeypatch.setattr(exports, "COUNTED", 3)
    admin = factories.make_admin()
    for _ in range(5):
        factories.make_deal(owner=admin)
    response = as_(client, admin).get(NEW)
    assert response.context["count"].is_exact is False
    assert "Export about" in response.content.decode()


# A file


def test_a_file_is_handed_out_as_something_to_keep(client: Client) -> None:
    anna = exporter()
    factories.make_deal("=1+1", owner=anna)
    export = exported(Deal.objects.all(), anna, ["title"], format="csv", language="ru")
    page = as_(client, anna).get(page_of(export)).content.decode()
    assert page_of(export, "download") in page
    assert export.sha256 in page
    response = client.get(page_of(export, "download"))
    assert response.status_code == 200
    assert b"".join(response) == content(export)
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].startswith("attachment; filename*=utf-8''")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert {"private", "no-store"} <= set(response["Cache-Control"].split(", "))
    assert "sandbox" in response["Content-Security-Policy"]
    export.refresh_from_db()
    assert export.downloads == 1
    assert client.head(page_of(export, "download")).status_code == 405
    assert client.post(page_of(export, "download")).status_code == 405


def test_nobody_else_gets_it(client: Client) -> None:
    anna = exporter()
    factories.make_deal(owner=anna)
    export = exported(Deal.objects.all(), anna)
    assert Client().get(page_of(export, "download")).status_code == 302
    boris = exporter()
    for what in ("change", "download"):
        assert as_(client, boris).get(page_of(export, what)).status_code == 404
    assert client.post(page_of(export, "remove")).status_code == 404
    root = factories.make_admin()
    text = as_(client, root).get(page_of(export)).content.decode()
    assert "Only whoever asked for a file gets it." in text
    assert page_of(export, "download") not in text
    assert client.get(page_of(export, "download")).status_code == 403
    client.post(page_of(export, "remove"))
    export.refresh_from_db()
    assert (export.downloads, export.is_available()) == (0, True)


def test_a_lost_right_closes_the_file(client: Client) -> None:
    anna = exporter()
    factories.make_deal(owner=anna)
    export = exported(Deal.objects.all(), anna)
    RoleGrant.objects.filter(permission="crm.export_deal").delete()
    assert as_(client, anna).get(page_of(export, "download")).status_code == 403


@pytest.mark.parametrize("is_lost", [False, True])
def test_a_file_that_is_gone_says_so_politely(client: Client, is_lost: bool) -> None:
    admin = factories.make_admin()
    factories.make_deal(owner=admin)
    export = exported(Deal.objects.all(), admin)
    if is_lost:
        default_storage.delete(export.storage_name)
    else:
        Export.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    response = as_(client, admin).get(page_of(export, "download"))
    assert response.status_code == 410
    expected = "The file is not where it was put." if is_lost else "The file has been removed"
    assert expected in response.content.decode()
    assert "Traceback" not in response.content.decode()


def test_a_file_that_is_not_there_yet_says_so(client: Client) -> None:
    admin = factories.make_admin()
    factories.make_deal(owner=admin)
    export = ask(Deal.objects.all(), admin)
    response = as_(client, admin).get(page_of(export, "download"))
    assert response.status_code == 409
    assert "There is no file yet." in response.content.decode()
    assert "data-job=" in client.get(page_of(export)).content.decode()


def test_a_file_is_removed_by_its_owner(client: Client) -> None:
    admin = factories.make_admin()
    factories.make_deal(owner=admin)
    export = exported(Deal.objects.all(), admin)
    response = as_(client, admin).post(page_of(export, "remove"), follow=True)
    assert "The file was removed." in response.content.decode()
    assert "The file has been removed" in response.content.decode()
    assert not default_storage.exists(export.storage_name)


def test_the_page_tells_what_is_not_in_the_file(client: Client) -> None:
    anna = exporter()
    factories.make_deal(owner=anna, company=factories.make_company(owner=exporter()))
    gone = factories.make_deal(owner=anna)
    export = ask(Deal.objects.all(), anna, ["title", "company"])
    gone.delete()
    text = as_(client, anna).get(page_of(work(export))).content.decode()
    assert "1 chosen row is not in the file" in text
    assert "1 name is left out" in text


def test_the_list_shows_ones_own_files(client: Client) -> None:
    anna, boris = exporter(), exporter()
    factories.make_deal(owner=anna)
    factories.make_deal(owner=boris)
    mine = exported(Deal.objects.all(), anna, format="csv")
    exported(Deal.objects.all(), boris)
    text = as_(client, anna).get("/admin/lists/export/").content.decode()
    assert mine.filename in text
    assert ".xlsx" not in text
    assert "Ready" in text
    assert page_of(mine, "download") in text
    root = as_(client, factories.make_admin()).get("/admin/lists/export/").content.decode()
    assert mine.filename in root
    assert "/download/" not in root
    assert "Files you take with you" in as_(client, exporter()).get("/admin/lists/export/").content.decode()


def test_what_stands_in_a_list_of_exports_takes_no_query_per_row(
    client: Client, django_assert_max_num_queries: Any
) -> None:
    admin = factories.make_admin()
    factories.make_deal(owner=admin)
    for _ in range(6):
        exported(Deal.objects.all(), admin, ["title"], format="csv")
    as_(client, admin).get("/admin/lists/export/")
    with django_assert_max_num_queries(12):
        client.get("/admin/lists/export/")
