"""The page that sends files, in a real browser: many at once, refused in words, paused, gone on with after a break."""

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.documents.corpus import pdf, png

if TYPE_CHECKING:
    from pathlib import Path

    from apps.accounts.models import User
    from tests.support.processes import Processes

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
ADDRESS = "/admin/documents/uploadsession/add/"
PATIENCE_MS = 60_000


@pytest.fixture
def open_page(
    ada: "User",
    enter: Callable[..., Page],
) -> Callable[[str], Page]:
    def open_at(query: str = "") -> Page:
        page = enter(ada, ADDRESS + query)
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        return page

    return open_at


def choose(page: Page, *files: tuple[str, bytes, str]) -> None:
    payload: list[Any] = [{"name": name, "buffer": data, "mimeType": kind} for name, data, kind in files]
    page.locator("input[data-files]").set_input_files(payload)


def row_of(page: Page, name: str) -> Any:
    return page.locator(".upload-file", has=page.locator(".upload-name", has_text=name))


def test_many_at_once_and_what_is_refused_says_why(open_page: Callable[..., Page]) -> None:
    from apps.documents.models import Document
    from tests.documents.factories import make_folder

    folder = make_folder("Inbox")
    page = open_page(f"?folder={folder.pk}")
    expect(page.locator(".upload-for")).to_contain_text("Inbox")
    choose(
        page,
        *((f"scan {number}.pdf", pdf(before=b"\n" * number), "application/pdf") for number in range(5)),
        ("photo.png", b"<html><script>document.title = 'pwned'</script>", "image/png"),
        ("empty.txt", b"", "text/plain"),
    )
    expect(page.locator("[data-total-text]")).to_contain_text("6 of 7 files")
    expect(page.locator("[data-total-text]")).to_contain_text("not taken: 1")
    refused = row_of(page, "photo.png")
    expect(refused.locator("[data-state]")).to_contain_text("The name ends in .png, but this is a web page")
    assert Document.objects.filter(folder=folder).count() == 6
    assert set(Document.objects.values_list("title", flat=True)) == {
        *(f"scan {number}" for number in range(5)),
        "empty",
    }


def test_dropped_and_pasted(open_page: Callable[..., Page]) -> None:
    page = open_page()
    give = """(how) => {
        const data = new DataTransfer();
        data.items.add(new File(["hello"], how + ".txt", { type: "text/plain" }));
        const event = how === "drop" ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
            : new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
        document.querySelector("[data-drop]").dispatchEvent(event);
    }"""
    for how in ("drop", "paste"):
        page.evaluate(give, how)
        expect(row_of(page, f"{how}.txt")).to_have_attribute("data-is", "done")


def test_a_new_version_takes_one_file(open_page: Callable[..., Page], ada: "User") -> None:
    from tests.documents.factories import make_document

    document = make_document(ada, "Contract", content=b"one")
    page = open_page(f"?document={document.pk}")
    expect(page.locator("h1, .upload-for").first).to_be_visible()
    assert page.locator("[data-type]").count() == 0
    assert page.locator("input[data-files]").get_attribute("multiple") is None
    choose(page, ("contract.pdf", pdf(), "application/pdf"))
    expect(row_of(page, "contract.pdf")).to_have_attribute("data-is", "done")
    document.refresh_from_db()
    assert document.versions.count() == 2


def test_a_lost_connection_goes_on_by_itself(open_page: Callable[..., Page]) -> None:
    """The second piece is lost on its way twice; what came before is not sent again."""
    from apps.documents.models import Blob, UploadSession

    page = open_page()
    data = png() + b"\1" * (20 * 1024 * 1024)
    offsets: list[str] = []
    failures = iter([True, True])

    def on_its_way(route: Route) -> None:
        if route.request.method != "PATCH":
            route.fallback()
            return
        offset = route.request.headers["upload-offset"]
        offsets.append(offset)
        if offset != "0" and next(failures, False):
            route.abort("connectionreset")
        else:
            route.fallback()

    page.route(re.compile("/content/"), on_its_way)
    choose(page, ("big.png", data, "image/png"))
    expect(row_of(page, "big.png")).to_have_attribute("data-is", "done")
    size = 4 * 1024 * 1024
    assert offsets == ["0", *[str(size)] * 3, *(str(number * size) for number in range(2, 6))]
    assert Blob.objects.get().size == len(data)
    assert UploadSession.objects.count() == 1


