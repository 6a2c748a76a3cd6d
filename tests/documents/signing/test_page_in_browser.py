"""The page of people outside on a phone: by keyboard alone, in both themes and languages, nothing serious for axe."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

from tests.pages.test_accessibility import findings

if TYPE_CHECKING:
    from apps.accounts.models import User
    from apps.documents.models import Document
    from tests.support.processes import Server

pytestmark = pytest.mark.browser
PHONE: Any = {"width": 390, "height": 844}


@pytest.fixture
def admin(transactional_db: None) -> "User":
    from tests.crm import factories

    return factories.make_admin()


@pytest.fixture
def paper(admin: "User") -> "Document":
    from tests.documents.factories import kind, make_document

    document = make_document(admin, "Supply of pumps", b"%PDF-1.7 the contract", type=kind("contract"))
    blob = document.current_version.blob  # type: ignore[union-attr]
    blob.content_type = "application/pdf"
    blob.save()
    return document


def typed(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def tab_to(page: Page, what: str) -> None:
    """Walk with the Tab key until something is reached that is called so."""
    for _step in range(25):
        page.keyboard.press("Tab")
        name = page.evaluate(
            "(() => { const e = document.activeElement; const l = e.labels && e.labels[0];"
            " return (l ? l.textContent : e.textContent || '').trim(); })()"
        )
        if name.startswith(what):
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", what
            return
    raise AssertionError(f"{what} is not reached by the keyboard")


def test_one_reads_and_accepts_without_a_mouse(
    admin: "User", paper: "Document", page: Page, artel_server: "Server", aside: Callable[..., Any]
) -> None:
    from tests.documents.signing.helpers import ANNA, code_for, send_out, token_for

    aside(send_out, paper, admin)
    token = aside(token_for, ANNA.email)
    page.set_viewport_size(PHONE)
    page.goto(f"{artel_server.url}/sign/{token}/")
    expect(page.get_by_role("heading", name="Supply of pumps")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    tab_to(page, "Open the document")
    tab_to(page, "I have read this document")
    page.keyboard.press("Space")
    tab_to(page, "Send me the code")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Code from the letter")).to_be_visible()
    tab_to(page, "Code from the letter")
    page.keyboard.type("WRONG")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("not the code from the latest letter")
    tab_to(page, "Code from the letter")
    page.keyboard.press("Control+A")
    page.keyboard.type(aside(code_for, ANNA.email))
    page.keyboard.press("Enter")
    expect(page.get_by_text("You accepted this document on")).to_be_visible()
    page.get_by_role("link", name="Download", exact=True).focus()
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "notes.txt"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "ru"])
def test_pages_have_no_serious_finding(
    theme: Any,
    language: str,
    admin: "User",
    paper: "Document",
    page: Page,
    artel_server: "Server",
    aside: Callable[..., Any],
) -> None:
    from apps.documents.models import SignatureRecipient
    from apps.documents.services import accepting
    from apps.documents.services.signing import Party
    from tests.documents.signing.helpers import send_out, token_for

    anna = Party("Анна", "anna@client.example", locale=language)
    aside(send_out, paper, admin, anna, message="Please read 4.2.")
    url = f"{artel_server.url}/sign/{aside(token_for, anna.email)}/"
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    found: dict[str, Any] = {}

    def look(name: str, at: str = url) -> None:
        for width in (390, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(at)
            assert page.locator("html").get_attribute("lang") == (language if at == url else "en")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            found[f"{name} {width}"] = findings(page)

    look("read")
    aside(accepting.send_code, url.split("/")[-2], has_read=True)
    look("answer")
    page.locator("summary").first.click()
    found["decline"] = findings(page)
    aside(SignatureRecipient.objects.update, wrong_codes=10)
    look("locked")
    look("nowhere", f"{artel_server.url}/sign/nothing/")
    assert {name: each for name, each in found.items() if each} == {}


def test_one_declines_with_a_reason(
    admin: "User", paper: "Document", page: Page, artel_server: "Server", aside: Callable[..., Any]
) -> None:
    from tests.documents.signing.helpers import ANNA, send_out, token_for, with_code

    aside(send_out, paper, admin)
    token = aside(token_for, ANNA.email)
    code = aside(with_code, token, ANNA.email)
    page.set_viewport_size(PHONE)
    page.goto(f"{artel_server.url}/sign/{token}/")
    page.get_by_label("Code from the letter").fill(code)
    page.get_by_text("Decline…").click()
    page.get_by_label("Why you decline").fill("Too dear")
    page.get_by_role("button", name="Decline the document").click()
    expect(page.get_by_text("You declined this document on")).to_be_visible()
    page.reload()
    expect(page.get_by_text("The sender knows, and why.")).to_be_visible()
