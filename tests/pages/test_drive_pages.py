"""The pages about Google Drive: nothing serious for axe-core, nothing out of sight on a phone, all of it by keyboard."""

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

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Enter = Callable[..., Page]
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


@pytest.fixture
def world(ada: "User", fake: "FakeDrive", drive_settings: Any) -> "World":
    """A folder in step, with a document whose name is long and without a place to break."""
    from tests.documents.drive_sync.world import World

    world = World(fake, ada, name="Documents-of-the-whole-company-and-of-all-its-customers")
    world.write(b"one", title="Agreement_on_the_delivery_of_forty_oak_desks_and_chairs")
    world.settle()
    return world


@pytest.fixture
def conflict(world: "World") -> "DriveConflict":
    """Both sides have edited a document."""
    document = world.write(b"base", title="Contract", file_name="contract.txt")
    world.settle()
    world.edit(document, b"ours")
    world.fake.person.edit(world.item(document).id, b"theirs")
    world.settle()
    [conflict] = world.conflicts()
    return conflict


def addresses(world: "World", conflict: "DriveConflict") -> list[str]:
    from apps.documents.models import DriveBinding

    base = "/admin/documents"
    binding = DriveBinding.objects.order_by("pk")[0]
    return [
        f"{base}/driveaccount/",
        f"{base}/driveroot/",
        f"{base}/driveroot/add/",
        f"{base}/driveroot/{world.root_id}/change/",
        f"{base}/drivebinding/",
        f"{base}/drivebinding/{binding.pk}/change/",
        f"{base}/driveconflict/",
        f"{base}/driveconflict/{conflict.pk}/change/",
        f"{base}/watchchannel/",
        f"{base}/document/{binding.document_id}/change/",
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_have_no_serious_finding_and_fit_a_phone(
    theme: Any,
    ada: "User",
    world: "World",
    conflict: "DriveConflict",
    enter: Enter,
    too_wide: Callable[[Page], list[str]],
) -> None:
    page = enter(ada, "/admin/")
    site = page.url.partition("/admin/")[0]
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    wrong: dict[str, Any] = {}
    for address in addresses(world, conflict):
        page.set_viewport_size(DESK)  # type: ignore[arg-type]
        page.goto(site + address)
        wrong[address] = findings(page)
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        wrong[address] += too_wide(page)
    assert {address: each for address, each in wrong.items() if each} == {}


def test_a_folder_is_paused_and_resumed_by_keyboard(ada: "User", world: "World", enter: Enter) -> None:
    page = enter(ada, f"/admin/documents/driveroot/{world.root_id}/change/")
    _tab_to(page, "Pause")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing travels either way until somebody resumes it.")).to_be_visible()
    _tab_to(page, "Pause folder")
    page.keyboard.press("Enter")
    expect(page.get_by_text("It is paused.")).to_be_visible()
    assert world.root.state == "PAUSED"
    _tab_to(page, "Resume")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Both sides are brought in step again.")).to_be_visible()
    _tab_to(page, "Resume folder")
    page.keyboard.press("Enter")
    expect(page.get_by_text("It goes on as soon as a probe works.")).to_be_visible()
    world.settle()
    page.reload()
    assert world.root.state == "ACTIVE"
    expect(page.locator(".drive-health")).to_contain_text("In step")


def test_a_conflict_is_resolved_by_one_click(
    ada: "User", world: "World", conflict: "DriveConflict", enter: Enter
) -> None:
    page = enter(ada, f"/admin/documents/driveconflict/{conflict.pk}/change/")
    sides = page.locator(".drive-side")
    expect(sides).to_have_count(2)
    sides.last.get_by_role("button").click()
    expect(page.locator(".drive-side").get_by_role("button")).to_have_count(0)
    conflict.refresh_from_db()
    assert conflict.state == "RESOLVED"
    world.settle()
    assert [each.state for each in world.conflicts()] == ["RESOLVED"]


def _tab_to(page: Page, name: str) -> None:
    """Press Tab until the thing of this name has the focus."""
    for _press in range(120):
        page.keyboard.press("Tab")
        focused = page.evaluate("(document.activeElement.innerText || '').trim()")
        if focused.endswith(name):
            return
    raise AssertionError(f"{name!r} is not to be reached by Tab")
