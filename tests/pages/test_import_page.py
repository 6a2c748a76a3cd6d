"""The import page by plain forms, without a browser: four steps, and each refusal said where it arose."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

if TYPE_CHECKING:
    from apps.accounts.models import User
    from apps.crm.models import ImportBatch

DATA = Path(__file__).parent / "data"
ADD = "/admin/crm/importbatch/add/"
PRODUCTS = "product,series,sales_price\nGTX Basic,GTX,550\nMG Special,MG,55\n"


@pytest.fixture
def client(transactional_db: None, redis_url: str) -> Client:
    """Real transactions: a job renews its lease on a connection of its own."""
    return Client()


def send(client: Client, kind: str, content: str | bytes, name: str = "rows.csv", **extra: Any) -> Any:
    raw = content.encode() if isinstance(content, str) else content
    return client.post(ADD, {"kind": kind, "file": SimpleUploadedFile(name, raw)}, **extra)


def latest() -> "ImportBatch":
    from apps.crm.models import ImportBatch

    return ImportBatch.objects.latest("pk")


def url_of(batch: "ImportBatch", what: str = "change", **query: str) -> str:
    return reverse(f"admin:crm_importbatch_{what}", args=[batch.pk]) + (
        "?" + "&".join(f"{key}={value}" for key, value in query.items()) if query else ""
    )


def text_of(response: Any) -> str:
    return " ".join(response.content.decode().split())


def columns_form(batch: "ImportBatch", **changes: str) -> dict[str, Any]:
    """Fill the columns' form as the page proposes it."""
    form = {f"column-{at}": batch.mapping.get(name, "") for at, name in enumerate(batch.header)}
    return (
        {"columns": "1", "mode": batch.mode, "match_by": batch.match_by, "currency": "RUB"} | form | changes
    )


def work_off(batch: "ImportBatch") -> "ImportBatch":
    """Do the job that was started last, as a worker would."""
    from apps.crm.admin.import_page import latest_job
    from apps.jobs import runner

    batch.refresh_from_db()
    job = latest_job(batch)
    assert job is not None
    runner.run(job.pk)
    batch.refresh_from_db()
    return batch


@pytest.fixture
def rehearsed(ada: "User", ada_client: Client) -> Callable[..., "ImportBatch"]:
    """Bring a file as far as its rehearsal."""

    def bring(kind: str, content: str) -> "ImportBatch":
        send(ada_client, kind, content)
        batch = latest()
        ada_client.post(url_of(batch, "columns"), columns_form(batch))
        return work_off(batch)

    return bring


def test_file_is_read_and_its_columns_are_proposed_with_samples(ada_client: Client) -> None:
    response = send(ada_client, "products", PRODUCTS)
    batch = latest()
    assert response.headers["Location"] == url_of(batch)

    page = ada_client.get(url_of(batch))
    columns = {each["name"]: each for each in page.context["columns"]}
    assert columns["product"]["field"] == "name"
    assert columns["sales_price"]["samples"] == ["550", "55"]
    assert page.context["step"] == "columns"
    assert [step.key for step in page.context["steps"] if step.is_open] == ["file", "columns"]


def test_plain_forms_lead_from_file_to_list(ada_client: Client) -> None:
    from apps.crm.models import Product

    send(ada_client, "products", PRODUCTS)
    batch = latest()
    ada_client.post(url_of(batch, "columns"), columns_form(batch))
    waiting = text_of(ada_client.get(url_of(batch)))
    assert 'http-equiv="refresh"' in waiting
    assert "You can leave this page" in waiting

    work_off(batch)
    page = ada_client.get(url_of(batch))
    assert "Import 2 products</button>" in text_of(page)
    assert not Product.objects.exists()

    ada_client.post(url_of(batch, "apply"))
    work_off(batch)

    page = ada_client.get(url_of(batch))
    assert page.context["made"] == "2 products"
    assert 'href="/admin/crm/product/"' in text_of(page)
    assert set(Product.objects.values_list("name", flat=True)) == {"GTX Basic", "MG Special"}


def test_same_file_again_says_that_nothing_would_change(
    ada_client: Client, rehearsed: Callable[..., "ImportBatch"]
) -> None:
    first = rehearsed("products", PRODUCTS)
    ada_client.post(url_of(first, "apply"))
    work_off(first)

    again = rehearsed("products", PRODUCTS)

    page = text_of(ada_client.get(url_of(again)))
    assert "Nothing would change" in page
    assert url_of(again, "apply") not in page


