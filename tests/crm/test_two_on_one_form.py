"""Two people have the same page open: neither loses what they typed, and both versions are shown."""

from decimal import Decimal
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse

from apps.accounts import services as accounts
from apps.accounts.faces.admin import ScopedTabularInline, actor_of
from apps.accounts.faces.merging import seal, shown
from apps.accounts.models import Role, Team, User
from apps.crm.admin.deals import DealAdmin
from apps.crm.models import Deal, DealLine, StageTransition, Tag
from apps.crm.services import companies, contacts, deals, lines
from tests.crm import factories
from tests.crm.test_admin_pages import form_of
from tests.history.factories import recorded

pytestmark = pytest.mark.django_db


class Lines(ScopedTabularInline):
    """Parts of a row within its form, as contacts, prices and stages are; deals show what comes of it best."""

    model = DealLine
    fields = ("product", "quantity", "unit_price")
    autocomplete_fields = ("product",)
    extra = 0
    ordering = ("position", "id")


def _save_lines(admin: DealAdmin, request: HttpRequest, row: Deal, formset: Any) -> None:
    new = [lines.NewLine(line.product_id, line.quantity, line.unit_price) for line in formset.new_objects]
    change = {
        line.pk: {column: getattr(line, column) for column in map(_column, names)}
        for line, names in formset.changed_objects
    }
    remove = [line.pk for line in formset.deleted_objects]
    lines.change_lines(row.pk, actor=actor_of(request), add=new, change=change, remove=remove)


def _column(name: str) -> str:
    return "product_id" if name == "product" else name


@pytest.fixture(autouse=True)
def with_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DealAdmin, "inlines", (Lines,))
    monkeypatch.setattr(DealAdmin, "save_parts", _save_lines)


@pytest.fixture
def deal(anna: User, team: Team) -> Deal:
    return factories.make_deal("Forty desks", owner=anna, team=team, amount=Decimal(1000))


@pytest.fixture
def desk(deal: Deal, anna: User) -> DealLine:
    product = factories.make_product("Desk")
    lines.change_lines(deal.pk, actor=anna, add=[lines.NewLine(product.pk, Decimal(2), Decimal(100))])
    deal.refresh_from_db()
    return deal.lines.get()


