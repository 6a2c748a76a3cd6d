"""What is made of contents to look at, and what becomes of files that were made to break whoever reads them."""

import http.server
import io
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from PIL import Image

from apps.accounts.models import User
from apps.documents import sandbox, tasks
from apps.documents.models import Blob, Document, Rendition
from apps.documents.selectors import picture_of, pictured_pages, preview_of
from apps.documents.services import blobs, documents, renditions
from apps.events.models import Delivery, Event
from apps.events.registry import receivers_of
from apps.events.services import deliver
from tests.documents.factories import kind, make_content
from tests.documents.serving import files

pytestmark = pytest.mark.django_db
Maker = Callable[..., Document]
State, Reason = Rendition.State, Rendition.Reason


def made(content: bytes, content_type: str) -> Blob:
    """Keep a content and do with it what a worker does."""
    blob = blobs.keep(io.BytesIO(content), content_type=content_type)
    renditions.request_renditions(blob)
    renditions.make_renditions(blob.pk)
    return blob


def preview(blob: Blob) -> Rendition:
    found = preview_of(blob)
    assert found is not None
    return found


def read(blob: Blob | None) -> bytes:
    assert blob is not None
    with blobs.open_blob(blob) as file:
        return file.read()


def test_a_pdf_is_its_own_preview_with_pictures_of_its_pages(settings: Any) -> None:
    settings.DOCUMENTS_PREVIEW_PAGES = 2
    blob = made(files.pdf("One", "Two", "Three"), "application/pdf")
    assert preview(blob).blob == blob
    assert preview(blob).page_count == 3
    assert pictured_pages(blob) == [1, 2]
    with Image.open(io.BytesIO(read(picture_of(blob, page=1)))) as page:
        assert (page.format, max(page.size)) == ("WEBP", 1600)
    with Image.open(io.BytesIO(read(picture_of(blob)))) as small:
        assert max(small.size) == 400


@pytest.mark.parametrize(
    "content",
    [
        files.active_pdf(),
        files.pdf("x", catalog="/Names << /JavaScript << /Names [] >> >>"),
        files.pdf("x", extra="<< /S /Launch /F (calc.exe) >>"),
        files.pdf("x", extra="<< /Type /Action /S /SubmitForm /F (http://x/) >>"),
        files.pdf("x", catalog="/AcroForm << /XFA [] >>"),
        files.pdf("x", catalog="/Names << /EmbeddedFiles << /Names [] >> >>"),
    ],
)
def test_of_a_pdf_that_acts_only_pictures_are_shown(content: bytes) -> None:
    blob = made(content, "application/pdf")
    assert preview(blob).blob == picture_of(blob, page=1) != blob


def test_pictures_lose_what_their_camera_wrote() -> None:
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    blob = made(files.picture("JPEG", (3000, 2000), exif=exif.tobytes()), "image/jpeg")
    shown = read(preview(blob).blob)
    assert b"taken at home" not in shown
    with Image.open(io.BytesIO(shown)) as image:
        assert (image.format, image.size) == ("WEBP", (1600, 1067))


def test_a_text_is_shown_as_it_is() -> None:
    blob = made(b"<script>alert(1)</script>", "text/plain")
    assert preview(blob).blob == blob
    assert pictured_pages(blob) == []


@pytest.mark.parametrize(
    ("content", "content_type", "reason"),
    [
        (b"%PDF-1.7 nothing", "application/pdf", Reason.DAMAGED),
        (files.SVG, "image/svg+xml", Reason.UNSUPPORTED),
        # Called a picture by whoever; the picture's reader knows no such format.
        (files.SVG, "image/png", Reason.DAMAGED),
        (b"x", "application/zip", Reason.UNSUPPORTED),
    ],
)
def test_a_refusal_says_why(content: bytes, content_type: str, reason: str) -> None:
    blob = made(content, content_type)
    assert (preview(blob).state, preview(blob).reason, preview(blob).blob) == (State.REFUSED, reason, None)


@pytest.mark.usefixtures("office")
def test_a_broken_office_file() -> None:
    assert preview(made(files.docx("cut")[:300], files.WORD)).reason == Reason.DAMAGED


