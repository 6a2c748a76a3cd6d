"""Views of lists on their pages and over REST: columns chosen and ordered, tabs, what opens first, refusals."""

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.urls import reverse

from apps.crm.models import CustomField, Deal
from apps.lists.models import SavedView
from tests.accounts.factories import make_member
from tests.crm.factories import make_admin, make_deal

if TYPE_CHECKING:
    from apps.accounts.models import User

pytestmark = pytest.mark.django_db
LIST = "/admin/crm/deal/"
API = "/api/v1/lists/views/"


@pytest.fixture
def olga() -> "User":
    return make_admin()


@pytest.fixture
def client(olga: "User") -> Client:
    client = Client()
    client.force_login(olga)
    return client


def heads(response: Any) -> list[str]:
    from apps.common.lists.changelist import name_of

    return [name_of(shown) for shown in response.context["cl"].list_display if shown != "action_checkbox"]


def post(client: Client, look: str = "", **given: Any) -> Any:
    return client.post(reverse("admin:crm_deal_views"), {"look": look, **given})


def test_columns_are_chosen_and_ordered_and_stay_while_one_goes_on(client: Client, olga: "User") -> None:
    make_deal("Forty desks", owner=olga, next_step="Call them", probability=35)
    response = post(
        client, "q=desks&o=-5", what="columns", columns=["title", "probability", "amount", "next_step"]
    )
    url = response.headers["Location"]
    query = parse_qs(urlsplit(url).query)
    assert query == {"q": ["desks"], "columns": ["title,probability,amount,next_step"], "o": ["-amount"]}
    page = client.get(url)
    assert heads(page) == ["title", "probability", "amount", "next_step"]
    text = page.content.decode()
    assert "Call them" in text
    assert ">35<" in text
    # Without the number the first column leads to the deal.
    assert 'class="field-title_cell"' in text
    # What leads on keeps the columns: the heads, the search, the filters.
    assert "columns=title%2Cprobability%2Camount%2Cnext_step" in text
    assert '<input type="hidden" name="columns" value="title,probability,amount,next_step">' in text


def test_columns_that_there_are_not_are_none(client: Client) -> None:
    assert heads(client.get(f"{LIST}?columns=password,__class__")) == heads(client.get(LIST))
    assert heads(client.get(f"{LIST}?columns=amount,owner__password")) == ["amount"]


def test_a_list_is_sorted_only_by_what_has_an_index(client: Client, olga: "User") -> None:
    for probability in (10, 90):
        make_deal(f"Deal {probability}", owner=olga, probability=probability)
    page = client.get(f"{LIST}?columns=title,probability&o=probability")
    assert "probability" not in str(page.context["cl"].queryset.query.order_by)
    # Neither does its head offer it.
    text = page.content.decode()
    assert 'class="sortable column-title_cell' in text
    assert 'class="column-probability"' in text
    by_title = client.get(f"{LIST}?columns=title,probability&o=title")
    assert by_title.context["cl"].queryset.query.order_by[0] == "title"


def test_further_fields_are_columns(client: Client, olga: "User") -> None:
    CustomField.objects.create(model="deal", key="budget", label="Budget", kind="NUMBER")
    deal = make_deal("Forty desks", owner=olga)
    Deal.objects.filter(pk=deal.pk).update(custom={"budget": "1234"})
    name = CustomField.objects.get().name
    text = client.get(f"{LIST}?columns=title,{name}").content.decode()
    assert "Budget" in text
    assert "1,234" in text


@pytest.mark.parametrize("model", ["deal", "company", "person", "lead"])
def test_all_columns_at_once_cost_no_more_queries(
    client: Client, olga: "User", model: str, django_assert_max_num_queries: Any
) -> None:
    from django.contrib import admin

    from apps.crm import models

    page: Any = admin.site.get_model_admin(getattr(models, model.capitalize()))
    names = list(page.all_columns())
    for number in range(3):
        make_deal(f"Deal {number}", owner=olga)
    url = reverse(f"admin:crm_{model}_changelist")
    client.get(url)
    with django_assert_max_num_queries(15):
        response = client.get(f"{url}?columns={','.join(names)}")
    assert heads(response) == names