def login(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def address(row: Any) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def opened(client: Client, row: Any, **changes: Any) -> dict[str, Any]:
    """Open a page, and return what a browser would send from it."""
    page = client.get(address(row))
    return form_of(client, address(row)) | {"opened_on": page.context["opened_on"]} | changes


def sent_again(response: Any, **changes: Any) -> dict[str, Any]:
    """Return what a browser would send from a page that came back."""
    context = response.context
    data: dict[str, Any] = {"opened_on": context["opened_on"]}
    forms = [context["adminform"].form]
    for inline in context["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.forms]
    for form in forms:
        for field in form:
            value = field.value()
            if value not in (None, False, ""):
                data[field.html_name] = (
                    [getattr(v, "pk", v) for v in value] if isinstance(value, list) else value
                )
    return data | changes


def told(response: Any) -> dict[str, tuple[str, str, str | None]]:
    assert response.status_code == 200, "nothing was refused"
    return {one.label: (one.base, one.theirs, one.mine) for one in response.context["differences"]}


def test_what_only_the_other_changed_is_taken_over(anna: User, lena: User, deal: Deal) -> None:
    client = login(anna)
    data = opened(client, deal, title="My title")
    with recorded(lena):
        deals.change_deal(deal.pk, actor=lena, amount=Decimal(1500))
    refused = client.post(address(deal), data)
    assert told(refused) == {"Amount": ("1,000", "1,500", None)}
    assert Deal.objects.get().title == "Forty desks"
    page = refused.content.decode()
    assert "Lena" in page
    assert "My title" in page
    assert "Save with these choices" in page
    assert 'name="_continue"' not in page
    assert client.post(address(deal), sent_again(refused)).status_code == 302
    deal.refresh_from_db()
    assert (deal.title, deal.amount) == ("My title", Decimal(1500))


@pytest.mark.parametrize(("choice", "title"), [("mine", "My title"), ("theirs", "Her title")])
def test_what_both_changed_is_asked(anna: User, lena: User, deal: Deal, choice: str, title: str) -> None:
    client = login(anna)
    data = opened(client, deal, title="My title", next_step="Call")
    deals.change_deal(deal.pk, actor=lena, title="Her title")
    refused = client.post(address(deal), data)
    assert told(refused) == {"Title": ("Forty desks", "Her title", "My title")}
    undecided = client.post(address(deal), sent_again(refused))
    assert "Choose which of the two shall stand" in undecided.content.decode()
    assert told(undecided) == {"Title": ("Forty desks", "Her title", "My title")}
    assert Deal.objects.get().title == "Her title"
    done = client.post(address(deal), sent_again(undecided, **{"keep:title": choice}))
    assert done.status_code == 302
    deal.refresh_from_db()
    assert (deal.title, deal.next_step) == (title, "Call")


def test_it_is_refused_again_when_it_moved_again(anna: User, lena: User, deal: Deal) -> None:
    client = login(anna)
    data = opened(client, deal, title="My title")
    deals.change_deal(deal.pk, actor=lena, title="Her title")
    refused = client.post(address(deal), data)
    deals.change_deal(deal.pk, actor=lena, title="Her second title")
    again = client.post(address(deal), sent_again(refused, **{"keep:title": "mine"}))
    assert told(again) == {"Title": ("Her title", "Her second title", "My title")}
    client.post(address(deal), sent_again(again, **{"keep:title": "mine"}))
    assert Deal.objects.get().title == "My title"


def test_the_others_choice_is_what_was_shown_not_what_came_later(anna: User, lena: User, deal: Deal) -> None:
    client = login(anna)
    data = opened(client, deal, title="My title")
    deals.change_deal(deal.pk, actor=lena, title="Her title")
    refused = client.post(address(deal), data)
    deals.change_deal(deal.pk, actor=lena, amount=Decimal(7))
    again = client.post(address(deal), sent_again(refused, **{"keep:title": "theirs"}))
    assert told(again) == {"Amount": ("1,000", "7", None)}
    client.post(address(deal), sent_again(again))
    deal.refresh_from_db()
    assert (deal.title, deal.amount) == ("Her title", Decimal(7))


def test_the_same_change_twice_is_no_question(anna: User, lena: User, deal: Deal) -> None:
    client = login(anna)
    data = opened(client, deal, title="Same", next_step="Call")
    deals.change_deal(deal.pk, actor=lena, title="Same")
    refused = client.post(address(deal), data)
    assert told(refused) == {}
    client.post(address(deal), sent_again(refused))
    assert Deal.objects.get().next_step == "Call"


def test_a_row_that_moved_without_its_fields_is_looked_at_first(anna: User, lena: User, deal: Deal) -> None:
    client = login(anna)
    data = opened(client, deal, title="My title")
    deals.win_deal(deal.pk, actor=lena, face=StageTransition.Face.ADMIN)
    refused = client.post(address(deal), data)
    assert "something else was done to it" in refused.content.decode()
    assert Deal.objects.get().title == "Forty desks"


def test_tags_are_fields_like_others(anna: User, lena: User, deal: Deal) -> None:
    hot, cold = Tag.objects.create(name="hot"), Tag.objects.create(name="cold")
    client = login(anna)
    data = opened(client, deal, title="My title")
    with recorded(lena):
        deals.change_deal(deal.pk, actor=lena, tag_ids=[hot.pk, cold.pk])
    refused = client.post(address(deal), data)
    (base, theirs, mine), author = told(refused)["Tags"], refused.context["only_author"]
    assert (base, sorted(theirs.split(", ")), mine) == ("—", ["cold", "hot"], None)
    assert author == str(lena)
    assert client.post(address(deal), sent_again(refused)).status_code == 302
    assert set(deal.tags.all()) == {hot, cold}


def test_lines_that_the_other_changed_and_added_are_taken_over(
    anna: User, lena: User, deal: Deal, desk: DealLine
) -> None:
    chair = factories.make_product("Chair")
    client = login(anna)
    data = opened(client, deal, title="My title")
    lines.change_lines(
        deal.pk,
        actor=lena,
        change={desk.pk: {"quantity": Decimal(5)}},
        add=[lines.NewLine(chair.pk, Decimal(8), Decimal(10))],
    )
    refused = client.post(address(deal), data)
    differences = told(refused)
    assert differences["Desk × 5: Quantity"] == ("2", "5", None)
    assert ("—", "Chair × 8", None) in differences.values()
    done = client.post(address(deal), sent_again(refused))
    assert done.status_code == 302, done.context["differences"]
    deal.refresh_from_db()
    assert deal.title == "My title"
    assert sorted(map(str, deal.lines.all())) == ["Chair × 8", "Desk × 5"]


def test_a_line_both_changed_is_asked(anna: User, lena: User, deal: Deal, desk: DealLine) -> None:
    client = login(anna)
    data = opened(client, deal, **{"lines-0-quantity": "3"})
    lines.change_lines(deal.pk, actor=lena, change={desk.pk: {"quantity": Decimal(5)}})
    refused = client.post(address(deal), data)
    assert told(refused) == {"Desk × 5: Quantity": ("2", "5", "3")}
    client.post(address(deal), sent_again(refused, **{f"keep:lines/{desk.pk}/quantity": "mine"}))
    desk.refresh_from_db()
    assert desk.quantity == 3


def test_a_line_the_other_removed_is_gone(anna: User, lena: User, deal: Deal, desk: DealLine) -> None:
    client = login(anna)
    data = opened(client, deal, title="My title")
    lines.change_lines(deal.pk, actor=lena, remove=[desk.pk])
    refused = client.post(address(deal), data)
    assert list(told(refused).values()) == [("Desk · 2 · 100", "deleted", None)]
    assert client.post(address(deal), sent_again(refused)).status_code == 302
    assert not deal.lines.exists()


def test_a_line_the_other_removed_and_i_changed_stays_as_a_new_one(
    anna: User, lena: User, deal: Deal, desk: DealLine
) -> None:
    client = login(anna)
    data = opened(client, deal, **{"lines-0-quantity": "3"})
    lines.change_lines(deal.pk, actor=lena, remove=[desk.pk])
    refused = client.post(address(deal), data)
    assert list(told(refused).values()) == [("Desk · 2 · 100", "deleted", "Desk · 3 · 100")]
    done = client.post(address(deal), sent_again(refused))
    assert done.status_code == 302, told(done)
    line = deal.lines.get()
    assert (str(line), line.pk == desk.pk) == ("Desk × 3", False)


@pytest.mark.parametrize(("choice", "left"), [("mine", 0), ("theirs", 1)])
def test_a_line_i_delete_and_the_other_changed_is_asked(
    anna: User, lena: User, deal: Deal, desk: DealLine, choice: str, left: int
) -> None:
    client = login(anna)
    data = opened(client, deal, **{"lines-0-DELETE": "on"})
    lines.change_lines(deal.pk, actor=lena, change={desk.pk: {"quantity": Decimal(5)}})
    refused = client.post(address(deal), data)
    assert list(told(refused).values()) == [("Desk · 2 · 100", "Desk × 5", "deleted")]
    again = sent_again(refused) | {"lines-0-DELETE": "on"}
    assert "Choose which of the two" in client.post(address(deal), again).content.decode()
    client.post(address(deal), again | {f"keep:lines/{desk.pk}": choice})
    assert [line.quantity for line in deal.lines.all()] == [5] * left


def test_what_was_typed_of_a_deal_in_the_trash_is_said(anna: User, lena: User, deal: Deal) -> None:
    client = login(anna)
    data = opened(client, deal, title="<b>My title</b>", description="A long talk")
    deals.archive_deal(deal.pk, actor=lena)
    answer = client.post(address(deal), data, follow=True)
    page = answer.content.decode()
    assert "it was put where you may not change it" in page
    assert "You had typed: Title: &lt;b&gt;My title&lt;/b&gt;; Notes: A long talk" in page
    assert Deal.objects.get().title == "Forty desks"


def test_of_a_deal_out_of_sight_nothing_is_said(anna: User, lena: User, deal: Deal) -> None:
    client = login(anna)
    data = opened(client, deal, title="My title")
    stranger = factories.make_salesperson("Sam South", factories.make_team("South"))
    Deal.objects.filter(pk=deal.pk).update(owner=stranger, team=None, title="Canary")
    answer = client.post(address(deal), data, follow=True)
    assert "Canary" not in answer.content.decode()
    assert Deal.objects.get().title == "Canary"


def test_contacts_count_as_the_company(anna: User, lena: User, team: Team) -> None:
    company = factories.make_company("Iron", owner=anna, team=team)
    client = login(anna)
    data = opened(client, company, city="Perm")
    contacts.add_contact_point(
        type(company), company.pk, actor=lena, kind="EMAIL", raw="hi@iron.example", is_primary=True
    )
    refused = client.post(address(company), data)
    assert ("—", "hi@iron.example", None) in told(refused).values()
    assert client.post(address(company), sent_again(refused)).status_code == 302
    company.refresh_from_db()
    assert (company.city, company.contact_points.count()) == ("Perm", 1)


def test_only_what_one_may_see_is_named(anna: User, admin: User) -> None:
    stranger = factories.make_salesperson("Canary Stranger", factories.make_team("South"))
    hidden = factories.make_company("Canary holding", owner=stranger)
    seen = factories.make_company("Ore", owner=anna)
    company = factories.make_company("Iron", owner=anna, parent=hidden)
    client = login(anna)
    data = opened(client, company, name="My name")
    with recorded(stranger):
        companies.change_company(company.pk, actor=admin, parent_id=seen.pk)
    refused = client.post(address(company), data)
    assert told(refused)["Part of"] == ("not yours to see", "Ore", None)
    assert "Canary" not in refused.content.decode()
    assert "Somebody else has changed this since you opened it" in refused.content.decode()


@pytest.mark.parametrize("forged", ["another row's", "another person's", "nonsense", "none"])
def test_a_forged_base_counts_for_nothing(anna: User, lena: User, deal: Deal, forged: str) -> None:
    client = login(anna)
    data = opened(client, deal, title="My title")
    form = client.get(address(deal)).context["adminform"].form
    other = factories.make_deal("Other", owner=anna)
    data["opened_on"] = {
        "another row's": seal(shown(form, {}), other, anna),
        "another person's": seal(shown(form, {}), deal, lena),
        "nonsense": "a:b:c",
        "none": "",
    }[forged]
    deals.change_deal(deal.pk, actor=lena, amount=Decimal(5))
    refused = client.post(address(deal), data)
    assert told(refused)["Amount"] == ("—", "5", "1,000")
    assert Deal.objects.get(pk=deal.pk).title == "Forty desks"


def test_users_teams_and_roles_are_guarded_alike(admin: User, team: Team, lena: User) -> None:
    client = login(admin)
    data = opened(client, lena, name="Lena Mine")
    accounts.change_user(lena.pk, actor=admin, time_zone="Asia/Omsk")
    refused = client.post(address(lena), data)
    assert told(refused) == {"Time zone": ("—", "Asia/Omsk", None)}
    assert client.post(address(lena), sent_again(refused)).status_code == 302
    lena.refresh_from_db()
    assert (lena.name, lena.time_zone) == ("Lena Mine", "Asia/Omsk")

    data = opened(client, team, name="Mine")
    accounts.rename_team(team.pk, "Theirs", actor=admin)
    refused = client.post(address(team), data)
    assert told(refused) == {"Name": ("North", "Theirs", "Mine")}
    client.post(address(team), sent_again(refused, **{"keep:name": "mine"}))
    team.refresh_from_db()
    assert team.name == "Mine"

    role = Role.objects.get(key="salesperson")
    data = opened(client, role, description="Mine")
    grants = dict(role.grants.values_list("permission", "reach")) | {"crm.view_deal": "ALL"}
    accounts.set_role_grants(role.pk, grants, actor=admin)
    refused = client.post(address(role), data)
    assert [(theirs, mine) for _b, theirs, mine in told(refused).values()] == [("all rows", None)]
    assert client.post(address(role), sent_again(refused)).status_code == 302
    role.refresh_from_db()
    assert role.description == "Mine"
    assert dict(role.grants.values_list("permission", "reach")) == grants
