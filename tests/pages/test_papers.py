"""Papers in a real browser: seen while they are filled in, made by a worker, and found; on a phone too."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

from tests.pages.test_accessibility import findings

if TYPE_CHECKING:
    from apps.accounts.models import User
    from apps.crm.models import Deal

pytestmark = pytest.mark.browser


@pytest.fixture
def deal(ada: "User") -> "Deal":
    from tests.documents.papers.factories import make_entity, make_sale

    make_entity()
    return make_sale(ada)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_are_for_everybody(theme: Any, ada: "User", deal: "Deal", enter: Callable[..., Page]) -> None:
    from apps.documents.models import LegalEntity
    from tests.documents.papers.factories import make_word_template, shipped
    from tests.documents.papers.files import docx

    template, version = make_word_template(
        ada,
        docx("{{ deal.title }} {{ due }}"),
        variables=[{"name": "due", "type": "date"}],
        is_published=False,
    )
    act = shipped("act")
    page = enter(ada, "/admin/")
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    errors: list[str] = []
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    root = page.url.partition("/admin/")[0]
    found = {}
    for path in (
        f"/admin/documents/template/generate/?target=crm.deal:{deal.pk}",
        "/admin/documents/template/generate/",
        "/admin/documents/template/",
        "/admin/documents/template/add/",
        f"/admin/documents/template/{template.pk}/change/",
        f"/admin/documents/template/{act.pk}/change/",
        f"/admin/documents/template/{template.pk}/versions/{version.pk}/",
        f"/admin/documents/template/{act.pk}/versions/{act.current_version_id}/",
        f"/admin/documents/legalentity/{LegalEntity.objects.get().pk}/change/",
        "/admin/documents/generation/",
    ):
        for width in (390, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(root + path)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (path, width)
        found[path] = findings(page)
    assert {path: each for path, each in found.items() if each} == {}
    assert errors == []


def test_a_contract_is_seen_made_and_found(
    ada: "User", deal: "Deal", worker: None, enter: Callable[..., Page]
) -> None:
    from apps.documents.models import Document

    page = enter(ada, f"/admin/crm/deal/{deal.pk}/change/")
    page.get_by_role("link", name="Generate document").click()
    sheet = page.locator("[data-paper-sheets] img").first
    expect(sheet).to_be_visible(timeout=30_000)
    first = sheet.get_attribute("src")
    assert first is not None
    page.get_by_label("Place").fill("Kazan")
    expect(sheet).not_to_have_attribute("src", first, timeout=30_000)
    assert not Document.objects.exists(), "looking leaves nothing"
    # Another template, by keyboard; what is asked changes with it.
    page.get_by_label("Template").select_option(label="Quotation · English")
    expect(page.get_by_label("Valid until")).to_be_visible()
    page.get_by_label("Template").select_option(label="Contract · English")
    page.get_by_label("Place").fill("Kazan")
    page.get_by_role("button", name="Make the contract").click()
    page.wait_for_url("**/admin/documents/generation/*/change/")
    # Without a reload of ours: the page follows its job.
    expect(page.get_by_role("link", name="Open the document")).to_be_visible(timeout=60_000)
    document = Document.objects.get()
    expect(page.get_by_text(str(document.number)).first).to_be_visible()
    page.get_by_role("link", name="Open the document").click()
    page.wait_for_url(f"**/admin/documents/document/{document.pk}/change/")
    expect(page.get_by_text(str(document.number)).first).to_be_visible()


def test_what_is_wrong_stands_at_its_field(ada: "User", deal: "Deal", enter: Callable[..., Page]) -> None:
    deal.lines.update(unit_price=None)
    page = enter(ada, f"/admin/documents/template/generate/?target=crm.deal:{deal.pk}")
    expect(page.get_by_text("has no price yet").first).to_be_visible(timeout=30_000)
    page.get_by_label("Place").fill("Kazan")
    page.get_by_role("button", name="Make the contract").click()
    expect(page.get_by_role("alert").filter(has_text="has no price yet").first).to_be_visible()
    expect(page.get_by_label("Place")).to_have_value("Kazan")
