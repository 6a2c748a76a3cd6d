"""What is around every page: the menu, the search of everything, languages, and pages of errors."""

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client, RequestFactory

if TYPE_CHECKING:
    from apps.accounts.models import User


def menu_of(user: "User") -> list[str]:
    from config.admin import navigation

    request = RequestFactory().get("/admin/")
    request.user = user
    return [str(item.place.title) for group in navigation(request) for item in group.items]


def test_administrator_sees_the_whole_menu_in_order(ada: "User") -> None:
    assert menu_of(ada) == [
        "Home", "Inbox", "Leads", "Deals", "Board", "Numbers", "Quotes", "Companies", "People",
        "Unmatched mail", "Duplicates",
        "Invoices", "Payments", "Reconciliation", "Bank statements", "Bank lines", "Bank accounts",
        "Payment providers", "Published rates",
        "Aged receivables", "Trial balance", "Export to 1C", "Day-book", "Accounts", "Closed periods",
        "Documents", "Folders", "Templates", "Our companies", "Waiting for me", "Out to be signed", "Ways of approval",
        "Links to documents", "Bundles", "Document types", "Document tags",
        "My day", "Tasks", "Imports", "Bulk changes", "Uploads", "Exports", "Disclosures", "Erasures", "Jobs", "Changes",
        "Products", "Price books", "Pipelines", "Further fields", "Tags", "Lost reasons", "Sales plans", "Exchange rates",
        "Lead forms", "Assignment of leads", "Automation", "Absences", "Lead sources", "Reasons to disqualify",
        "Folders", "Documents in step", "Conflicts", "Accounts", "Channels",
        "Users", "Invitations", "Teams", "Roles", "Who may what", "Shared rows", "Acting as others", "API keys",
        "Access events", "Signing keys", "Applications", "Calendar addresses", "Webhooks", "Where I am reached",
        "Messages sent to people", "Words of messages", "Who was told, and why", "Sent to other systems", "Stored files",
    ]  # fmt: skip


def test_each_entry_stands_only_for_who_may_open_it(db: None) -> None:
    from tests.crm.factories import join, make_role, make_team, make_user

    user = join(make_user(), make_team(), make_role({"crm.view_deal": "OWN", "crm.view_importbatch": "OWN"}))

    assert menu_of(user) == ["Home", "Inbox", "Deals", "Numbers", "Quotes", "Imports"]


def test_menu_of_nobody_is_empty(db: None) -> None:
    from django.contrib.auth.models import AnonymousUser

    from config.admin import navigation

    request = RequestFactory().get("/admin/login/")
    request.user = AnonymousUser()
    assert navigation(request) == ()


def test_every_place_of_the_menu_opens(ada: "User", ada_client: Client) -> None:
    from config.admin import navigation

    request = RequestFactory().get("/admin/")
    request.user = ada
    links = [item.place.url for group in navigation(request) for item in group.items]

    assert {link: ada_client.get(link, follow=True).status_code for link in links} == dict.fromkeys(
        links, 200
    )


def test_keys_lead_only_where_the_person_may_go(client: Client, db: None) -> None:
    from tests.crm.factories import join, make_role, make_team, make_user

    client.force_login(join(make_user(), make_team(), make_role({"crm.view_deal": "OWN"})))

    assert re.findall(r'data-go="(.*?)"', client.get("/admin/").content.decode()) == [
        "g h",
        "g m",
        "g d",
        "g n",
    ]


def found(client: Client, term: str) -> str:
    return client.get("/admin/search/", {"s": term, "extended": "1"}).content.decode()


def test_search_of_everything_finds_pages_and_rows(ada: "User", ada_client: Client) -> None:
    from tests.crm.factories import make_company, make_deal

    company = make_company("Waldburg Tools")
    deal = make_deal("Waldburg renewal", owner=ada)

    page = found(ada_client, "waldburg")
    assert f'href="/admin/crm/company/{company.pk}/change/"' in page
    assert f'href="/admin/crm/deal/{deal.pk}/change/"' in page
    assert 'href="/admin/crm/importbatch/"' in found(ada_client, "import")


