"""What stands around a page is kept by what it shows: nobody sees another's, and nothing stays that has changed."""

import re
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from django.http import HttpRequest
from django.template import Context, RequestContext, Template
from django.template.engine import Engine
from django.test import Client, RequestFactory

if TYPE_CHECKING:
    from apps.accounts.models import User

# What whoever sees deals may open.
FIRST = ["/admin/", "/admin/inbox/"]
DEALS = ["/admin/crm/deal/", "/admin/crm/deal/numbers/", "/admin/crm/quote/"]
_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]*)"')


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """Begin and end as a process that has shown nothing yet."""
    from apps.common.templatetags.frame import _written

    _written.cache_clear()
    yield
    _written.cache_clear()


def page_of(client: Client, path: str = "/admin/", **headers: str) -> str:
    response = client.get(path, headers=headers)
    assert response.status_code == 200, response
    return response.content.decode()


def logged_in(user: "User") -> Client:
    client = Client()
    client.force_login(user)
    return client


def without_tokens(html: str) -> str:
    return _TOKEN.sub("", html)


def places(html: str) -> list[str]:
    menu = html[html.index('id="nav-sidebar-apps"') : html.index('id="user-links"')]
    return re.findall(r'<a href="([^"]*)"', menu)


def test_a_remembered_page_is_the_page(ada: "User", ada_client: Client) -> None:
    first = page_of(ada_client, "/admin/crm/company/")

    assert without_tokens(page_of(ada_client, "/admin/crm/company/")) == without_tokens(first)


def test_two_people_never_see_one_anothers_frame(db: None) -> None:
    from tests.crm.factories import make_salesperson

    anna, boris = make_salesperson("Anna Novak"), make_salesperson("Boris Weber")
    pages = {user.name: page_of(logged_in(user)) for user in (anna, boris, anna)}

    assert "Anna Novak" in pages["Anna Novak"]
    assert f"<small>{anna.email}</small>" in pages["Anna Novak"]
    assert "Boris" not in pages["Anna Novak"]
    assert f"<small>{boris.email}</small>" in pages["Boris Weber"]
    assert "Anna" not in pages["Boris Weber"]


def test_two_of_the_same_name_keep_their_own_menus(db: None) -> None:
    from tests.crm.factories import join, make_role, make_team, make_user

    sells = join(make_user("Kim"), make_team(), make_role({"crm.view_deal": "OWN"}))
    imports = join(make_user("Kim"), make_team(), make_role({"crm.view_importbatch": "OWN"}))

    assert places(page_of(logged_in(sells))) == [*FIRST, *DEALS]
    assert places(page_of(logged_in(imports))) == [*FIRST, "/admin/crm/importbatch/"]


def test_a_language_has_its_own_frame(ada: "User", ada_client: Client, settings: Any) -> None:
    from django.utils import translation

    pages = {}
    for language in ("en", "ru", "en"):
        ada_client.cookies[settings.LANGUAGE_COOKIE_NAME] = language
        pages[language] = page_of(ada_client)

    for language, page in pages.items():
        with translation.override(language):
            # The menu, the keys, the search of everything.
            for text in ("Companies", "Keyboard shortcuts", "Search everything"):
                assert translation.gettext(text) in page, (language, text)
    assert "Keyboard shortcuts" not in pages["ru"]


def test_a_changed_name_is_shown_at_once(ada: "User", ada_client: Client) -> None:
    page_of(ada_client)
    type(ada).objects.filter(pk=ada.pk).update(name="Ada Byron-King")

    assert "<strong>Ada Byron-King</strong>" in page_of(ada_client)


def test_a_changed_role_changes_the_menu_at_once(db: None) -> None:
    from tests.crm.factories import join, make_role, make_team, make_user

    role = make_role({"crm.view_deal": "OWN", "crm.view_company": "OWN"})
    client = logged_in(join(make_user(), make_team(), role))
    assert places(page_of(client)) == [*FIRST, *DEALS, "/admin/crm/company/"]

    role.grants.filter(permission="crm.view_company").delete()

    page = page_of(client)
    assert places(page) == [*FIRST, *DEALS]
    assert re.findall(r'data-go="(.*?)"', page) == ["g h", "g m", "g d", "g n"]


def test_the_place_where_one_is_stands_out_on_each_page(ada: "User", ada_client: Client) -> None:
    for path in ("/admin/", "/admin/crm/deal/", "/admin/crm/company/", "/admin/crm/deal/"):
        assert re.findall(r'<a href="([^"]*)"[^>]* aria-current="page"', page_of(ada_client, path)) == [path]


def test_forms_of_the_frame_carry_their_own_token(ada: "User") -> None:
    strict = [Client(enforce_csrf_checks=True) for _ in range(2)]
    tokens: list[set[str]] = []
    for client in strict:
        client.force_login(ada)
        tokens.append(set(_TOKEN.findall(page_of(client))))

    # One a page, as everywhere in it.
    assert [len(found) for found in tokens] == [1, 1]
    mine, others = tokens[0].pop(), tokens[1].pop()
    assert mine != others
    given = {"language": "ru", "next": "/admin/"}
    assert strict[0].post("/i18n/setlang/", given | {"csrfmiddlewaretoken": others}).status_code == 403
    assert strict[0].post("/i18n/setlang/", given | {"csrfmiddlewaretoken": mine}).status_code == 302


