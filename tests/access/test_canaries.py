"""What stands in the rows of one team is nowhere to be read by another: every page, list, filter, search and answer."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.db.models import Q

from apps.accounts import access
from apps.accounts.checks import scoped_models
from tests.access.test_matrix import operations, row_of
from tests.access.world import CANARY, World

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return World()


def admin_pages(world: World, side: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the admin's lists, searches, filters, autocompletes, and the pages of a side's rows."""
    for model, page in admin.site._registry.items():
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        yield base, {}
        yield f"{base}add/", {}
        if page.search_fields:
            yield base, {"q": "canary"}
        row = row_of(world.sides[side], model)
        if row is not None:
            for name in ("change", "history", "delete"):
                yield f"{base}{row.pk}/{name}/", {}
        for field in model._meta.get_fields():
            if field.many_to_one and field.concrete:
                params = {"app_label": model._meta.app_label, "model_name": model._meta.model_name}
                yield "/admin/autocomplete/", params | {"field_name": field.name, "term": ""}
                foreign = world.sides["B"].rows.get(field.related_model._meta.label)
                if foreign is not None:
                    yield f"{base}add/", {field.name: foreign.pk}
                    yield base, {f"{field.name}__id__exact": foreign.pk}
    yield "/admin/", {}
    yield "/admin/search/", {"s": "canary", "extended": "1"}


def api_answers(world: World, side: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the API's lists and the rows of a side."""
    by_label = {model._meta.label: model for model in scoped_models()}
    for operation in operations():
        if operation.method != "get":
            continue
        row = row_of(world.sides[side], by_label[operation.label])
        if row is not None:
            yield operation.path(row.pk), {}
        if not operation.is_about_a_row:
            yield operation.path(0), {"search": "canary", "page_size": "200"}
    yield "/api/v1/me/", {}


def leaks(world: World, who: str, canary: str, pages_of: str) -> tuple[list[str], int]:
    """Return where a canary was read, and how many answers had anything in them."""
    client = world.client(who)
    found, answered = [], 0
    for path, params in [*admin_pages(world, pages_of), *api_answers(world, pages_of)]:
        response = client.get(path, params)
        assert response.status_code < 500, path
        body = b"".join(response) if response.streaming else response.content
        text = (
            json.dumps(response.json(), ensure_ascii=False)
            if "json" in response.headers.get("Content-Type", "")
            else body.decode()
        )
        answered += response.status_code == 200
        # What one has typed comes back in the search box.
        if canary in text:
            found.append(f"{path} {params}")
    return found, answered


@pytest.mark.parametrize("who", ["seller of A", "lead of A"])
@pytest.mark.parametrize("pages_of", ["A", "B"])
def test_no_canary_of_the_other_team_is_heard(world: World, who: str, pages_of: str) -> None:
    found, answered = leaks(world, who, CANARY["B"], pages_of)
    assert found == []
    assert answered > 30


def test_the_canaries_sing_for_those_who_may_hear_them(world: World) -> None:
    found, _answered = leaks(world, "administrator", CANARY["B"], "B")
    labels = {
        f"/admin/{model._meta.app_label}/{model._meta.model_name}/ {{}}" for model in admin.site._registry
    }
    assert len(labels & set(found)) >= 6
    assert any(path.startswith("/api/v1/crm/") for path in found)


def test_without_the_policy_this_test_is_red(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "scope", lambda actor, action, model: Q())
    found, _answered = leaks(world, "seller of A", CANARY["B"], "B")
    assert len(found) > 20
