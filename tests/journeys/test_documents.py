"""
A contract from its template to its signature, and back from Google Drive: made by real workers, watched in a browser.

Google Drive is the fake server, which pokes the platform as Google does; letters are those that the workers have sent.
"""

import email
import email.policy
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.accounts.letters import code_in
from tests.documents.drive_sync.conftest import drive_settings, fake
from tests.pages.importing import PATIENCE_MS

if TYPE_CHECKING:
    from apps.accounts.models import User
    from apps.crm.models import Deal
    from tests.documents.drive_sync.world import World
    from tests.fakes.drive import FakeDrive
    from tests.support.processes import Processes, Running, Server

__all__ = ["drive_settings", "fake"]
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
ANNA = "anna@client.example"
PHONE: Any = {"width": 390, "height": 844}
WAIT_S = PATIENCE_MS / 1000


@pytest.fixture
def world(ada: "User", fake: "FakeDrive", drive_settings: Any, artel_server: "Server") -> "World":
    """A shared drive whose changes are told to the web process at once."""
    from apps.documents.services.drive import channels
    from tests.documents.drive_sync.world import World

    world = World(fake, ada)
    drive_settings.GOOGLE_DRIVE_WEBHOOK_BASE = artel_server.url
    assert channels.renew_channels() == 1
    return world


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    return tmp_path / "mail"


@pytest.fixture
def worker(artel_processes: "Processes", world: "World", mail: Path) -> "Running":
    """A worker that knows this Drive, and a relay that lets it hear the facts."""
    mail.mkdir()
    worker = artel_processes.worker(
        is_awaited=False,
        DJANGO_SETTINGS_MODULE="tests.journeys.settings",
        JOURNEY_MAIL=str(mail),
        GOOGLE_DRIVE_API_ROOT=world.fake.api_root,
        GOOGLE_DRIVE_WRITES_PER_SECOND="0",
        GOOGLE_DRIVE_FIRST_WAIT_SECONDS="0.1",
    )
    artel_processes.relay()
    worker.await_line(" ready.", within=2 * WAIT_S)
    return worker


@pytest.fixture
def deal(ada: "User") -> "Deal":
    """A sale to a company, and the Word file that the sales people write their contracts from."""
    from tests.documents.papers.factories import make_entity, make_sale, make_word_template
    from tests.documents.papers.files import docx

    make_entity()
    paragraphs = [
        "Contract on {{ deal.title }}",
        "between {{ our.name }} and {{ company.name }}",
        "{{ terms }}",
    ]
    asked = [{"name": "terms", "label": "Terms", "type": "text", "is_required": True}]
    make_word_template(ada, docx(*paragraphs), variables=asked, code="house-contract", name="House contract")
    return make_sale(ada)


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    """The customer's own browser, on a phone."""
    context = browser.new_context(locale="en-US", timezone_id="UTC", viewport=PHONE)
    yield context.new_page()
    context.close()


