"""What stands in the rows of one team is nowhere to be read by another: every page, list, filter, search and answer."""

import json
from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any

import pytest
from django.contrib import admin
from django.db.models import Model

from apps.accounts import access
from apps.accounts.checks import scoped_models
from apps.crm.models import Company, Deal, Person, Pipeline
from apps.crm.reports.all import REPORTS
from apps.documents.models import Document, Folder
from tests.access.test_matrix import operations, row_of, world
from tests.access.world import CANARY, World, remembered_rights

__all__ = ["world"]
pytestmark = pytest.mark.django_db
Asked = Callable[[World], Iterator[tuple[str, dict[str, Any]]]]


def admin_pages(world: World) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the admin's lists, searches, filters, autocompletes, and the pages of rows of both sides."""
    foreign_side = world.sides["B"]
    for model, page in admin.site._registry.items():
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        yield base, {}
        # With the filters open, and what they offer.
        yield base, {"_filters": "1"}
        yield f"{base}add/", {}
        if page.search_fields:
            yield base, {"q": "canary"}
        for pk in _keys(world, model):
            for name in ("change", "history", "delete"):
                yield f"{base}{pk}/{name}/", {}
        for field in model._meta.get_fields():
            if field.many_to_one and field.concrete and field.related_model:
                params = {"app_label": model._meta.app_label, "model_name": model._meta.model_name}
                yield "/admin/autocomplete/", params | {"field_name": field.name, "term": ""}
                related: Any = field.related_model
                foreign = foreign_side.rows.get(related._meta.label)
                if foreign is not None:
                    yield f"{base}add/", {field.name: foreign.pk}
                    yield base, {f"{field.name}__id__exact": foreign.pk, "_filters": "1"}
    board = f"/admin/crm/deal/board/{Pipeline.objects.get(is_default=True).pk}/"
    yield from [(board, {"everything": "1"}), (board, {"q": "canary"}), (f"{board}choices/", {})]
    yield f"{board}cards/", {"ids": ",".join(str(pk) for pk in _keys(world, Deal))}
    yield from _numbers()
    yield from _pages_of_documents(world)
    yield from _pages_of_duplicates(world)
    yield "/admin/", {}
    yield "/admin/search/", {"s": "canary", "extended": "1"}


def _numbers() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every report with every filter that names somebody, and its tables as files."""
    for name in REPORTS:
        base = f"/admin/crm/deal/numbers/{name}/"
        yield from [(base, {}), (base, {"period": "everything"})]
        for table in ("owners", "people", "teams", "reasons", "sizes", "months", "past", "stale"):
            yield f"{base}export/", {"table": table, "format": "csv", "period": "everything"}


def _pages_of_documents(world: World) -> Iterator[tuple[str, dict[str, Any]]]:
    for place in ("top", *_keys(world, Folder)):
        yield f"/admin/documents/folder/browse/{place}/", {}
    for pk in _keys(world, Document):
        yield f"/admin/documents/document/{pk}/link/", {"kind": "crm.deal", "q": "canary"}
        yield "/admin/documents/document/", {"belongs": f"crm.deal:{pk}", "_filters": "1"}


def _pages_of_duplicates(world: World) -> Iterator[tuple[str, dict[str, Any]]]:
    for kind in ("company", "person"):
        base = f"/admin/crm/{kind}/"
        yield from [(f"{base}duplicates/", {}), (f"{base}duplicates/", {"dismissed": "1"})]
        for canary in CANARY.values():
            # As somebody would write who knows of the other side's row.
            written = {
                "name": f"{canary} name",
                "given_name": f"{canary} given_name",
                "domain": f"{canary} domain",
            }
            yield f"{base}duplicates/hint/", written | {"tax_id": f"{canary} tax_id"}
        for pk, other in permutations(_keys(world, Company if kind == "company" else Person), 2):
            yield from [(f"{base}{pk}/merge/", {"with": other}), (f"{base}{pk}/merge/", {"q": "canary"})]


def _keys(world: World, model: type[Model]) -> list[Any]:
    """List the keys of a model's rows of either side, each once."""
    rows = [row_of(side, model) for side in world.sides.values()]
    return sorted({row.pk for row in rows if row is not None})


def api_answers(world: World) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the API's lists and the rows of both sides."""
    by_label = {model._meta.label: model for model in scoped_models()}
    for operation in operations():
        if operation.method != "get":
            continue
        if operation.is_about_a_row:
            for pk in _keys(world, by_label[operation.label]):
                yield operation.path(pk), {}
        else:
            yield operation.path(0), {"search": "canary", "page_size": "200"}
    yield "/api/v1/me/", {}


def lists(world: World) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the admin's lists alone, and the API: enough to hear whether anything sings."""
    for model in admin.site._registry:
        yield f"/admin/{model._meta.app_label}/{model._meta.model_name}/", {}
    yield from api_answers(world)


def everything(world: World) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from admin_pages(world)
    yield from api_answers(world)


@remembered_rights()
def leaks(world: World, who: str, canary: str, asked: Asked = everything) -> tuple[list[str], int]:
    """Return where a canary was read, and how many answers had anything in them."""
    client = world.client(who)
    found, answered = [], 0
    for path, params in list(asked(world)):
        response = client.get(path, params)
        assert response.status_code < 500, path
        body = b"".join(response) if response.streaming else response.content
        text = (
            json.dumps(response.json(), ensure_ascii=False)
            if "json" in response.headers.get("Content-Type", "")
            else body.decode()
        )
        answered += response.status_code == 200
        if canary in text:
            found.append(f"{path} {params}")
    return found, answered


@pytest.mark.parametrize("who", ["seller of A", "lead of A"])
def test_no_canary_of_the_other_team_is_heard(world: World, who: str) -> None:
    found, answered = leaks(world, who, CANARY["B"])
    assert found == []
    assert answered > 60


def test_a_key_hears_no_more_than_its_owner(world: World) -> None:
    found, answered = leaks(world, "reading key of A", CANARY["B"], api_answers)
    assert found == []
    assert answered > 20


def test_the_canaries_sing_for_those_who_may_hear_them(world: World) -> None:
    found, _answered = leaks(world, "administrator", CANARY["B"], lists)
    labels = {
        f"/admin/{model._meta.app_label}/{model._meta.model_name}/ {{}}" for model in admin.site._registry
    }
    assert len(labels & set(found)) >= 6
    assert any(path.startswith("/api/v1/crm/") for path in found)


def test_without_the_policy_this_test_is_red(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "scope", lambda actor, action, model: access.EVERYTHING)
    found, _answered = leaks(world, "seller of A", CANARY["B"], lists)
    assert len(found) > 20