def test_a_key_is_named_as_the_machine_has_it(ada: "User", ada_client: Client) -> None:
    assert "Ctrl K" in page_of(ada_client, user_agent="X11; Linux")
    assert "⌘K" in page_of(ada_client, user_agent="Macintosh")


def test_who_acts_as_somebody_sees_their_frame_and_who_they_are(ada: "User", ada_client: Client) -> None:
    from tests.crm.factories import make_salesperson

    anna = make_salesperson("Anna Novak")
    own = page_of(logged_in(anna))
    everything = places(page_of(ada_client))
    begun = ada_client.post(
        f"/admin/accounts/user/{anna.pk}/act_as/", {"reason": "she sees no deals", "minutes": "15"}
    )
    assert begun.status_code == 302, begun.content

    acting = page_of(ada_client)
    assert 'class="acc-acting"' in acting
    assert places(acting) == places(own)
    assert "<strong>Anna Novak</strong><small>" in acting
    # Neither Anna nor Ada afterwards finds anything of it.
    assert 'class="acc-acting"' not in page_of(logged_in(anna))
    ada_client.post("/accounts/impersonation/stop/")
    after = page_of(ada_client)
    assert 'class="acc-acting"' not in after
    assert places(after) == everything


def test_frame_escapes_what_people_call_themselves(db: None) -> None:
    from tests.crm.factories import make_salesperson

    page = page_of(logged_in(make_salesperson("<b>Anna</b> & {{ token }} %s")))

    assert "<strong>&lt;b&gt;Anna&lt;/b&gt; &amp; {{ token }} %s</strong>" in page


def test_a_part_sees_only_what_it_is_given(ada: "User", ada_client: Client) -> None:
    request = RequestFactory().get("/admin/")
    request.user = ada
    shown = Template('{% load frame %}{% remembered "admin/keys.html" site key_places=places %}').render(
        RequestContext(request, {"places": (), "key_places": "CANARY", "has_board_keys": True, "site": ""})
    )

    assert "<dialog" in shown
    assert "CANARY" not in shown
    assert "data-go" not in shown
    assert "On the board" not in shown


def test_frame_is_what_unfold_writes(ada: "User") -> None:
    """Our layout is unfold's, in parts: after an upgrade this tells what to take over."""
    from django.contrib import admin
    from django.template.backends.django import get_installed_libraries

    request = RequestFactory().get("/admin/")
    request.user = ada
    everything = admin.site.each_context(request) | {"title": "Here", "request": request, "is_popup": False}
    # Without our directory, unfold's templates are the first that are found.
    original = Engine(app_dirs=True, libraries=get_installed_libraries())
    ours = Engine.get_default()

    written = [
        re.sub(r"\s+", "", engine.get_template("unfold/layouts/skeleton.html").render(Context(everything)))
        for engine in (ours, original)
    ]
    assert "static/unfold/js/app.js" in written[0]
    assert written[0] == written[1]


def test_what_is_put_in_anew_is_escaped_and_nothing_is_kept_by_it(db: None) -> None:
    from apps.common.templatetags.frame import _written

    template = Template(
        "{% load frame %}"
        '{% remembered "admin/lists/parts/search.html" "" help="Title" query=query|anew kept=""|anew %}'
    )
    pages = [
        template.render(RequestContext(HttpRequest(), {"query": query})) for query in ("desks", '"><script>')
    ]

    assert 'value="desks"' in pages[0]
    assert 'value="&quot;&gt;&lt;script&gt;"' in pages[1]
    assert "desks" not in pages[1]
    assert _written.cache_info().currsize == 1


def test_links_above_a_list_are_what_unfold_writes(ada: "User") -> None:
    from unfold.templatetags.unfold import action_list

    from apps.common.templatetags.lists import head_actions

    request = RequestFactory().get("/admin/")
    request.user = ada
    for path in ("/admin/lists/export/new/?a=1&b=<2>", "/admin/lists/export/new/"):
        offered = [
            {"title": "Export <all>", "icon": "download", "path": path},
            {"title": "Print", "icon": "print", "path": "/print/"},
        ]
        context = RequestContext(request, {"actions_list": offered, "request": request})
        assert head_actions(context) == action_list(context)


def test_a_link_that_is_more_than_a_link_is_left_to_unfold(ada: "User") -> None:
    from unfold.templatetags.unfold import action_list

    from apps.common.templatetags.lists import head_actions

    request = RequestFactory().get("/admin/")
    request.user = ada
    offered = [{"title": "Print", "icon": "print", "path": "/print/", "attrs": {"data-print": "now"}}]
    context = RequestContext(request, {"actions_list": offered, "request": request})

    assert 'data-print="now"' in head_actions(context)
    assert head_actions(context) == action_list(context)


def test_two_searches_are_two_pages(ada: "User", ada_client: Client) -> None:
    for query in ("oak desks", "pine <chairs>"):
        page = page_of(ada_client, f"/admin/crm/deal/?q={quote(query)}&status__exact=OPEN")

        assert f'value="{escape(query)}"' in page
        assert '<input type="hidden" name="status__exact" value="OPEN">' in page
