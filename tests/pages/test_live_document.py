"""A document that two people have before them: what one does appears at the other's, and is never typed over."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from apps.accounts.models import User
    from apps.documents.models import Document
    from tests.support.processes import Processes

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
PATIENCE_MS = 60_000


@pytest.fixture
def document(ada: "User") -> "Document":
    from tests.documents.factories import make_document

    return make_document(ada, "Lease of the office", b"one")


@pytest.fixture
def lena(ada: "User") -> "User":
    from tests.crm import factories

    return factories.make_user("Lena Lead", is_superuser=True)


@pytest.fixture
def opened(document: "Document", ada: "User", enter: Callable[..., Page]) -> Page:
    """The page of the document as Ada has it before her, marked so that a reload would show."""
    page = enter(ada, f"/admin/documents/document/{document.pk}/change/")
    page.wait_for_function("artel.live.isOpen()")
    page.evaluate("window.isTheSame = true")
    return page


def test_what_others_do_appears(
    document: "Document", lena: "User", opened: Page, aside: Callable[..., Any]
) -> None:
    from apps.documents.services import checkouts, documents, keeping
    from tests.documents.factories import make_content

    page = opened
    page.set_default_timeout(PATIENCE_MS)
    content = aside(make_content, b"two", "annex.txt", comment="With the annex")
    aside(documents.add_version, document.pk, content, actor=lena)
    expect(page.locator("#panel-versions")).to_contain_text("Version 2", timeout=PATIENCE_MS)
    expect(page.locator("#panel-preview")).to_contain_text("annex.txt")
    aside(documents.change_document, document.pk, actor=lena, title="Lease of the house")
    expect(page.locator(".doc-name")).to_have_text("Lease of the house", timeout=PATIENCE_MS)
    expect(page.locator("#id_title")).to_have_value("Lease of the house")
    expect(page).to_have_title(re.compile("^Lease of the house"))
    aside(checkouts.check_out_document, document.pk, actor=lena)
    expect(page.get_by_text("Lena Lead works on this document")).to_be_visible(timeout=PATIENCE_MS)
    aside(checkouts.check_in_document, document.pk, actor=lena)
    aside(keeping.void_document, document.pk, reason="Signed anew", actor=lena)
    expect(page.get_by_text("Signed anew").first).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator("#id_title")).to_have_count(0)
    # Fields that were put in anew go on finding their choices.
    page.locator(".field-tags .select2-selection, .form-row .select2-selection").first.click()
    expect(page.locator(".select2-container--open").first).to_be_visible()
    assert page.evaluate("window.isTheSame")


def test_what_is_typed_stays_and_is_saved_with_both_versions_in_sight(
    document: "Document", lena: "User", opened: Page, aside: Callable[..., Any]
) -> None:
    from apps.documents.services import documents, keeping

    page = opened
    page.locator("#id_title").fill("My lease")
    page.get_by_text("Put on legal hold", exact=True).first.click()
    page.get_by_label("Why is it held?").fill("A lawsuit")
    aside(documents.change_document, document.pk, actor=lena, title="Her lease", description="Rent")
    form = page.locator("#document_form")
    expect(form.get_by_text("This document has changed meanwhile")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator("[data-live=header]").get_by_text("It shows once you are done")).to_be_visible()
    expect(page.get_by_label("Why is it held?")).to_have_value("A lawsuit")
    expect(page.locator("#id_title")).to_have_value("My lease")
    expect(page.locator(".doc-name")).to_have_text("Lease of the office")
    # Done with the question, one sees what has come; the title that was typed is still there.
    page.get_by_label("Why is it held?").fill("")
    page.get_by_text("Put on legal hold", exact=True).first.click()
    expect(page.locator(".doc-name")).to_have_text("Her lease", timeout=PATIENCE_MS)
    expect(page.locator("#id_title")).to_have_value("My lease")
    page.locator("[name=_save]").click()
    expect(page.locator("#stale")).to_contain_text("Somebody else has changed this since you opened it")
    # Neither is what came back with a refusal written over.
    aside(keeping.hold_document, document.pk, reason="A lawsuit", actor=lena)
    expect(page.locator("[data-live=header]").get_by_text("A lawsuit")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator("#stale")).to_be_visible()
    expect(page.locator("#id_title")).to_have_value("My lease")


def test_a_preview_appears_once_a_worker_has_made_it(
    document: "Document", opened: Page, artel_processes: "Processes", aside: Callable[..., Any]
) -> None:
    from apps.documents.models import Rendition

    page = opened
    expect(page.get_by_text("The preview is being made.")).to_be_visible()
    assert aside(Rendition.objects.get).state == Rendition.State.PENDING
    artel_processes.worker(is_awaited=False)
    expect(page.locator("#panel-preview iframe")).to_be_visible(timeout=PATIENCE_MS)
    assert page.evaluate("window.isTheSame")


def test_a_page_that_was_away_says_so_and_catches_up(
    document: "Document", lena: "User", opened: Page, aside: Callable[..., Any]
) -> None:
    from apps.documents.services import documents

    page = opened
    page.context.set_offline(True)
    page.evaluate("window.dispatchEvent(new Event('offline'))")
    aside(documents.change_document, document.pk, actor=lena, title="While away")
    page.context.set_offline(False)
    expect(page.locator(".doc-name")).to_have_text("While away", timeout=PATIENCE_MS)


def test_who_looks_behind_somebodys_back_uses_up_no_message(
    document: "Document", ada: "User", client: Any
) -> None:
    client.force_login(ada)
    address = f"/admin/documents/document/{document.pk}"
    client.post(f"{address}/do/check_out/", {"hours": "4"})
    looked = client.get(f"{address}/change/", headers={"X-Artel-Live": "1"}).content.decode()
    assert "You work on this document" in looked
    assert "It is yours to work on" not in looked
    assert "It is yours to work on" in client.get(f"{address}/change/").content.decode()


def test_a_document_out_of_sight_is_not_shown_any_longer(
    document: "Document", ada: "User", opened: Page, aside: Callable[..., Any]
) -> None:
    from apps.documents.services import documents, keeping

    aside(documents.archive_document, document.pk, actor=ada)
    expect(opened.get_by_text("This document lies in the trash")).to_be_visible(timeout=PATIENCE_MS)
    expect(opened.locator("[name=_save]")).to_have_count(0)
    aside(keeping.delete_document, document.pk, actor=ada)
    expect(opened.get_by_text("You may not see this document any more.")).to_be_visible(timeout=PATIENCE_MS)
