"""The admin by keyboard alone, in a real browser."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from apps.accounts.models import User

pytestmark = pytest.mark.browser
Enter = Callable[..., Page]


@pytest.fixture
def deals(ada: "User") -> list[Any]:
    from tests.crm.factories import make_deal

    return [make_deal(f"Deal {number}", owner=ada) for number in range(3)]


def test_g_and_a_letter_lead_to_a_place(ada: "User", enter: Enter) -> None:
    page = enter(ada, "/admin/")
    for letter, path in [
        ("d", "/admin/crm/deal/"),
        ("i", "/admin/crm/importbatch/"),
        ("j", "/admin/jobs/job/"),
    ]:
        page.keyboard.press("g")
        page.keyboard.press(letter)
        page.wait_for_url(f"**{path}")
    # What the keys g and c give with a Russian layout.
    page.evaluate(
        """for (const [key, code] of [["п", "KeyG"], ["с", "KeyC"]])
             document.body.dispatchEvent(new KeyboardEvent("keydown", {key, code, bubbles: true}))"""
    )
    page.wait_for_url("**/admin/crm/company/")
    page.goto(page.url.replace("crm/company", "crm/importbatch"))
    page.keyboard.press("n")
    page.wait_for_url("**/admin/crm/importbatch/add/")


def test_rows_are_walked_selected_and_opened(ada: "User", enter: Enter, deals: list[Any]) -> None:
    page = enter(ada, "/admin/crm/deal/")
    current = page.locator(".art-row-current")

    page.keyboard.press("j")
    expect(current).to_contain_text("Deal 2")
    page.keyboard.press("j")
    expect(current).to_contain_text("Deal 1")
    page.keyboard.press("k")
    expect(current).to_contain_text("Deal 2")
    expect(current).to_be_focused()

    page.keyboard.press("x")
    assert current.locator("input[type=checkbox]").is_checked()
    page.keyboard.press("x")
    assert not current.locator("input[type=checkbox]").is_checked()

    page.keyboard.press("e")
    page.wait_for_url(f"**/admin/crm/deal/{deals[2].pk}/change/")
    page.go_back()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/admin/crm/deal/{deals[2].pk}/change/")


def test_slash_goes_to_the_search_of_the_list_and_else_opens_that_of_everything(
    ada: "User", enter: Enter, deals: list[Any]
) -> None:
    page = enter(ada, "/admin/crm/deal/")
    page.keyboard.press("/")
    expect(page.locator("#searchbar")).to_be_focused()

    page = enter(ada, "/admin/")
    page.keyboard.press("/")
    expect(page.locator("#search-input-command")).to_be_focused()
    expect(page.locator("#search-input-command")).to_have_value("")
    page.keyboard.type("Deal 1")
    expect(page.locator("#command-results-list a")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/admin/crm/deal/{deals[1].pk}/change/")


def test_question_mark_shows_all_keys_and_escape_closes(ada: "User", enter: Enter) -> None:
    page = enter(ada, "/admin/")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    expect(dialog).to_contain_text(re.compile("Deals.*Companies.*Imports.*Jobs", re.DOTALL))
    # While it is open, the keyboard is the dialog's.
    page.keyboard.press("g")
    page.keyboard.press("d")
    expect(dialog).to_be_visible()

    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert page.url.endswith("/admin/")


def test_nothing_fires_while_typing_or_with_a_modifier(ada: "User", enter: Enter) -> None:
    page = enter(ada, "/admin/crm/deal/")
    page.locator("#searchbar").click()
    page.keyboard.type("gd?njk")
    expect(page.locator("#searchbar")).to_have_value("gd?njk")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_hidden()

    page.locator("#searchbar").blur()
    for keys in ["Alt+n", "Control+j", "Meta+j"]:
        page.keyboard.press(keys)
    assert page.locator(".art-row-current").count() == 0
    assert page.url.endswith("/admin/crm/deal/")


def test_what_a_mouse_opens_a_keyboard_opens_too(ada: "User", enter: Enter) -> None:
    page = enter(ada, "/admin/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    button = page.get_by_role("button", name="Ada Admin")
    button.focus()
    page.keyboard.press("Enter")
    dark = page.get_by_role("button", name="Dark")
    expect(dark).to_be_visible()
    dark.press("Enter")
    expect(page.locator("html")).to_have_class(re.compile("dark"))
    page.keyboard.press("Escape")
    expect(dark).to_be_hidden()
