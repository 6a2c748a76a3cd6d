"""Every operation there is, by everybody who may ask, on a row of each side: what happens is what was decided."""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard

import pytest
from django.contrib import admin
from django.db import models, transaction

from apps.accounts import access
from apps.accounts.checks import addresses, scoped_models
from apps.accounts.faces.api import ScopedViewSet
from apps.accounts.faces.declared import reason_of
from apps.accounts.faces.sockets import may_watch
from apps.crm.api.views import DealViewSet
from apps.crm.models import Company, Deal, Person, Pipeline
from apps.documents.models import Document
from apps.events import streams
from apps.jobs.models import Job
from tests.access.expectations import (
    MAY,
    OTHERS,
    OWNERS_ALONE,
    PART_OF,
    WITHOUT_STORY,
    asked_of_whole,
    is_shared,
    may,
    reaches_others,
)
from tests.access.world import CANARY, GUEST, KEYS, PRINCIPALS, Side, World, is_common, remembered_rights

pytestmark = pytest.mark.django_db
REFUSED = {401, 403, 404}
EVERYBODY = ["anonymous", *PRINCIPALS]


@dataclass(frozen=True)
class Operation:
    """One method at one address, about one kind of rows."""

    method: str
    route: str
    label: str
    action: str

    @property
    def is_about_a_row(self) -> bool:
        return "(?P<pk>" in self.route or "<int:pk>" in self.route

    def path(self, pk: Any) -> str:
        route = re.sub(r"\(\?P<pk>[^)]*\)|<int:pk>", str(pk), self.route)
        return "/" + route.replace("^", "").replace("$", "")


def is_about_rows(view: Any) -> TypeGuard[type[ScopedViewSet]]:
    """Tell whether an address shows rows as the policy says; what is one's own alone is declared among the others."""
    return isinstance(view, type) and issubclass(view, ScopedViewSet) and not reason_of(view)


def operations() -> Iterator[Operation]:
    """Yield what the API offers on scoped rows."""
    for route, callback in addresses():
        view = getattr(callback, "cls", None)
        if is_about_rows(view):
            assert view.queryset is not None
            # The first request to an address adds "head" to its actions.
            for method, action in list(callback.actions.items()):
                if method == "head":
                    continue
                label = view.queryset.model._meta.label
                yield Operation(method, route, label, view.permission_for(action))


def is_allowed(who: str, label: str, action: str, side: str) -> bool:
    if who == "anonymous":
        return False
    if who in KEYS:
        owner, scopes = KEYS[who]
        return is_in_key(scopes, label, action) and is_allowed(owner, label, action, side)
    role, own_side = PRINCIPALS[who]
    if who == GUEST and side == "A" and is_shared(label, action):
        return True
    if not may(role, label, action):
        return False
    if not side:
        return True
    is_theirs = role == "salesperson" and own_side == side
    is_near = not own_side or own_side == side
    return is_theirs or (reaches_others(role, label, action) and is_near)


def is_in_key(scopes: list[str], label: str, action: str) -> bool:
    """Tell what the scopes of a key are meant to cover; parts of a whole are seen and changed with it."""
    whole, asked = asked_of_whole(label, action)
    app, _dot, model = whole.partition(".")
    return (
        "all" in scopes
        or f"{app}.{asked}_{model.lower()}" in scopes
        or ("read" in scopes and asked == "view")
    )


@pytest.fixture
def world(caplog: pytest.LogCaptureFixture) -> World:
    # Each refusal is logged with where it came from; hundreds are expected here.
    caplog.set_level(logging.CRITICAL, "django.request")
    return World()


def row_of(side: Side, model: type[models.Model]) -> models.Model | None:
    return side.rows.get(model._meta.label) or model._base_manager.first()


def ask(client: Any, method: str, path: str) -> int:
    """Ask, and take back whatever came of it."""
    with transaction.atomic():
        response = getattr(client, method)(
            path, **({} if method == "get" else {"content_type": "application/json"})
        )
        transaction.set_rollback(True)
    return int(response.status_code)


def test_every_kind_of_rows_has_been_decided_and_none_that_is_not_there() -> None:
    labels = {model._meta.label for model in scoped_models()}
    assert labels == MAY.keys() | PART_OF.keys()
    assert {operation.label for operation in operations()} <= labels
    assert {route for route, _callback in addresses_of_no_rows()} == OTHERS.keys()


@remembered_rights()
def wrong_in_api(world: World, who: str) -> list[Any]:
    """Ask for every operation, on a row of each side; return where the answer is not what was decided."""
    client = world.client(who)
    by_label = {model._meta.label: model for model in scoped_models()}
    wrong = []
    for operation in operations():
        model = by_label[operation.label]
        has_sides = operation.is_about_a_row and not is_common(model)
        for side in list(world.sides.values())[: 2 if has_sides else 1]:
            row = row_of(side, model)
            assert row is not None, operation
            expected = is_allowed(who, operation.label, operation.action, side.name if has_sides else "")
            if operation.route in OWNERS_ALONE:
                expected = expected and world.users.get(who) == row.owner  # type: ignore[attr-defined]
            status = ask(client, operation.method, operation.path(row.pk))
            if (status not in REFUSED) is not expected or status >= 500:
                wrong.append((operation, side.name, status, expected))
    return wrong


@pytest.mark.parametrize("who", [*EVERYBODY, *KEYS])
def test_the_api_does_what_was_decided(world: World, who: str) -> None:
    assert wrong_in_api(world, who) == []