def test_one_click_replaces_an_unknown_name_in_all_rows(
    ada: "User", ada_client: Client, rehearsed: Callable[..., "ImportBatch"]
) -> None:
    from tests.crm.factories import make_product

    make_product("GTX Pro")
    make_product("MG Special")
    batch = rehearsed("deals", "product,sales_agent,deal_stage\n" + 3 * f"GTXPro,{ada.name},Prospecting\n")
    assert batch.counts["error"] == 3

    page: Any = ada_client.get(url_of(batch))
    assert "Use GTX Pro for all 3</button>" in text_of(page)
    assert page.context["choices"] == {"product": ["GTX Pro", "MG Special"]}
    wrong = [cell for cell in page.context["rows"][0]["cells"] if cell["error"]]
    assert [(cell["error"]["value"], cell["error"]["suggestion"]) for cell in wrong] == [
        ("GTXPro", "GTX Pro")
    ]
    assert "art-cell-wrong" in text_of(page)

    ada_client.post(url_of(batch, "replace"), {"field": "product", "old": "GTXPro", "new": "GTX Pro"})
    work_off(batch)

    assert (batch.counts["create"], batch.counts["error"]) == (3, 0)
    text = text_of(ada_client.get(url_of(batch)))
    assert "Import 3 deals</button>" in text
    assert "Take as written" in text


def test_replacement_can_be_taken_back(
    ada: "User", ada_client: Client, rehearsed: Callable[..., "ImportBatch"]
) -> None:
    from tests.crm.factories import make_product

    make_product("GTX Pro")
    batch = rehearsed("deals", f"product,sales_agent\nGTXPro,{ada.name}\n")
    ada_client.post(url_of(batch, "accept"))
    assert work_off(batch).values == {"product": {"GTXPro": "GTX Pro"}}

    ada_client.post(url_of(batch, "unreplace"), {"field": "product", "old": "GTXPro"})

    batch.refresh_from_db()
    assert batch.values == {}


def test_rows_with_errors_are_left_out_only_when_said_and_come_back_as_a_file(
    ada_client: Client, rehearsed: Callable[..., "ImportBatch"]
) -> None:
    from apps.crm.models import Product

    batch = rehearsed("products", "product,sales_price\nGood,10\nBad,cheap\n")
    text = text_of(ada_client.get(url_of(batch)))
    assert "Import 1 product</button>" in text
    assert "1 row with an error is left out." in text

    refused = ada_client.post(url_of(batch, "apply"))
    assert refused.status_code == 422
    assert "1 rows have errors" in text_of(refused)
    assert not Product.objects.exists()

    file: Any = ada_client.get(url_of(batch, "errors"))
    rows = list(csv.DictReader(io.StringIO(b"".join(file.streaming_content).decode("utf-8-sig"))))
    assert [row["product"] for row in rows] == ["Bad"]
    assert any("“cheap” is not a number" in value for value in rows[0].values())

    ada_client.post(url_of(batch, "apply"), {"skip_errors": "1"})
    work_off(batch)
    page = ada_client.get(url_of(batch))
    assert (page.context["made"], page.context["left_out"]) == ("1 product", 1)
    assert "Download the row that was left out" in text_of(page)


def test_columns_that_were_matched_once_are_matched_the_same_way_again(ada_client: Client) -> None:
    send(ada_client, "products", PRODUCTS)
    first = latest()
    assert not ada_client.get(url_of(first)).context["is_remembered"]
    ada_client.post(url_of(first, "columns"), columns_form(first, **{"column-1": ""}))

    send(ada_client, "products", PRODUCTS)

    page = ada_client.get(url_of(latest()))
    assert page.context["is_remembered"]
    assert [column["field"] for column in page.context["columns"]] == ["name", "", "price"]