def test_a_view_keeps_rows_columns_order_and_opens_first(client: Client, olga: "User") -> None:
    make_deal("Forty desks", owner=olga)
    look = "q=desks&columns=amount,title&o=-1"
    saved = post(client, look, what="save", name="Desks", default="1", layout="LIST")
    view = SavedView.objects.get(name="Desks")
    assert (view.page, view.params, view.columns) == ("crm.deal", {"q": "desks"}, ["amount", "title"])
    assert (view.sort, view.is_default, view.layout) == (["-amount"], True, "LIST")
    opened = client.get(LIST, follow=True)
    assert opened.redirect_chain[-1][0] == saved.headers["Location"]
    assert heads(opened) == ["amount", "title"]
    assert 'aria-current="page">Desks' in opened.content.decode()
    # All rows are one click away, and stay there while one sorts.
    assert heads(client.get(f"{LIST}?view=all")) != ["amount", "title"]
    assert "view=all" in client.get(f"{LIST}?view=all").context["cl"].get_query_string({"o": "1"})


def test_what_was_changed_is_kept_in_the_view_or_left(client: Client) -> None:
    post(client, "columns=amount,title&o=", what="save", name="Mine", layout="LIST")
    view = SavedView.objects.get(name="Mine")
    look = f"columns=title,amount,stage&o=1&view={view.pk}"
    # With the boxes for selecting rows in front, the first column is the title.
    assert "Keep changes in" in client.get(f"{LIST}?{look}").content.decode()
    post(client, look, what="keep", view=view.pk, layout="LIST")
    view.refresh_from_db()
    assert (view.columns, view.sort, view.name) == (["title", "amount", "stage"], ["title"], "Mine")
    post(client, look, what="change", view=view.pk, name="Ours", shared="")
    assert SavedView.objects.get(pk=view.pk).name == "Ours"
    assert client.get(f"{LIST}?view={view.pk}", follow=True).status_code == 200
    post(client, look, what="delete", view=view.pk)
    assert not SavedView.objects.filter(pk=view.pk).exists()


def test_a_refusal_is_told_on_the_list(client: Client) -> None:
    post(client, "", what="save", name="Mine", layout="LIST")
    refused = client.post(
        reverse("admin:crm_deal_views"), {"what": "save", "name": "MINE", "look": "q=x"}, follow=True
    )
    assert refused.redirect_chain[-1][0] == f"{LIST}?q=x"
    assert "You have a view of this name already." in refused.content.decode()
    assert client.get(reverse("admin:crm_deal_views")).status_code == 405


def test_what_a_colleague_shares_as_first_opens_first_for_the_team(olga: "User") -> None:
    from tests.accounts.factories import make_team

    team = make_team("North")
    lead, seller = make_member(team, "sales_lead", "Lead"), make_member(team, "salesperson", "Seller")
    ours, mine = Client(), Client()
    ours.force_login(lead)
    mine.force_login(seller)
    post(ours, "columns=title,amount", what="save", name="Team's", shared="1", default="1", layout="LIST")
    assert heads(mine.get(LIST, follow=True)) == ["title", "amount"]
    # A colleague looks at it, and does not change it.
    view = SavedView.objects.get(name="Team's")
    refused = mine.post(
        reverse("admin:crm_deal_views"), {"what": "delete", "view": view.pk, "look": ""}, follow=True
    )
    assert SavedView.objects.filter(pk=view.pk).exists()
    assert refused.status_code == 200
    # One's own choice comes before it.
    post(mine, "columns=owner,title", what="save", name="Own", default="1", layout="LIST")
    assert heads(mine.get(LIST, follow=True)) == ["owner", "title"]


