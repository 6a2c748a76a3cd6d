"""Tasks and the inbox in a real browser: by keyboard alone, two people at once, accessible, and on a phone."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from playwright.sync_api import Browser, Page, expect

from tests.pages.test_accessibility import findings

if TYPE_CHECKING:
    from apps.accounts.models import User
    from apps.crm.models import Deal
    from tests.support.processes import Server

pytestmark = pytest.mark.browser
Enter = Callable[..., Page]
SOON_MS = 30_000


@pytest.fixture
def desks(ada: "User") -> "Deal":
    from tests.crm import factories

    return factories.make_deal("Forty desks", owner=ada)


def test_a_task_from_a_deal_is_made_and_done_by_keyboard(
    ada: "User", desks: "Deal", enter: Enter, aside: Callable[..., Any]
) -> None:
    from apps.notifications.models import Task

    page = enter(ada, f"/admin/crm/deal/{desks.pk}/change/")
    page.locator("body").press("n")
    dialog = page.locator("dialog#quick")
    expect(dialog).to_be_visible()
    dialog.get_by_role("radio", name="Task").check()
    dialog.get_by_label("What to do").fill("Send the offer")
    dialog.get_by_label("What to do").press("Enter")
    card = page.locator("section", has=page.get_by_role("heading", name="Tasks"))
    expect(card.get_by_role("link", name="Send the offer")).to_be_visible(timeout=SOON_MS)
    task = aside(lambda: Task.objects.select_related("target_type").get())
    assert (task.target_type.model, task.target_id) == ("deal", desks.pk)

    page.locator("body").press("g")
    page.locator("body").press("t")
    expect(page.get_by_role("heading", name="Today", exact=True)).to_be_visible(timeout=SOON_MS)
    row = page.locator(".task-row", has_text="Send the offer")
    expect(row).to_be_visible()
    page.locator("body").press("j")
    expect(row).to_be_focused()
    page.keyboard.press("x")
    expect(page.locator(".task-row")).to_have_count(0, timeout=SOON_MS)
    assert aside(lambda: Task.objects.get().state) == "DONE"


def test_a_mention_comes_as_a_toast_and_counts(
    ada: "User",
    desks: "Deal",
    enter: Enter,
    browser: Browser,
    artel_server: "Server",
    aside: Callable[..., Any],
) -> None:
    from tests.crm import factories
    from tests.notifications.test_inbox import hear

    lena = factories.make_user("Lena Lead", is_superuser=True)
    profile = browser.new_context(locale="en-US", timezone_id="UTC")
    hers = Client()
    hers.force_login(lena)
    profile.add_cookies(
        [{"name": "sessionid", "value": hers.cookies["sessionid"].value, "url": artel_server.url}]
    )
    theirs = profile.new_page()
    theirs.goto(f"{artel_server.url}/admin/notifications/task/day/")
    theirs.wait_for_function("window.artel.live.isOpen()")
    expect(theirs.locator("[data-inbox-count]")).to_be_hidden()

    mine = enter(ada, f"/admin/crm/deal/{desks.pk}/change/")
    mine.locator("#tl-body").fill("Look at this, @Lena Lead")
    mine.locator("#tl-body").press("Control+Enter")
    expect(mine.locator("[data-tl-list] .tl-body")).to_have_count(1)
    aside(hear)
    toast = theirs.locator(".inbox-toast")
    expect(toast).to_contain_text("named you in a note on", timeout=SOON_MS)
    expect(theirs.locator("[data-inbox-count]")).to_have_text("1")
    expect(theirs.locator("[data-inbox-stream]")).to_contain_text("Forty desks")
    toast.get_by_role("link").click()
    expect(theirs).to_have_url(f"{artel_server.url}/admin/crm/deal/{desks.pk}/change/")
    expect(theirs.locator("[data-inbox-count]")).to_be_hidden()

    theirs.goto(f"{artel_server.url}/admin/inbox/")
    theirs.locator("body").press("j")
    theirs.keyboard.press("u")
    expect(theirs.locator("[data-inbox-count]")).to_have_text("1", timeout=SOON_MS)
    theirs.locator("body").press("j")
    theirs.keyboard.press("e")
    expect(theirs.get_by_role("heading", name="Nothing waits for you")).to_be_visible(timeout=SOON_MS)
    profile.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_are_accessible_and_fit_a_phone(
    ada: "User", desks: "Deal", enter: Enter, too_wide: Callable[[Page], list[str]], theme: Any
) -> None:
    from apps.notifications.services.inbox import Cause, tell
    from apps.notifications.telling.kinds import kind_of
    from tests.notifications.todos import in_days, make_task

    task = make_task(ada, "Send the offer", about=("crm.deal", desks.pk), due_at=in_days(0.01), priority=4)
    make_task(ada, "Some day", checklist=[{"text": "First"}])
    kind = kind_of("task.due")
    assert kind is not None
    tell(kind, [(ada.pk, "assignee")], Cause("test:1", target=task))
    page = enter(ada, "/admin/notifications/task/day/")
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": 390, "height": 800})
    for path in (
        "notifications/task/day/",
        "notifications/task/",
        f"notifications/task/{task.pk}/change/",
        "notifications/task/calendar/",
        "notifications/task/add/",
        "inbox/",
        f"crm/deal/{desks.pk}/change/",
    ):
        page.goto(page.url.partition("/admin/")[0] + f"/admin/{path}")
        assert findings(page) == [], path
        assert too_wide(page) == [], path
