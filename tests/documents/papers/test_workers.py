"""A real worker dies while it makes a paper: another goes on, and there is one document with one number."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from apps.documents.models import Document, DocumentVersion, Generation, NumberSequence
from tests.crm.factories import make_admin
from tests.documents.papers.factories import asked, bytes_of, make_sale, shipped
from tests.documents.papers.files import pdf_text

if TYPE_CHECKING:
    from tests.support.processes import Processes

pytestmark = pytest.mark.slow


def await_paper(one: Generation, condition: Callable[[Generation], bool], within: float = 60) -> Generation:
    """Wait until the row says so."""
    deadline = time.monotonic() + within
    while True:
        found = Generation.objects.select_related("job", "document", "document_version__blob").get(pk=one.pk)
        if condition(found):
            return found
        assert time.monotonic() < deadline, found.job and (found.job.state, found.job.error)
        time.sleep(0.05)


# The number drawn and nothing committed; all of that committed; the file made and not yet kept; kept and added, and
# nobody knows yet.
@pytest.mark.parametrize(
    ("place", "is_numbered"),
    [
        ("generation.numbered:1", False),
        ("job.after_commit:1", True),
        ("generation.rendered:1", True),
        ("generation.added:1", True),
    ],
)
def test_a_paper_survives_its_worker(artel_processes: "Processes", place: str, is_numbered: bool) -> None:
    admin = make_admin()
    one = asked(shipped("contract"), make_sale(admin), admin)
    doomed = artel_processes.worker(ARTEL_FAILPOINT=place)
    doomed.await_line("signal 9 (SIGKILL)", within=60)
    doomed.kill()
    assert Document.objects.filter(number__isnull=False).exists() is is_numbered
    assert not DocumentVersion.objects.exists()
    artel_processes.worker()
    artel_processes.beat()
    one = await_paper(one, lambda found: found.job is not None and found.job.is_finished)
    assert one.job is not None
    assert (one.job.state, one.job.error, one.job.attempt) == ("SUCCEEDED", None, 2)
    document = Document.objects.get()
    assert document.number is not None
    assert document.number.endswith("-00001")
    assert NumberSequence.objects.get().last == 1
    assert DocumentVersion.objects.get() == one.document_version
    assert document.number in pdf_text(bytes_of(one))