def test_a_view_of_the_calendar_opens_as_one(client: Client) -> None:
    post(client, "q=desks", what="save", name="When", layout="CALENDAR")
    view = SavedView.objects.get(name="When")
    page = client.get(f"{LIST}?view={view.pk}", follow=True)
    assert urlsplit(page.redirect_chain[-1][0]).path == "/admin/crm/deal/calendar/"
    assert 'aria-current="page">When' in page.content.decode()


def test_the_columns_of_the_list_are_proposed_for_its_file(client: Client, olga: "User") -> None:
    make_deal("Forty desks", owner=olga)
    page = client.get(f"{LIST}?columns=title,probability,next_step")
    link = next(each for each in page.context["actions_list"] if "export" in str(each["path"]))
    form = client.get(str(link["path"])).context["form"]
    assert form.chosen == ["title", "probability", "next_step"]


# REST


def api(client: Client, method: str, url: str = API, body: Any = None) -> Any:
    call = getattr(client, method)
    return call(url, body, content_type="application/json") if body is not None else call(url)


def test_views_are_kept_over_rest(client: Client, olga: "User") -> None:
    body = {
        "page": "crm.deal",
        "name": "Large",
        "filters": {"amount_from": "1000"},
        "columns": ["title", "probability"],
        "sort": ["-title"],
        "layout": "CALENDAR",
        "is_default": True,
    }
    made = api(client, "post", body=body)
    assert made.status_code == 201, made.json()
    said = made.json()
    assert {name: said[name] for name in body} == body
    assert said["address"].startswith("/admin/crm/deal/calendar/?amount_from=1000")
    url = made.headers["Location"]
    assert api(client, "get", url).json() == said
    listed = api(client, "get", f"{API}?page=crm.deal").json()
    assert [each["id"] for each in listed["results"]] == [said["id"]]
    changed = api(client, "patch", url, {"name": "Largest", "columns": [], "layout": "LIST"})
    assert (changed.json()["name"], changed.json()["columns"]) == ("Largest", [])
    assert changed.json()["filters"] == {"amount_from": "1000"}
    assert api(client, "delete", url).status_code == 204
    assert api(client, "get", url).status_code == 404


def test_views_of_a_board_are_kept_over_rest(client: Client) -> None:
    from apps.crm.models import Pipeline

    page = f"crm.deal.board:{Pipeline.objects.get(is_default=True).pk}"
    made = api(client, "post", body={"page": page, "name": "Desks", "filters": {"q": "desk"}})
    assert made.status_code == 201, made.json()
    assert made.json()["layout"] == "BOARD"
    shown = client.get(made.json()["address"])
    assert shown.status_code == 200
    assert ">Desks<" in shown.content.decode()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"page": "crm.moon"}, "page"),
        ({"columns": ["title", "password"]}, "columns"),
        ({"sort": ["probability"]}, "sort"),
        ({"layout": "BOARD"}, "layout"),
        ({"name": " "}, "name"),
        ({"filters": {"q": ["a"]}}, "filters"),
    ],
)
def test_what_there_is_not_is_refused_by_name(client: Client, body: dict[str, Any], field: str) -> None:
    refused = api(client, "post", body={"page": "crm.deal", "name": "X", **body})
    assert refused.status_code == 400, refused.json()
    assert any(str(each["field"]).startswith(field) for each in refused.json()["errors"])
    assert not SavedView.objects.exists()


def test_nobody_reaches_anothers_view_over_rest(client: Client, olga: "User") -> None:
    from tests.accounts.factories import make_team

    seller = make_member(make_team("South"), "salesperson", "Seller")
    other = Client()
    other.force_login(seller)
    made = api(other, "post", body={"page": "crm.deal", "name": "Canary"}).json()
    # Not even who reaches everything.
    assert api(client, "get").json()["results"] == []
    for method, body in (("get", None), ("patch", {"name": "x"}), ("delete", None)):
        assert api(client, method, f"{API}{made['id']}/", body).status_code == 404