def test_a_contract_is_made_accepted_and_edited_in_drive(
    deal: "Deal",
    world: "World",
    worker: "Running",
    mail: Path,
    ada: "User",
    enter: Callable[..., Page],
    phone: Page,
) -> None:
    from apps.documents.models import Document
    from tests.documents.corpus import pdf

    page = enter(ada, f"/admin/crm/deal/{deal.pk}/change/")
    page.set_default_timeout(PATIENCE_MS)
    generate(page)
    contract = Document.objects.get()

    # Seen as a PDF, and found in the deal's folder in Drive: both appear by themselves.
    expect(page.locator("#panel-preview").get_by_role("img", name="Page 1")).to_be_visible(
        timeout=PATIENCE_MS
    )
    assert contract.versions.get().blob.content_type == "application/pdf"
    in_step(page)
    page.evaluate("window.isTheSame = true")
    item = world.item(contract)
    folder = world.fake.person.file(str(item.parent))
    assert folder.name == f"{deal.number} {deal}"

    # A draft is edited there: the next version appears here, with its preview.
    theirs = pdf(after=b"% edited by the customer's lawyer\n")
    world.fake.person.edit(item.id, theirs)
    expect(page.locator("#panel-versions")).to_contain_text("Edited in Google Drive by", timeout=PATIENCE_MS)
    expect(page.locator("#panel-versions")).to_contain_text("Version 2")
    expect(page.locator("#panel-preview").get_by_role("link", name="2", exact=True)).to_be_visible()
    in_step(page)

    send_out(page)
    accept(phone, mail, worker)
    expect(page.locator(".crm-path [aria-current=step]")).to_have_text(
        "signed", timeout=PATIENCE_MS, ignore_case=True
    )
    expect(page.locator(".sig-one, #panel-approval, #panel-signing").first).to_contain_text("Anna Client")
    assert page.evaluate("window.isTheSame"), "the page was never loaded again"
    in_step(page)
    assert world.content(contract) == theirs

    # What is signed stays as it is: an edit there becomes a document beside it, and says so on the page.
    world.fake.person.edit(item.id, pdf(after=b"% one more zero\n"))
    conflict = page.locator("#panel-drive a", has_text="edited there though it is approved or signed")
    expect(conflict).to_be_visible(timeout=PATIENCE_MS)
    page.goto(page.url.replace(f"documents/document/{contract.pk}", f"crm/deal/{deal.pk}"))
    papers = page.locator("section[aria-labelledby=papers]")
    expect(papers.get_by_role("link", name=re.compile("edited in Drive"))).to_be_visible()
    contract.refresh_from_db()
    assert (contract.status, contract.versions.count(), world.content(contract)) == ("SIGNED", 2, theirs)
    aside = Document.objects.exclude(pk=contract.pk).get(title__contains="edited in Drive")
    assert world.content(aside) == pdf(after=b"% one more zero\n")


def generate(page: Page) -> None:
    """Make a contract of the deal, from the Word file, and open it."""
    button = page.get_by_role("link", name="Generate document")
    expect(button).to_have_count(1)
    button.click()
    page.get_by_label("Template").select_option(label="House contract · English")
    page.get_by_label("Terms").fill("Payment within ten days.")
    expect(page.locator("[data-paper-sheets] img").first).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("button", name="Make the contract").click()
    page.wait_for_url("**/admin/documents/generation/*/change/")
    page.get_by_role("link", name="Open the document").click(timeout=2 * PATIENCE_MS)
    page.wait_for_url("**/admin/documents/document/*/change/")


def in_step(page: Page) -> None:
    expect(page.locator("#panel-drive")).to_contain_text("in step", timeout=PATIENCE_MS)


def send_out(page: Page) -> None:
    page.get_by_text("Send for signature", exact=True).first.click()
    page.locator("#party-name-1").fill("Anna Client")
    page.locator("#party-email-1").fill(ANNA)
    page.get_by_role("button", name="Send for signature").click()
    expect(page.get_by_text("Anna Client").first).to_be_visible()
    page.evaluate("window.isTheSame = true")


def accept(phone: Page, mail: Path, worker: "Running") -> None:
    """Read and accept as somebody who has nothing but the letters."""
    phone.set_default_timeout(PATIENCE_MS)
    invitation = letter(mail, worker, lambda text: "/sign/" in text)
    found = re.search(r"https?://\S+/sign/\S+", invitation)
    assert found is not None, invitation
    phone.goto(found[0])
    expect(phone.get_by_role("img", name="Page 1")).to_be_visible()
    phone.get_by_label("I have read this document").check()
    phone.get_by_role("button", name="Send me the code").click()
    phone.get_by_label("Code from the letter").fill(
        code_in(letter(mail, worker, lambda text: "/sign/" not in text))
    )
    phone.get_by_role("button", name="Accept the document").click()
    expect(phone.get_by_text("You accepted this document on")).to_be_visible()


def letter(mail: Path, worker: "Running", is_meant: Callable[[str], bool]) -> str:
    """Return the letter to Anna that a worker has sent, once there is one."""
    found: list[str] = []

    def has_come() -> bool:
        found[:] = [text for text in letters(mail) if is_meant(text)]
        return bool(found)

    worker.await_true(has_come, "letter", within=2 * WAIT_S)
    return found[-1]


def letters(mail: Path) -> list[str]:
    """Return the texts of the letters to Anna that lie in a directory."""
    texts = []
    for path in sorted(mail.glob("*.log")):
        for raw in path.read_bytes().split(b"-" * 79):
            each: Any = email.message_from_bytes(raw.strip(), policy=email.policy.default)
            if each["To"] == ANNA:
                texts.append(each.get_body(("plain",)).get_content())
    return texts
