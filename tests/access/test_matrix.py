"""Every operation there is, by everybody who may ask, on a row of each side: what happens is what was decided."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib import admin
from django.db import models, transaction

from apps.accounts.checks import addresses, scoped_models
from apps.accounts.faces.api import ScopedViewSet
from tests.access.expectations import OTHERS, may
from tests.access.world import PRINCIPALS, Side, World, is_common

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


def operations() -> Iterator[Operation]:
    """Yield what the API offers on scoped rows."""
    for route, callback in addresses():
        view = getattr(callback, "cls", None)
        if isinstance(view, type) and issubclass(view, ScopedViewSet):
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
    role, own_side = PRINCIPALS[who]
    return may(role, label, action) and (not own_side or not side or own_side == side)


@pytest.fixture
def world() -> World:
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


def test_every_kind_of_rows_has_been_decided() -> None:
    for model in scoped_models():
        may("auditor", model._meta.label, "view")
    assert list(operations())


@pytest.mark.parametrize("who", EVERYBODY)
def test_the_api_does_what_was_decided(world: World, who: str) -> None:
    client = world.client(who)
    wrong = []
    for operation in operations():
        model = next(m for m in scoped_models() if m._meta.label == operation.label)
        for side in world.sides.values():
            row = row_of(side, model)
            assert row is not None, operation
            place = "" if is_common(model) or not operation.is_about_a_row else side.name
            expected = is_allowed(who, operation.label, operation.action, place)
            status = ask(client, operation.method, operation.path(row.pk))
            if (status not in REFUSED) is not expected or status >= 500:
                wrong.append((operation, side.name, status, expected))
    assert wrong == []


@pytest.mark.parametrize("who", EVERYBODY)
def test_the_admin_opens_what_was_decided_and_nothing_else(world: World, who: str) -> None:
    client = world.client(who)
    wrong = []
    for model in admin.site._registry:
        label, base = model._meta.label, f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        for side in world.sides.values():
            row = row_of(side, model)
            assert row is not None, label
            place = "" if is_common(model) else side.name
            pages = [("", "view", ""), ("add/", "add", "")]
            pages += [(f"{row.pk}/{page}/", action, place) for page, action in _ROW_PAGES]
            for page, action, where in pages:
                expected = is_allowed(who, label, action, where)
                status = ask(client, "get", base + page)
                # A page may be stricter than the table, but what may be seen has a page.
                is_right = status == 200 if expected and action == "view" else expected or status != 200
                if not is_right or status >= 500:
                    wrong.append((label, page, side.name, status, expected))
    assert wrong == []


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
            status = getattr(client, method)(base + path).status_code
            assert status in REFUSED | {302, 405}, (base + path, status)
            assert model._base_manager.filter(pk=row.pk).values().get() == before, path
            seen += 1
    assert seen > 5


def test_every_other_address_says_whether_one_has_to_be_logged_in(world: World) -> None:
    wrong = []
    client = world.client("anonymous")
    for route, callback in addresses():
        view = getattr(callback, "cls", None)
        if isinstance(view, type) and issubclass(view, ScopedViewSet):
            continue
        path = "/" + re.sub(r"<\w+:\w+>", "x", re.sub(r"\(\?P<\w+>[^)]*\)", "x", route)).strip("^").replace(
            "$", ""
        )
        response = client.get(path.replace("^", ""))
        is_shut = response.status_code in {401, 403} or "/accounts/login/" in response.headers.get(
            "Location", ""
        )
        if is_shut is not (OTHERS[route] == "login"):
            wrong.append((route, response.status_code))
    assert wrong == []