def test_missing_required_column_is_named_and_what_was_chosen_stays(ada_client: Client) -> None:
    send(ada_client, "products", PRODUCTS)
    batch = latest()

    refused = ada_client.post(
        url_of(batch, "columns"), columns_form(batch, **{"column-0": "", "column-1": "sku"})
    )

    assert refused.status_code == 422
    assert "No column is matched to: name." in refused.context["refused"]
    assert [column["field"] for column in refused.context["columns"]] == ["", "sku", "price"]
    batch.refresh_from_db()
    assert batch.mapping["product"] == "name"
    assert batch.rehearse_job is None


def test_how_the_file_is_read_can_be_corrected(ada_client: Client) -> None:
    send(ada_client, "products", "product;sales_price\nGTX;1.234\n")
    batch = latest()
    assert batch.dialect["delimiter"] == ";"
    page = ada_client.get(url_of(batch, step="file"))
    assert {field["key"] for field in page.context["dialect_fields"]} == {
        "encoding", "delimiter", "date_format", "decimal",
    }  # fmt: skip

    ada_client.post(url_of(batch, "correct"), {"delimiter": ",", "encoding": "utf-8"})

    batch.refresh_from_db()
    assert batch.header == ["product;sales_price"]
    assert batch.dialect["corrected"] == ["delimiter"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.csv", b"", "empty"),
        ("photo.csv", bytes(range(256)) * 40, "text"),
        ("header.csv", b"product,series\n", "no rows"),
        ("wide.csv", (",".join(f"c{n}" for n in range(300)) + "\n" + "," * 299 + "\n").encode(), "columns"),
    ],
)
def test_file_that_cannot_be_read_is_refused_in_words_and_the_kind_stays_chosen(
    name: str, content: bytes, said: str, ada_client: Client
) -> None:
    from apps.crm.models import ImportBatch

    refused = send(ada_client, "companies", content, name)

    assert refused.status_code == 422
    assert said in refused.context["refused"]
    assert refused.context["kind"] == "companies"
    assert not ImportBatch.objects.exists()


def test_script_gets_the_refusal_and_the_next_address_as_json(ada_client: Client) -> None:
    refused = send(ada_client, "products", "", HTTP_ACCEPT="application/json")
    assert refused.status_code == 422
    assert "empty" in refused.json()["detail"]

    taken = send(ada_client, "products", PRODUCTS, HTTP_ACCEPT="application/json")
    assert taken.json() == {"url": url_of(latest())}


def test_form_without_a_file_asks_for_one(ada_client: Client) -> None:
    refused = ada_client.post(ADD, {"kind": "deals"})
    assert refused.status_code == 422
    assert "Choose a file first." in text_of(refused)


def test_going_back_is_open_until_applied_and_steps_ahead_are_not(
    ada_client: Client, rehearsed: Callable[..., "ImportBatch"]
) -> None:
    batch = rehearsed("products", PRODUCTS)
    assert ada_client.get(url_of(batch, step="apply")).context["step"] == "rehearsal"
    back = ada_client.get(url_of(batch, step="columns"))
    assert (back.context["step"], back.context["can_edit"]) == ("columns", True)

    ada_client.post(url_of(batch, "apply"))
    work_off(batch)

    back = ada_client.get(url_of(batch, step="columns"))
    assert (back.context["step"], back.context["can_edit"]) == ("columns", False)
    refused = ada_client.post(url_of(batch, "columns"), columns_form(batch))
    assert refused.status_code == 422
    assert "cannot be changed now" in text_of(refused)


def test_cancelled_import_goes_on_from_the_page(
    ada: "User", ada_client: Client, rehearsed: Callable[..., "ImportBatch"]
) -> None:
    from apps.crm.models import ImportBatch, Product
    from apps.jobs.services import cancel_job

    batch = rehearsed("products", PRODUCTS)
    ada_client.post(url_of(batch, "apply"))
    batch.refresh_from_db()
    assert batch.apply_job_id is not None
    cancel_job(batch.apply_job_id, actor=ada)
    batch.refresh_from_db()
    assert batch.state == ImportBatch.State.CANCELLED
    page = text_of(ada_client.get(url_of(batch)))
    assert "Nothing has been written." in page
    retry = f"/admin/jobs/job/{batch.apply_job_id}/retry/"
    assert f'action="{retry}"' in page

    assert ada_client.post(retry, {"next": url_of(batch)}).headers["Location"] == url_of(batch)
    work_off(batch)

    assert batch.state == ImportBatch.State.APPLIED
    assert Product.objects.count() == 2


