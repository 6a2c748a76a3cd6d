"""The board in a real browser: mouse, finger and keyboard, two people at once, refusals, and what a reader hears."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.pages.test_accessibility import findings

if TYPE_CHECKING:
    from django.test import Client

    from apps.accounts.models import User
    from apps.crm.models import Deal
    from tests.support.processes import Server

pytestmark = pytest.mark.browser
Enter = Callable[..., Page]
BOARD = "/admin/crm/deal/board/"


@dataclass
class Board:
    """What a test looks at on the page."""

    page: Page

    def card(self, title: str) -> Locator:
        return self.page.locator(
            "li.board-card", has=self.page.get_by_role("link", name=re.compile(f"^{title},"))
        )

    def column(self, name: str) -> Locator:
        return self.page.get_by_role("region", name=name, exact=True)

    def titles(self, column: str) -> list[str]:
        return self.column(column).locator(".board-link").all_inner_texts()

    def focus(self, title: str) -> None:
        self.card(title).locator(".board-link").focus()

    def drag(self, title: str, target: Locator, *, drop: bool = True) -> None:
        """Drag a card onto the middle of something, as a hand does: in steps."""
        # Waits until the card stands still.
        self.card(title).hover(position={"x": 60, "y": 20})
        start, end = self.card(title).bounding_box(), target.bounding_box()
        assert start is not None
        assert end is not None
        mouse = self.page.mouse
        mouse.down()
        mouse.move(start["x"] + 75, start["y"] + 30)
        mouse.move(end["x"] + end["width"] / 2, end["y"] + min(end["height"] / 2, 300), steps=8)
        expect(self.page.locator(".board-ghost")).to_be_visible()
        if drop:
            mouse.up()


@pytest.fixture
def deals(ada: "User") -> "dict[str, Deal]":
    from tests.crm.factories import make_company, make_deal, stage

    acme = make_company("Acme")
    # The later made stands above: all entered their stage three days ago, one after the other.
    return {
        title: make_deal(title, owner=ada, stage=stage(place), company=acme)
        for title, place in [("Desks", "Prospecting"), ("Lamps", "Prospecting"), ("Chairs", "Engaging")]
    }


@pytest.fixture
def board(ada: "User", deals: "dict[str, Deal]", enter: Enter) -> Board:
    page = enter(ada, BOARD)
    expect(page.locator(".board-card")).to_have_count(3)
    return Board(page)


def place_of(deal: "Deal", aside: Callable[..., Any]) -> str:
    aside(deal.refresh_from_db)
    return str(aside(lambda: deal.stage.name))


def test_a_card_is_dragged_with_the_mouse_and_taken_back(
    board: Board, deals: "dict[str, Deal]", aside: Callable[..., Any]
) -> None:
    board.drag("Lamps", board.column("Engaging"))
    expect(board.column("Engaging").locator(".board-card")).to_have_count(2)
    expect(board.page.locator("[data-toast]")).to_contain_text("“Lamps” is in Engaging now.")
    expect(board.column("Engaging").locator("[data-count]")).to_have_text("2")
    expect(board.column("Engaging").locator("[data-sums]")).to_have_text(re.compile("2.000"))
    assert place_of(deals["Lamps"], aside) == "Engaging"
    # A drag is no click: the page is still the board.
    assert "/board/" in board.page.url

    board.page.get_by_role("button", name="Undo").click()
    expect(board.column("Prospecting").locator(".board-card")).to_have_count(2)
    expect(board.column("Prospecting").locator("[data-count]")).to_have_text("2")
    assert place_of(deals["Lamps"], aside) == "Prospecting"


def test_a_card_is_put_where_it_is_dropped_and_stays_there(board: Board) -> None:
    assert board.titles("Prospecting") == ["Lamps", "Desks"]
    board.drag("Lamps", board.card("Desks"), drop=False)
    box = board.card("Desks").bounding_box()
    assert box is not None
    board.page.mouse.move(box["x"] + 60, box["y"] + box["height"] + 20, steps=4)
    with board.page.expect_response(re.compile("/do/move/")):
        board.page.mouse.up()
    expect(board.page.locator(".board-card-busy")).to_have_count(0)
    assert board.titles("Prospecting") == ["Desks", "Lamps"]
    board.page.reload()
    assert board.titles("Prospecting") == ["Desks", "Lamps"]


def test_escape_lets_a_dragged_card_go(board: Board) -> None:
    board.drag("Lamps", board.column("Engaging"), drop=False)
    board.page.keyboard.press("Escape")
    expect(board.page.locator(".board-ghost")).to_have_count(0)
    board.page.mouse.up()
    assert board.titles("Prospecting") == ["Lamps", "Desks"]


def test_the_board_works_by_keyboard_alone(
    board: Board, deals: "dict[str, Deal]", aside: Callable[..., Any]
) -> None:
    page = board.page
    page.keyboard.press("j")
    expect(board.card("Lamps").locator(".board-link")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(board.card("Desks").locator(".board-link")).to_be_focused()
    page.keyboard.press("l")
    expect(board.card("Chairs").locator(".board-link")).to_be_focused()
    page.keyboard.press("h")
    page.keyboard.press("m")
    expect(page.get_by_role("menu")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("menu")).to_be_hidden()

    here = page.evaluate("document.activeElement.textContent")
    page.keyboard.press("m")
    page.keyboard.press("3")
    expect(board.column("Proposal").locator(".board-card")).to_have_count(1)
    expect(page.locator("[data-live]")).to_have_text(f"“{here}” is in Proposal now.")
    # The card has the focus still, so that the next key is about it.
    expect(board.card(here).locator(".board-link")).to_be_focused()
    assert place_of(deals[here], aside) == "Proposal"
    page.keyboard.press("u")
    expect(board.column("Prospecting").locator(".board-card")).to_have_count(2)

    board.focus("Lamps")
    page.keyboard.press("Shift+ArrowDown")
    expect(board.column("Prospecting").locator(".board-link").first).to_have_text("Desks")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_contain_text("Move the card to a stage")
    page.keyboard.press("Escape")
    board.focus("Chairs")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/admin/crm/deal/{deals['Chairs'].pk}/change/")


def test_g_b_leads_to_the_board_and_the_list_keeps_its_filters(ada: "User", deals: Any, enter: Enter) -> None:
    page = enter(ada, "/admin/")
    page.keyboard.press("g")
    page.keyboard.press("b")
    page.wait_for_url("**/board/*/")
    page.get_by_role("searchbox", name="Number, title or company").fill("Lamps")
    page.keyboard.press("Enter")
    expect(page.locator(".board-card")).to_have_count(1)
    expect(page.locator(".board-chip")).to_contain_text("Lamps")
    page.get_by_role("navigation", name="How deals are shown").get_by_role("link", name="List").click()
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    page.get_by_role("navigation", name="How deals are shown").get_by_role("link", name="Board").click()
    expect(page.locator(".board-card")).to_have_count(1)
    # It is remembered, until all deals are asked for.
    page.goto(page.url.partition("?")[0])
    expect(page.locator(".board-card")).to_have_count(1)
    page.get_by_role("link", name="All deals").click()
    expect(page.locator(".board-card")).to_have_count(3)


def test_winning_asks_and_losing_wants_a_reason(
    board: Board, deals: "dict[str, Deal]", aside: Callable[..., Any]
) -> None:
    page = board.page
    board.drag("Lamps", page.locator("[data-zone=won]"))
    dialog = page.get_by_role("dialog", name="Win deal")
    expect(dialog).to_contain_text("Lamps · Acme")
    dialog.get_by_role("button", name="Cancel").click()
    expect(board.card("Lamps")).to_be_visible()
    board.drag("Lamps", page.locator("[data-zone=won]"))
    dialog.get_by_role("button", name="Win deal").click()
    expect(board.card("Lamps")).to_have_count(0)
    assert place_of(deals["Lamps"], aside) == "Won"

    board.focus("Chairs")
    page.keyboard.press("m")
    page.keyboard.press("x")
    lost = page.get_by_role("dialog", name="Lose deal")
    lost.get_by_role("button", name="Close as lost").click()
    # No reason, no loss: the question stays.
    expect(lost).to_be_visible()
    lost.get_by_label("Why is it lost?").select_option(label="Price")
    lost.get_by_label("Why exactly").fill("Too dear by half")
    lost.get_by_role("button", name="Close as lost").click()
    expect(board.card("Chairs")).to_have_count(0)
    assert place_of(deals["Chairs"], aside) == "Lost"
    assert deals["Chairs"].lost_note == "Too dear by half"
    page.get_by_role("button", name="Undo").click()
    expect(board.card("Chairs")).to_be_visible()


def test_a_refusal_stands_on_the_card_which_is_back_where_it_was(
    ada: "User", board: Board, deals: "dict[str, Deal]", aside: Callable[..., Any]
) -> None:
    from apps.crm.models import Deal

    # Quietly, so that the page cannot know.
    deal = deals["Lamps"]
    board.page.evaluate(
        "id => { document.querySelector(`li[data-deal='${id}']`).dataset.version = 77 }", deal.pk
    )
    board.drag("Lamps", board.column("Engaging"))
    refusal = board.card("Lamps").get_by_role("alert")
    expect(refusal).to_contain_text("Somebody else has changed this deal meanwhile.")
    assert board.titles("Prospecting") == ["Lamps", "Desks"]
    assert aside(lambda: Deal.objects.get(pk=deal.pk).stage.name) == "Prospecting"
    # What came with the refusal is how it stands now: the second try goes through.
    board.drag("Lamps", board.column("Engaging"))
    expect(board.column("Engaging").locator(".board-card")).to_have_count(2)


def test_without_a_connection_the_card_goes_back_and_says_so(board: Board) -> None:
    board.page.route("**/do/**", lambda route: route.abort())
    board.focus("Lamps")
    board.page.keyboard.press("m")
    board.page.keyboard.press("2")
    expect(board.card("Lamps").get_by_role("alert")).to_contain_text("This did not reach the server.")
    assert board.titles("Prospecting") == ["Lamps", "Desks"]


@pytest.fixture
def second(browser: Browser, artel_server: "Server") -> Iterator[Callable[["User"], Board]]:
    """Opens the board for somebody in a browser of their own."""
    from django.test import Client

    contexts = []

    def open_as(user: "User") -> Board:
        # A client that logs in somebody else ends the session of whoever it was before.
        client = Client()
        context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 900})
        contexts.append(context)
        client.force_login(user)
        session = client.cookies["sessionid"].value
        context.add_cookies([{"name": "sessionid", "value": session, "url": artel_server.url}])
        page = context.new_page()
        page.goto(f"{artel_server.url}{BOARD}")
        return Board(page)

    yield open_as
    for context in contexts:
        context.close()


def is_live(page: Page) -> None:
    """Wait until the page watches its board."""
    page.wait_for_function("() => window.artel.live.isOpen()")


def test_a_card_moved_in_one_browser_moves_in_the_other_within_a_second(
    ada: "User", board: Board, second: Callable[["User"], Board]
) -> None:
    other = second(ada)
    for page in (board.page, other.page):
        is_live(page)
    took = []
    steps = [("2", "Engaging"), ("3", "Proposal"), ("1", "Prospecting")]
    # Other work on the machine is not what is measured, and a heartbeat would take five seconds.
    for key, name in steps * 5:
        board.focus("Lamps")
        board.page.keyboard.press("m")
        began = time.monotonic()
        board.page.keyboard.press(key)
        expect(other.column(name).locator(".board-card", has_text="Lamps")).to_be_visible(timeout=30_000)
        took.append(time.monotonic() - began)
        expect(other.page.locator("[data-live]")).to_have_text(f"“Lamps” is in {name} now.")
        if took[-1] < 1 and len(took) >= len(steps):
            break
    assert min(took) < 1, took


def test_what_others_do_waits_while_i_drag(
    ada: "User", board: Board, deals: "dict[str, Deal]", aside: Callable[..., Any]
) -> None:
    from apps.crm.models import StageTransition
    from apps.crm.services.deals import move_deal
    from tests.crm.factories import stage

    is_live(board.page)
    board.drag("Lamps", board.column("Negotiation"), drop=False)
    there = aside(lambda: stage("Proposal").pk)
    seen = "() => window.artel.live.seqOf(`board:${document.getElementById('board').dataset.board}`)"
    before = board.page.evaluate(seen)
    aside(move_deal, deals["Desks"].pk, stage_id=there, actor=ada, face=StageTransition.Face.API)
    board.page.wait_for_function(f"before => ({seen})() > before", arg=before)
    assert "Desks" in board.titles("Prospecting")
    board.page.keyboard.press("Escape")
    board.page.mouse.up()
    expect(board.column("Proposal").locator(".board-card")).to_have_text(re.compile("Desks"))


def test_others_cards_never_come(
    ada: "User", board: Board, deals: "dict[str, Deal]", second: Callable[["User"], Board]
) -> None:
    from tests.crm.factories import make_deal, make_salesperson

    boris = make_salesperson("Boris Sell")
    make_deal("Own", owner=boris)
    other = second(boris)
    expect(other.page.locator(".board-card")).to_have_count(1)
    is_live(other.page)
    with other.page.expect_response(re.compile("/cards/")) as asked:
        board.focus("Lamps")
        board.page.keyboard.press("m")
        board.page.keyboard.press("2")
    assert "Lamps" not in asked.value.text()
    expect(other.page.locator(".board-card")).to_have_count(1)
    assert "Lamps" not in other.page.content()


def test_who_loses_the_right_is_told(
    board: Board, second: Callable[["User"], Board], aside: Callable[..., Any]
) -> None:
    from apps.accounts.models import RoleGrant
    from apps.events.wakeup import poke_stream
    from tests.crm.factories import make_deal, make_salesperson

    boris = make_salesperson("Boris Sell")
    make_deal("Own", owner=boris)
    other = second(boris)
    is_live(other.page)

    def take_away() -> None:
        RoleGrant.objects.filter(role__memberships__user=boris, permission="crm.view_deal").delete()
        poke_stream(f"access:{boris.pk}")

    aside(take_away)
    expect(other.page.locator("[data-toast]")).to_contain_text("You may not see this board any more.")
    expect(other.page.locator(".board-card")).to_have_count(0)


def test_on_a_phone_a_tap_offers_the_stages(
    ada: "User", deals: "dict[str, Deal]", browser: Browser, artel_server: "Server", client: "Client"
) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, locale="en-US"
    )
    client.force_login(ada)
    session = client.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": session, "url": artel_server.url}])
    page = context.new_page()
    page.goto(f"{artel_server.url}{BOARD}")
    board = Board(page)
    board.card("Lamps").get_by_role("button").tap()
    page.get_by_role("menuitem", name="Engaging").tap()
    expect(board.column("Engaging").locator(".board-card")).to_have_count(2)
    # Columns snap, one to the screen, and nothing makes the page itself scroll sideways.
    assert (
        page.evaluate("getComputedStyle(document.querySelector('[data-columns]')).scrollSnapType")
        == "x mandatory"
    )
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    context.close()


def test_a_finger_that_rests_drags(board: Board, deals: Any) -> None:
    page = board.page
    start, end = board.card("Lamps").bounding_box(), board.column("Engaging").bounding_box()
    assert start is not None
    assert end is not None
    finger = {"pointerType": "touch", "isPrimary": True, "pointerId": 5, "bubbles": True, "button": 0}

    def touch(kind: str, x: float, y: float) -> None:
        page.evaluate(
            "([kind, more]) => document.elementFromPoint(more.clientX, more.clientY)"
            ".dispatchEvent(new PointerEvent(kind, more))",
            [kind, finger | {"clientX": x, "clientY": y}],
        )

    # Pointers made by a script cannot be captured.
    page.evaluate("document.getElementById('board').setPointerCapture = undefined")
    touch("pointerdown", start["x"] + 40, start["y"] + 20)
    touch("pointermove", start["x"] + 40, start["y"] + 60)
    expect(page.locator(".board-ghost")).to_have_count(0)
    touch("pointerdown", start["x"] + 40, start["y"] + 20)
    expect(page.locator(".board-ghost")).to_be_visible()
    touch("pointermove", end["x"] + 90, end["y"] + 200)
    touch("pointerup", end["x"] + 90, end["y"] + 200)
    expect(board.column("Engaging").locator(".board-card")).to_have_count(2)


def test_views_are_saved_renamed_and_deleted(board: Board) -> None:
    page = board.page
    page.get_by_role("button", name="Filter").click()
    dialog = page.get_by_role("dialog", name="Filter")
    dialog.get_by_label("Owner").select_option(label="Ada Admin")
    dialog.get_by_label("Amount from").fill("500")
    dialog.get_by_role("button", name="Show deals").click()
    expect(page.locator(".board-chip")).to_have_count(2)
    assert "team__id__exact" not in page.url

    page.get_by_role("button", name="Save view").click()
    form = page.get_by_role("dialog", name="View")
    form.get_by_label("Name").fill("Big ones")
    form.get_by_role("button", name="Save view").click()
    tab = page.get_by_role("link", name="Big ones")
    expect(tab).to_have_attribute("aria-current", "page")
    page.get_by_role("link", name="All deals").click()
    expect(tab).not_to_have_attribute("aria-current", "page")
    tab.click()
    page.get_by_role("button", name="Change the view “Big ones”").click()
    form.get_by_label("Name").fill("Large ones")
    form.get_by_label("Opens first").check()
    form.get_by_role("button", name="Save view").click()
    expect(page.get_by_role("link", name="Large ones")).to_be_visible()
    page.get_by_role("link", name="All deals").click()
    page.goto(page.url.partition("?")[0])
    expect(page.locator(".board-chip")).to_have_count(2)
    page.get_by_role("button", name="Change the view “Large ones”").click()
    form.get_by_role("button", name="Delete view").click()
    expect(page.get_by_role("link", name="Large ones")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_board_has_no_serious_finding(theme: Any, ada: "User", deals: Any, enter: Enter) -> None:
    page = enter(ada, "/admin/")
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    page.goto(page.url + "crm/deal/board/")
    board = Board(page)
    assert findings(page) == []
    board.focus("Lamps")
    page.keyboard.press("m")
    assert findings(page) == []
    page.keyboard.press("x")
    expect(page.get_by_role("dialog", name="Lose deal")).to_be_visible()
    assert findings(page) == []
