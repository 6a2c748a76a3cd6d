"""In Chromium: what strangers uploaded runs nothing in our origin, and a PDF is there to be read."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.documents.models import Document
from apps.documents.services import sharing
from apps.documents.services.renditions import make_renditions, request_renditions
from apps.documents.services.sharing import Terms
from tests.documents.serving import files

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.support.processes import Server

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Maker = Callable[..., Document]


@pytest.fixture
def come_in(page: "Page", artel_server: "Server", admin: User) -> "Page":
    """A browser in which the administrator is logged in."""
    client = Client()
    client.force_login(admin)
    session = client.cookies["sessionid"].value
    cookie: Any = {"name": "sessionid", "value": session, "url": artel_server.url, "httpOnly": False}
    page.context.add_cookies([cookie])
    return page


def prepared(document: Document) -> int:
    """Do what a worker does with a new content; return the version's id."""
    assert document.current_version is not None
    request_renditions(document.current_version.blob)
    make_renditions(document.current_version.blob_id)
    return document.current_version.pk


def test_nothing_that_was_uploaded_runs_in_our_origin(
    come_in: "Page", artel_server: "Server", paper: Maker, aside: Callable[..., Any]
) -> None:
    page, dialogs = come_in, []
    called: list[str] = []

    def dismiss(dialog: Any) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("request", lambda request: called.extend([request.url] if "/beacon" in request.url else []))
    page.on("dialog", dismiss)
    # The proof of the proof: in our origin, such a page would have told of itself.
    page.goto(f"{artel_server.url}/accounts/login/")
    page.evaluate(files.SCRIPT)
    page.wait_for_timeout(50)
    assert len(called) == 1
    assert "sessionid" in called.pop()
    outcomes = {}
    for name, content_type, content in files.CORPUS:
        document = aside(paper, content, content_type, name)
        aside(prepared, document)
        version = document.current_version_id
        for place in ("content", "preview"):
            outcomes[name, place] = opened(page, f"{artel_server.url}/documents/versions/{version}/{place}/")
    assert called == []
    assert dialogs == []
    # Some of it was shown, and the rest was for keeping: the test has looked at both.
    assert outcomes["lies.txt", "content"] == "shown"
    assert outcomes["logo.svg", "content"] == outcomes["page.html", "content"] == "kept"
    assert outcomes["active.pdf", "content"] == "kept"


def opened(page: "Page", address: str) -> str:
    """Open an address as somebody who was sent it; tell what the browser did with it."""
    from playwright.sync_api import Error

    try:
        response = page.goto(address)
    except Error as error:
        if "Download is starting" in str(error) or "ERR_ABORTED" in str(error):
            return "kept"
        raise
    assert response is not None
    # Whatever is going to run has run by then.
    page.wait_for_timeout(100)
    # A PDF is read by the browser's own viewer, whose page is not what was sent.
    if response.status == 200 and response.header_value("Content-Type") != "application/pdf":
        assert page.evaluate("self.origin") == "null", address
    return "shown" if response.status == 200 else str(response.status)


def test_a_pdf_is_there_to_be_read(
    come_in: "Page", artel_server: "Server", paper: Maker, aside: Callable[..., Any]
) -> None:
    document = aside(paper, files.pdf("Read me"), "application/pdf", "read.pdf")
    version = aside(prepared, document)
    page = come_in
    # Chromium shows a PDF by an extension of its own, in a frame; that a policy forbids it, it only says on the console.
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    viewer: Any = lambda frame: frame.url.startswith("chrome-extension://")  # noqa: E731
    with page.expect_event("framenavigated", viewer):
        page.goto(f"{artel_server.url}/documents/versions/{version}/preview/")
    assert [text for text in said if "Content Security Policy" in text] == []


def test_the_page_behind_a_link_on_a_phone(
    browser: Any, artel_server: "Server", paper: Maker, admin: User, aside: Callable[..., Any]
) -> None:
    document = aside(paper, files.pdf("One", "Two"), "application/pdf", "offer.pdf", title="Our offer")
    aside(prepared, document)
    terms = Terms(expires_at=timezone.now() + timedelta(days=1), max_downloads=2)
    _link, token = aside(sharing.share_document, document.pk, terms, actor=admin)
    context = browser.new_context(locale="ru-RU", viewport={"width": 390, "height": 844})
    page = context.new_page()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text) if message.type == "error" else None)
    page.goto(f"{artel_server.url}/s/{token}/")
    assert page.locator("h1").inner_text() == "Our offer"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.wait_for_function("document.querySelector('.share-pages img').naturalWidth > 0")
    with page.expect_download() as download:
        page.locator("button.primary").click()
    assert download.value.suggested_filename == "offer.pdf"
    assert refused == []
    context.close()
