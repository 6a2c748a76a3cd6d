"""Whatever people can do to a business object on its pages, a program can do over REST; what is not so says why."""

import logging
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.db import models, transaction
from django.test import RequestFactory

from apps.accounts.checks import addresses
from tests.access.parity import ELSEWHERE, NOT_OVER_REST
from tests.access.test_matrix import _special_pages, is_about_rows, row_of
from tests.access.world import World
from tests.crm.factories import make_admin

pytestmark = pytest.mark.django_db
# What Django's own pages do, and what it is called over REST.
STANDARD = {"view": "retrieve", "add": "create", "change": "partial_update", "delete": "destroy"}


def over_rest() -> dict[str, set[str]]:
    """Return the actions of the API, by kind of rows."""
    found: dict[str, set[str]] = defaultdict(set)
    for _route, callback in addresses():
        view = getattr(callback, "cls", None)
        if is_about_rows(view):
            assert view.queryset is not None
            found[view.queryset.model._meta.label] |= set(callback.actions.values())
    return found


def on_pages(world: World) -> dict[str, set[str]]:
    """Return what somebody who may do everything can do on the pages of each kind of rows."""
    request: Any = RequestFactory().get("/")
    request.user = make_admin()
    client = world.client("administrator")
    # What breaks has been tried: only what takes nothing sent is left out.
    client.raise_request_exception = False
    found: dict[str, set[str]] = defaultdict(set)
    for model, page in admin.site._registry.items():
        label = model._meta.label
        found[label] = {"view"} | {
            name for name in ("add", "change", "delete") if _offers(page, name, request)
        }
        commands = getattr(page, "commands", dict)
        found[label] |= {name.replace("-", "_") for name in commands()}
        found[label] |= {_name(action) for action in page.actions or ()}
        found[label] |= {_name(action) for action in getattr(page, "actions_detail", ())} - {"access_menu"}
        found[label] |= set(_writing_pages(world, client, model, page))
    return found


def _offers(page: Any, name: str, request: Any) -> bool:
    return bool(getattr(page, f"has_{name}_permission")(request))


def _name(action: Any) -> str:
    if isinstance(action, dict):
        return "access_menu"
    return str(action if isinstance(action, str) else action.__name__).removesuffix("_selected")


def _writing_pages(world: World, client: Any, model: type[models.Model], page: Any) -> Iterator[str]:
    """Yield the names of a model's special pages that take something sent; what they do is taken back."""
    side = world.sides["A"]
    row = row_of(side, model)
    base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
    prefix = f"{model._meta.app_label}_{model._meta.model_name}_"
    stock = {"changelist", "add", "history", "delete", "change", "autocomplete", "command", ""}
    for url in page.get_urls():
        route, name = str(url.pattern), str(url.name or "").removeprefix(prefix)
        if route not in _special_pages(page) or name in stock:
            continue
        pk = row.pk if row is not None else 0
        path = re.sub(r"<(?:\w+:)?\w+>", "1", re.sub(r"<\w+:(object_id|pk)>", str(pk), route))
        with transaction.atomic():
            status = client.post(base + path).status_code
            transaction.set_rollback(True)
        if status != 405:
            yield name.replace("-", "_")


def missing(world: World) -> list[tuple[str, str]]:
    """List what pages offer and REST does not."""
    rest, pages = over_rest(), on_pages(world)

    def is_there(label: str, name: str) -> bool:
        kind, called = (
            ELSEWHERE.get((label, name)) or ELSEWHERE.get(("*", name)) or (label, STANDARD.get(name, name))
        )
        return called in rest[kind]

    return sorted(
        (label, name) for label, names in pages.items() for name in names if not is_there(label, name)
    )


@pytest.fixture
def world(caplog: pytest.LogCaptureFixture) -> World:
    caplog.set_level(logging.CRITICAL, "django.request")
    return World()


def test_rest_can_whatever_pages_can(world: World) -> None:
    found = missing(world)
    assert [each for each in found if each not in NOT_OVER_REST] == []
    assert [each for each in NOT_OVER_REST if each not in found] == []
    assert all(reason.endswith(".") for reason in NOT_OVER_REST.values())


def test_what_is_said_to_be_elsewhere_is_there() -> None:
    rest = over_rest()
    assert [(kind, called) for kind, called in ELSEWHERE.values() if called not in rest[kind]] == []


def test_a_deed_of_pages_alone_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    page = next(page for model, page in admin.site._registry.items() if model._meta.label == "crm.Deal")
    commands = page.commands()  # type: ignore[attr-defined]
    monkeypatch.setattr(page, "commands", lambda: commands | {"give-to-a-stranger": None})
    assert ("crm.Deal", "give_to_a_stranger") in missing(world)
