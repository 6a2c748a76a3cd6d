"""The home page tells what is open and due, of what one may see, and a fresh organization what to do first."""

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.utils import timezone

if TYPE_CHECKING:
    from apps.accounts.models import User


def home_of(client: Client, user: "User") -> str:
    client.force_login(user)
    response = client.get("/admin/")
    assert response.status_code == 200
    return response.content.decode()


def test_own_and_visible_deals_are_summed_by_currency(ada: "User") -> None:
    from apps.crm.selectors import home_figures
    from tests.crm.factories import make_deal, make_user, stage

    other = make_user()
    make_deal(owner=ada, amount=Decimal(100))
    make_deal(owner=ada, amount=Decimal(7), currency="USD")
    make_deal(owner=other, amount=Decimal(50), stage=stage("Engaging"))
    make_deal(owner=ada, amount=Decimal(999), status="WON")
    make_deal(owner=ada, amount=Decimal(999), archived_at=timezone.now())

    figures = home_figures(ada)

    assert (figures.mine.count, figures.mine.amounts) == (2, {"RUB": Decimal(100), "USD": Decimal(7)})
    assert (figures.visible.count, figures.visible.amounts) == (3, {"RUB": Decimal(150), "USD": Decimal(7)})
    by_name = {each.stage.name: each.worth.count for each in figures.stages}
    assert by_name == {"Prospecting": 2, "Engaging": 1, "Proposal": 0, "Negotiation": 0}
    assert figures.fullest == 2
    assert not figures.is_fresh


def test_deal_without_an_amount_counts_and_adds_nothing(ada: "User") -> None:
    from apps.crm.selectors import home_figures
    from tests.crm.factories import make_deal

    make_deal(owner=ada, amount=None)

    assert (home_figures(ada).mine.count, home_figures(ada).mine.amounts) == (1, {})


def test_figures_hold_only_what_the_person_may_see(client: Client, ada: "User") -> None:
    from apps.crm.selectors import home_figures
    from tests.crm.factories import make_deal, make_salesperson

    anna, boris = make_salesperson("Anna"), make_salesperson("Boris")
    make_deal(owner=anna)
    make_deal("CANARY-DEAL", owner=boris, amount=Decimal(777123), next_step="CANARY-STEP",
              next_step_date=timezone.localdate())  # fmt: skip

    assert home_figures(anna).visible.count == 1
    page = home_of(client, anna)
    assert "CANARY" not in page
    assert "777,123" not in page
    assert "CANARY-STEP" in home_of(client, boris)


def test_next_steps_are_own_open_and_due_within_a_week_the_most_overdue_first(ada: "User") -> None:
    from apps.crm.selectors import home_figures
    from tests.crm.factories import make_deal, make_user

    today = timezone.localdate()

    def due(title: str, days: int, **fields: Any) -> None:
        make_deal(
            title, **({"owner": ada} | fields), next_step="Call", next_step_date=today + timedelta(days=days)
        )

    due("soon", 7)
    due("overdue", -3)
    due("later", 8)
    due("closed", 0, status="WON")
    due("of somebody else", 0, owner=make_user())

    assert [deal.title for deal in home_figures(ada).next_steps] == ["overdue", "soon"]


def test_each_figure_leads_to_the_rows_behind_it(ada: "User", ada_client: Client) -> None:
    from tests.crm.factories import make_deal, make_user, stage

    make_deal("Mine", owner=ada)
    make_deal("Theirs", owner=make_user(), stage=stage("Engaging"))
    make_deal("Won", owner=ada, status="WON")
    links = {
        f"/admin/crm/deal/?status__exact=OPEN&amp;owner__id__exact={ada.pk}": {"Mine"},
        "/admin/crm/deal/?status__exact=OPEN": {"Mine", "Theirs"},
        f"/admin/crm/deal/?stage__id__exact={stage('Engaging').pk}": {"Theirs"},
    }

    page = ada_client.get("/admin/").content.decode()

    for link, titles in links.items():
        assert f'href="{link}"' in page
        rows = ada_client.get(link.replace("&amp;", "&")).context["cl"].result_list
        assert {deal.title for deal in rows} == titles


def test_fresh_organization_is_told_what_to_bring_in_and_in_which_order(ada_client: Client) -> None:
    from tests.crm.factories import make_product

    steps = ada_client.get("/admin/").context["first_steps"]
    assert [step["import_url"].partition("kind=")[2] for step in steps] == [
        "products", "users", "companies", "deals",
    ]  # fmt: skip
    assert [step["is_next"] for step in steps] == [True, False, False, False]

    make_product()

    steps = ada_client.get("/admin/").context["first_steps"]
    assert [step["is_done"] for step in steps] == [True, False, False, False]
    assert [step["is_next"] for step in steps] == [False, True, False, False]


def test_salesperson_without_deals_is_offered_only_what_they_may_add(client: Client, db: None) -> None:
    from tests.crm.factories import make_salesperson

    client.force_login(make_salesperson("Anna"))
    steps = client.get("/admin/").context["first_steps"]

    assert [str(step["title"]) for step in steps] == ["Companies", "Deals"]
    assert {step["import_url"] for step in steps} == {""}


def test_who_may_see_no_deals_finds_a_quiet_page(client: Client, db: None) -> None:
    from tests.crm.factories import make_user

    assert "There is nothing here for you yet" in home_of(client, make_user("Nina Nobody"))


@pytest.mark.parametrize("deals", [1, 30])
def test_number_of_queries_does_not_grow_with_rows(
    deals: int, ada: "User", ada_client: Client, django_assert_max_num_queries: Any
) -> None:
    from tests.crm.factories import make_company, make_deal

    for _number in range(deals):
        make_deal(owner=ada, company=make_company(), next_step_date=timezone.localdate())
    # Two for the session and the person, four for the figures, two for imports and jobs.
    with django_assert_max_num_queries(9):
        ada_client.get("/admin/")
