"""The pages of deals, companies and people: what they show, save, refuse, and what they cost."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.crm.models import Company, ContactPoint, Deal, LostReason, Person, Pipeline, Product, Stage, Tag
from apps.crm.services import deals
from apps.events.models import Event
from tests.crm import factories
from tests.crm.factories import stage

pytestmark = pytest.mark.django_db


def login(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page(model: str, row: Any = None, what: str = "change") -> str:
    return reverse(f"admin:crm_{model}_{what}", args=[row.pk] if row is not None else [])


def command(row: Any, name: str) -> str:
    return reverse(f"admin:crm_{row._meta.model_name}_command", args=[row.pk, name])


def text_of(response: Any) -> str:
    assert response.status_code == 200, response
    return str(response.content.decode())


def form_of(client: Client, url: str, **changes: Any) -> dict[str, Any]:
    """Return what a browser would send from a page, with some changes."""
    response = client.get(url)
    admin_form = response.context["adminform"].form
    forms = [admin_form, *_inline_forms(response)]
    data: dict[str, Any] = {}
    for form in forms:
        for field in form:
            value = field.value()
            if value is not None and value is not False:
                data[field.html_name] = (
                    [getattr(v, "pk", v) for v in value] if isinstance(value, list) else value
                )
    return data | changes


def _inline_forms(response: Any) -> list[Any]:
    found: list[Any] = []
    for inline in response.context["inline_admin_formsets"]:
        found += [inline.formset.management_form, *inline.formset.initial_forms]
    return found


def test_a_salespersons_list_holds_their_deals(anna: User, boris: User, deal: Deal) -> None:
    factories.make_deal("Boris secret", owner=boris)
    text = text_of(login(anna).get(page("deal", what="changelist")))
    assert "Forty desks" in text
    assert deal.number in text
    assert "Boris secret" not in text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?q={number}", True),
        ("?q=forty", True),
        ("?q=Mebel", True),
        ("?q=nothing", False),
        ("?status__exact=OPEN", True),
        ("?status__exact=WON", False),
        ("?trash=1", False),
    ],
)
def test_deals_are_found(anna: User, deal: Deal, query: str, found: bool) -> None:
    Deal.objects.filter(pk=deal.pk).update(company=factories.make_company("Severmebel"))
    response = login(anna).get(page("deal", what="changelist") + query.format(number=deal.number.lower()))
    assert (deal.number in text_of(response)) == found


def test_the_trash_has_its_own_list(anna: User, deal: Deal) -> None:
    deals.archive_deal(deal.pk, actor=anna)
    client = login(anna)
    assert "Forty desks" not in text_of(client.get(page("deal", what="changelist")))
    assert "Forty desks" in text_of(client.get(page("deal", what="changelist") + "?trash=1"))


@pytest.mark.parametrize("model", ["deal", "company", "person", "product", "tag", "pipeline", "lostreason"])
def test_every_list_and_form_opens(admin: User, model: str) -> None:
    client = login(admin)
    assert client.get(page(model, what="changelist")).status_code == 200
    assert client.get(page(model, what="add")).status_code == 200


@pytest.mark.parametrize("model", ["deal", "company", "person"])
def test_a_list_costs_the_same_whatever_its_length(
    admin: User, model: str, django_assert_max_num_queries: Any
) -> None:
    client = login(admin)
    make: Any = {
        "deal": lambda: factories.make_deal(owner=admin, company=factories.make_company(owner=admin)),
        "company": lambda: factories.make_company(owner=admin, parent=factories.make_company()),
        "person": lambda: factories.make_person(owner=admin),
    }[model]
    for _ in range(12):
        make()
    with django_assert_max_num_queries(25):
        client.get(page(model, what="changelist"))


def test_a_deals_page_tells_its_story(anna: User, deal: Deal, django_assert_max_num_queries: Any) -> None:
    for name in ["Engaging", "Proposal"]:
        deals.move_deal(deal.pk, stage_id=stage(name).pk, actor=anna, face="ADMIN")  # type: ignore[arg-type]
    client = login(anna)
    with django_assert_max_num_queries(30):
        text = text_of(client.get(page("deal", deal)))
    assert "Anna Sell moved it from Prospecting to Engaging through the admin" in text
    assert "3 days in Prospecting" in text
    assert "1,000" in text or "1 000" in text or "1\u202f000" in text


def test_only_what_a_person_may_do_is_offered(anna: User, lena: User, auditor: User, deal: Deal) -> None:
    def offers(user: User) -> set[str]:
        text = text_of(login(user).get(page("deal", deal)))
        names = ["move", "win", "lose", "reopen", "assign", "archive"]
        return {name for name in names if command(deal, name) in text}

    assert offers(anna) == {"move", "win", "lose", "archive"}
    assert offers(lena) == {"move", "win", "lose", "archive", "assign"}
    assert offers(auditor) == set()


def test_a_page_of_somebody_elses_deal_is_not_there(boris: User, deal: Deal) -> None:
    client = login(boris)
    assert "Forty desks" not in client.get(page("deal", deal), follow=True).content.decode()
    assert client.post(command(deal, "win")).status_code == 404
    assert Deal.objects.get().status == "OPEN"


def test_the_name_of_a_company_out_of_sight_is_shown_and_nothing_else(
    anna: User, boris: User, deal: Deal
) -> None:
    secret = factories.make_company("Known by name", owner=boris)
    ContactPoint.objects.create(
        company=secret, kind="EMAIL", raw="canary@x.example", value="canary@x.example"
    )
    Deal.objects.filter(pk=deal.pk).update(company=secret)
    text = text_of(login(anna).get(page("deal", deal)))
    assert "Known by name" in text
    assert "canary" not in text
    assert page("company", secret) not in text


def test_buttons_move_win_and_reopen(anna: User, deal: Deal) -> None:
    client = login(anna)
    client.post(command(deal, "move"), {"stage": stage("Engaging").pk, "version": 1})
    client.post(command(deal, "win"), {"version": 2})
    assert Deal.objects.get().status == "WON"
    response = client.post(command(deal, "reopen"), {"version": 3, "reason": "Wrong button"}, follow=True)
    assert "Open again." in text_of(response)
    assert [step.face for step in deal.transitions.order_by("pk")][1:] == ["ADMIN"] * 3


def test_losing_asks_why(anna: User, deal: Deal) -> None:
    client = login(anna)
    refused = client.post(command(deal, "lose"), {"version": 1}, follow=True)
    assert "There is no such reason." in text_of(refused)
    price = LostReason.objects.get(name="Price")
    client.post(command(deal, "lose"), {"version": 1, "reason": price.pk, "note": "Half of ours"})
    assert Deal.objects.get().lost_note == "Half of ours"


def test_a_stale_button_is_refused_where_it_was_pressed(anna: User, deal: Deal) -> None:
    deals.change_deal(deal.pk, actor=anna, title="Fifty desks")
    response = login(anna).post(command(deal, "win"), {"version": 1}, follow=True)
    assert "Somebody else has changed this meanwhile" in text_of(response)
    assert Deal.objects.get().status == "OPEN"


def test_buttons_are_not_links(anna: User, deal: Deal) -> None:
    assert login(anna).get(command(deal, "win")).status_code == 405


def test_assigning_takes_a_deal_out_of_sight_or_not(lena: User, boris: User, deal: Deal) -> None:
    boris.memberships.all()
    response = login(lena).post(command(deal, "assign"), {"owner": boris.pk, "version": 1}, follow=True)
    assert "Boris Sell" in text_of(response)
    assert Deal.objects.get().owner == boris


def test_an_edit_goes_through_the_service(anna: User, deal: Deal) -> None:
    client = login(anna)
    data = form_of(client, page("deal", deal), title="Fifty desks", amount="2500.50", probability="70")
    response = client.post(page("deal", deal), data)
    assert response.status_code == 302, response.context["adminform"].form.errors
    deal.refresh_from_db()
    assert (deal.title, deal.amount, deal.probability, deal.version) == (
        "Fifty desks",
        Decimal("2500.50"),
        70,
        2,
    )
    assert deal.updated_by == anna
    assert Event.objects.get().type == "crm.deal.changed.v1"


def test_an_edit_of_an_older_state_keeps_what_was_typed(anna: User, deal: Deal) -> None:
    client = login(anna)
    data = form_of(client, page("deal", deal), title="My title")
    deals.change_deal(deal.pk, actor=anna, amount=Decimal(5))
    text = text_of(client.post(page("deal", deal), data))
    assert "somebody else has changed this since you opened it" in text
    assert "My title" in text
    assert Deal.objects.get().title == "Forty desks"


def test_the_pages_of_customers_offer_what_can_be_done_with_them(anna: User) -> None:
    client = login(factories.make_admin())
    company, person = factories.make_company("Iron", owner=anna), factories.make_person("Lev", owner=anna)
    for row, model in ((company, "company"), (person, "person")):
        shown = text_of(client.get(page(model, row)))
        assert 'href="#edit"' in shown
        assert page(model, row, "merge") in shown
        assert command(row, "archive") in shown


@pytest.mark.parametrize("days", [0, 60])
def test_only_an_older_state_is_called_so(anna: User, deal: Deal, days: int) -> None:
    """Whether the deal has been in its stage for long or not: a page just opened is of today, one of before is not."""
    Stage.objects.update(stale_after_days=14)
    Deal.objects.update(stage_entered_at=timezone.now() - timedelta(days=days))
    client = login(anna)
    assert 'id="stale"' not in text_of(client.get(page("deal", deal)))
    data = form_of(client, page("deal", deal), title="My title")
    deals.change_deal(deal.pk, actor=anna, amount=Decimal(5))
    assert 'id="stale"' in text_of(client.post(page("deal", deal), data))


def test_a_new_deal(anna: User, team: Team) -> None:
    client = login(anna)
    data = form_of(client, page("deal", what="add"), title="New desks", currency="eur", amount="10")
    response = client.post(page("deal", what="add"), data)
    assert response.status_code == 302, response.context["adminform"].form.errors
    deal = Deal.objects.get()
    assert (deal.owner, deal.team, deal.currency, deal.stage.name) == (anna, team, "EUR", "Prospecting")


def _lines(client: Client, deal: Deal, what: str, *given: dict[str, Any], **more: Any) -> Any:
    url = f"/admin/crm/deal/{deal.pk}/lines/{what}"
    return client.post(url, json.dumps({"lines": given, **more}), content_type="application/json")


def test_lines_are_typed_and_reckoned_on_the_page(anna: User, deal: Deal) -> None:
    client = login(anna)
    desk = factories.make_product("Desk", tax_rate=20, unit="pcs")
    offered = client.get(f"/admin/crm/deal/{deal.pk}/lines/products/?q=des").json()["results"]
    assert [(one["id"], one["price"]) for one in offered] == [(desk.pk, "100.00")]
    new = {"product": desk.pk, "quantity": "3", "discount_percent": "50"}
    seen = _lines(client, deal, "preview/", new).json()
    assert (seen["lines"][0]["unit_price"], seen["lines"][0]["unit"], seen["lines"][0]["said"]) == (
        "100.00",
        "pcs",
        "150\u00a0₽",
    )
    assert not deal.lines.exists()
    words = {"description": "Assembly", "quantity": "1", "unit_price": "50"}
    assert _lines(client, deal, "", new, words, version=deal.version, amount_mode="LINES").status_code == 200
    deal.refresh_from_db()
    assert (deal.amount, [line.name for line in deal.lines.order_by("position")]) == (
        Decimal(200),
        ["Desk", "Assembly"],
    )
    first, second = deal.lines.order_by("position")
    kept = {"id": second.pk, "quantity": "2"}
    assert _lines(client, deal, "", kept, {"id": first.pk}, version=deal.version).status_code == 200
    assert [line.name for line in deal.lines.order_by("position")] == ["Assembly", "Desk"]
    stale = _lines(client, deal, "", kept, version=deal.version)
    assert (stale.status_code, stale.json()["code"]) == (412, "stale")
    wrong = _lines(client, deal, "", {"quantity": "0"})
    assert wrong.status_code == 400
    assert deal.lines.count() == 2
    assert login(factories.make_user("Nobody")).get(
        f"/admin/crm/deal/{deal.pk}/lines/products/"
    ).status_code in {
        302,
        403,
        404,
    }


def test_a_company_with_its_contacts(anna: User) -> None:
    client = login(anna)
    data = form_of(client, page("company", what="add"), name="Mebel")
    data |= {
        "contact_points-TOTAL_FORMS": 1,
        "contact_points-0-kind": "PHONE",
        "contact_points-0-raw": "8 (495) 123-45-67",
    }
    response = client.post(page("company", what="add"), data)
    assert response.status_code == 302, response.context["errors"]
    company = Company.objects.get()
    assert company.owner == anna
    assert company.contact_points.get().value == "+74951234567"
    data = form_of(client, page("company", company), **{"contact_points-0-raw": "nonsense"})
    assert "is not a phone number" in text_of(client.post(page("company", company), data))


def test_a_companys_page_sums_what_the_reader_sees(
    anna: User, boris: User, django_assert_max_num_queries: Any
) -> None:
    company = factories.make_company("Mebel", parent=factories.make_company("Holding"))
    factories.make_company("Daughter", parent=company)
    factories.make_deal("Mine", owner=anna, company=company, amount=Decimal(111))
    factories.make_deal("Not mine", owner=boris, company=company, amount=Decimal(999_000))
    person = factories.make_person("Ivan", owner=anna)
    person.employments.create(company=company)
    client = login(anna)
    with django_assert_max_num_queries(30):
        text = text_of(client.get(page("company", company)))
    for shown in ["Mine", "111", "Holding", "Daughter", "Ivan", "1 deal"]:
        assert shown in text
    assert "Not mine" not in text
    assert "999" not in text


def test_a_company_with_open_deals_stays(anna: User) -> None:
    company = factories.make_company(owner=anna)
    factories.make_deal(owner=anna, company=company)
    response = login(anna).post(command(company, "archive"), {"version": 1}, follow=True)
    assert "1 open deal is with this company" in text_of(response)


def test_a_person_who_changes_jobs(anna: User) -> None:
    first, second = factories.make_company(owner=anna), factories.make_company(owner=anna)
    client = login(anna)
    data = form_of(client, page("person", what="add"), given_name="Ivan")
    data |= {
        "employments-TOTAL_FORMS": 1,
        "employments-0-company": first.pk,
        "employments-0-is_primary": "on",
    }
    response = client.post(page("person", what="add"), data)
    assert response.status_code == 302, response.context["errors"]
    person = Person.objects.get()
    assert person.employments.get().company == first
    data = form_of(client, page("person", person), **{"employments-0-company": second.pk})
    assert client.post(page("person", person), data).status_code == 302
    assert person.employments.get().company == second


def test_nothing_is_deleted_for_good(admin: User, deal: Deal) -> None:
    client = login(admin)
    assert client.get(page("deal", deal, "delete")).status_code == 403
    company = factories.make_company()
    rows = {"action": "archive_selected", "_selected_action": [company.pk]}
    client.post(page("company", what="changelist"), rows)
    assert Company.objects.get(pk=company.pk).archived_at is not None


def test_a_pipelines_stages(admin: User, deal: Deal) -> None:
    client = login(admin)
    pipeline = Pipeline.objects.get()
    data = form_of(client, page("pipeline", pipeline))
    place = next(i for i in range(6) if data[f"stages-{i}-name"] == "Engaging")
    response = client.post(page("pipeline", pipeline), data | {f"stages-{place}-name": "Talking"})
    assert response.status_code == 302, response.context["errors"]
    assert Stage.objects.filter(name="Talking").exists()
    data = form_of(client, page("pipeline", pipeline), **{"stages-0-DELETE": "on"})
    text = text_of(client.post(page("pipeline", pipeline), data))
    assert "1 deal is in this stage." in text
    assert "Forty desks" not in text


@pytest.mark.parametrize(
    ("model", "values", "found"),
    [
        ("product", {"name": "Desk", "price": "10"}, lambda: Product.objects.get().currency == "RUB"),
        ("tag", {"name": "vip"}, lambda: Tag.objects.get().name == "vip"),
        ("lostreason", {"name": "Moved away"}, lambda: LostReason.objects.filter(name="Moved away").exists()),
        ("pipeline", {"name": "Service"}, lambda: Pipeline.objects.get(name="Service").stages.count() == 3),
    ],
)
def test_the_catalog_is_written_by_services(
    admin: User, model: str, values: dict[str, Any], found: Any
) -> None:
    client = login(admin)
    response = client.post(page(model, what="add"), form_of(client, page(model, what="add")) | values)
    assert response.status_code == 302, response.context["errors"]
    assert found()