def test_search_of_everything_shows_no_foreign_row(client: Client, db: None) -> None:
    from tests.crm.factories import make_deal, make_salesperson

    anna, boris = make_salesperson("Anna"), make_salesperson("Boris")
    make_deal("CANARY", owner=boris)

    client.force_login(anna)
    assert "change/" not in found(client, "canary")
    client.force_login(boris)
    assert "change/" in found(client, "canary")


def test_search_forgets_what_it_found_when_access_is_taken_away(client: Client, db: None) -> None:
    from apps.accounts.models import Membership
    from tests.crm.factories import make_deal, make_salesperson

    anna = make_salesperson("Anna")
    make_deal("CANARY", owner=anna)
    client.force_login(anna)
    assert "change/" in found(client, "canary")

    Membership.objects.filter(user=anna).delete()
    type(anna).objects.filter(pk=anna.pk).update(perm_version=anna.perm_version + 1)

    assert "change/" not in found(client, "canary")


def test_search_shows_a_few_rows_of_a_kind(ada: "User", ada_client: Client) -> None:
    from config.admin import FOUND_PER_MODEL
    from tests.crm.factories import make_company

    for number in range(FOUND_PER_MODEL + 3):
        make_company(f"Waldburg {number}")

    assert found(ada_client, "waldburg").count("data-title=") == FOUND_PER_MODEL


def test_language_switch_is_on_every_page_and_works(ada_client: Client) -> None:
    page = ada_client.get("/admin/").content.decode()
    assert 'action="/i18n/setlang/"' in page
    assert '<html lang="en"' in page

    ada_client.post("/i18n/setlang/", {"language": "ru", "next": "/admin/"})

    assert '<html lang="ru"' in ada_client.get("/admin/").content.decode()


def test_page_carries_no_script_of_ours_inline(ada: "User", ada_client: Client) -> None:
    from django.template.loader import get_template

    for name in ["admin/keys.html", "admin/index.html", "admin/base_site.html", "admin/crm/imports/page.html",
                 "admin/crm/imports/upload.html", "errors/page.html"]:  # fmt: skip
        source = get_template(name).template.source  # type: ignore[attr-defined]
        assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|javascript:", source), name


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("name", ["400", "403", "403_csrf", "404", "500"])
def test_error_page_stands_alone(name: str, language: str) -> None:
    from django.template.loader import render_to_string
    from django.utils import translation

    with translation.override(language):
        page = render_to_string(f"{name}.html")

    assert f'<html lang="{language}">' in page
    assert "css/error.css" in page
    assert 'href="/admin/"' in page
    assert "{{" not in page


def test_unknown_address_gets_our_page(ada_client: Client, settings: Any) -> None:
    response = ada_client.get("/no-such-page/")
    assert response.status_code == 404
    assert b"css/error.css" in response.content


def test_stranger_to_the_admin_is_told_so(client: Client, db: None) -> None:
    from tests.crm.factories import make_user

    client.force_login(make_user(is_active=True))
    # make_user gives the right to open the admin; take it away.
    from apps.accounts.models import User

    User.objects.update(is_staff=False)
    response = client.get("/admin/", follow=True)
    assert response.status_code == 403
    assert b"css/error.css" in response.content


def test_request_that_says_it_is_too_large_is_refused_in_words(ada_client: Client, settings: Any) -> None:
    response = ada_client.post(
        "/admin/crm/importbatch/add/", data=b"x", content_type="text/csv",
        CONTENT_LENGTH=str(settings.BODY_MAX_BYTES + 1),
    )  # fmt: skip
    assert response.status_code == 413
    page = response.content.decode()
    assert "The file is larger than 200" in page
    assert "css/error.css" in page


def test_empty_list_says_what_it_is_for(ada: "User", ada_client: Client) -> None:
    page = ada_client.get("/admin/crm/importbatch/").content.decode()
    assert "Bring in what you have" in page
    assert 'href="/admin/crm/importbatch/add/"' in page

    page = ada_client.get("/admin/crm/importbatch/?q=nothing").content.decode()
    assert "Nothing matches" in page
    assert "Bring in what you have" not in page