def test_import_can_be_thrown_away(ada_client: Client) -> None:
    from apps.crm.models import ImportBatch

    send(ada_client, "products", PRODUCTS)

    response = ada_client.post(url_of(latest(), "discard"), follow=True)

    assert not ImportBatch.objects.exists()
    assert "Nothing of it was imported." in text_of(response)


def test_page_tells_its_script_where_the_import_stands(ada_client: Client) -> None:
    send(ada_client, "products", PRODUCTS)
    batch = latest()
    assert ada_client.get(url_of(batch, "state")).json() == {"state": "UPLOADED", "step": "columns"}


WHATS = ["change", "state", "errors"]
DOES = ["correct", "columns", "rehearse", "replace", "unreplace", "accept", "apply", "discard"]


def test_somebody_elses_import_is_not_there(client: Client, ada: "User") -> None:
    from apps.crm.models import ImportBatch
    from tests.crm.factories import join, make_role, make_team, make_user

    ada_client = Client()
    ada_client.force_login(ada)
    send(ada_client, "products", "product\nCANARY\n", "canary.csv")
    batch = latest()
    grants = {f"crm.{action}_importbatch": "OWN" for action in ["add", "view", "change"]}
    client.force_login(join(make_user(), make_team(), make_role(grants)))

    answers = {what: client.get(url_of(batch, what)) for what in WHATS}
    answers |= {do: client.post(url_of(batch, do)) for do in DOES}

    assert {what: answer.status_code for what, answer in answers.items()} == dict.fromkeys(
        [*WHATS, *DOES], 404
    )
    assert "canary" not in text_of(client.get("/admin/crm/importbatch/"))
    assert ImportBatch.objects.filter(pk=batch.pk).exists()


def test_nothing_is_done_by_following_a_link(ada_client: Client) -> None:
    send(ada_client, "products", PRODUCTS)
    batch = latest()
    assert {do: ada_client.get(url_of(batch, do)).status_code for do in DOES} == dict.fromkeys(DOES, 405)


def test_only_kinds_that_one_may_write_are_offered(client: Client, db: None) -> None:
    from tests.crm.factories import join, make_role, make_team, make_user

    grants = {"crm.add_importbatch": "OWN", "crm.view_importbatch": "OWN", "crm.add_company": "OWN",
              "crm.change_company": "OWN", "crm.add_deal": "OWN"}  # fmt: skip
    client.force_login(join(make_user(), make_team(), make_role(grants)))

    page = client.get(f"{ADD}?kind=deals")
    assert [kind["key"] for kind in page.context["kinds"]] == ["companies"]
    assert page.context["kind"] == ""
    assert send(client, "deals", "title\nx\n").status_code == 422


def test_who_may_not_import_is_refused(client: Client, db: None) -> None:
    from tests.crm.factories import join, make_role, make_team, make_user

    client.force_login(join(make_user(), make_team(), make_role({"crm.view_importbatch": "OWN"})))
    assert client.get(ADD).status_code == 403


def test_list_tells_what_came_of_each_import(
    ada_client: Client, rehearsed: Callable[..., "ImportBatch"]
) -> None:
    rehearsed("products", "product,sales_price\nGood,10\nBad,cheap\n")
    page = text_of(ada_client.get("/admin/crm/importbatch/"))
    assert "1 to be created · 1 with errors" in page
    assert "Rehearsed" in page


def test_header_of_a_file_is_never_markup(ada_client: Client) -> None:
    send(ada_client, "products", "<script>alert(1)</script>,product\n<b>x</b>,y\n", "<i>.csv")
    for step in ["file", "columns"]:
        page = ada_client.get(url_of(latest(), step=step)).content.decode()
        assert "<script>alert" not in page
        assert "<b>x</b>" not in page
        assert "<i>.csv" not in page


def test_number_of_queries_does_not_grow_with_rows(
    ada_client: Client,
    rehearsed: Callable[..., "ImportBatch"],
    django_assert_max_num_queries: Any,
) -> None:
    batch = rehearsed("products", "product,sales_price\n" + "".join(f"P{n},cheap{n}\n" for n in range(80)))
    with django_assert_max_num_queries(12):
        page = ada_client.get(url_of(batch))
    assert len(page.context["groups"]) == 50
    assert page.context["has_more_groups"]
