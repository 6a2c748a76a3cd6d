"""Dangerous actions ask once more who is there; what was typed is kept, and one ends where one was."""

import re
import time
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts import services
from apps.accounts.models import AccessGrant, ApiKey, Invitation, Role, User
from apps.history.models import ChangeSet
from apps.lists.models import Export
from tests.accounts.entering import SECURITY, code_for, log_in, set_up_app
from tests.accounts.factories import PASSWORD, make_member, make_role, make_superuser, make_team, make_user
from tests.crm.factories import make_deal

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("committing")]
QUESTION = "Show that it is you"
BY_PASSWORD = {"recent-how": "password", "recent-answer": PASSWORD}
KEYS = "/api/v1/accounts/api-keys/"


@pytest.fixture
def root() -> User:
    return make_user("Root", is_superuser=True, password=PASSWORD)


@pytest.fixture
def late(root: User) -> Client:
    """Root, who logged in an hour ago."""
    return an_hour_later(log_in(root))


def an_hour_later(client: Client) -> Client:
    session = client.session
    for record in session[AUTHENTICATION_METHODS_SESSION_KEY]:
        record["at"] = time.time() - 3600
    session.save()
    return client


def kept(page: str) -> dict[str, str]:
    """Return what a page keeps in hidden fields, without the question's own and the token."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page)
    return {name: value for name, value in found if not name.startswith(("recent-", "csrf", "next"))}


def new_role(name: str) -> dict[str, str]:
    return {"name": name, "description": "Typed & kept <b>", "grant:crm.view_deal": "ALL"}


def test_what_was_typed_is_kept_and_done_after_the_answer(late: Client) -> None:
    url = "/admin/accounts/role/add/"
    assert QUESTION not in late.get(url).content.decode()
    asked = late.post(url, new_role("Guests"))
    page = asked.content.decode()
    assert asked.status_code == 200
    assert QUESTION in page
    assert asked["Cache-Control"] == "no-store"
    assert 'name="description" value="Typed &amp; kept &lt;b&gt;"' in page
    assert not Role.objects.filter(name="Guests").exists()
    wrong = late.post(url, new_role("Guests") | BY_PASSWORD | {"recent-answer": "wrong"})
    assert 'role="alert"' in wrong.content.decode()
    assert kept(wrong.content.decode()).keys() == new_role("").keys()
    done = late.post(url, new_role("Guests") | BY_PASSWORD)
    assert done["Location"].startswith("/admin/accounts/role/")
    role = Role.objects.get(name="Guests")
    assert role.description == "Typed & kept <b>"
    assert ChangeSet.objects.latest("pk").face == "ADMIN"
    # And not again for the next quarter of an hour.
    assert QUESTION not in late.post(url, new_role("Others")).content.decode()


def test_a_form_that_is_wrong_comes_back_at_its_own_address(late: Client) -> None:
    url = "/admin/accounts/role/add/"
    answer = late.post(url, new_role("") | BY_PASSWORD)
    assert answer.status_code == 200
    assert answer.context["adminform"].form.errors.keys() == {"name"}
    assert answer.context["adminform"].form["description"].value() == "Typed & kept <b>"


@pytest.mark.parametrize("page", ["change", "set_password", "turn_off"])
def test_pages_of_users_ask(late: Client, page: str) -> None:
    user = make_user("Target")
    url = reverse(f"admin:accounts_user_{page}", args=[user.pk])
    assert QUESTION in late.post(url, {"name": "Other", "password": "a new good one"}).content.decode()
    user.refresh_from_db()
    assert (user.name, user.is_active, user.has_usable_password()) == ("Target", True, False)


def test_who_invites_somebody_is_asked_as_who_makes_them(late: Client) -> None:
    place = {"team": make_team().pk, "role": make_role({}).pk}
    body = {"name": "Ivan", "email": "ivan@example.org", "locale": ""} | place
    assert QUESTION in late.post("/admin/accounts/invitation/add/", body).content.decode()
    refused = late.post("/api/v1/accounts/invitations/", body, content_type="application/json")
    assert refused.json()["code"] == "reauthentication_required"
    assert not Invitation.objects.exists()


def test_who_shares_a_row_is_asked_on_its_page_as_over_rest(root: User, late: Client) -> None:
    deal, user = make_deal(owner=root), make_user("Target")
    until = timezone.now() + timedelta(days=1)
    body = {"user": user.pk, "reason": "a holiday"}
    on_page = body | {"share": "1", "until": f"{until:%Y-%m-%d}"}
    over_rest = body | {"model": "crm.deal", "row_id": deal.pk, "actions": [], "expires_at": until}
    url = reverse("admin:crm_deal_share", args=[deal.pk])
    assert QUESTION in late.post(url, on_page).content.decode()
    refused = late.post("/api/v1/accounts/access-grants/", over_rest, content_type="application/json")
    assert refused.json()["code"] == "reauthentication_required"
    assert not AccessGrant.objects.exists()
    late.post(url, on_page | BY_PASSWORD)
    assert AccessGrant.objects.get().user == user


def test_every_page_that_is_said_to_ask_is_there() -> None:
    dangerous = 0
    for model_admin in admin.site._registry.values():
        names = {url.name for url in model_admin.get_urls()}
        opts = model_admin.opts
        wanted: frozenset[str] = getattr(model_admin, "recent_for", frozenset())
        assert {f"{opts.app_label}_{opts.model_name}_{action}" for action in wanted} <= names, opts.label
        dangerous += len(wanted)
    assert dangerous >= 10


def test_a_key_is_made_over_rest_only_by_who_is_known(root: User, late: Client) -> None:
    body = {"name": "form", "scopes": ["read"]}
    refused = late.post(KEYS, body, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (403, "reauthentication_required")
    assert refused["Content-Type"] == "application/problem+json"
    assert not ApiKey.objects.exists()
    assert late.get(KEYS).status_code == 200
    late.post("/accounts/reauthenticate/?next=/admin/", BY_PASSWORD | {"recent-was-reading": "1"})
    assert late.post(KEYS, body, content_type="application/json").status_code == 201


def test_a_program_is_not_asked(root: User) -> None:
    _key, secret = services.create_api_key("program", scopes=["all"], actor=root)
    deal = make_deal(owner=root)
    body = {"model": "crm.deal", "ids": [deal.pk], "columns": ["title"]}
    program = Client(headers={"Authorization": f"Bearer {secret}"})
    answer = program.post("/api/v1/lists/exports/", body, content_type="application/json")
    assert answer.status_code == 202


def test_a_large_export_asks_and_a_small_one_does_not(root: User, late: Client, settings: Any) -> None:
    settings.EXPORT_REAUTH_ROWS = 1
    make_deal(owner=root)
    url, body = "/admin/lists/export/new/crm.deal/", {"columns": ["title"], "format": "csv", "language": "en"}
    over_rest = {"model": "crm.deal", "columns": ["title"], "filter": {}}
    assert late.post(url, body).status_code == 302
    make_deal(owner=root)
    assert QUESTION in late.post(url, body).content.decode()
    refused = late.post("/api/v1/lists/exports/", over_rest, content_type="application/json")
    assert refused.json()["code"] == "reauthentication_required"
    assert Export.objects.count() == 1
    assert late.post(url, body | BY_PASSWORD).status_code == 302
    assert Export.objects.count() == 2


def test_who_has_a_second_factor_is_known_by_that_alone(root: User) -> None:
    client = log_in(root)
    set_up_app(client)
    an_hour_later(client)
    url = "/admin/accounts/role/add/"
    page = client.post(url, new_role("Guests")).content.decode()
    assert "Code of your app" in page
    assert 'type="password"' not in page
    client.post(url, new_role("Guests") | BY_PASSWORD)
    assert not Role.objects.filter(name="Guests").exists()
    by_code = {"recent-how": "code", "recent-answer": code_for(root)}
    assert client.post(url, new_role("Guests") | by_code).status_code == 302
    assert Role.objects.filter(name="Guests").exists()


@pytest.mark.parametrize("path", ["email/", "app/add/", "passkeys/add/"])
def test_ones_own_pages_ask_before_they_open(late: Client, path: str) -> None:
    url = SECURITY + path
    page = late.get(url).content.decode()
    assert QUESTION in page
    assert f'action="{url}"' in page
    answer = late.post(url, BY_PASSWORD | {"recent-was-reading": "1"})
    assert (answer.status_code, answer["Location"]) == (302, url)
    assert QUESTION not in late.get(url).content.decode()


def test_one_without_a_password_logs_in_again() -> None:
    root = make_superuser()
    client = Client()
    client.force_login(root)
    an_hour_later(client)
    page = client.post("/admin/accounts/role/add/", new_role("Guests")).content.decode()
    assert "Log in again" in page
    assert "/accounts/login/?next=%2Fadmin%2Faccounts%2Frole%2Fadd%2F" in page
    assert "recent-how" not in page


def test_ten_wrong_answers_are_enough(late: Client) -> None:
    url = "/accounts/reauthenticate/"
    wrong = BY_PASSWORD | {"recent-answer": "wrong"}
    answers = [late.post(url, wrong).status_code for _try in range(11)]
    assert answers[-1] == 429
    assert QUESTION in late.get(f"{SECURITY}email/").content.decode()


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/"])
def test_the_answer_leads_to_nobody_elses_site(late: Client, target: str) -> None:
    url = f"/accounts/reauthenticate/?next={target}"
    assert late.post(url, BY_PASSWORD | {"recent-was-reading": "1"})["Location"] == SECURITY


def test_somebody_elses_answer_is_nobodys(root: User) -> None:
    client = Client()
    client.force_login(make_role_member())
    an_hour_later(client)
    page = client.post("/admin/accounts/role/add/", new_role("Guests") | BY_PASSWORD)
    assert QUESTION in page.content.decode() or page.status_code == 403
    assert not Role.objects.filter(name="Guests").exists()


def make_role_member() -> User:
    """Make somebody who may nothing about roles."""
    return make_member(make_team(), make_role({"crm.view_deal": "OWN"}), password="their own good one")