def test_too_large_to_look_at(settings: Any) -> None:
    settings.DOCUMENTS_MAX_PIXELS = 1_000
    assert preview(made(files.picture(), "image/png")).reason == Reason.TOO_LARGE
    settings.DOCUMENTS_PREVIEW_MAX_BYTES = 3
    assert preview(made(b"more than three", "text/plain")).reason == Reason.TOO_LARGE


@pytest.mark.usefixtures("office")
def test_office_files_become_pdf() -> None:
    word = made(files.docx("Hello from Word"), files.WORD)
    sheet = made(files.xlsx(["Hello", 5]), files.SHEET)
    for blob in (word, sheet):
        shown = preview(blob)
        assert shown.blob is not None, shown.reason
        assert read(shown.blob).startswith(b"%PDF-")
        assert (shown.blob.content_type, pictured_pages(blob)) == ("application/pdf", [1])


@pytest.mark.usefixtures("office")
def test_without_libreoffice_it_says_so(monkeypatch: pytest.MonkeyPatch, admin: User, paper: Maker) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    blob = made(files.docx("Hello"), files.WORD)
    assert preview(blob).reason == Reason.NO_PROGRAM
    document = paper(files.docx("Hello"), files.WORD, "contract.docx")
    client = Client()
    client.force_login(admin)
    response = client.get(f"/documents/versions/{document.current_version_id}/preview/")
    assert response.status_code == 404
    assert preview(blob).reason in Reason.values
    monkeypatch.undo()
    renditions.request_again([blob.pk])
    renditions.make_renditions(blob.pk)
    assert preview(blob).state == State.READY


@pytest.fixture
def trap() -> Iterator[tuple[str, list[str]]]:
    """A server on this machine that notes who calls it."""
    calls: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def handle(self) -> None:
            calls.append(self.rfile.readline().decode(errors="replace"))

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", calls
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("office")
def test_libreoffice_calls_nobody(trap: tuple[str, list[str]]) -> None:
    address, calls = trap
    rels = (
        '<Relationship Id="p1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/image" '
        f'Target="{address}/picture.png" TargetMode="External"/>'
    )
    body = (
        '<w:p><w:r><w:drawing><wp:inline><wp:extent cx="990000" cy="990000"/><wp:docPr id="1" name="p"/><a:graphic>'
        '<a:graphicData uri="http://schemas.openxmlformats.org/drawingml/2006/picture"><pic:pic><pic:nvPicPr>'
        '<pic:cNvPr id="1" name="p"/><pic:cNvPicPr/></pic:nvPicPr><pic:blipFill><a:blip r:link="p1"/></pic:blipFill>'
        '<pic:spPr><a:xfrm><a:off x="0" y="0"/><a:ext cx="990000" cy="990000"/></a:xfrm><a:prstGeom prst="rect"/>'
        "</pic:spPr></pic:pic></a:graphicData></a:graphic></wp:inline></w:drawing></w:r></w:p>"
    )
    blob = made(files.docx("Look", rels=rels, body=body), files.WORD)
    assert preview(blob).state == State.READY
    assert calls == []


def test_a_file_that_takes_too_long_ends(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Any
) -> None:
    settings.DOCUMENTS_SANDBOX_SECONDS = 1
    settings.DOCUMENTS_SANDBOX_GRACE = 1
    for body in (
        "while True: pass",
        "import time; time.sleep(60)",
        "import os; os.fork() or __import__('time').sleep(60)",
    ):
        worker = tmp_path / "worker.py"
        worker.write_text(
            "import resource, sys, json\n"
            "seconds = json.loads(sys.argv[2])['seconds']\n"
            "resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))\n" + body
        )
        monkeypatch.setattr(sandbox, "_WORKER", worker)
        started = time.monotonic()
        with pytest.raises(sandbox.Refused) as refused, sandbox.work("pdf", io.BytesIO(b"x")):
            pytest.fail("nothing can have come of it")
        assert refused.value.reason == "TOO_SLOW"
        assert time.monotonic() - started < 20


