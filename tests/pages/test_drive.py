"""Pages of Google Drive in a real browser: for everybody, in both themes, on a phone, and by keyboard."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

from tests.documents.drive_sync.conftest import drive_settings, fake
from tests.pages.test_accessibility import findings

if TYPE_CHECKING:
    from apps.accounts.models import User
    from apps.documents.models import DriveConflict
    from tests.documents.drive_sync.world import World
    from tests.fakes.drive import FakeDrive

__all__ = ["drive_settings", "fake"]
pytestmark = pytest.mark.browser


@pytest.fixture
def world(ada: "User", fake: "FakeDrive", drive_settings: Any) -> "World":
    from apps.documents.services.drive import channels
    from tests.documents.drive_sync.world import World

    world = World(fake, ada)
    drive_settings.GOOGLE_DRIVE_WEBHOOK_BASE = "https://artel.example"
    assert channels.renew_channels() == 1
    return world


@pytest.fixture
def conflict(world: "World") -> "DriveConflict":
    """A document that was edited on both sides, and another one that is in step."""
    world.write(b"in step", title="Rules of the house")
    document = world.write(
        b"one", title="Lease of the office with a very long title that a phone has to break"
    )
    world.settle()
    world.edit(document, b"ours")
    world.fake.person.edit(world.item(document).id, b"theirs")
    world.settle()
    [conflict] = world.conflicts()
    return conflict


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_are_for_everybody(
    theme: Any,
    ada: "User",
    world: "World",
    conflict: "DriveConflict",
    enter: Callable[..., Page],
    too_wide: Callable[[Page], list[str]],
) -> None:
    from apps.documents.models import DriveBinding, WatchChannel

    page = enter(ada, "/admin/")
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    errors: list[str] = []
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    root = page.url.partition("/admin/")[0]
    binding = DriveBinding.objects.get(document=conflict.document_id)
    found = {}
    for name in (
        "driveroot/",
        "driveroot/add/",
        f"driveroot/{world.root_id}/change/",
        "driveaccount/",
        f"driveaccount/{world.account.pk}/change/",
        "drivebinding/",
        f"drivebinding/{binding.pk}/change/",
        "driveconflict/",
        f"driveconflict/{conflict.pk}/change/",
        "watchchannel/",
        f"watchchannel/{WatchChannel.objects.get().pk}/change/",
        f"document/{conflict.document_id}/change/",
    ):
        for width in (390, 1024, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            answer = page.goto(f"{root}/admin/documents/{name}")
            assert answer is not None
            assert answer.status == 200, name
            assert too_wide(page) == [], (name, width)
        found[name] = findings(page)
    assert {name: each for name, each in found.items() if each} == {}
    assert errors == []


def press(page: Page, name: str) -> None:
    """Come to a link or a button by the tabulator alone, and press it."""
    for _step in range(150):
        page.keyboard.press("Tab")
        if page.evaluate("(document.activeElement.innerText || '').trim()") == name:
            page.keyboard.press("Enter")
            return
    raise AssertionError(f"the tabulator does not come to {name}")


def test_a_conflict_is_resolved_by_keyboard(
    ada: "User", world: "World", conflict: "DriveConflict", enter: Callable[..., Page]
) -> None:
    page = enter(ada, f"/admin/documents/driveconflict/{conflict.pk}/change/")
    expect(page.get_by_text("The platform's", exact=True)).to_be_visible()
    expect(page.get_by_text("From Google Drive", exact=True)).to_be_visible()
    press(page, "Keep the platform's")
    expect(page.get_by_text("It stands on both sides.")).to_be_visible()
    world.settle()
    assert world.content(conflict.document) == b"ours"
    world.assert_in_step(conflict.document)
