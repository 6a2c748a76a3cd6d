"""The page of a bulk change in a browser: by keyboard alone, on a phone, and with what is typed kept in place."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from tests.pages.conftest import ada, enter

if TYPE_CHECKING:
    from apps.accounts.models import User
    from apps.lists.models import BulkEdit

__all__ = ["ada", "enter"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def edit(ada: "User") -> "BulkEdit":
    from apps.crm.models import Deal
    from apps.lists.services.bulk import open_bulk_edit
    from tests.crm.factories import make_deal

    for n in range(3):
        make_deal(f"Deal {n}", owner=ada)
    return open_bulk_edit(Deal.objects.all(), actor=ada)


def page_of(edit: "BulkEdit") -> str:
    return reverse("admin:lists_bulkedit_change", args=[edit.pk])


def test_only_the_value_of_the_chosen_way_is_shown(
    edit: "BulkEdit", ada: "User", enter: Callable[..., Page]
) -> None:
    page = enter(ada, page_of(edit))
    how, amount, percent = (page.locator(f"#id_{name}-amount") for name in ("how", "set", "percent"))
    expect(amount).to_be_hidden()
    how.select_option("set to")
    expect(amount).to_be_visible()
    how.select_option("change by percent")
    expect(amount).to_be_hidden()
    percent.fill("ten")
    page.locator("#id_deed").select_option("Lose")
    page.get_by_role("button", name="Rehearse this change").click()
    # The first thing that is wrong has the focus, and says what is wrong with it.
    expect(percent).to_be_focused()
    expect(percent).to_have_value("ten")
    expect(percent).to_have_accessible_description("Enter a number.")
    expect(page.locator("#id_do-lose")).to_have_accessible_description("This field is required.")


def test_by_keyboard_alone(edit: "BulkEdit", ada: "User", enter: Callable[..., Page]) -> None:
    from apps.lists.models import BulkEdit

    page = enter(ada, page_of(edit))
    page.locator("#id_how-next_step").focus()
    page.keyboard.press("s")
    page.keyboard.press("Tab")
    page.keyboard.type("call")
    page.keyboard.press("Enter")
    expect(page.get_by_role("progressbar")).to_be_visible()
    assert BulkEdit.objects.get().changes == {"next_step": {"how": "set", "value": "call"}}


@pytest.mark.parametrize("width", [390, 1024])
def test_nothing_sticks_out(width: int, edit: "BulkEdit", ada: "User", enter: Callable[..., Page]) -> None:
    from apps.lists.services.bulk import rehearse_bulk_edit
    from tests.lists.bulk import finish

    job = rehearse_bulk_edit(edit.pk, {"next_step": {"how": "set", "value": "w" * 180}}, actor=ada)
    finish(job)
    page = enter(ada, page_of(edit))
    page.set_viewport_size({"width": width, "height": 800})
    for step in ("change", "rehearsal"):
        page.goto(f"{page.url.partition('?')[0]}?step={step}")
        expect(page.locator(".art-card").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), step
