"""The cards on the pages of deals, companies and people, and the interface by which other apps add theirs."""

from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.crm.admin import cards
from apps.crm.models import Company, Deal
from tests.crm import factories

if TYPE_CHECKING:
    from apps.accounts.models import User


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test register cards of its own, and take them away after it."""
    monkeypatch.setattr(cards, "_cards", {page: dict(own) for page, own in cards._cards.items()})


def opened(client: Client, who: "User", row: Any, more: str = "change/") -> Any:
    client.force_login(who)
    return client.get(f"/admin/crm/{row._meta.model_name}/{row.pk}/{more}")


def test_cards_stand_in_their_order_and_one_with_nothing_to_show_is_not_there(
    offered: None, anna: "User", deal: Deal, client: Client
) -> None:
    cards.register_card(Deal, "late", lambda row, _r: format_html("<p>late card of {}</p>", row), order=95)
    cards.register_card(Deal, "early", lambda row, _r: SafeString("<p>early card</p>"), order=5)
    cards.register_card(Deal, "none", lambda _row, _r: None, order=50)
    page = opened(client, anna, deal).content.decode()
    assert page.index("early card") < page.index('id="participants"') < page.index("late card of Forty desks")
    assert "None" not in page


def test_a_deferred_card_is_announced_and_comes_from_its_own_address(
    offered: None, anna: "User", deal: Deal, client: Client
) -> None:
    made = []

    def make(row: Deal, _request: Any) -> Any:
        made.append(row.pk)
        return SafeString("<p>slow card</p>")

    cards.register_card(Deal, "slow", make, order=60, title="Slow things", is_deferred=True)
    page = opened(client, anna, deal).content.decode()
    address = f"/admin/crm/deal/{deal.pk}/cards/slow/"
    assert made == []
    assert f'data-card="{address}"' in page
    assert "Slow things" in page
    assert opened(client, anna, deal, "cards/slow/").content.decode() == "<p>slow card</p>"
    assert opened(client, anna, deal, "cards/nothing/").status_code == 404


def test_nobody_gets_a_card_of_a_row_that_they_do_not_see(boris: "User", deal: Deal, client: Client) -> None:
    assert opened(client, boris, deal, "cards/documents/").status_code == 404


def test_a_deferred_card_needs_a_title() -> None:
    with pytest.raises(ValueError, match="needs a title"):
        cards.register_card(Deal, "untitled", lambda _row, _r: None, order=1, is_deferred=True)


def test_a_company_shows_only_what_its_reader_sees(anna: "User", boris: "User", client: Client) -> None:
    company = factories.make_company("Acme")
    factories.make_deal("Desks of mine", owner=anna, company=company)
    factories.make_deal("Chairs of his", owner=boris, company=company)
    page = opened(client, anna, Company.objects.get(pk=company.pk)).content.decode()
    assert "Desks of mine" in page
    assert "Chairs of his" not in page


def test_a_refused_form_stands_above_everything_else(anna: "User", deal: Deal, client: Client) -> None:
    client.force_login(anna)
    sent = {"title": "", "currency": "RUB", "lines-TOTAL_FORMS": 0, "lines-INITIAL_FORMS": 0}
    page = client.post(f"/admin/crm/deal/{deal.pk}/change/", sent).content.decode()
    assert page.index('id="deal_form"') < page.index("row-side")
    again = client.get(f"/admin/crm/deal/{deal.pk}/change/").content.decode()
    assert again.index("row-side") < again.index('id="deal_form"')