def test_a_check_that_died_is_taken_up_again_by_the_page(open_page: Callable[..., Page]) -> None:
    """No beat runs here, and no worker: what goes on is the page itself."""
    from django.utils import timezone

    from apps.documents.models import Blob, UploadSession

    page = open_page()
    finishes: list[str] = []

    def on_its_way(route: Route) -> None:
        finishes.append(route.request.url)
        if len(finishes) > 1:
            route.fallback()
            return
        # As a process leaves it that dies while it checks.
        UploadSession.objects.update(state="VERIFYING", attempt=1, lease_until=timezone.now())
        route.abort("connectionreset")

    page.route(re.compile("/finish/"), on_its_way)
    choose(page, ("notes.txt", b"hello", "text/plain"))
    expect(row_of(page, "notes.txt")).to_have_attribute("data-is", "done")
    assert UploadSession.objects.get().attempt == 2
    assert Blob.objects.get().size == 5


def test_paused_by_keyboard_and_gone_on_with_after_a_reload(
    open_page: Callable[..., Page], tmp_path: "Path"
) -> None:
    from apps.documents.models import Blob, UploadSession

    page = open_page()
    # A file of the disk: it is the same one after the reload, with its time.
    path = tmp_path / "large.bin"
    path.write_bytes(b"\1\2" * (12 * 1024 * 1024))
    other = tmp_path / "other" / "large.bin"
    other.parent.mkdir()
    other.write_bytes(b"\1\2" * (12 * 1024 * 1024) + b"x")
    page.route(re.compile("/content/"), lambda route: held(route, page))
    page.locator("input[data-files]").set_input_files(path)
    row = row_of(page, "large.bin")
    expect(row).to_have_attribute("data-is", "sending")
    page.wait_for_function("document.querySelector('.upload-file progress').value > 0.1")
    # What the browser has sent, the server has yet to keep.
    deadline = time.monotonic() + 30
    while UploadSession.objects.get().offset == 0 and time.monotonic() < deadline:
        page.wait_for_function("true")
    pause = row.get_by_role("button", name="Pause")
    pause.focus()
    page.keyboard.press("Enter")
    expect(row).to_have_attribute("data-is", "paused")
    sent = UploadSession.objects.get().offset
    assert 0 < sent < path.stat().st_size

    page.unroute(re.compile("/content/"))
    page.reload()
    row = row_of(page, "large.bin")
    expect(row).to_have_attribute("data-is", "again")
    row.locator("[data-again] input").set_input_files(other)
    expect(row.locator("[data-state]")).to_contain_text("not the file that was begun")
    offsets: list[str] = []
    page.on("request", lambda asked: offsets.append(asked.headers.get("upload-offset", "")))
    # Dropped among others, it is known again as well.
    page.locator("input[data-files]").set_input_files(path)
    expect(row).to_have_attribute("data-is", "done")
    assert next(offset for offset in offsets if offset) == str(sent)
    assert page.locator(".upload-file").count() == 1
    assert UploadSession.objects.get().state == "READY"
    assert Blob.objects.get().size == path.stat().st_size


def held(route: Route, page: Page) -> None:
    """Let the first piece through, and no other while the person thinks."""
    if route.request.method != "PATCH" or route.request.headers["upload-offset"] == "0":
        route.fallback()


def test_large_files_are_checked_by_a_worker(
    open_page: Callable[..., Page], artel_processes: "Processes"
) -> None:
    from apps.documents.models import UploadSession

    page = open_page()
    data = b"\1\2\3\4" * (17 * 1024 * 1024)
    path = artel_processes.directory / "huge.bin"
    path.write_bytes(data)
    page.locator("input[data-files]").set_input_files(path)
    row = row_of(page, "huge.bin")
    expect(row).to_have_attribute("data-is", "checking")
    assert UploadSession.objects.get().state == "VERIFYING"
    artel_processes.worker(is_awaited=False)
    expect(row).to_have_attribute("data-is", "done", timeout=180_000)
