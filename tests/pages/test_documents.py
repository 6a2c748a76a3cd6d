"""Documents in a real browser: the list, folders and a document's page, by mouse and by keyboard, on a phone too."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

from tests.pages.test_accessibility import findings

if TYPE_CHECKING:
    from apps.accounts.models import User
    from apps.documents.models import Document, Folder

pytestmark = pytest.mark.browser


@pytest.fixture
def folder(ada: "User") -> "Folder":
    from tests.documents.factories import make_folder

    return make_folder("Contracts")


@pytest.fixture
def document(ada: "User") -> "Document":
    from apps.documents.services import documents, keeping
    from apps.documents.services.documents import Target
    from tests.crm.factories import make_deal
    from tests.documents.factories import make_content, make_document

    made = make_document(
        ada, "Lease of the office with a very long title that has to be broken on a phone", b"one"
    )
    documents.add_version(made.pk, make_content(b"two", "second.txt", comment="With the annex"), actor=ada)
    deal = make_deal("Forty desks", owner=ada)
    documents.link_document(made.pk, Target("crm.deal", deal.pk), actor=ada)
    keeping.hold_document(made.pk, reason="A lawsuit", actor=ada)
    return made


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_are_for_everybody(
    theme: Any, ada: "User", folder: "Folder", document: "Document", enter: Callable[..., Page]
) -> None:
    page = enter(ada, "/admin/")
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    errors: list[str] = []
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    root = page.url.partition("/admin/")[0]
    found = {}
    for path in (
        "/admin/documents/document/",
        "/admin/documents/document/?_filters=1",
        f"/admin/documents/document/{document.pk}/change/?on=2026-01-01",
        f"/admin/documents/document/{document.pk}/link/",
        "/admin/documents/document/add/",
        "/admin/documents/folder/browse/top/",
        f"/admin/documents/folder/browse/{folder.pk}/",
        f"/admin/documents/folder/{folder.pk}/change/",
        "/admin/documents/documenttype/",
    ):
        for width in (390, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(root + path)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (path, width)
        found[path] = findings(page)
    assert {path: each for path, each in found.items() if each} == {}
    assert errors == []


def test_a_document_is_dragged_into_a_folder(
    ada: "User", folder: "Folder", document: "Document", enter: Callable[..., Page]
) -> None:
    page = enter(ada, "/admin/documents/folder/browse/top/")
    row = page.locator(f"[data-item='document:{document.pk}']")
    row.drag_to(page.locator(f"[data-item='folder:{folder.pk}']"))
    expect(page.get_by_text("1 thing was moved.")).to_be_visible()
    expect(row).to_have_count(0)
    document.refresh_from_db()
    assert document.folder_id == folder.pk
    # And out of it again, onto the path.
    page.get_by_role("link", name="Contracts", exact=True).click()
    page.locator(f"[data-item='document:{document.pk}']").drag_to(page.locator("[data-drop='top']"))
    expect(page.get_by_text("1 thing was moved.")).to_be_visible()
    document.refresh_from_db()
    assert document.folder_id is None


def test_all_of_it_by_keyboard(
    ada: "User", folder: "Folder", document: "Document", enter: Callable[..., Page]
) -> None:
    page = enter(ada, "/admin/")
    page.keyboard.press("g")
    page.keyboard.press("f")
    page.wait_for_url("**/admin/documents/document/")
    page.goto(page.url.replace("document/", "folder/browse/top/"))
    # The folder, then the document under it; "m" leads to where it goes.
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("m")
    expect(page.locator("#browse-target")).to_be_focused()
    page.keyboard.type("Contracts")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 thing was moved.")).to_be_visible()
    document.refresh_from_db()
    assert document.folder_id == folder.pk
    page.keyboard.press("j")
    page.keyboard.press("e")
    page.wait_for_url(f"**/folder/browse/{folder.pk}/")


def test_buttons_of_a_document(ada: "User", document: "Document", enter: Callable[..., Page]) -> None:
    page = enter(ada, f"/admin/documents/document/{document.pk}/change/")
    page.get_by_text("Check out", exact=True).first.click()
    page.get_by_label("For how long").select_option("4")
    page.get_by_role("button", name="Check out").click()
    expect(page.get_by_text("You work on this document")).to_be_visible()
    page.get_by_role("button", name="Check in").click()
    expect(page.get_by_text("Everybody can work on it again.")).to_be_visible()