@remembered_rights()
def wrong_in_admin(world: World, who: str) -> list[Any]:
    """Open the admin's lists, forms and the pages of a row of each side; return what opens and should not."""
    client = world.client(who)
    wrong = []
    for page in admin_pages_of(world):
        expected = is_allowed(who, page.label, page.action, page.side)
        status = ask(client, "get", page.path)
        # A page may be stricter than the table, but what may be seen has a page.
        is_right = status == 200 if expected and page.action == "view" else expected or status != 200
        if not is_right or status >= 500:
            wrong.append((page, status, expected))
    return wrong


@dataclass(frozen=True)
class Page:
    """A page of the admin; `side` is whose row it shows."""

    path: str
    label: str
    action: str
    side: str = ""


def admin_pages_of(world: World) -> Iterator[Page]:
    for model in admin.site._registry:
        label, base = model._meta.label, f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        yield Page(base, label, "view")
        yield Page(f"{base}add/", label, "add")
        for side in list(world.sides.values())[: 1 if is_common(model) else 2]:
            row = row_of(side, model)
            assert row is not None, label
            for name, action in _ROW_PAGES:
                if name == "history" and label in WITHOUT_STORY:
                    continue
                yield Page(f"{base}{row.pk}/{name}/", label, action, "" if is_common(model) else side.name)


@pytest.mark.parametrize("who", EVERYBODY)
def test_the_admin_opens_what_was_decided_and_nothing_else(world: World, who: str) -> None:
    assert wrong_in_admin(world, who) == []


def test_streams_are_watched_by_those_who_see_the_row(world: World) -> None:
    # Whoever adds a kind of streams says here which rows they tell of.
    rows: dict[str, type[models.Model]] = {"job": Job, "board": Pipeline, "document": Document}
    rows |= {"deal": Deal, "company": Company, "person": Person}
    # An inbox is its owner's alone.
    assert set(streams.prefixes()) == rows.keys() | {"inbox"}
    for user in world.users.values():
        assert [may_watch(user, f"inbox:{other.pk}") for other in world.users.values()] == [
            other == user for other in world.users.values()
        ]
    for prefix, model in rows.items():
        for who, user in world.users.items():
            for side in world.sides.values():
                row = row_of(side, model)
                assert row is not None
                expected = is_allowed(who, model._meta.label, "view", "" if is_common(model) else side.name)
                assert may_watch(user, f"{prefix}:{row.pk}") is expected, (who, side.name)
    assert not may_watch(world.users["administrator"], "nothing:1")


def test_without_the_policy_the_matrix_is_red(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "scope", lambda actor, action, model: access.EVERYTHING)
    assert len(wrong_in_api(world, "seller of A")) > 20
    assert len(wrong_in_admin(world, "seller of A")) > 5


def test_an_operation_that_nobody_declared_is_no_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DealViewSet, "action_permissions", {})
    with pytest.raises(KeyError):
        list(operations())
    monkeypatch.setitem(MAY, "crm.Deal", {"view": MAY["crm.Deal"]["view"]})
    with pytest.raises(KeyError):
        is_allowed("administrator", "crm.Deal", "win", "A")


_ROW_PAGES = [("change", "view"), ("history", "view"), ("delete", "delete")]


def _special_pages(page: Any) -> list[str]:
    """List what a model's pages offer beyond Django's own."""
    stock = {"", "add/"} | {f"<path:object_id>/{name}" for name in ("history/", "delete/", "change/", "")}
    return [str(url.pattern) for url in page.get_urls() if str(url.pattern) not in stock]


@pytest.mark.parametrize("method", ["get", "post"])
def test_special_pages_of_the_admin_touch_no_foreign_row(world: World, method: str) -> None:
    client, side = world.client("seller of A"), world.sides["B"]
    seen = 0
    for model, page in admin.site._registry.items():
        if is_common(model):
            continue
        row = side.rows[model._meta.label]
        before = model._base_manager.filter(pk=row.pk).values().get()
        for route in _special_pages(page):
            path = re.sub(r"<\w+:(object_id|pk)>", str(row.pk), route)
            path = re.sub(r"<slug:\w+>", "archive", path)
            base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
            answer = getattr(client, method)(base + path)
            if path == route and answer.status_code == 200:
                # About no row in particular: what of the other side may it show?
                assert CANARY["B"] not in answer.content.decode(), path
            else:
                assert answer.status_code in REFUSED | {302, 405}, (base + path, answer.status_code)
            assert model._base_manager.filter(pk=row.pk).values().get() == before, path
            seen += 1
    assert seen > 5


def addresses_of_no_rows() -> Iterator[tuple[str, Any]]:
    for route, callback in addresses():
        if not is_about_rows(getattr(callback, "cls", None)):
            yield route, callback


def test_every_other_address_says_whether_one_has_to_be_logged_in(world: World) -> None:
    wrong = []
    client = world.client("anonymous")
    for route, _callback in addresses_of_no_rows():
        numbered = re.sub(r"<int:\w+>|\(\?P<\w+>\[0-9\][^)]*\)", "1", route)
        path = re.sub(r"<\w+:\w+>", "x", re.sub(r"\(\?P<\w+>[^)]*\)", "x", numbered))
        response = client.get("/" + path.replace("^", "").replace("$", ""))
        asks_who = "/accounts/login/" in response.headers.get("Location", "")
        is_shut = response.status_code in {401, 403} or asks_who
        if is_shut is not (OTHERS[route] == "login"):
            wrong.append((route, response.status_code))
    assert wrong == []
