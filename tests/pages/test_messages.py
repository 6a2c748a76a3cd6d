"""What people are told, and in which words, in a real browser: saved, tried as one types, and on a phone."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

from tests.pages.test_accessibility import findings

if TYPE_CHECKING:
    from apps.accounts.models import User

pytestmark = pytest.mark.browser
_FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
WANTED = "/admin/inbox/preferences/"
WORDS = "/admin/notifications/messagetemplate/add/"


def test_what_one_wants_is_saved(ada: "User", enter: Callable[..., Page]) -> None:
    page = enter(ada, "/admin/inbox/")
    page.get_by_role("link", name="What I am told, and when").click()
    choice = page.get_by_label("Whoever is given a task is told of it: e-mail")
    choice.select_option("DIGEST")
    page.get_by_label("Quiet from").fill("22:00")
    page.get_by_label("until", exact=True).fill("07:00")
    page.get_by_role("button", name="Save what I wish").click()
    expect(page.get_by_text("You are told as you wish from now on.")).to_be_visible()
    expect(choice).to_have_value("DIGEST")
    expect(page.get_by_label("Quiet from")).to_have_value("22:00")


def test_words_are_seen_as_they_are_typed(ada: "User", enter: Callable[..., Page]) -> None:
    page = enter(ada, WORDS)
    preview = page.locator("[data-message-preview]")
    expect(preview.locator("[data-preview-note]")).to_have_text(
        "Nothing of this kind has happened to you yet: this is made up."
    )
    page.get_by_label("Subject").fill("Ahoy, {{ name }}")
    expect(preview.locator("[data-preview-subject]")).to_have_text(f"Ahoy, {ada.name}")
    page.get_by_label("Subject").fill("Ahoy, {{ nobody }}")
    expect(preview.get_by_role("alert")).to_contain_text("There is no “nobody” here")
    page.get_by_label("Subject").fill("Ahoy")
    page.get_by_role("button", name="Save", exact=True).click()

    from apps.notifications.models import MessageTemplate

    expect(page).not_to_have_url(WORDS)
    assert MessageTemplate.objects.get().subject == "Ahoy"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_of_messages_are_accessible_and_fit(
    theme: Any, ada: "User", enter: Callable[..., Page]
) -> None:
    page = enter(ada, WANTED)
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    root = page.url.partition("/admin/")[0]
    for path in (WANTED, WORDS, "/admin/notifications/delivery/", "/admin/notifications/channeladdress/"):
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(root + path)
            # What had another width goes to its new one by and by.
            page.wait_for_function(_FITS, timeout=5_000)
        assert findings(page) == [], path