def test_the_process_knows_no_secrets_and_has_its_limits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Any
) -> None:
    monkeypatch.setenv("SECRET_KEY", "a secret")
    source = Path(sandbox._WORKER).read_text()
    spy = (
        "\ndef spy(options):\n"
        "    names = ('RLIMIT_AS', 'RLIMIT_CPU', 'RLIMIT_CORE')\n"
        "    limits = {n: resource.getrlimit(getattr(resource, n))[1] for n in names}\n"
        "    with open('/proc/net/dev') as net:\n"
        "        devices = [line.split(':')[0].strip() for line in net if ':' in line]\n"
        "    return {'environment': sorted(os.environ), 'limits': limits, 'devices': devices, 'here': os.listdir()}\n"
        "TASKS['spy'] = spy\n"
    )
    worker = tmp_path / "worker.py"
    worker.write_text(source.replace('\nif __name__ == "__main__":', spy + '\nif __name__ == "__main__":'))
    monkeypatch.setattr(sandbox, "_WORKER", worker)
    with sandbox.work("spy", io.BytesIO(b"x")) as outcome:
        facts = outcome.facts
    proxies = ["all_proxy", "http_proxy", "https_proxy"]
    assert facts["environment"] == ["HOME", "LANG", "PATH", "TMPDIR", *proxies]
    assert facts["limits"] == {
        "RLIMIT_AS": settings.DOCUMENTS_SANDBOX_MEMORY,
        "RLIMIT_CPU": settings.DOCUMENTS_SANDBOX_SECONDS + 1,
        "RLIMIT_CORE": 0,
    }
    assert facts["here"] == []
    # Where the kernel lets people have a network of their own, it is all there is.
    may_leave = subprocess.run(
        ["unshare", "--map-root-user", "--net", "true"], check=False, capture_output=True
    )
    if may_leave.returncode == 0:
        assert facts["devices"] == ["lo"]


def test_what_points_elsewhere_is_not_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(
        "import os; os.symlink('/etc/passwd', 'out-page-1.webp'); open('out-page-2.webp', 'w').close()"
    )
    monkeypatch.setattr(sandbox, "_WORKER", worker)
    with sandbox.work("pdf", io.BytesIO(b"x")) as outcome:
        assert [path.name for path in outcome.files] == ["out-page-2.webp"]


def test_asked_twice_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    blob = blobs.keep(io.BytesIO(files.picture()), content_type="image/png")
    assert renditions.request_renditions(blob)
    worked: list[str] = []
    work = sandbox.work

    def counted(task: str, *rest: Any, **more: Any) -> Any:
        worked.append(task)
        return work(task, *rest, **more)

    monkeypatch.setattr(sandbox, "work", counted)
    renditions.make_renditions(blob.pk)
    assert not renditions.request_renditions(blob)
    renditions.make_renditions(blob.pk)
    assert worked == ["picture"]
    assert Rendition.objects.filter(source=blob).count() == 3


def test_who_dies_at_it_leaves_it_to_the_next_but_not_for_ever() -> None:
    blob = blobs.keep(io.BytesIO(files.picture()), content_type="image/png")
    renditions.request_renditions(blob)
    for _attempt in range(3):
        # A worker that was killed has claimed it and nothing more.
        assert renditions._claim(blob.pk)
        assert not renditions._claim(blob.pk)
        Rendition.objects.update(claimed_until=None)
    renditions.make_renditions(blob.pk)
    assert preview(blob).state == State.REFUSED


def test_a_new_content_is_made_ready_by_what_hears_of_it(
    admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, Any]] = []
    monkeypatch.setattr(tasks, "enqueue_on_commit", lambda task, **kwargs: sent.append((task.name, kwargs)))
    document = documents.create_document(
        actor=admin, type_id=kind().pk, title="Notes", content=make_content(b"words", "notes.txt")
    )
    event = Event.objects.get()
    (receiver,) = (name for name in receivers_of(event.type) if name.endswith(".prepare_content"))
    Delivery.objects.create(event=event, receiver=receiver, next_attempt_at=timezone.now())
    deliver(event.pk, receiver)
    assert document.current_version is not None
    assert sent == [
        ("apps.documents.tasks.make_renditions", {"blob_id": document.current_version.blob_id}),
        ("apps.documents.tasks.read_text", {"document_id": document.pk}),
    ]
